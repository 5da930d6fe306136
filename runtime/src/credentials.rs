//! The keys to the providers' APIs, for the scheduled functions only.
//!
//! They come from one AWS Secrets Manager secret, `{"alibaba":{"access_key_id","access_key_secret"},"laaffic":{"api_key","api_secret"}}`,
//! or, for local use, from the environment. A provider without keys is not asked for anything.
//!
//! The secret is read anew in each run, so that keys which were replaced need no restart. Where it can't be read the run goes on
//! without keys, and says so: nothing else waits for them.

use std::time::Duration;

use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::error::SdkError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::aws::{self, Account};
use crate::config::{self, ConfigError, Environment};
use crate::metrics::Metrics;
use crate::outbound::acs3::AccessKey;
use crate::outbound::laaffic::ApiKey;
use shared::model::Instant;

/// How long Secrets Manager is waited for: the run has other work to do.
const PATIENCE: Duration = Duration::from_secs(10);

/// The keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The secret could not be read.
    #[error("the secret could not be read: {}", aws::brief(.0))]
    Secret(#[source] Box<SdkError<GetSecretValueError>>),
    /// The secret holds no text.
    #[error("the secret holds no text")]
    NoText,
    /// The secret is not the JSON that is asked of it. Only the place is told: the text is secret.
    #[error("the secret is not as it should be: line {line}, column {column}")]
    Shape {
        /// The line, counted from one.
        line: usize,
        /// The column, counted from one.
        column: usize,
    },
}

/// The keys that are at hand.
#[derive(Clone, Debug, Default)]
pub struct ProviderCredentials {
    /// For Alibaba's API.
    pub alibaba: Option<AccessKey>,
    /// For LAAFFIC's API.
    pub laaffic: Option<ApiKey>,
}

#[derive(Deserialize)]
struct Secret {
    alibaba: Option<AlibabaSecret>,
    laaffic: Option<LaafficSecret>,
}

#[derive(Deserialize)]
struct AlibabaSecret {
    access_key_id: String,
    access_key_secret: String,
}

#[derive(Deserialize)]
struct LaafficSecret {
    api_key: String,
    api_secret: String,
}

/// Where the keys come from.
#[derive(Clone, Debug)]
pub struct KeySource(Origin);

#[derive(Clone, Debug)]
enum Origin {
    Secret { client: aws_sdk_secretsmanager::Client, arn: String },
    Environment(ProviderCredentials),
}

/// The keys that were at hand when they were asked for.
#[derive(Debug, Default)]
pub struct Keys {
    /// None where they could not be read.
    pub credentials: ProviderCredentials,
    /// Why they could not be read. That says nothing of whether there are any.
    pub unreadable: Option<CredentialsError>,
}

impl KeySource {
    /// The secret that `PROVIDER_SECRET_ARN` names, else `ALIBABA_ACCESS_KEY_ID`, `ALIBABA_ACCESS_KEY_SECRET`, `LAAFFIC_API_KEY` and
    /// `LAAFFIC_API_SECRET`.
    ///
    /// # Errors
    /// [`ConfigError`], where half of a pair is set, or what is set names no secret.
    pub fn read(environment: &Environment<'_>, account: &Account) -> Result<Self, ConfigError> {
        Ok(Self(match secret(environment, account, "PROVIDER_SECRET_ARN")? {
            Some((client, arn)) => Origin::Secret { client, arn },
            None => Origin::Environment(ProviderCredentials::of_environment(environment)?),
        }))
    }

    /// The keys as they are now; none where they can't be read.
    pub async fn keys(&self) -> Keys {
        match &self.0 {
            Origin::Environment(credentials) => Keys { credentials: credentials.clone(), unreadable: None },
            Origin::Secret { client, arn } => match read_secret(client, arn).await {
                Ok(credentials) => Keys { credentials, unreadable: None },
                Err(error) => Keys { unreadable: Some(error), ..Keys::default() },
            },
        }
    }
}

impl Keys {
    /// Writes down, and counts, that `function` could not read them `at` that time, where it is so.
    pub fn report(&self, function: &str, metrics: &Metrics, at: Instant) {
        if let Some(error) = &self.unreadable {
            tracing::error!(function, error = %error, "secret_unreadable");
            metrics.secret_unreadable(at);
        }
    }
}

impl ProviderCredentials {
    fn of_environment(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            alibaba: environment
                .pair("ALIBABA_ACCESS_KEY_ID", "ALIBABA_ACCESS_KEY_SECRET")?
                .map(|(id, secret)| AccessKey { id, secret }),
            laaffic: environment
                .pair("LAAFFIC_API_KEY", "LAAFFIC_API_SECRET")?
                .map(|(key, secret)| ApiKey { key, secret }),
        })
    }

    fn of_secret(json: &str) -> Result<Self, CredentialsError> {
        let secret: Secret = of_json(json)?;
        Ok(Self {
            alibaba: secret
                .alibaba
                .map(|keys| AccessKey { id: keys.access_key_id, secret: keys.access_key_secret }),
            laaffic: secret.laaffic.map(|keys| ApiKey { key: keys.api_key, secret: keys.api_secret }),
        })
    }
}

/// The secret whose ARN a variable holds, and a client for it; `None` where it is not set.
pub(crate) fn secret(
    environment: &Environment<'_>,
    account: &Account,
    variable: &'static str,
) -> Result<Option<(aws_sdk_secretsmanager::Client, String)>, ConfigError> {
    match environment.get(variable) {
        Some(arn) if !config::is_arn(&arn, "secretsmanager") => {
            Err(ConfigError::Invalid { variable: variable.into(), problem: "not a secret's ARN".to_owned() })
        }
        // The SDK's own variable for another endpoint than AWS's.
        Some(arn) => {
            let endpoint = config::endpoint(environment, "AWS_ENDPOINT_URL_SECRETS_MANAGER")?;
            Ok(Some((client(account, &arn, endpoint), arn)))
        }
        None => Ok(None),
    }
}

/// What a secret's JSON holds.
pub(crate) fn of_json<T: DeserializeOwned>(json: &str) -> Result<T, CredentialsError> {
    serde_json::from_str(json)
        .map_err(|error| CredentialsError::Shape { line: error.line(), column: error.column() })
}

/// A client in the secret's own region, which need not be the stack's.
fn client(account: &Account, arn: &str, endpoint: Option<String>) -> aws_sdk_secretsmanager::Client {
    let region = region(arn).unwrap_or(&account.region).to_owned();
    let timeouts =
        TimeoutConfig::builder().connect_timeout(Duration::from_secs(2)).operation_timeout(PATIENCE);
    let mut config = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(aws_sdk_secretsmanager::config::BehaviorVersion::latest())
        .region(aws_sdk_secretsmanager::config::Region::new(region))
        .credentials_provider(account.credentials.clone())
        .timeout_config(timeouts.build())
        .http_client(aws::http_client());
    if let Some(endpoint) = endpoint {
        config = config.endpoint_url(endpoint);
    }
    aws_sdk_secretsmanager::Client::from_conf(config.build())
}

/// The region that an ARN names: `arn:aws:secretsmanager:eu-central-1:123456789012:secret:name`.
fn region(arn: &str) -> Option<&str> {
    let mut parts = arn.split(':');
    (parts.next() == Some("arn")).then(|| parts.nth(2)).flatten().filter(|region| !region.is_empty())
}

async fn read_secret(
    client: &aws_sdk_secretsmanager::Client,
    arn: &str,
) -> Result<ProviderCredentials, CredentialsError> {
    ProviderCredentials::of_secret(&secret_text(client, arn).await?)
}

/// The text of a secret.
pub(crate) async fn secret_text(
    client: &aws_sdk_secretsmanager::Client,
    arn: &str,
) -> Result<String, CredentialsError> {
    let answer = client.get_secret_value().secret_id(arn).send().await;
    let answer = answer.map_err(|error| CredentialsError::Secret(Box::new(error)))?;
    answer.secret_string.ok_or(CredentialsError::NoText)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_may_hold_one_provider_or_both() {
        let both = r#"{"alibaba":{"access_key_id":"a","access_key_secret":"b"},"laaffic":{"api_key":"c","api_secret":"d"}}"#;
        let keys = ProviderCredentials::of_secret(both).unwrap();
        assert_eq!(keys.alibaba.unwrap().id, "a");
        assert_eq!(keys.laaffic.unwrap().secret, "d");
        assert!(ProviderCredentials::of_secret("{}").unwrap().alibaba.is_none());
    }

    #[test]
    fn a_wrong_secret_is_told_by_its_place_and_never_shown() {
        let error = ProviderCredentials::of_secret(r#"{"alibaba": "canary"}"#).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("canary"), "{error:?}");
    }

    #[test]
    fn half_a_pair_is_an_error_that_names_the_other_half() {
        let look_up = |name: &str| (name == "LAAFFIC_API_KEY").then(|| "key".to_owned());
        let error = ProviderCredentials::of_environment(&Environment::new(&look_up)).unwrap_err();
        assert_eq!(error.to_string(), "LAAFFIC_API_SECRET is not set");
    }

    #[test]
    fn the_region_is_the_secrets_own() {
        for (arn, expected) in [
            ("arn:aws:secretsmanager:eu-central-1:123456789012:secret:keys-AbCdEf", Some("eu-central-1")),
            ("arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:keys", Some("cn-north-1")),
            ("arn:aws:secretsmanager", None),
            ("arn:aws:secretsmanager::123456789012:secret:keys", None),
            ("keys", None),
        ] {
            assert_eq!(region(arn), expected, "{arn}");
        }
    }
}
