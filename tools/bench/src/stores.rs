//! The stores that pushes and recordings go to.

use aws_sdk_dynamodb::Client;
use catalog::token;
use local_stack::dynamodb::{self, DynamoDb};
use local_stack::schema;
use runtime::aws::{Account, Patience};
use runtime::config::{Environment, StoreConfig};
use runtime::store::Store;
use s3_emulator::S3;
use tokio::net::TcpListener;

use super::pushes::TOKEN;

/// Embedded stores in memory, with table and bucket.
#[derive(Debug)]
pub(super) struct Stores {
    pub(super) dynamodb: DynamoDb,
    pub(super) s3: S3,
    pub(super) store: Store,
}

impl Stores {
    /// Starts them on free ports.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let dynamodb = dynamodb::start(TcpListener::bind("127.0.0.1:0").await?, None).await?;
        let s3 = s3_emulator::start(TcpListener::bind("127.0.0.1:0").await?, None).await?;
        let look_up = settings(&dynamodb.endpoint(), &s3.endpoint());
        let environment = Environment::new(&look_up);
        let config = StoreConfig::read(&environment)?;
        let account = Account::of_function(&environment, &config)?;
        schema::create_table(&account, &config).await?;
        let store = Store::new(config, account, Patience::Nobody);
        schema::create_bucket(store.bucket()).await?;
        Ok(Self { dynamodb, s3, store })
    }
}

/// A function's settings, with the stores at these endpoints.
pub(super) fn settings(dynamodb: &str, s3: &str) -> impl Fn(&str) -> Option<String> + use<> {
    let (dynamodb, s3) = (dynamodb.to_owned(), s3.to_owned());
    move |variable| match variable {
        "DYNAMODB_ENDPOINT" => Some(dynamodb.clone()),
        "S3_ENDPOINT" => Some(s3.clone()),
        "TABLE_NAME" | "BUCKET_NAME" => Some("callvault".to_owned()),
        "PUSH_TOKEN_SHA256" => Some(token::digest(TOKEN)),
        _ => None,
    }
}

/// A client of DynamoDB just like the functions' own.
pub(super) fn bare_client(dynamodb: &str) -> anyhow::Result<Client> {
    let look_up = settings(dynamodb, dynamodb);
    let environment = Environment::new(&look_up);
    let config = StoreConfig::read(&environment)?;
    let account = Account::of_function(&environment, &config)?;
    Ok(runtime::aws::dynamodb(&account, &config, Patience::Sender))
}
