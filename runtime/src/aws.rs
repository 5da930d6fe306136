//! The AWS clients, with no more than they need and prepared for a sender that waits 700 ms.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::StalledStreamProtectionConfig;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::pool::{self, ConnectionPool};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::shared::IntoShared;

use crate::config::{ConfigError, Environment, StoreConfig};

/// Who signs requests, and where they go.
#[derive(Clone, Debug)]
pub struct Account {
    /// The region of the table and the bucket.
    pub region: String,
    /// What requests are signed with.
    pub credentials: SharedCredentialsProvider,
}

impl Account {
    /// The account that a Lambda function runs in. Lambda hands a function its credentials in the environment, for as long as
    /// the process lives, so nothing else needs asking on a cold start. With another endpoint than AWS's any credentials
    /// will do.
    pub fn of_function(environment: &Environment<'_>, stores: &StoreConfig) -> Result<Self, ConfigError> {
        let local = stores.dynamodb_endpoint.is_some() && stores.s3_endpoint.is_some();
        let keys = environment.pair("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")?;
        let (id, secret) = match keys {
            Some(keys) => keys,
            None if local => ("local".to_owned(), "local".to_owned()),
            None => return Err(ConfigError::Missing("AWS_ACCESS_KEY_ID")),
        };
        let session = environment.get("AWS_SESSION_TOKEN");
        let credentials = Credentials::new(id, secret, session, None, "environment");
        let region = match environment.get("AWS_REGION") {
            Some(region) => region,
            None if local => "us-east-1".to_owned(),
            None => return Err(ConfigError::Missing("AWS_REGION")),
        };
        Ok(Self { region, credentials: SharedCredentialsProvider::new(credentials) })
    }
}

/// What went wrong with a request, in words fit for a log: the service's code for an error of its own (its message may repeat what
/// was sent), the causes in turn for all else.
pub fn brief<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    if let Some(service) = error.as_service_error() {
        return service.code().unwrap_or("an error without a code").to_owned();
    }
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

/// An HTTP client with the one TLS stack of this program.
pub fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// How many connections a client opens to DynamoDB at most: as many as it has requests under way.
///
/// hyper's own pool has no such bound: it begins to connect when none is free, takes whichever comes first, the new one or one that
/// has become free, and keeps both.
pub const MAX_CONNECTIONS: usize = 16;

/// An HTTP client as [`http_client`]'s, with at most [`MAX_CONNECTIONS`] to a host.
#[expect(
    clippy::expect_used,
    reason = "the settings are these alone, and a function without its table is none"
)]
fn bounded_http_client() -> SharedHttpClient {
    let pool = ConnectionPool::builder()
        .max_connections_per_host(MAX_CONNECTIONS)
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
        .expect("a pool of one partition, with a bound above zero");
    pool::Client::new(&pool).expect("it has no other partition").into_shared()
}

/// How long DynamoDB and S3 are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// A push's sender waits 700 ms: a connection that died while the function was frozen costs one short attempt. (The SDK's
    /// defaults would wait 3.1 s to connect.) Whatever is silent, an answer is due within 5 s.
    Sender,
    /// Nobody waits: a slow answer is better than another request.
    Nobody,
}

impl Patience {
    fn dynamodb(self) -> TimeoutConfig {
        let (connect, attempt) = match self {
            Self::Sender => (Duration::from_millis(300), Duration::from_millis(400)),
            Self::Nobody => (Duration::from_secs(2), Duration::from_secs(10)),
        };
        TimeoutConfig::builder().connect_timeout(connect).operation_attempt_timeout(attempt).build()
    }

    /// An object may have megabytes: an attempt to put it has longer than one to write an item. Nobody's attempts have no end: a
    /// recording's part takes as long as it takes.
    fn s3(self) -> TimeoutConfig {
        let config = TimeoutConfig::builder();
        match self {
            Self::Sender => config
                .connect_timeout(Duration::from_millis(500))
                .operation_attempt_timeout(Duration::from_secs(2))
                .operation_timeout(Duration::from_millis(4_200)),
            Self::Nobody => config.connect_timeout(Duration::from_secs(1)),
        }
        .build()
    }
}

/// A client for DynamoDB. What may pass is tried again soon: the SDK's defaults would pause up to a second first.
pub fn dynamodb(account: &Account, stores: &StoreConfig, patience: Patience) -> aws_sdk_dynamodb::Client {
    let mut config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .region(aws_sdk_dynamodb::config::Region::new(account.region.clone()))
        .credentials_provider(account.credentials.clone())
        .http_client(bounded_http_client())
        // Each attempt has its end, the answer's body included: to watch how fast bodies flow beside that costs each request, and finds
        // nothing.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(patience.dynamodb())
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(6)
                .with_initial_backoff(Duration::from_millis(25))
                .with_max_backoff(Duration::from_millis(400)),
        );
    if let Some(endpoint) = &stores.dynamodb_endpoint {
        config = config.endpoint_url(endpoint);
    }
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// A client for S3.
pub fn s3(
    account: &Account,
    stores: &StoreConfig,
    http: SharedHttpClient,
    patience: Patience,
) -> aws_sdk_s3::Client {
    let mut config = aws_sdk_s3::Config::builder()
        .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
        .region(aws_sdk_s3::config::Region::new(account.region.clone()))
        .credentials_provider(account.credentials.clone())
        .http_client(http)
        .timeout_config(patience.s3())
        .retry_config(
            RetryConfig::standard().with_max_attempts(5).with_initial_backoff(Duration::from_millis(50)),
        );
    if let Some(endpoint) = &stores.s3_endpoint {
        config = config.endpoint_url(endpoint).force_path_style(true);
    }
    aws_sdk_s3::Client::from_conf(config.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_key_pair_is_refused_wherever_the_stores_are() {
        let account = |settings: &[(&str, &str)]| {
            let look_up = |name: &str| match name {
                "TABLE_NAME" | "BUCKET_NAME" => Some("callvault".to_owned()),
                "DYNAMODB_ENDPOINT" | "S3_ENDPOINT" => Some("http://127.0.0.1:1".to_owned()),
                name => {
                    settings.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
                }
            };
            let environment = Environment::new(&look_up);
            let stores = StoreConfig::read(&environment).unwrap();
            Account::of_function(&environment, &stores).map(|_| ()).map_err(|error| error.to_string())
        };
        let [id, secret] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        assert_eq!(account(&[]), Ok(()));
        assert_eq!(account(&[(id, "a"), (secret, "b")]), Ok(()));
        assert_eq!(account(&[(id, "a")]), Err(format!("{secret} is not set")));
        assert_eq!(account(&[(secret, "b")]), Err(format!("{id} is not set")));
    }
}
