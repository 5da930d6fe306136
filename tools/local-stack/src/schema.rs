//! The table and the bucket, made as the template defines them.

use anyhow::Context;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TimeToLiveSpecification,
};
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use runtime::aws::{self, Account, Patience};
use runtime::config::StoreConfig;
use runtime::store::Store;
use runtime::store::analytics::AnalyticsBucket;
use runtime::store::bucket::Bucket;
use shared::record::keys::{INDEXES, PK, SK, TTL};

/// Makes the table with its indexes, unless it is there.
pub async fn create_table(account: &Account, stores: &StoreConfig) -> anyhow::Result<()> {
    let client = aws::dynamodb(account, stores, Patience::Nobody);
    let name = &stores.table_name;
    let text = |name: &str| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
    };
    let key = |partition: &str, sort: &str| {
        let element =
            |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
        Ok::<_, aws_sdk_dynamodb::error::BuildError>(vec![
            element(partition, KeyType::Hash)?,
            element(sort, KeyType::Range)?,
        ])
    };
    let mut names = vec![PK, SK];
    let mut indexes = Vec::new();
    for index in INDEXES {
        names.extend([index.partition, index.sort]);
        let projection = match index.projects {
            [] => Projection::builder().projection_type(ProjectionType::KeysOnly),
            attributes => Projection::builder()
                .projection_type(ProjectionType::Include)
                .set_non_key_attributes(Some(attributes.iter().map(|name| (*name).to_owned()).collect())),
        };
        indexes.push(
            GlobalSecondaryIndex::builder()
                .index_name(index.name)
                .set_key_schema(Some(key(index.partition, index.sort)?))
                .projection(projection.build())
                .build()?,
        );
    }
    names.sort_unstable();
    names.dedup();
    let create = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(key(PK, SK)?))
        .set_attribute_definitions(Some(names.into_iter().map(text).collect::<Result<_, _>>()?))
        .set_global_secondary_indexes(Some(indexes));
    match create.send().await {
        Ok(_) => {}
        Err(error) if error.code() == Some("ResourceInUseException") => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("the table {name} can't be made")),
    }
    let ttl = TimeToLiveSpecification::builder().attribute_name(TTL).enabled(true).build()?;
    match client.update_time_to_live().table_name(name).time_to_live_specification(ttl).send().await {
        Ok(_) => Ok(()),
        // Some stand-ins for DynamoDB let nothing expire.
        Err(error) if error.code() == Some("UnknownOperationException") => Ok(()),
        Err(error) => Err(error).with_context(|| format!("the table {name} can't be given a time to live")),
    }
}

/// Makes the bucket of analytics' files, where one is named, unless it is there. It is neither versioned nor can anything in it be locked.
pub async fn create_analytics_bucket(store: &Store) -> anyhow::Result<()> {
    let Some(AnalyticsBucket(bucket)) = store.analytics() else { return Ok(()) };
    match bucket.client.create_bucket().bucket(&bucket.name).send().await {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.code(), Some("BucketAlreadyOwnedByYou" | "BucketAlreadyExists")) => {
            Ok(())
        }
        Err(error) => Err(error).with_context(|| format!("the bucket {} can't be made", bucket.name)),
    }
}

/// Makes the bucket, unless it is there. Its objects can be locked, which none is unless that is asked for.
pub async fn create_bucket(bucket: &Bucket) -> anyhow::Result<()> {
    let name = &bucket.name;
    match bucket.client.create_bucket().bucket(name).object_lock_enabled_for_bucket(true).send().await {
        Ok(_) => {}
        Err(error) if matches!(error.code(), Some("BucketAlreadyOwnedByYou" | "BucketAlreadyExists")) => {}
        Err(error) => return Err(error).with_context(|| format!("the bucket {name} can't be made")),
    }
    let versioning = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    bucket
        .client
        .put_bucket_versioning()
        .bucket(name)
        .versioning_configuration(versioning)
        .send()
        .await
        .with_context(|| format!("the bucket {name} can't be versioned"))?;
    Ok(())
}
