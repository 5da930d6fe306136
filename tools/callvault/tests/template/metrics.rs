//! What functions emit, against what the template's alarms and dashboard watch.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use archive_recordings::Archiver;
use catalog::PUSH_FUNCTIONS;
use catalog::token;
use local_stack::{Options, Stack};
use runtime::clock;
use runtime::config::Environment;
use runtime::deadline::Deadline;
use runtime::ingress::receive::Receiver;
use runtime::metrics::{
    self, ConversationCounts, ExportCounts, Metrics, PublishCounts, ReadCounts, SweepCounts,
};
use runtime::outbound::fetch::SystemResolver;
use serde_json::{Value, json};
use shared::record::keys::INDEXES;
use testkit::leaks;
use testkit::log::listen;

use crate::template::{Template, read, read_json};

/// A metric as it is emitted or watched: its name and its dimensions' names.
type Watched = (String, BTreeSet<String>);

/// The metrics that AWS's services emit and that are watched here, as their documents name them.
const OF_AWS: [(&str, &[&str]); 5] = [
    // <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html>
    ("AWS/ApiGateway", &["4xx", "5xx", "Count", "Latency"]),
    // <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>
    (
        "AWS/Lambda",
        &["ConcurrentExecutions", "Duration", "Errors", "Invocations", "IteratorAge", "Throttles"],
    ),
    // <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html>
    (
        "AWS/DynamoDB",
        &[
            "ConsumedReadCapacityUnits",
            "ConsumedWriteCapacityUnits",
            "ReadThrottleEvents",
            "WriteThrottleEvents",
        ],
    ),
    // <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html>
    ("AWS/Events", &["FailedInvocations", "Invocations"]),
    // <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html>
    ("AWS/SQS", &["ApproximateNumberOfMessagesVisible"]),
];

/// A metric of an alarm or of the dashboard.
struct Reference {
    place: String,
    namespace: String,
    metric: String,
    dimensions: BTreeMap<String, String>,
}

/// A text, or what the name of a reference comes to in a `Fn::Sub`: `${Table}`.
fn text(value: &Value) -> String {
    match (value.get("Ref"), value.get("Fn::GetAtt")) {
        (Some(name), _) | (_, Some(name)) => format!("${{{}}}", name.as_str().unwrap()),
        (None, None) => value.as_str().unwrap().to_owned(),
    }
}

fn alarm_references(template: &Template) -> Vec<Reference> {
    let mut references = Vec::new();
    for alarm in template.resources_of_type("AWS::CloudWatch::Alarm") {
        let properties = &alarm.definition["Properties"];
        let metrics: Vec<_> = match properties["Metrics"].as_array() {
            Some(metrics) => metrics.iter().filter_map(|metric| metric["MetricStat"].get("Metric")).collect(),
            None => vec![properties],
        };
        assert!(!metrics.is_empty(), "{}", alarm.name);
        references.extend(metrics.into_iter().map(|metric| {
            Reference {
                place: alarm.name.to_owned(),
                namespace: text(&metric["Namespace"]),
                metric: text(&metric["MetricName"]),
                dimensions: metric["Dimensions"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|dimension| (text(&dimension["Name"]), text(&dimension["Value"])))
                    .collect(),
            }
        }));
    }
    references
}

fn dashboard_references(template: &Template) -> Vec<Reference> {
    let mut references = Vec::new();
    for widget in dashboard(template)["widgets"].as_array().unwrap() {
        let place = format!("dashboard: {}", widget["properties"]["title"]);
        for metric in widget["properties"]["metrics"].as_array().into_iter().flatten() {
            if let Some(search) = metric[0].get("expression") {
                references.push(searched(&place, search.as_str().unwrap()));
                continue;
            }
            let texts: Vec<_> = metric.as_array().unwrap().iter().filter_map(Value::as_str).collect();
            let (names, dimensions) = texts.split_at(2);
            references.push(Reference {
                place: place.clone(),
                namespace: names[0].to_owned(),
                metric: names[1].to_owned(),
                dimensions: dimensions
                    .chunks(2)
                    .map(|pair| (pair[0].to_owned(), pair[1].to_owned()))
                    .collect(),
            });
        }
    }
    references
}

/// `SEARCH('{"namespace",Dimension,…} MetricName="name"', 'Sum', 300)`
fn searched(place: &str, expression: &str) -> Reference {
    let (schema, rest) =
        expression.strip_prefix("SEARCH('{").and_then(|rest| rest.split_once("} MetricName=\"")).unwrap();
    let mut schema = schema.split(',');
    Reference {
        place: place.to_owned(),
        namespace: schema.next().unwrap().trim_matches('"').to_owned(),
        metric: rest.split('"').next().unwrap().to_owned(),
        dimensions: schema.map(|name| (name.to_owned(), "*".to_owned())).collect(),
    }
}

fn dashboard(template: &Template) -> Value {
    let body = template.resource("Dashboard")["Properties"]["DashboardBody"]["Fn::Sub"].as_str().unwrap();
    serde_json::from_str(body).unwrap()
}

/// Metrics that CloudWatch makes of the access log.
fn filtered(template: &Template) -> BTreeSet<Watched> {
    template
        .resources_of_type("AWS::Logs::MetricFilter")
        .into_iter()
        .map(|filter| {
            let transformation = &filter.definition["Properties"]["MetricTransformations"][0];
            assert_eq!(text(&transformation["MetricNamespace"]), "${AWS::StackName}");
            (text(&transformation["MetricName"]), BTreeSet::new())
        })
        .collect()
}

/// Every metric that a run of each function emits, as CloudWatch finds it in the logs.
async fn emitted() -> BTreeSet<Watched> {
    let stack = Stack::start(&Options::in_memory()).await.unwrap();
    let look_up = |variable: &str| match variable {
        "PUSH_TOKEN_SHA256" => Some(token::digest("local")),
        "METRICS_NAMESPACE" => Some("the-stack".to_owned()),
        store => stack.variable(store),
    };
    let environment = Environment::new(&look_up);
    let receiver = Receiver::new(&environment, &catalog::pushes()).unwrap();
    let (log, listening) = listen();

    let report =
        PUSH_FUNCTIONS.iter().find(|function| function.push.function == "alicom-call-report").unwrap();
    let event: Value = serde_json::from_str(report.event).unwrap();
    for change in [
        json!({}),
        json!({"body": r#"[{"callId": "1", "smartStatusCode": "UNHEARD_OF"}, {"no": "id"}, {"no": "id"}]"#}),
        json!({"body": "not JSON"}),
        json!({"pathParameters": {"token": "unknown"}}),
    ] {
        let mut event = event.clone();
        for (name, value) in change.as_object().unwrap() {
            event[name] = value.clone();
        }
        let request = lambda_http::request::from_str(&event.to_string()).unwrap();
        receiver.receive(&report.push, request).await;
    }
    // A recording that waits: its host is not allowed.
    let mut event = read_json("events/alicom-call-record.json");
    event["body"] = r#"[{"callId": "1", "recordFile": "http://elsewhere.test/1.wav"}]"#.into();
    stack.functions().invoke("alicom-call-record", event).await.unwrap();
    let archiver = Archiver::new(&environment, SystemResolver).await.unwrap();
    let deadline = Deadline::after(Duration::from_secs(60));
    archive_recordings::handle(&archiver, clock::now(), deadline).await.unwrap();
    let metrics = Metrics::read(&environment).unwrap();
    metrics.conversation_run(clock::now(), &ConversationCounts::default());
    metrics.recordings_unreadable(clock::now(), 1);
    metrics.secret_unreadable(clock::now());
    metrics.sweep_run(clock::now(), &SweepCounts::default());
    metrics
        .changes_published(clock::now(), &PublishCounts { delay_ms: Some(1.0), ..PublishCounts::default() });
    metrics.export_run(clock::now(), &ExportCounts::default());
    for denied in [None, Some("expired")] {
        let (function, at) = ("query-calls", clock::now());
        metrics.read_answered(&ReadCounts { function, at, denied, failed: false, latency_ms: 1.0 });
    }

    drop(listening);
    stack.stop().await.unwrap();
    let log = log.take();
    leaks::check(&log);
    log.lines().flat_map(|line| extracted(&serde_json::from_str(line).unwrap())).collect()
}

/// What CloudWatch makes of a line of the logs.
fn extracted(line: &Value) -> Vec<Watched> {
    let mut metrics = Vec::new();
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().into_iter().flatten() {
        assert_eq!(directive["Namespace"], "the-stack");
        for dimensions in directive["Dimensions"].as_array().unwrap() {
            let dimensions: BTreeSet<_> =
                dimensions.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
            for name in &dimensions {
                assert!(line[name].is_string(), "{name} has a value: {line}");
            }
            for metric in directive["Metrics"].as_array().unwrap() {
                let name = metric["Name"].as_str().unwrap();
                assert!(line[name].is_number(), "{name} has a value: {line}");
                metrics.push((name.to_owned(), dimensions.clone()));
            }
        }
    }
    metrics
}

#[tokio::test]
async fn what_is_watched_is_emitted_and_what_is_emitted_is_watched() {
    let template = Template::read();
    let emitted = emitted().await;
    let names: BTreeSet<_> = emitted.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, metrics::ALL.iter().map(|metric| metric.name).collect());

    let emitted: BTreeSet<_> = emitted.union(&filtered(&template)).cloned().collect();
    let mut watched = BTreeSet::new();
    for Reference { place, namespace, metric, dimensions } in
        alarm_references(&template).into_iter().chain(dashboard_references(&template))
    {
        if namespace == "${AWS::StackName}" {
            watched.insert((metric, dimensions.into_keys().collect()));
            continue;
        }
        let known = OF_AWS.iter().find(|(service, _)| *service == namespace);
        let known = known.is_some_and(|(_, metrics)| metrics.contains(&metric.as_str()));
        assert!(known, "{place}: {namespace} has no metric {metric}");
    }
    let only_in = |these: &BTreeSet<Watched>, those: &BTreeSet<Watched>| {
        these.difference(those).map(|metric| format!("{metric:?}")).collect::<Vec<_>>()
    };
    assert_eq!(only_in(&watched, &emitted), [""; 0], "watched, and never emitted");
    // A division that nobody looks at would be paid for in vain; a sum comes with its division.
    let divided = |metric: &Watched| !metric.1.is_empty();
    let named: BTreeSet<_> = watched.iter().map(|(name, _)| name.clone()).collect();
    for metric in &emitted {
        let looked_at = if divided(metric) { watched.contains(metric) } else { named.contains(&metric.0) };
        assert!(looked_at, "emitted, and never watched: {metric:?}");
    }
}

/// Functions are watched as the checklist wants it (`tools/scaffold/tests`).
#[test]
fn every_index_is_watched() {
    let template = Template::read();
    let watched: BTreeSet<_> = alarm_references(&template)
        .into_iter()
        .filter(|reference| reference.metric == "WriteThrottleEvents")
        .filter_map(|reference| reference.dimensions.get("GlobalSecondaryIndexName").cloned())
        .collect();
    let indexes: BTreeSet<_> = INDEXES.iter().map(|index| index.name.to_owned()).collect();
    assert_eq!(watched, indexes);
}

#[test]
fn every_alarm_is_on_the_dashboard_and_tells_the_topic() {
    let template = Template::read();
    let alarms = template.resources_of_type("AWS::CloudWatch::Alarm");
    let shown = dashboard(&template)["widgets"][0]["properties"]["alarms"].clone();
    let names: Vec<_> = alarms.iter().map(|alarm| format!("${{{}.Arn}}", alarm.name)).collect();
    assert_eq!(
        shown.as_array().unwrap().iter().map(text).collect::<BTreeSet<_>>(),
        names.into_iter().collect::<BTreeSet<_>>()
    );
    for alarm in alarms {
        let told = &alarm.definition["Properties"]["AlarmActions"]["Fn::If"];
        assert_eq!(told[1], json!([{"Ref": "AlarmTopicArn"}]), "{}", alarm.name);
    }
}

#[test]
fn the_operators_guide_explains_every_alarm() {
    let template = Template::read();
    let guide = read("docs/operating.md");
    for alarm in template.resources_of_type("AWS::CloudWatch::Alarm") {
        assert!(guide.contains(&format!("`{}`", alarm.name)), "{}", alarm.name);
    }
}
