//! The stores that pushes and recordings go to.

use std::path::Path;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::StalledStreamProtectionConfig;
use catalog::token;
use local_stack::dynamodb::{self, DynamoDb};
use local_stack::schema;
use runtime::aws::{Account, Patience};
use runtime::config::{Environment, StoreConfig};
use runtime::store::Store;
use s3_emulator::S3;
use tokio::net::TcpListener;

use super::pushes::TOKEN;

/// Embedded stores, with table and bucket.
#[derive(Debug)]
pub(super) struct Stores {
    pub(super) dynamodb: DynamoDb,
    pub(super) s3: S3,
    pub(super) store: Store,
}

impl Stores {
    /// Starts them on free ports, in memory.
    pub(super) async fn start() -> anyhow::Result<Self> {
        Self::start_in(None).await
    }

    /// Starts them on free ports; DynamoDB's items are in a file of this folder, where reading holds up no push, or in memory.
    pub(super) async fn start_in(folder: Option<&Path>) -> anyhow::Result<Self> {
        let dynamodb = dynamodb::start(TcpListener::bind("127.0.0.1:0").await?, folder).await?;
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

    /// Where readers find DynamoDB.
    pub(super) fn readers_endpoint(&self) -> String {
        format!("http://{}", self.dynamodb.readers_addr())
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

/// A client of DynamoDB that has the functions' bound on connections, their patience and their retries. All else is as the SDK comes.
pub(super) fn bare_client(dynamodb: &str) -> anyhow::Result<Client> {
    let look_up = settings(dynamodb, dynamodb);
    let environment = Environment::new(&look_up);
    let config = StoreConfig::read(&environment)?;
    let account = Account::of_function(&environment, &config)?;
    let ours = runtime::aws::dynamodb(&account, &config, Patience::Sender);
    let watched = StalledStreamProtectionConfig::enabled().build();
    Ok(Client::from_conf(ours.config().to_builder().stalled_stream_protection(watched).build()))
}
