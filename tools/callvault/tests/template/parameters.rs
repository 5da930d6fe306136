//! What the template takes for a parameter, against what the functions that get it make of it: a value that deploys and then keeps a
//! function from starting must not exist.

use std::collections::{BTreeMap, BTreeSet};

use archive_recordings::ArchiveConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use catalog::PUSH_FUNCTIONS;
use catalog::token;
use export_calls::Settings;
use fetch_conversations::FetchConfig;
use local_stack::functions::SCHEDULED_FUNCTIONS;
use proptest::strategy::{Strategy, ValueTree};
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;
use publish_changes::PublishConfig;
use regex::Regex;
use runtime::auth::callee_id::CalleeIdSource;
use runtime::auth::config::AuthConfig;
use runtime::auth::cursor::CursorKeys;
use runtime::auth::session::{ClientSecret, SessionKeys};
use runtime::aws::Account;
use runtime::config::{ConfigError, Environment, PushConfig, StoreConfig, analytics_bucket_name};
use runtime::metrics::Metrics;
use runtime::store::access::AccessRetention;
use serde_json::{Value, json};

use crate::template::{Template, references};

/// Parameters that no function reads: CloudFormation and AWS's services alone hold them to something.
const NOT_READ: [&str; 38] = [
    "AlarmTopicArn",
    "AnalyticsDatabase",
    "ArchiveInterval",
    "ArchiveMemoryMb",
    "AthenaLimitMb",
    "CertificateArn",
    "DomainName",
    "EventArchiveDays",
    "EventParallelization",
    "ExportInterval",
    "ExportMemoryMb",
    "FetchMemoryMb",
    "GlacierAfterDays",
    "KmsKeyArn",
    "LatencyAlarmMs",
    "LeadIntents",
    "LeadTopicArn",
    "LogRetentionDays",
    "MachineScopes",
    "ObjectLock",
    "OldestDueAlarmMinutes",
    "PublishMemoryMb",
    "PushMemoryMb",
    "PushReservedConcurrency",
    "QueryMemoryMb",
    "ReadReservedConcurrency",
    "Readers",
    "ReadersCertificateArn",
    "ReadersDomainName",
    "ReadersGate",
    "SilenceHours",
    "ThrottlingBurstLimit",
    "ThrottlingRateLimit",
    "WebhookDetailTypes",
    "WebhookHeaderName",
    "WebhookRequestsPerSecond",
    "WebhookSecret",
    "WebhookUrl",
];

/// Parameters of which functions take whatever they are given.
const ANYTHING: [&str; 4] =
    ["CalleeIdSecretArn", "OidcClientSecretArn", "ProviderSecretArn", "SessionSecretArn"];

/// Values that kept a function from starting, or would harm: neither template nor functions take them.
const REFUSED: [(&str, &[&str]); 32] = [
    ("PushTokenSha256", &["my-token", "25bf8e1a", "é"]),
    (
        "AllowedSourceCidrs",
        &["everybody", "203.0.113.0/33", "256.0.0.1", "1.2.3", "2001:db8::/129", "1::2::3", ","],
    ),
    ("MaxBodyBytes", &["0", "-1", "4194304.5", "4 MB", "1e6"]),
    ("PushRetentionDays", &["0", "-1", "1.5", "99999999999"]),
    (
        "RecordingHosts",
        &[
            ",",
            "*.com",
            "*.com.cn",
            "*.co.uk",
            "*",
            "a.example:0",
            "a.example:65536",
            "1.2.3.4.5",
            "https://a.example",
            "xn--a",
        ],
    ),
    ("ArchiveBudgetMb", &["0", "7", "10000", "1.5"]),
    ("ArchiveWorkers", &["0", "9", "1.5"]),
    ("ArchiveConcurrency", &["0", "257", "300", "8.5", "-1"]),
    ("ArchiveConcurrencyPerHost", &["0", "257", "8.5"]),
    ("MinRecordingBytes", &["-1", "1.5", "9999999999"]),
    ("MaxRecordingBytes", &["0", "-1", "1.5", "512 MiB"]),
    ("RecordingTimeoutSeconds", &["0", "960", "1.5"]),
    ("RecordingLockDays", &["-1", "36501", "0.5"]),
    ("RecordingLockMode", &["NONE", "governance"]),
    (
        "AlibabaEndpoint",
        &["aiccs.aliyuncs.com", "ftp://a.example", "https://user@a.example", "https://a.example/?x"],
    ),
    ("AlibabaRequestsPerSecond", &["0", "-1", "0.0009", "10001", "NaN"]),
    ("LaafficEndpoint", &["api.laaffic.com"]),
    ("LaafficRequestsPerSecond", &["0", "10001"]),
    ("ConversationDelaySeconds", &["-1", "1.5"]),
    (
        "OidcIssuer",
        &[
            "id.example.com",
            "http://id.example.com",
            "https://u:p@id.example.com",
            "https://id.example.com/?a",
            "https://id.example.com/#a",
        ],
    ),
    ("OidcClientId", &["two words", "é"]),
    ("OidcScope", &["profile", "openid,profile", "open id", "openid \"x\""]),
    ("OidcAudience", &["two words", "a,,b", "é", ","]),
    (
        "RoleGroups",
        &["leads", "leads=", "=calls.read", "leads=calls.write", "leads=calls.read,", "leads=all"],
    ),
    ("CompleteAfterSeconds", &["-1", "1.5"]),
    ("EventTypes", &["call.complete", "all,call.intent", "call.completed,"]),
    ("EventNumbers", &["whole", "true"]),
    ("EventMaxAgeHours", &["-1", "1.5", "a day"]),
    ("AccessLogRetentionDays", &["0", "-1", "1.5", "36501"]),
    ("ExportNumbers", &["yes", "Full"]),
    ("ExportZone", &["China", "+08:00"]),
    ("ExportDays", &["-1", "1.5", "3661"]),
];

fn credentials() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "test"))
}

/// A parameter as CloudFormation holds values to it.
///
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html>
struct Parameter<'a> {
    definition: &'a Value,
    pattern: Option<Regex>,
}

impl<'a> Parameter<'a> {
    fn new(definition: &'a Value) -> Self {
        let whole = |pattern| Regex::new(&format!("^(?:{pattern})$")).unwrap();
        Self { definition, pattern: definition["AllowedPattern"].as_str().map(whole) }
    }

    fn takes(&self, value: &str) -> bool {
        let Self { definition, .. } = self;
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        let bound = |name: &str| definition.get(name).map(|bound| number(&text(bound)).unwrap());
        let allowed = definition["AllowedValues"].as_array();
        let of_type = match definition["Type"].as_str().unwrap() {
            "String" | "CommaDelimitedList" => true,
            "Number" => number(value).is_some_and(|number| {
                bound("MinValue").is_none_or(|least| number >= least)
                    && bound("MaxValue").is_none_or(|most| number <= most)
            }),
            other => panic!("what does CloudFormation take for a {other}?"),
        };
        // The length first: what is far too long would take long to match.
        bound("MaxLength").is_none_or(|most| value.len() as f64 <= most)
            && of_type
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(value) && !value.contains('\n'))
            && allowed.is_none_or(|allowed| allowed.iter().any(|allowed| text(allowed) == value))
    }

    /// Values that it takes: its default, its bounds and what is just inside, its values, and many that match its pattern.
    fn samples(&self) -> BTreeSet<String> {
        let Self { definition, .. } = self;
        let named =
            ["Default", "MinValue", "MaxValue"].into_iter().filter_map(|name| definition.get(name)).map(text);
        let mut samples: BTreeSet<_> = named.collect();
        samples.extend(definition["AllowedValues"].as_array().into_iter().flatten().map(text));
        if definition["Type"] == "Number" {
            samples.extend(["0.5", "1", "1.5", "2.25", "1000"].map(str::to_owned));
        }
        if let Some(pattern) = definition["AllowedPattern"].as_str() {
            let mut runner = TestRunner::deterministic();
            let matching = string_regex(pattern).unwrap();
            samples.extend((0..40).map(|_| matching.new_tree(&mut runner).unwrap().current()));
        } else if definition["Type"] == "String" && definition.get("AllowedValues").is_none() {
            panic!("it takes any text");
        }
        samples.extend(
            samples.clone().iter().filter(|sample| sample.len() <= 80).flat_map(|sample| near(sample)),
        );
        samples.retain(|sample| self.takes(sample));
        samples
    }
}

/// Values that are nearly like this one, beyond a bound or out of form.
fn near(value: &str) -> Vec<String> {
    let mut near =
        ["", "0", "1", "9", "x", ",", ".5", ".", "*.", "-"].map(|more| format!("{value}{more}")).to_vec();
    near.extend(["0", "1", "-", "+", "*.", "a.", ","].map(|more| format!("{more}{value}")));
    near.push(value.repeat(2));
    near.push(format!("{value},{value}"));
    for (at, _) in value.char_indices().take(8) {
        near.push(format!("{}{}", &value[..at], value[at..].chars().skip(1).collect::<String>()));
    }
    near
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Has a function's own readers read its settings.
fn start(function: &str, environment: &Environment<'_>) -> Result<(), ConfigError> {
    StoreConfig::read(environment)?;
    Metrics::read(environment)?;
    match function {
        archive_recordings::FUNCTION => drop(ArchiveConfig::read(environment)?),
        fetch_conversations::FUNCTION => drop(FetchConfig::read(environment)?),
        query_calls::FUNCTION => {
            AuthConfig::read(environment)?;
            AccessRetention::read(environment)?;
            let account = Account { region: "eu-west-1".to_owned(), credentials: credentials() };
            drop(CalleeIdSource::read(environment, &account)?);
            drop(CursorKeys::read(environment, &account)?);
        }
        export_calls::FUNCTION => {
            Settings::read(environment)?;
            analytics_bucket_name(environment)?;
            let account = Account { region: "eu-west-1".to_owned(), credentials: credentials() };
            drop(CalleeIdSource::read(environment, &account)?);
        }
        publish_changes::FUNCTION => {
            PublishConfig::read(environment)?;
            let account = Account { region: "eu-west-1".to_owned(), credentials: credentials() };
            drop(CalleeIdSource::read(environment, &account)?);
        }
        console::FUNCTION => {
            AuthConfig::read(environment)?;
            AccessRetention::read(environment)?;
            console::scope(environment)?;
            let account = Account { region: "eu-west-1".to_owned(), credentials: credentials() };
            drop(CalleeIdSource::read(environment, &account)?);
            drop(SessionKeys::read(environment, &account)?);
            drop(ClientSecret::read(environment, &account)?);
        }
        // The stores and the metrics are all that it reads.
        sweep_erased::FUNCTION => {}
        push => {
            let push = PUSH_FUNCTIONS.iter().find(|function| function.push.function == push);
            let push = push.unwrap_or_else(|| panic!("how does {function} read its settings?")).push;
            drop(PushConfig::read(environment, &[push])?);
        }
    }
    Ok(())
}

/// The functions, with what each is given: variables, and what the template says of their values.
fn functions(template: &Template) -> BTreeMap<&'static str, BTreeMap<String, Value>> {
    let pushes = PUSH_FUNCTIONS.iter().map(|function| function.push.function);
    let scheduled = SCHEDULED_FUNCTIONS.iter().map(|function| function.name);
    let others = [query_calls::FUNCTION, console::FUNCTION, publish_changes::FUNCTION];
    let names = pushes.chain(scheduled).chain(others);
    names.map(|name| (name, template.environment(name))).collect()
}

/// What a variable has in a deployment whose parameters have these values, and else the default.
fn deployed(template: &Template, value: &Value, given: &BTreeMap<String, String>) -> Option<String> {
    if let Some(choice) = value.get("Fn::If") {
        return deployed(template, &choice[2], given);
    }
    match value.get("Ref").and_then(Value::as_str) {
        Some("Table" | "Bucket" | "AnalyticsBucket" | "EventBus") => Some("callvault".to_owned()),
        Some(name) if given.contains_key(name) => given.get(name).cloned(),
        _ => template.default(value),
    }
}

/// Parameters that a stack can't do without, and the longest name that it can have.
fn least() -> BTreeMap<String, String> {
    let tokens = PUSH_FUNCTIONS.iter().map(|function| token_of(function.push.function));
    let tokens = tokens.chain(["PushTokenSha256".to_owned()]).map(|name| (name, token::digest("local")));
    tokens.chain([("AWS::StackName".to_owned(), format!("s{}", "-0".repeat(63)))]).collect()
}

/// The parameter of a function's own tokens.
fn token_of(function: &str) -> String {
    let words = function.split('-').map(|word| format!("{}{}", word[..1].to_uppercase(), &word[1..]));
    format!("PushTokenSha256{}", words.collect::<String>())
}

#[test]
fn what_the_template_takes_the_functions_can_use() {
    let template = Template::read();
    let functions = functions(&template);
    for (name, definition) in template.parameters() {
        let readers: Vec<_> = functions
            .iter()
            .filter(|(_, environment)| environment.values().any(|value| references(value).contains(name)))
            .collect();
        if NOT_READ.contains(&name.as_str()) {
            assert!(readers.is_empty(), "{name} is read");
            continue;
        }
        assert!(
            !readers.is_empty(),
            "{name} is given to no function: does CloudFormation alone hold it to something?"
        );
        let parameter = Parameter::new(definition);
        let samples = parameter.samples();
        assert!(samples.len() > 1, "{name}: {samples:?}");
        for sample in samples {
            let mut given = least();
            given.insert(name.clone(), sample.clone());
            for (function, environment) in &readers {
                let look_up = |variable: &str| deployed(&template, environment.get(variable)?, &given);
                if let Err(error) = start(function, &Environment::new(&look_up)) {
                    panic!("{name}={sample:?} would be deployed, and {function} not start: {error}");
                }
            }
        }
    }
}

#[test]
fn what_the_functions_refuse_the_template_refuses() {
    let template = Template::read();
    let functions = functions(&template);
    let refused = BTreeMap::from(REFUSED);
    for (name, definition) in template.parameters() {
        if NOT_READ.contains(&name.as_str()) || ANYTHING.contains(&name.as_str()) {
            continue;
        }
        // Nobody's fault starts beyond this one: a `u16` of days.
        let values = match name.as_str() {
            "ReconcileDays" => &["-1", "1.5", "65536"][..],
            // Each function has the first, each platform the second.
            own if own.starts_with("PushTokenSha256") && own != "PushTokenSha256" => &["my-token"],
            zone if zone.ends_with("UtcOffset") => {
                &["+99:99", "+15:00", "+08:60", "8", "+8:00", "Asia/Shanghai"]
            }
            _ => *refused.get(name.as_str()).unwrap_or_else(|| panic!("{name}: what is refused?")),
        };
        for value in values {
            assert!(!Parameter::new(definition).takes(value), "{name}={value:?} would be deployed");
            let mut given = least();
            given.insert(name.clone(), (*value).to_owned());
            for (function, environment) in &functions {
                if environment.values().any(|variable| references(variable).contains(name)) {
                    let look_up = |variable: &str| deployed(&template, environment.get(variable)?, &given);
                    let started = start(function, &Environment::new(&look_up));
                    assert!(started.is_err(), "{function} would start with {name}={value:?}");
                }
            }
        }
    }
}

#[test]
fn a_route_that_no_token_opens_is_not_deployed() {
    let template = Template::read();
    let rule = &template.section("Rules")["EveryRouteHasAToken"];
    assert_eq!(rule["RuleCondition"], json!({"Fn::Equals": [{"Ref": "PushTokenSha256"}, ""]}));
    // That each function is asserted, the checklist tells (`tools/scaffold/tests`). And what is then deployed starts.
    let mut given = least();
    given.insert("PushTokenSha256".to_owned(), String::new());
    for function in PUSH_FUNCTIONS {
        let environment = template.environment(function.push.function);
        let look_up = |variable: &str| deployed(&template, environment.get(variable)?, &given);
        start(function.push.function, &Environment::new(&look_up)).unwrap();
    }
}
