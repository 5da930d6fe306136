//! Functions, parameters and stores have the names in the template that they have elsewhere.

use std::collections::BTreeSet;

use catalog::PUSH_FUNCTIONS;
use local_stack::functions::SCHEDULED_FUNCTIONS;
use serde_json::json;

use crate::template::{Resource, Template, list, references, root};

#[test]
fn any_function_that_is_not_pushed_to_has_its_schedule() {
    let template = Template::read();
    for function in SCHEDULED_FUNCTIONS {
        let name = function.name;
        let properties = &template.functions()[name].definition["Properties"];
        let events = properties["Events"].as_object().unwrap();
        let [event] = &events.values().collect::<Vec<_>>()[..] else { panic!("{name}: one trigger") };
        assert_eq!(event["Type"], "ScheduleV2", "{name}");
        assert_eq!(event["Properties"]["RetryPolicy"]["MaximumRetryAttempts"], 0, "{name}");
        let minutes = function.every.as_secs() / 60;
        let by_parameter = match name {
            archive_recordings::FUNCTION => Some("ArchiveInterval"),
            export_calls::FUNCTION => Some("ExportInterval"),
            _ => None,
        };
        if let Some(parameter) = by_parameter {
            let rate = &event["Properties"]["ScheduleExpression"]["Fn::Sub"];
            assert_eq!(*rate, format!("rate(${{{parameter}}})"));
            let interval = &template.parameters()[parameter]["Default"];
            let plural = if minutes == 1 { "" } else { "s" };
            assert_eq!(*interval, format!("{minutes} minute{plural}"));
        } else {
            let rate = format!("rate({minutes} minutes)");
            assert_eq!(event["Properties"]["ScheduleExpression"], rate, "{name}");
        }
        assert_eq!(properties["EventInvokeConfig"]["MaximumRetryAttempts"], 0, "{name}");
    }
}

/// For so many workers there are so many schedules, and each starts the archiver.
#[test]
fn there_is_a_schedule_for_each_worker_of_the_archiver() {
    let template = Template::read();
    let conditions = template.section("Conditions");
    let is = |workers: u64| json!({"Fn::Equals": [{"Ref": "ArchiveWorkers"}, workers]});
    assert_eq!(conditions["HasTwoWorkers"], json!({"Fn::Not": [is(1)]}));
    assert_eq!(conditions["HasFourWorkers"], json!({"Fn::Or": [is(4), is(8)]}));
    assert_eq!(conditions["HasEightWorkers"], is(8));
    let schedules = template.resources_of_type("AWS::Scheduler::Schedule");
    let with = |holding: &[&str]| {
        let held =
            |schedule: &&Resource<'_>| holding.contains(&schedule.definition["Condition"].as_str().unwrap());
        // One is the function's own.
        1 + schedules.iter().filter(held).count()
    };
    let all = ["HasTwoWorkers", "HasFourWorkers", "HasEightWorkers"];
    assert_eq!([0, 1, 2, 3].map(|holding| with(&all[..holding])), [1, 2, 4, 8]);
    for schedule in schedules {
        let properties = &schedule.definition["Properties"];
        assert_eq!(properties["ScheduleExpression"]["Fn::Sub"], "rate(${ArchiveInterval})");
        assert_eq!(properties["Target"]["Arn"], json!({"Fn::GetAtt": "ArchiveRecordings.Arn"}));
        assert_eq!(properties["Target"]["RetryPolicy"]["MaximumRetryAttempts"], 0);
    }
}

/// That each function has all its rows, the checklist tells (`tools/scaffold/tests`), which reads files alone. This holds what is
/// compiled to the same names.
#[test]
fn the_local_stack_has_every_function() {
    let pushes = PUSH_FUNCTIONS.iter().map(|function| function.push.function.to_owned());
    let scheduled = SCHEDULED_FUNCTIONS.iter().map(|function| function.name.to_owned());
    let others = [query_calls::FUNCTION, console::FUNCTION, publish_changes::FUNCTION].map(str::to_owned);
    let local: BTreeSet<_> = pushes.chain(scheduled).chain(others).collect();
    let folders = std::fs::read_dir(root().join("functions")).unwrap();
    let folders: BTreeSet<_> =
        folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(local, folders);
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
    let format = |resource: &str| {
        template.resource(resource)["Properties"]["AccessLogSettings"]["Format"].as_str().unwrap().to_owned()
    };
    // Calls' ids stand in readers' paths.
    let (readers, format) = (format("ReadersStage"), format("Api"));
    assert_eq!(readers, format);
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
    for (name, policy) in
        [("Table", "Retain"), ("Bucket", "RetainExceptOnCreate"), ("AnalyticsBucket", "RetainExceptOnCreate")]
    {
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
