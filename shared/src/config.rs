//! Settings, read once from the environment.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use ipnet::IpNet;
use jiff::tz::Offset;

use crate::model::Instant;

/// A setting that is missing or wrong.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A required variable is not set.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// A variable's value can't be used.
    #[error("{variable} is {problem}")]
    Invalid {
        /// The variable.
        variable: &'static str,
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

    /// The value of a variable, read by `read`, which says what is wrong with it; `default` where it is not set.
    pub fn parse<T>(
        &self,
        variable: &'static str,
        default: T,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        match self.get(variable) {
            Some(value) => read(&value).map_err(|problem| ConfigError::Invalid { variable, problem }),
            None => Ok(default),
        }
    }

    /// The value of a variable, as its type reads it; where it is not set, `default`, which is in the same words.
    pub fn parse_or<T: FromStr<Err: fmt::Display>>(
        &self,
        variable: &'static str,
        default: &str,
    ) -> Result<T, ConfigError> {
        let value = self.get(variable);
        let value = value.as_deref().unwrap_or(default);
        value.parse().map_err(|error: T::Err| ConfigError::Invalid { variable, problem: error.to_string() })
    }
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
}

impl StoreConfig {
    /// Reads the settings of the stores.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            table_name: environment.required("TABLE_NAME")?,
            bucket_name: environment.required("BUCKET_NAME")?,
            dynamodb_endpoint: environment.get("DYNAMODB_ENDPOINT"),
            s3_endpoint: environment.get("S3_ENDPOINT"),
            conversation_delay_s: environment.parse("CONVERSATION_DELAY_SECONDS", 300, |seconds| {
                seconds.parse().map_err(|_| "not a number of seconds".to_owned())
            })?,
        })
    }
}

/// The settings of a push function.
#[derive(Clone, Debug)]
pub struct PushConfig {
    /// `PUSH_TOKEN_SHA256`: the SHA-256 of each accepted token.
    pub token_digests: Vec<[u8; 32]>,
    /// `ALLOWED_SOURCE_CIDRS`: the networks that may push; empty for any.
    pub allowed_sources: Vec<IpNet>,
    /// `MAX_BODY_BYTES`: the largest body taken.
    pub max_body_bytes: usize,
    /// `ALIBABA_UTC_OFFSET`: the zone of times that carry none.
    pub utc_offset: Offset,
    /// `PUSH_RETENTION_DAYS`: how long verbatim pushes are kept; `None` for ever.
    pub retention_days: Option<NonZeroU32>,
}

impl PushConfig {
    /// Reads the settings of a push function.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let token_digests = environment.parse("PUSH_TOKEN_SHA256", Vec::new(), |list| {
            list.split(',').map(|digest| token_digest(digest.trim())).collect()
        })?;
        if token_digests.is_empty() {
            return Err(ConfigError::Missing("PUSH_TOKEN_SHA256"));
        }
        Ok(Self { token_digests, ..Self::for_operator(environment)? })
    }

    /// Reads the settings for an operator, who stores what was received before: no token is accepted.
    pub fn for_operator(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            token_digests: Vec::new(),
            allowed_sources: environment.parse("ALLOWED_SOURCE_CIDRS", Vec::new(), |list| {
                list.split(',').map(|network| source_network(network.trim())).collect()
            })?,
            max_body_bytes: environment.parse("MAX_BODY_BYTES", 4 * 1024 * 1024, |bytes| {
                bytes
                    .parse()
                    .ok()
                    .filter(|bytes| *bytes > 0)
                    .ok_or_else(|| "not a number of bytes".to_owned())
            })?,
            utc_offset: alibaba_utc_offset(environment)?,
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
        days.parse().map(Some).map_err(|_| "not a number of days".to_owned())
    })
}

// The messages name no value: somebody may have set the token itself in the place of its digest.
fn token_digest(hex: &str) -> Result<[u8; 32], String> {
    let mut digest = [0; 32];
    hex::decode_to_slice(hex, &mut digest).map_err(|_| {
        "not a list of SHA-256 digests in 64 hexadecimal digits, separated by commas".to_owned()
    })?;
    Ok(digest)
}

fn source_network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| format!("not a list of networks (203.0.113.0/24, separated by commas): {text}"))
}

/// Reads `ALIBABA_UTC_OFFSET`: the zone of times that carry none.
pub fn alibaba_utc_offset(environment: &Environment<'_>) -> Result<Offset, ConfigError> {
    environment.parse("ALIBABA_UTC_OFFSET", Offset::constant(8), utc_offset)
}

/// Reads `+08:00`, `-05:30` or `Z`.
fn utc_offset(text: &str) -> Result<Offset, String> {
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

    const DIGEST: &str = "25bf8e1a2393f1108d37029b3df5593236c755742ec93465bbafa9b290bddcf6";

    fn read(settings: &[(&str, &str)]) -> Result<PushConfig, String> {
        let look_up = |name: &str| {
            settings.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        PushConfig::read(&Environment::new(&look_up)).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_stand_where_nothing_is_set() {
        let config = read(&[("PUSH_TOKEN_SHA256", DIGEST), ("ALLOWED_SOURCE_CIDRS", "")]).unwrap();
        assert_eq!(config.max_body_bytes, 4 * 1024 * 1024);
        assert_eq!(config.utc_offset, Offset::constant(8));
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
        assert_eq!(config.token_digests.len(), 2);
        assert_eq!(config.allowed_sources.len(), 3);
        assert_eq!(config.utc_offset.seconds(), -(5 * 60 + 30) * 60);
        assert_eq!(config.retention_days.unwrap().get(), 90);
    }

    #[test]
    fn a_wrong_value_is_an_error_that_names_the_variable() {
        for (variable, value) in [
            ("ALLOWED_SOURCE_CIDRS", "everybody"),
            ("MAX_BODY_BYTES", "4 MB"),
            ("MAX_BODY_BYTES", "0"),
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
    fn a_token_in_place_of_its_digest_is_not_shown() {
        let error = read(&[("PUSH_TOKEN_SHA256", "my-secret")]).unwrap_err();
        assert!(error.starts_with("PUSH_TOKEN_SHA256") && !error.contains("my-secret"), "{error}");
        assert_eq!(read(&[]).unwrap_err(), "PUSH_TOKEN_SHA256 is not set");
    }
}
