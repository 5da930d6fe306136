//! The keys to the providers' APIs, for the scheduled functions only.
//!
//! They come from one AWS Secrets Manager secret, `{"alibaba":{"access_key_id","access_key_secret"},"laaffic":{"api_key","api_secret"}}`,
//! or, for local use, from the environment. A provider without keys is not asked for anything.

use aws_sdk_secretsmanager::error::SdkError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use serde::Deserialize;

use crate::aws::{self, Account};
use crate::config::{ConfigError, Environment};
use crate::outbound::acs3::AccessKey;
use crate::outbound::laaffic::ApiKey;

/// The keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The secret could not be read.
    #[error("the providers' secret could not be read: {}", aws::brief(.0))]
    Secret(#[source] Box<SdkError<GetSecretValueError>>),
    /// The secret holds no text.
    #[error("the providers' secret holds no text")]
    NoText,
    /// The secret is not the JSON that is asked of it. Only the place is told: the text is secret.
    #[error("the providers' secret is not as it should be: line {line}, column {column}")]
    Shape {
        /// The line, counted from one.
        line: usize,
        /// The column, counted from one.
        column: usize,
    },
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
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

impl ProviderCredentials {
    /// Reads the keys: from the secret that `PROVIDER_SECRET_ARN` names, else from `ALIBABA_ACCESS_KEY_ID`,
    /// `ALIBABA_ACCESS_KEY_SECRET`, `LAAFFIC_API_KEY` and `LAAFFIC_API_SECRET`.
    pub async fn load(environment: &Environment<'_>, account: &Account) -> Result<Self, CredentialsError> {
        match environment.get("PROVIDER_SECRET_ARN") {
            Some(arn) => Self::of_secret(&read_secret(account, arn).await?),
            None => Ok(Self::of_environment(environment)?),
        }
    }

    fn of_environment(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            alibaba: pair(environment, "ALIBABA_ACCESS_KEY_ID", "ALIBABA_ACCESS_KEY_SECRET")?
                .map(|(id, secret)| AccessKey { id, secret }),
            laaffic: pair(environment, "LAAFFIC_API_KEY", "LAAFFIC_API_SECRET")?
                .map(|(key, secret)| ApiKey { key, secret }),
        })
    }

    fn of_secret(json: &str) -> Result<Self, CredentialsError> {
        let secret: Secret = serde_json::from_str(json)
            .map_err(|error| CredentialsError::Shape { line: error.line(), column: error.column() })?;
        Ok(Self {
            alibaba: secret
                .alibaba
                .map(|keys| AccessKey { id: keys.access_key_id, secret: keys.access_key_secret }),
            laaffic: secret.laaffic.map(|keys| ApiKey { key: keys.api_key, secret: keys.api_secret }),
        })
    }
}

/// Two variables that make sense only together.
fn pair(
    environment: &Environment<'_>,
    name: &'static str,
    secret: &'static str,
) -> Result<Option<(String, String)>, ConfigError> {
    match (environment.get(name), environment.get(secret)) {
        (None, None) => Ok(None),
        (Some(name), Some(secret)) => Ok(Some((name, secret))),
        (Some(_), None) => Err(ConfigError::Missing(secret)),
        (None, Some(_)) => Err(ConfigError::Missing(name)),
    }
}

async fn read_secret(account: &Account, arn: String) -> Result<String, CredentialsError> {
    let config = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(aws_sdk_secretsmanager::config::BehaviorVersion::latest())
        .region(aws_sdk_secretsmanager::config::Region::new(account.region.clone()))
        .credentials_provider(account.credentials.clone())
        .http_client(aws::http_client())
        .build();
    let client = aws_sdk_secretsmanager::Client::from_conf(config);
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
}
