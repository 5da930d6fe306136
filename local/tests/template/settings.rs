//! What a function reads of its environment, against what the template declares for it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use callvault::functions::PUSH_FUNCTIONS;
use callvault::token;
use shared::config::{Environment, PushConfig};
use shared::push::Receiver;

use crate::template::{Template, read_json};

/// What a push function asks its environment for, Lambda's own variables aside: noted while it starts.
fn read_by_push_functions() -> BTreeSet<String> {
    let asked = RefCell::new(BTreeSet::new());
    let look_up = |variable: &str| {
        asked.borrow_mut().insert(variable.to_owned());
        match variable {
            "PUSH_TOKEN_SHA256" => Some(token::digest("local")),
            "TABLE_NAME" | "BUCKET_NAME" => Some("callvault".to_owned()),
            "DYNAMODB_ENDPOINT" | "S3_ENDPOINT" => Some("http://127.0.0.1:1".to_owned()),
            _ => None,
        }
    };
    Receiver::new(&Environment::new(&look_up)).unwrap();
    asked.into_inner().into_iter().filter(|variable| !variable.starts_with("AWS_")).collect()
}

#[test]
fn a_push_function_is_given_what_it_reads_and_nothing_else() {
    let template = Template::read();
    let read = read_by_push_functions();
    assert!(read.contains("MAX_BODY_BYTES"), "{read:?}");
    for function in PUSH_FUNCTIONS {
        let name = function.push.function;
        assert_eq!(template.environment(name).into_keys().collect::<BTreeSet<_>>(), read, "{name}");
    }
}

#[test]
fn the_defaults_of_the_template_are_those_of_the_code() {
    let template = Template::read();
    let declared = template.environment("alicom-call-report");
    let digest = token::digest("local");
    let config = |settings: &BTreeMap<String, String>| {
        let look_up = |variable: &str| match variable {
            "PUSH_TOKEN_SHA256" => Some(digest.clone()),
            _ => settings.get(variable).cloned(),
        };
        format!("{:?}", PushConfig::read(&Environment::new(&look_up)).unwrap())
    };
    let defaults = declared
        .iter()
        .filter_map(|(variable, value)| Some((variable.clone(), template.default(value)?)))
        .collect::<BTreeMap<_, _>>();
    assert!(defaults.contains_key("MAX_BODY_BYTES"), "{defaults:?}");
    assert_eq!(config(&defaults), config(&BTreeMap::new()));
}

#[test]
fn the_environment_for_local_use_names_what_is_declared_and_the_local_token() {
    let template = Template::read();
    let declared: BTreeSet<_> =
        template.functions().keys().flat_map(|name| template.environment(name).into_keys()).collect();
    let environment = read_json("events/env.json")["Parameters"].clone();
    for variable in environment.as_object().unwrap().keys() {
        assert!(
            declared.contains(variable),
            "{variable} is declared for no function: it would have no effect"
        );
    }
    assert_eq!(environment["PUSH_TOKEN_SHA256"], token::digest("local"));
}
