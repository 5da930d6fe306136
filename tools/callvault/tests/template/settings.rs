//! What a function reads of its environment, against what the template declares for it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use archive_recordings::{ArchiveConfig, Archiver};
use catalog::PUSH_FUNCTIONS;
use catalog::token;
use console::{Console, Served};
use export_calls::{Exporter, Settings};
use fetch_conversations::{Conversations, FetchConfig};
use local_stack::functions::SCHEDULED_FUNCTIONS;
use publish_changes::{PublishConfig, Publisher};
use query_calls::QueryCalls;
use runtime::auth::config::AuthConfig;
use runtime::config::{Environment, PushConfig};
use runtime::ingress::receive::Receiver;
use runtime::outbound::fetch::SystemResolver;
use runtime::store::access::AccessRetention;
use serde_json::json;
use shared::access::RoleGroups;
use shared::access::actor::RESOURCE_SERVER;
use shared::access::permission::PERMISSIONS;
use sweep_erased::Sweeper;

use crate::template::{Template, read_json};

/// What a function asks its environment for, Lambda's own variables aside: noted while it starts.
async fn read_by(function: &str) -> BTreeSet<String> {
    let asked = RefCell::new(BTreeSet::new());
    let look_up = |variable: &str| {
        asked.borrow_mut().insert(variable.to_owned());
        match variable {
            "PUSH_TOKEN_SHA256" => Some(token::digest("local")),
            "TABLE_NAME" | "BUCKET_NAME" | "ANALYTICS_BUCKET_NAME" => Some("callvault".to_owned()),
            "DYNAMODB_ENDPOINT" | "S3_ENDPOINT" => Some("http://127.0.0.1:1".to_owned()),
            "EVENT_BUS_NAME" => Some("callvault".to_owned()),
            _ => None,
        }
    };
    let environment = Environment::new(&look_up);
    match function {
        archive_recordings::FUNCTION => drop(Archiver::new(&environment, SystemResolver).await.unwrap()),
        fetch_conversations::FUNCTION => {
            let conversations = Conversations::new(&environment).unwrap();
            drop(conversations.credentials(&environment).await.unwrap());
        }
        sweep_erased::FUNCTION => drop(Sweeper::new(&environment).unwrap()),
        query_calls::FUNCTION => drop(QueryCalls::new(&environment).unwrap()),
        publish_changes::FUNCTION => drop(Publisher::new(&environment).unwrap()),
        console::FUNCTION => drop(Console::new(&environment, Served::OverHttps).unwrap()),
        export_calls::FUNCTION => drop(Exporter::new(&environment).unwrap()),
        push => {
            let push = PUSH_FUNCTIONS.iter().find(|function| function.push.function == push);
            let push = push.unwrap_or_else(|| panic!("how does {function} start?")).push;
            drop(Receiver::new(&environment, &[push]).unwrap());
        }
    }
    asked.into_inner().into_iter().filter(|variable| !variable.starts_with("AWS_")).collect()
}

#[tokio::test]
async fn a_function_is_given_what_it_reads_and_nothing_else() {
    let template = Template::read();
    let pushes = PUSH_FUNCTIONS.iter().map(|function| function.push.function);
    let scheduled = SCHEDULED_FUNCTIONS.iter().map(|function| function.name);
    let others = [query_calls::FUNCTION, console::FUNCTION, publish_changes::FUNCTION];
    for name in pushes.chain(scheduled).chain(others) {
        let read = read_by(name).await;
        assert!(read.contains("TABLE_NAME"), "{name}: {read:?}");
        assert_eq!(template.environment(name).into_keys().collect::<BTreeSet<_>>(), read, "{name}");
    }
}

/// Fails unless `read` makes the same of the template's defaults as of no settings at all.
fn check_defaults(function: &str, read: impl Fn(&Environment<'_>) -> String) {
    let template = Template::read();
    let defaults: BTreeMap<_, _> = template
        .environment(function)
        .into_iter()
        .filter_map(|(variable, value)| Some((variable, template.default(&value)?)))
        .collect();
    assert!(defaults.len() > 3, "{defaults:?}");
    let token = |variable: &str| match variable {
        "PUSH_TOKEN_SHA256" => Some(token::digest("local")),
        "EVENT_BUS_NAME" => Some("callvault".to_owned()),
        _ => None,
    };
    let given = |variable: &str| token(variable).or_else(|| defaults.get(variable).cloned());
    assert_eq!(read(&Environment::new(&given)), read(&Environment::new(&token)), "{function}");
}

#[test]
fn the_defaults_of_the_template_are_those_of_the_code() {
    for function in PUSH_FUNCTIONS {
        let read = |environment: &Environment<'_>| {
            format!("{:?}", PushConfig::read(environment, &[function.push]).unwrap())
        };
        check_defaults(function.push.function, read);
    }
    // With a lock, so that its mode shows.
    let read = |environment: &Environment<'_>| {
        let settings = ArchiveConfig::read(environment).unwrap();
        let locked = |variable: &str| match variable {
            "RECORDING_LOCK_DAYS" => Some("1".to_owned()),
            _ => environment.get(variable),
        };
        format!("{settings:?} {:?}", ArchiveConfig::read(&Environment::new(&locked)).unwrap().lock)
    };
    check_defaults(archive_recordings::FUNCTION, read);
    let read = |environment: &Environment<'_>| format!("{:?}", FetchConfig::read(environment).unwrap());
    check_defaults(fetch_conversations::FUNCTION, read);
    let read = |environment: &Environment<'_>| format!("{:?}", Settings::read(environment).unwrap());
    check_defaults(export_calls::FUNCTION, read);
    // The groups of the template's user pool are no default of the code: whoever names no group lets nobody in.
    let read = |environment: &Environment<'_>| {
        let settings = AuthConfig { roles: RoleGroups::default(), ..AuthConfig::read(environment).unwrap() };
        format!("{settings:?} {:?}", AccessRetention::read(environment).unwrap())
    };
    check_defaults(query_calls::FUNCTION, read);
    let read = |environment: &Environment<'_>| format!("{:?}", PublishConfig::read(environment).unwrap());
    check_defaults(publish_changes::FUNCTION, read);
    check_defaults(console::FUNCTION, |environment| console::scope(environment).unwrap());
}

/// The groups that `RoleGroups` names by default, and the scopes that programs ask for, are those of the user pool.
#[test]
fn the_user_pool_has_the_groups_and_the_permissions() {
    let template = Template::read();
    let groups = template.resources_of_type("AWS::Cognito::UserPoolGroup");
    let groups: BTreeSet<_> =
        groups.iter().map(|group| group.definition["Properties"]["GroupName"].as_str().unwrap()).collect();
    let roles: RoleGroups = template.parameters()["RoleGroups"]["Default"].as_str().unwrap().parse().unwrap();
    assert_eq!(roles.iter().map(|(group, _)| group).collect::<BTreeSet<_>>(), groups);
    let server = &template.resource("ResourceServer")["Properties"];
    assert_eq!(server["Identifier"], RESOURCE_SERVER);
    let scopes =
        server["Scopes"].as_array().unwrap().iter().map(|scope| scope["ScopeName"].as_str().unwrap());
    assert_eq!(scopes.collect::<Vec<_>>(), PERMISSIONS.iter().map(|row| row.name).collect::<Vec<_>>());
    let pool = &template.resource("UserPool")["Properties"];
    assert_eq!(pool["AdminCreateUserConfig"], json!({"AllowAdminCreateUserOnly": true}), "nobody signs up");
}

/// Nobody reads unless it is said, and no authorizer comes near the platforms' routes.
#[test]
fn readers_are_off_by_default_and_apart() {
    let template = Template::read();
    assert_eq!(template.parameters()["Readers"]["Default"], "false");
    let conditions = template.section("Conditions");
    let unless_said = |condition: &str| {
        let text = conditions[condition].to_string();
        condition == "HasReaders" || text.contains("HasReaders") || text.contains("HasUserPool")
    };
    for kind in ["Api", "Stage", "Integration", "Route", "Authorizer"] {
        for resource in template.resources_of_type(&format!("AWS::ApiGatewayV2::{kind}")) {
            let condition = resource.definition["Condition"].as_str().unwrap_or_default();
            assert!(unless_said(condition), "{}: {condition:?}", resource.name);
            let properties = &resource.definition["Properties"];
            assert!(properties.get("Body").is_none(), "{}", resource.name);
            if kind != "Api" {
                assert_eq!(properties["ApiId"], json!({"Ref": "ReadersApi"}), "{}", resource.name);
            }
        }
    }
    for kind in ["UserPool", "UserPoolClient", "UserPoolDomain", "UserPoolGroup", "UserPoolResourceServer"] {
        let resources = template.resources_of_type(&format!("AWS::Cognito::{kind}"));
        assert!(!resources.is_empty(), "{kind}");
        for resource in resources {
            let condition = resource.definition["Condition"].as_str().unwrap_or_default();
            assert!(unless_said(condition), "{}: {condition:?}", resource.name);
        }
    }
    assert_eq!(template.resource("MachineClient")["Condition"], "HasMachineClient", "it costs");
}

/// A bucket without Object Lock refuses locked recordings, and it can't be given any later.
#[test]
fn a_lock_without_object_lock_is_not_deployed() {
    let template = Template::read();
    let rule = &template.section("Rules")["LockingNeedsObjectLock"];
    let days = json!({"Fn::Equals": [{"Ref": "RecordingLockDays"}, "0"]});
    assert_eq!(rule["RuleCondition"], json!({"Fn::Not": [days]}));
    assert_eq!(rule["Assertions"][0]["Assert"], template.section("Conditions")["HasObjectLock"]);
    let bucket = &template.resource("Bucket")["Properties"];
    assert_eq!(
        bucket["ObjectLockEnabled"],
        json!({"Fn::If": ["HasObjectLock", true, {"Ref": "AWS::NoValue"}]})
    );
    assert!(bucket.get("ObjectLockConfiguration").is_none(), "rejects must be removable");
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
