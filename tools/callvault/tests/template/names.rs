//! A function has one name: its directory, its binary, its route, its resource, its event, its field in the logs.

use std::collections::BTreeSet;

use catalog::PUSH_FUNCTIONS;
use local_stack::functions::SCHEDULED_FUNCTIONS;

use crate::template::{Template, list, read, read_json, references, root};

/// The names of a folder's files, less their ending.
fn stems(folder: &str, ending: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    entries
        .filter_map(|entry| {
            entry.unwrap().file_name().to_str().unwrap().strip_suffix(ending).map(str::to_owned)
        })
        .collect()
}

/// The functions that there are.
fn functions() -> BTreeSet<String> {
    stems("functions", "")
}

#[test]
fn a_function_has_the_same_name_everywhere() {
    let template = Template::read();
    let resources = template.functions();
    for name in functions() {
        let manifest = read(&format!("functions/{name}/Cargo.toml"));
        assert!(manifest.contains(&format!("[[bin]]\nname = \"{name}\"\n")), "{name}: its binary");
        let properties =
            &resources.get(&name).unwrap_or_else(|| panic!("{name}: its resource")).definition["Properties"];
        assert_eq!(properties["CodeUri"], format!("functions/{name}"), "{name}: where it is built");
        assert!(root().join(format!("events/{name}.json")).exists(), "{name}: its event");
    }
    let events: BTreeSet<_> = stems("events", ".json").into_iter().filter(|name| name != "env").collect();
    assert_eq!(events, functions(), "an event for each function, and no other");
}

#[test]
fn a_push_function_has_its_route_and_any_other_its_schedule() {
    let template = Template::read();
    for (name, resource) in template.functions() {
        let events = resource.definition["Properties"]["Events"].as_object().unwrap();
        let [event] = &events.values().collect::<Vec<_>>()[..] else { panic!("{name}: one trigger") };
        match PUSH_FUNCTIONS.iter().find(|function| function.push.function == name) {
            Some(_) => {
                assert_eq!(event["Type"], "HttpApi", "{name}");
                assert_eq!(event["Properties"]["Method"], "POST", "{name}");
                assert_eq!(event["Properties"]["Path"], format!("/push/{name}/{{token}}"), "{name}");
                let sample = read_json(&format!("events/{name}.json"));
                assert_eq!(sample["routeKey"], format!("POST /push/{name}/{{token}}"), "{name}: its event");
                let url = &template.section("Outputs")[format!("{}Url", resource.name)]["Value"]["Fn::Sub"];
                assert_eq!(url[0], format!("${{Base}}/push/{name}/{{token}}"), "{name}: its URL");
                assert_eq!(url[1]["Base"], template.section("Outputs")["ApiUrl"]["Value"], "{name}: its URL");
            }
            None => {
                assert_eq!(event["Type"], "ScheduleV2", "{name}");
                assert_eq!(event["Properties"]["RetryPolicy"]["MaximumRetryAttempts"], 0, "{name}");
                if let Some(function) = SCHEDULED_FUNCTIONS.iter().find(|function| function.name == name) {
                    let rate = format!("rate({} minutes)", function.every.as_secs() / 60);
                    assert_eq!(event["Properties"]["ScheduleExpression"], rate, "{name}");
                }
                let invoked = &resource.definition["Properties"]["EventInvokeConfig"];
                assert_eq!(invoked["MaximumRetryAttempts"], 0, "{name}");
            }
        }
    }
    let pushes = PUSH_FUNCTIONS.iter().map(|function| function.push.function.to_owned());
    let scheduled = SCHEDULED_FUNCTIONS.iter().map(|function| function.name.to_owned());
    let local: BTreeSet<_> = pushes.chain(scheduled).collect();
    assert_eq!(local, functions(), "the local stack has every function");
}

#[test]
fn every_parameter_is_explained_grouped_and_used() {
    let template = Template::read();
    let parameters: BTreeSet<_> = template.parameters().keys().cloned().collect();
    for (name, parameter) in template.parameters() {
        assert!(parameter["Description"].as_str().is_some_and(|text| text.ends_with('.')), "{name}");
    }
    let groups = template.section("Metadata")["AWS::CloudFormation::Interface"]["ParameterGroups"].clone();
    let grouped: Vec<_> = list(&groups)
        .iter()
        .flat_map(|group| list(&group["Parameters"]))
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(grouped.iter().cloned().collect::<BTreeSet<_>>(), parameters);
    assert_eq!(grouped.len(), parameters.len(), "each in one group");
    let used: BTreeSet<_> = ["Globals", "Conditions", "Resources", "Outputs"]
        .into_iter()
        .flat_map(|section| references(template.section(section)))
        .collect();
    assert_eq!(parameters.difference(&used).collect::<Vec<_>>(), [""; 0], "without use");
}

#[test]
fn the_access_log_names_nothing_that_holds_the_token() {
    let template = Template::read();
    let format =
        template.resource("Api")["Properties"]["AccessLogSettings"]["Format"].as_str().unwrap().to_owned();
    let logged: Vec<_> =
        format.split("$context.").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(logged.contains(&"routeKey") && logged.contains(&"status"), "{logged:?}");
    // <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html>
    for variable in logged {
        let harmless = [
            "requestId",
            "requestTimeEpoch",
            "routeKey",
            "status",
            "identity.sourceIp",
            "identity.userAgent",
            "responseLength",
            "responseLatency",
            "integrationLatency",
            "integration.error",
        ];
        assert!(harmless.contains(&variable), "{variable} may hold the path, and with it the token");
    }
    serde_json::from_str::<serde_json::Value>(&format).unwrap();
}

#[test]
fn what_holds_data_outlives_the_stack() {
    let template = Template::read();
    // A first deployment that fails leaves the table, which is protected, and not the bucket, which is empty.
    for (name, policy) in [("Table", "Retain"), ("Bucket", "RetainExceptOnCreate")] {
        let resource = template.resource(name);
        assert_eq!(resource["DeletionPolicy"], policy, "{name}");
        assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{name}");
    }
}

/// What a new stack takes the stores over by: a difference would be made up for by the deployment that follows, on stores that have
/// it already.
#[test]
fn the_stores_are_the_same_in_both_templates() {
    let (template, stores) = (Template::read(), Template::read_from("stores.yaml"));
    let names: BTreeSet<_> = stores.section("Resources").as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, BTreeSet::from(["Bucket".to_owned(), "Table".to_owned()]));
    for name in names {
        assert_eq!(stores.resource(&name), template.resource(&name), "{name}");
    }
    for section in ["Parameters", "Conditions"] {
        for (name, definition) in stores.section(section).as_object().unwrap() {
            assert_eq!(definition, &template.section(section)[name], "{name}");
        }
    }
}

/// What a parameter could change would differ from what was built.
#[test]
fn the_processors_are_written_out() {
    let template = Template::read();
    assert_eq!(template.section("Globals")["Function"]["Architectures"], serde_json::json!(["arm64"]));
    for (name, function) in template.functions() {
        assert!(
            function.definition["Properties"].get("Architectures").is_none(),
            "{name} has others than the rest"
        );
    }
}

/// Lambda's settings are text: a number is refused by some of what reads a template, and changed by others.
#[test]
fn settings_are_text() {
    let template = Template::read();
    for name in template.functions().keys() {
        for (variable, value) in template.environment(name) {
            assert!(value.is_string() || value.is_object(), "{name}: {variable} is {value}");
        }
    }
}
