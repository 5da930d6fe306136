//! Whether the stores that a command works on are there, asked before it begins: one sentence that names the store is worth more than
//! the first request's error.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use std::net::IpAddr;

use anyhow::{anyhow, bail};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use runtime::config::StoreConfig;
use runtime::store::Store;
use runtime::store::table::TableError;
use url::Url;

/// What AWS says of credentials that it knows not, or knows no more.
const REFUSED_CREDENTIALS: [&str; 9] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];
/// What DynamoDB says of a table that is not there.
const NO_TABLE: &str = "ResourceNotFoundException";

/// Fails, in one sentence, where table or bucket can't be reached or is not there. That a permission is missing is no failure: a command
/// need not read an item, nor list the bucket.
pub(super) async fn reach(store: &Store, stores: &StoreConfig, region: &str) -> anyhow::Result<()> {
    reach_table(store, stores, region).await?;
    reach_bucket(store, stores, region).await
}

/// [`reach`], for the table alone.
pub(super) async fn reach_table(store: &Store, stores: &StoreConfig, region: &str) -> anyhow::Result<()> {
    let table = Place {
        what: "the table",
        name: &stores.table_name,
        endpoint: stores.dynamodb_endpoint.as_deref(),
        region,
    };
    match store.table().connect().await {
        Err(TableError::Get(error)) if error.code() == Some(NO_TABLE) => bail!("{table} does not exist"),
        Err(TableError::Get(error)) => table.judge(&error)?,
        Ok(()) | Err(_) => {}
    }
    Ok(())
}

/// [`reach`], for the bucket alone.
pub(super) async fn reach_bucket(store: &Store, stores: &StoreConfig, region: &str) -> anyhow::Result<()> {
    let bucket = Place {
        what: "the bucket",
        name: &stores.bucket_name,
        endpoint: stores.s3_endpoint.as_deref(),
        region,
    };
    if let Err(error) = store.bucket().client.head_bucket().bucket(&stores.bucket_name).send().await {
        match error.raw_response().map(|response| response.status().as_u16()) {
            Some(404) => bail!("{bucket} does not exist"),
            Some(301) => bail!("{bucket} does not exist there: it is in another region"),
            _ => bucket.judge(&error)?,
        }
    }
    Ok(())
}

/// A table or a bucket.
struct Place<'a> {
    what: &'static str,
    name: &'a str,
    /// Another endpoint than AWS's.
    endpoint: Option<&'a str>,
    region: &'a str,
}

impl Place<'_> {
    /// Whether nothing answered, or nobody who knows the credentials.
    fn judge<E: Error + ProvideErrorMetadata + 'static>(&self, error: &SdkError<E>) -> anyhow::Result<()> {
        if let SdkError::ServiceError(_) = error {
            return match error.code() {
                Some(code) if REFUSED_CREDENTIALS.contains(&code) => {
                    bail!("{self}: the AWS credentials are refused ({code}): sign in again, or set others")
                }
                _ => Ok(()),
            };
        }
        let hint = match self
            .endpoint
            .and_then(|endpoint| Url::parse(endpoint).ok())
            .is_some_and(|url| is_here(&url))
        {
            true => " (is the local stack running? `callvault`)",
            false => "",
        };
        Err(anyhow!("{self} can't be reached: {}{hint}", why(error)))
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, name, endpoint, region } = self;
        match endpoint.and_then(|endpoint| Url::parse(endpoint).ok()) {
            // Without what else it may hold.
            Some(url) => write!(f, "{what} {name} at {}", url.origin().ascii_serialization()),
            None => write!(f, "{what} {name} in {region}"),
        }
    }
}

/// Whether a URL is this machine's.
pub fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "localhost"
        || host.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Why there was no answer, in few words: what lies at the bottom of it.
fn why(error: &(dyn Error + 'static)) -> String {
    let chain: Vec<_> = std::iter::successors(Some(error), |error| (*error).source()).collect();
    let mut kinds = chain.iter().filter_map(|error| error.downcast_ref::<std::io::Error>());
    match kinds.next_back().map(std::io::Error::kind) {
        Some(ErrorKind::ConnectionRefused) => return "connection refused".to_owned(),
        Some(ErrorKind::TimedOut) => return "no answer in time".to_owned(),
        _ => {}
    }
    let words = chain.last().map(ToString::to_string).unwrap_or_default();
    match words.contains("timeout") || words.contains("timed out") {
        true => "no answer in time".to_owned(),
        false => words,
    }
}

#[cfg(test)]
mod tests {
    use runtime::aws::{Account, Patience};
    use runtime::config::Environment;

    use super::*;

    async fn reached(dynamodb: &str) -> String {
        let look_up = |variable: &str| match variable {
            "TABLE_NAME" | "BUCKET_NAME" => Some("callvault".to_owned()),
            "DYNAMODB_ENDPOINT" => Some(dynamodb.to_owned()),
            "S3_ENDPOINT" => Some("http://127.0.0.1:9".to_owned()),
            _ => None,
        };
        let environment = Environment::new(&look_up);
        let stores = StoreConfig::read(&environment).unwrap();
        let account = Account::of_function(&environment, &stores).unwrap();
        let region = account.region.clone();
        let store = Store::new(stores.clone(), account, Patience::Nobody);
        reach(&store, &stores, &region).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_store_that_is_not_there_is_one_sentence_that_names_it() {
        let closed = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            format!("http://{}", listener.local_addr().unwrap())
        };
        assert_eq!(
            reached(&closed).await,
            format!(
                "the table callvault at {closed} can't be reached: connection refused \
                 (is the local stack running? `callvault`)"
            )
        );
        let (_, port) = closed.rsplit_once(':').unwrap();
        let told = reached(&format!("http://user:canary@localhost:{port}/")).await;
        assert!(
            told.starts_with(&format!("the table callvault at http://localhost:{port} can't be")),
            "{told}"
        );
    }

    #[test]
    fn where_a_store_is_is_told_by_endpoint_or_region() {
        let place =
            |endpoint| Place { what: "the bucket", name: "b", endpoint, region: "eu-west-1" }.to_string();
        assert_eq!(place(None), "the bucket b in eu-west-1");
        assert_eq!(place(Some("http://h:9000/x?y=z")), "the bucket b at http://h:9000");
        let is_here = |url: &str| super::is_here(&Url::parse(url).unwrap());
        assert!(is_here("http://localhost:1") && is_here("http://[::1]:1") && is_here("http://127.0.0.2"));
        assert!(!is_here("https://dynamodb.eu-west-1.amazonaws.com") && !is_here("http://10.0.0.1"));
    }
}
