//! Settings, read once from the environment.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::IpNet;
use jiff::tz::Offset;
use sha2::{Digest, Sha256};
use url::Url;

use shared::model::{Instant, Provider};
use shared::normalize::PushType;
use shared::record::missing::Waiting;

/// A setting that is missing or wrong.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A required variable is not set.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// A function is opened by no token.
    #[error("neither {EVERY_TOKEN} nor {own} is set: no token would open {function}")]
    NoToken {
        /// The function.
        function: &'static str,
        /// The variable of its own tokens.
        own: String,
    },
    /// A variable's value can't be used.
    #[error("{variable} is {problem}")]
    Invalid {
        /// The variable.
        variable: Cow<'static, str>,
        /// What is wrong with its value.
        problem: String,
    },
}

/// Where settings come from: the process's environment, or a test's.
pub struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl<'a> Environment<'a> {
    /// Settings that `look_up` answers for.
    pub fn new(look_up: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self(look_up)
    }

    /// The value of a variable; an empty one counts as not set.
    pub fn get(&self, variable: &str) -> Option<String> {
        (self.0)(variable).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// The value of a variable that has to be set.
    pub fn required(&self, variable: &'static str) -> Result<String, ConfigError> {
        self.get(variable).ok_or(ConfigError::Missing(variable))
    }

    /// The values of two variables that make sense only together.
    ///
    /// # Errors
    /// Where one is set, and the other is not: it is named.
    pub fn pair(
        &self,
        name: &'static str,
        secret: &'static str,
    ) -> Result<Option<(String, String)>, ConfigError> {
        match (self.get(name), self.get(secret)) {
            (None, None) => Ok(None),
            (Some(name), Some(secret)) => Ok(Some((name, secret))),
            (Some(_), None) => Err(ConfigError::Missing(secret)),
            (None, Some(_)) => Err(ConfigError::Missing(name)),
        }
    }

    /// The value of a variable, read by `read`, which says what is wrong with it; `default` where it is not set.
    pub fn parse<T>(
        &self,
        variable: impl Into<Cow<'static, str>>,
        default: T,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        let variable = variable.into();
        match self.get(&variable) {
            Some(value) => read(&value).map_err(|problem| ConfigError::Invalid { variable, problem }),
            None => Ok(default),
        }
    }

    /// The value of a variable that is a whole number within a range.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`], which tells the range.
    pub fn number<T: FromStr + PartialOrd + fmt::Display>(
        &self,
        variable: &'static str,
        default: T,
        range: RangeInclusive<T>,
    ) -> Result<T, ConfigError> {
        self.parse(variable, default, |text| whole_number(text, &range))
    }

    /// The value of a variable, as its type reads it; where it is not set, `default`, which is in the same words.
    pub fn parse_or<T: FromStr<Err: fmt::Display>>(
        &self,
        variable: &'static str,
        default: &str,
    ) -> Result<T, ConfigError> {
        let value = self.get(variable);
        let value = value.as_deref().unwrap_or(default);
        value.parse().map_err(|error: T::Err| ConfigError::Invalid {
            variable: variable.into(),
            problem: error.to_string(),
        })
    }
}

fn whole_number<T: FromStr + PartialOrd + fmt::Display>(
    text: &str,
    range: &RangeInclusive<T>,
) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("not a whole number from {} to {}: {text}", range.start(), range.end()))
}

/// The process's environment.
pub fn process_environment() -> Environment<'static> {
    Environment(&|variable| std::env::var(variable).ok())
}

/// Where the records and the files lie.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `TABLE_NAME`: the DynamoDB table.
    pub table_name: String,
    /// `BUCKET_NAME`: the S3 bucket.
    pub bucket_name: String,
    /// `DYNAMODB_ENDPOINT`: another endpoint than AWS's.
    pub dynamodb_endpoint: Option<String>,
    /// `S3_ENDPOINT`: another endpoint than AWS's, addressed by path.
    pub s3_endpoint: Option<String>,
    /// `CONVERSATION_DELAY_SECONDS`: how long after a call was first heard of its provider is asked for what is missing.
    pub conversation_delay_s: u32,
    /// `COMPLETE_AFTER_SECONDS`: how long after that a call of which not all is known is told as completed.
    pub complete_after_s: u32,
}

impl StoreConfig {
    /// For how long calls are waited for that are not complete.
    pub fn waiting(&self) -> Waiting {
        Waiting {
            inquiry_delay_s: self.conversation_delay_s.into(),
            complete_after_s: self.complete_after_s.into(),
        }
    }

    /// Reads the settings of the stores.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            table_name: checked(environment, "TABLE_NAME", table_name)?,
            bucket_name: checked(environment, "BUCKET_NAME", bucket_name)?,
            dynamodb_endpoint: endpoint(environment, "DYNAMODB_ENDPOINT")?,
            s3_endpoint: endpoint(environment, "S3_ENDPOINT")?,
            conversation_delay_s: environment.number("CONVERSATION_DELAY_SECONDS", 300, 0..=u32::MAX)?,
            complete_after_s: environment.number("COMPLETE_AFTER_SECONDS", 3_600, 0..=u32::MAX)?,
        })
    }
}

/// `ANALYTICS_BUCKET_NAME`: the bucket of analytics' files, for whoever writes or reads these; `None` where it is not set.
///
/// # Errors
/// [`ConfigError`], which names the variable.
pub fn analytics_bucket_name(environment: &Environment<'_>) -> Result<Option<String>, ConfigError> {
    environment.parse("ANALYTICS_BUCKET_NAME", None, |name| {
        bucket_name(name).map(|()| Some(name.to_owned())).map_err(str::to_owned)
    })
}

/// Reads another endpoint than AWS's: an `http` or `https` URL. What else the SDK would be given, it would show with its requests.
///
/// # Errors
/// [`ConfigError`], which names the variable.
pub fn endpoint(
    environment: &Environment<'_>,
    variable: &'static str,
) -> Result<Option<String>, ConfigError> {
    environment.parse(variable, None, |text| match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Some(text.to_owned())),
        Ok(_) | Err(_) => Err("not an http or https URL".to_owned()),
    })
}

/// The value of a variable that has to be set, once `check` has nothing against it.
fn checked(
    environment: &Environment<'_>,
    variable: &'static str,
    check: fn(&str) -> Result<(), &'static str>,
) -> Result<String, ConfigError> {
    let value = environment.required(variable)?;
    check(&value)
        .map_err(|problem| ConfigError::Invalid { variable: variable.into(), problem: problem.to_owned() })?;
    Ok(value)
}

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>
fn table_name(name: &str) -> Result<(), &'static str> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    match is_arn(name, "dynamodb") || ((3..=255).contains(&name.len()) && name.bytes().all(letter)) {
        true => Ok(()),
        false => Err("not a table's name: 3 to 255 of A-Z, a-z, 0-9, `_`, `-` and `.`, or its ARN"),
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn bucket_name(name: &str) -> Result<(), &'static str> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let at_the_ends = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let sound = (3..=63).contains(&bytes.len())
        && bytes.iter().copied().all(letter)
        && bytes.first().is_some_and(at_the_ends)
        && bytes.last().is_some_and(at_the_ends)
        && !["..", ".-", "-."].iter().any(|pair| name.contains(pair))
        && name.parse::<Ipv4Addr>().is_err();
    match sound || is_arn(name, "s3") {
        true => Ok(()),
        false => Err("not a bucket's name: 3 to 63 of a-z, 0-9, `-` and `.`, or the ARN of an access point"),
    }
}

/// Whether this is the ARN of something that a service has.
pub(crate) fn is_arn(name: &str, service: &str) -> bool {
    let mut parts = name.splitn(6, ':');
    parts.next() == Some("arn")
        && parts.next().is_some_and(|partition| partition.starts_with("aws"))
        && parts.next() == Some(service)
        && parts.nth(2).is_some_and(|resource| !resource.is_empty())
}

/// The variable of the tokens that open every function.
const EVERY_TOKEN: &str = "PUSH_TOKEN_SHA256";

/// The SHA-256 of the tokens that are accepted, and what each opens.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    everywhere: Vec<[u8; 32]>,
    own: BTreeMap<&'static str, Vec<[u8; 32]>>,
}

impl Tokens {
    /// Tokens that open every function.
    pub fn everywhere(digests: Vec<[u8; 32]>) -> Self {
        Self { everywhere: digests, own: BTreeMap::new() }
    }

    /// The digests of the tokens that open a function.
    pub fn of(&self, function: &str) -> impl Iterator<Item = &[u8; 32]> {
        self.everywhere.iter().chain(self.own.get(function).into_iter().flatten())
    }

    /// Reads `PUSH_TOKEN_SHA256`, and `PUSH_TOKEN_SHA256_<FUNCTION>` of each function.
    fn read(environment: &Environment<'_>, pushes: &[PushType]) -> Result<Self, ConfigError> {
        let mut tokens = Self::everywhere(environment.parse(EVERY_TOKEN, Vec::new(), token_digests)?);
        for PushType { function, .. } in pushes {
            let own = own_token(function);
            let digests = environment.parse(own.clone(), Vec::new(), token_digests)?;
            if digests.is_empty() && tokens.everywhere.is_empty() {
                return Err(ConfigError::NoToken { function, own });
            }
            tokens.own.insert(function, digests);
        }
        Ok(tokens)
    }
}

/// The variable of the tokens that open one function: `PUSH_TOKEN_SHA256_ALICOM_CALL_REPORT`.
pub fn own_token(function: &str) -> String {
    format!("{EVERY_TOKEN}_{}", function.to_ascii_uppercase().replace('-', "_"))
}

/// In which zone each platform's times are that carry none.
#[derive(Clone, Debug, Default)]
pub struct Zones(BTreeMap<Provider, Offset>);

/// The zone of a platform for which nothing else is set: China's.
const DEFAULT_ZONE: Offset = Offset::constant(8);

impl Zones {
    /// The zone of a platform's times.
    pub fn of(&self, provider: Provider) -> Offset {
        self.0.get(&provider).copied().unwrap_or(DEFAULT_ZONE)
    }

    /// Reads the zones of platforms.
    fn read(
        environment: &Environment<'_>,
        providers: impl IntoIterator<Item = Provider>,
    ) -> Result<Self, ConfigError> {
        let zones = providers.into_iter().map(|provider| Ok((provider, utc_offset(environment, provider)?)));
        Ok(Self(zones.collect::<Result<_, ConfigError>>()?))
    }
}

/// The largest event that Lambda hands to a function, in bytes; a body has no more.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const MAX_EVENT_BYTES: usize = 6 * 1024 * 1024;

/// The settings of push functions.
#[derive(Clone, Debug)]
pub struct PushConfig {
    /// `PUSH_TOKEN_SHA256`, `PUSH_TOKEN_SHA256_<FUNCTION>`: the SHA-256 of each accepted token.
    pub tokens: Tokens,
    /// `ALLOWED_SOURCE_CIDRS`: the networks that may push; empty for any.
    pub allowed_sources: Vec<IpNet>,
    /// `MAX_BODY_BYTES`: the largest body taken.
    pub max_body_bytes: usize,
    /// `<PLATFORM>_UTC_OFFSET`, of each platform's row: the zone of its times that carry none.
    pub zones: Zones,
    /// `PUSH_RETENTION_DAYS`: how long verbatim pushes are kept; `None` for ever.
    pub retention_days: Option<NonZeroU32>,
}

impl PushConfig {
    /// Reads the settings of the functions that catch these pushes.
    ///
    /// # Errors
    /// [`ConfigError`]; also where no token opens one of them.
    pub fn read(environment: &Environment<'_>, pushes: &[PushType]) -> Result<Self, ConfigError> {
        let tokens = Tokens::read(environment, pushes)?;
        Self::with(environment, tokens, pushes.iter().map(|push| push.provider))
    }

    /// Reads the settings for an operator, who stores what was received before: no token is accepted.
    pub fn for_operator(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        Self::with(environment, Tokens::default(), Provider::ALL)
    }

    fn with(
        environment: &Environment<'_>,
        tokens: Tokens,
        providers: impl IntoIterator<Item = Provider>,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            tokens,
            allowed_sources: environment.parse("ALLOWED_SOURCE_CIDRS", Vec::new(), |list| {
                list.split(',').map(|network| source_network(network.trim())).collect()
            })?,
            max_body_bytes: environment.number("MAX_BODY_BYTES", 4 * 1024 * 1024, 1..=MAX_EVENT_BYTES)?,
            zones: Zones::read(environment, providers)?,
            retention_days: retention_days(environment)?,
        })
    }
}

/// When a push may be forgotten that was received at `received_at`, in seconds since 1970.
pub fn expiry(received_at: Instant, retention_days: Option<NonZeroU32>) -> Option<i64> {
    retention_days.map(|days| received_at.epoch_millis() / 1000 + i64::from(days.get()) * 86_400)
}

/// Reads `PUSH_RETENTION_DAYS`.
pub fn retention_days(environment: &Environment<'_>) -> Result<Option<NonZeroU32>, ConfigError> {
    environment.parse("PUSH_RETENTION_DAYS", None, |days| {
        whole_number(days, &(NonZeroU32::MIN..=NonZeroU32::MAX)).map(Some)
    })
}

fn token_digests(list: &str) -> Result<Vec<[u8; 32]>, String> {
    list.split(',').map(|digest| token_digest(digest.trim())).collect()
}

// The messages name no value: somebody may have set the token itself in the place of its digest.
fn token_digest(hex: &str) -> Result<[u8; 32], String> {
    let mut digest = [0; 32];
    hex::decode_to_slice(hex, &mut digest).map_err(|_| {
        "not a list of SHA-256 digests in 64 hexadecimal digits, separated by commas".to_owned()
    })?;
    match digest == *Sha256::digest([]) {
        true => Err("the digest of an empty token, which opens nothing".to_owned()),
        false => Ok(digest),
    }
}

fn source_network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| format!("not a list of networks (203.0.113.0/24, separated by commas): {text}"))
}

/// Reads the zone of a platform's times that carry none, from the variables that its row names. Each that is set has to be sound.
pub fn utc_offset(environment: &Environment<'_>, provider: Provider) -> Result<Offset, ConfigError> {
    let variables = provider.platform().zone_variables.iter().rev();
    variables.copied().try_fold(DEFAULT_ZONE, |older, variable| environment.parse(variable, older, offset))
}

/// Reads `+08:00`, `-05:30` or `Z`.
fn offset(text: &str) -> Result<Offset, String> {
    let problem = || format!("not an offset from UTC (+08:00): {text}");
    if text.eq_ignore_ascii_case("z") {
        return Ok(Offset::UTC);
    }
    let (sign, clock) = match text.split_at_checked(1).ok_or_else(problem)? {
        ("+", clock) => (1, clock),
        ("-", clock) => (-1, clock),
        _ => return Err(problem()),
    };
    let (hours, minutes) = clock.split_once(':').ok_or_else(problem)?;
    match (hours.parse::<i32>(), minutes.parse::<i32>()) {
        (Ok(hours @ 0..=14), Ok(minutes @ 0..=59)) if hours_and_minutes(clock) => {
            Offset::from_seconds(sign * (hours * 60 + minutes) * 60).map_err(|_| problem())
        }
        _ => Err(problem()),
    }
}

fn hours_and_minutes(clock: &str) -> bool {
    clock.len() == 5 && clock.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::normalize::Rejection;

    const PUSH: PushType = PushType {
        function: "alicom-call-report",
        provider: Provider::Alicom,
        envelope: None,
        normalize: |_, _| Err(Rejection::NotAnObject),
        feeds: shared::record::merge::Feeds::NONE,
    };
    const DIGEST: &str = "25bf8e1a2393f1108d37029b3df5593236c755742ec93465bbafa9b290bddcf6";

    /// Of no bytes at all.
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(settings: &[(&str, &str)]) -> Result<PushConfig, String> {
        let look_up = |name: &str| {
            settings.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        PushConfig::read(&Environment::new(&look_up), &[PUSH]).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_stand_where_nothing_is_set() {
        let config = read(&[("PUSH_TOKEN_SHA256", DIGEST), ("ALLOWED_SOURCE_CIDRS", "")]).unwrap();
        assert_eq!(config.max_body_bytes, 4 * 1024 * 1024);
        assert_eq!(config.zones.of(Provider::Alicom), Offset::constant(8));
        assert!(config.allowed_sources.is_empty());
        assert_eq!(config.retention_days, None);
    }

    #[test]
    fn several_tokens_and_networks_are_taken() {
        let digests = format!("{DIGEST}, {}", DIGEST.to_uppercase());
        let config = read(&[
            ("PUSH_TOKEN_SHA256", &digests),
            ("ALLOWED_SOURCE_CIDRS", "203.0.113.0/24, 2001:db8::/32,198.51.100.7"),
            ("ALIBABA_UTC_OFFSET", "-05:30"),
            ("PUSH_RETENTION_DAYS", "90"),
        ])
        .unwrap();
        assert_eq!(config.tokens.of(PUSH.function).count(), 2);
        assert_eq!(config.allowed_sources.len(), 3);
        assert_eq!(config.zones.of(Provider::Alicom).seconds(), -(5 * 60 + 30) * 60);
        assert_eq!(config.retention_days.unwrap().get(), 90);
    }

    #[test]
    fn a_wrong_value_is_an_error_that_names_the_variable() {
        for (variable, value) in [
            ("ALLOWED_SOURCE_CIDRS", "everybody"),
            ("MAX_BODY_BYTES", "4 MB"),
            ("MAX_BODY_BYTES", "0"),
            ("MAX_BODY_BYTES", "6291457"),
            ("MAX_BODY_BYTES", "4294967296"),
            ("PUSH_TOKEN_SHA256_ALICOM_CALL_REPORT", EMPTY),
            ("ALIBABA_UTC_OFFSET", "8"),
            ("ALIBABA_UTC_OFFSET", "+8:00"),
            ("ALIBABA_UTC_OFFSET", "+08:60"),
            ("ALIBABA_UTC_OFFSET", "é08:00"),
            ("PUSH_RETENTION_DAYS", "0"),
        ] {
            let error = read(&[("PUSH_TOKEN_SHA256", DIGEST), (variable, value)]).unwrap_err();
            assert!(error.starts_with(variable), "{error}");
        }
    }

    #[test]
    fn a_number_beyond_its_range_is_told_the_range() {
        for (variable, value, range) in
            [("MAX_BODY_BYTES", "6291457", "1 to 6291456"), ("PUSH_RETENTION_DAYS", "0", "1 to 4294967295")]
        {
            let error = read(&[("PUSH_TOKEN_SHA256", DIGEST), (variable, value)]).unwrap_err();
            assert_eq!(error, format!("{variable} is not a whole number from {range}: {value}"));
        }
    }

    #[test]
    fn a_token_in_place_of_its_digest_is_not_shown() {
        let error = read(&[("PUSH_TOKEN_SHA256", "my-secret")]).unwrap_err();
        assert!(error.starts_with("PUSH_TOKEN_SHA256") && !error.contains("my-secret"), "{error}");
    }

    #[test]
    fn a_function_has_to_have_a_token_of_its_own_or_one_of_all() {
        assert_eq!(
            read(&[]).unwrap_err(),
            "neither PUSH_TOKEN_SHA256 nor PUSH_TOKEN_SHA256_ALICOM_CALL_REPORT is set: \
             no token would open alicom-call-report"
        );
        let other = [("PUSH_TOKEN_SHA256_ALICOM_CALL_RECORD", DIGEST)];
        assert!(read(&other).is_err(), "another function's");
        for variable in ["PUSH_TOKEN_SHA256", "PUSH_TOKEN_SHA256_ALICOM_CALL_REPORT"] {
            let tokens = read(&[(variable, DIGEST)]).unwrap().tokens;
            assert_eq!(tokens.of(PUSH.function).count(), 1, "{variable}");
            let elsewhere = usize::from(variable == "PUSH_TOKEN_SHA256");
            assert_eq!(tokens.of("alicom-call-record").count(), elsewhere, "{variable}");
            let error = read(&[(variable, "my-secret")]).unwrap_err();
            assert!(error.starts_with(variable) && !error.contains("my-secret"), "{error}");
        }
    }

    #[test]
    fn each_platform_has_a_zone_of_its_own() {
        let zone = |provider, settings: &[(&str, &str)]| {
            let look_up = |name: &str| {
                settings.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
            };
            let seconds = utc_offset(&Environment::new(&look_up), provider).unwrap().seconds();
            f64::from(seconds) / 3600.0
        };
        let alicom = ("ALICOM_UTC_OFFSET", "+01:00");
        let older = ("ALIBABA_UTC_OFFSET", "+02:00");
        let others = [("AI_VOICE_UTC_OFFSET", "-03:30"), ("LAAFFIC_UTC_OFFSET", "Z")];
        assert_eq!(zone(Provider::Alicom, &[alicom, older]), 1.0, "the newer name counts");
        assert_eq!(zone(Provider::Alicom, &[older, ("ALICOM_UTC_OFFSET", "")]), 2.0);
        assert_eq!(zone(Provider::AiVoice, &[alicom, older]), 8.0, "another platform's zone is no news");
        assert_eq!(zone(Provider::Laaffic, &[alicom, older]), 8.0);
        assert_eq!(zone(Provider::AiVoice, &others), -3.5);
        assert_eq!(zone(Provider::Laaffic, &others), 0.0);
        assert_eq!(zone(Provider::Alicom, &others), 8.0);
    }

    #[test]
    fn an_endpoint_that_is_no_url_is_an_error_that_names_the_variable() {
        for variable in ["DYNAMODB_ENDPOINT", "S3_ENDPOINT"] {
            for (value, sound) in [
                ("http://127.0.0.1:8000", true),
                ("https://dynamodb.eu-west-1.amazonaws.com/", true),
                ("x", false),
                ("127.0.0.1:8000", false),
                ("ftp://127.0.0.1", false),
                ("http://", false),
            ] {
                let look_up = |name: &str| match name {
                    "TABLE_NAME" | "BUCKET_NAME" => Some("callvault".to_owned()),
                    name => (name == variable).then(|| value.to_owned()),
                };
                let read = StoreConfig::read(&Environment::new(&look_up));
                let problem = read.err().map(|error| error.to_string());
                let expected = (!sound).then(|| format!("{variable} is not an http or https URL"));
                assert_eq!(problem, expected, "{value}");
            }
        }
    }

    #[test]
    fn a_name_that_no_table_or_bucket_has_is_an_error_that_says_so() {
        let read = |table: &str, bucket: &str| {
            let look_up = |name: &str| match name {
                "TABLE_NAME" => Some(table.to_owned()),
                "BUCKET_NAME" => Some(bucket.to_owned()),
                _ => None,
            };
            StoreConfig::read(&Environment::new(&look_up)).map(|_| ()).map_err(|error| error.to_string())
        };
        let table_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/calls";
        let access_point = "arn:aws:s3:eu-west-1:123456789012:accesspoint/calls";
        for (table, bucket) in [
            ("callvault", "callvault"),
            ("callvault-Table-1ABC", "callvault-bucket-0123456789ab"),
            ("a_b.", "a.b"),
            (table_arn, access_point),
        ] {
            assert_eq!(read(table, bucket), Ok(()));
        }
        for table in ["x", "two words", "arn:aws:s3:::calls", "名字名字", &"a".repeat(256)] {
            assert!(read(table, "callvault").unwrap_err().starts_with("TABLE_NAME is not a table's name"));
        }
        for bucket in [
            "x",
            "Calls",
            "-calls",
            "calls-",
            "s3://calls",
            table_arn,
            "a..b",
            "a.-b",
            "192.168.0.1",
            &"a".repeat(64),
        ] {
            assert!(read("callvault", bucket).unwrap_err().starts_with("BUCKET_NAME is not a bucket's name"));
        }
    }
}
