//! The embedded DynamoDB.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    Projection, ProjectionType, ReturnValuesOnConditionCheckFailure, ScalarAttributeType,
    TimeToLiveSpecification,
};
use local_stack::dynamodb::{self, DynamoDb};
use tokio::task::JoinSet;

use crate::{dynamodb_client, free_port, within_limit};

/// As many as a burst of pushes brings at once.
const CLIENTS: usize = 16;

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn key(name: &str, role: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(role).build().unwrap()
}

/// Creates `calls`, shaped like our table: `pk`, `sk` and a sparse index sorted by `due_at`.
pub(crate) async fn create_table(client: &Client) {
    let attribute = |name: &str| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .unwrap()
    };
    let by_due = GlobalSecondaryIndex::builder()
        .index_name("by-due")
        .key_schema(key("due", KeyType::Hash))
        .key_schema(key("due_at", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .unwrap();
    client
        .create_table()
        .table_name("calls")
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(["pk", "sk", "due", "due_at"].map(attribute).into()))
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range))
        .global_secondary_indexes(by_due)
        .send()
        .await
        .unwrap();
}

async fn with_table() -> (DynamoDb, Client) {
    let server = dynamodb::start(free_port().await, None).await.unwrap();
    let client = dynamodb_client(&server.endpoint());
    create_table(&client).await;
    (server, client)
}

#[test]
fn items_are_put_got_and_found_by_index() {
    within_limit(async {
        let (server, client) = with_table().await;
        for (sk, due_at) in [("recording#full", "2025-06-02"), ("recording#main", "2025-06-01")] {
            client
                .put_item()
                .table_name("calls")
                .item("pk", text("call#alicom#1"))
                .item("sk", text(sk))
                .item("due", text("archive#0"))
                .item("due_at", text(due_at))
                .send()
                .await
                .unwrap();
        }
        client
            .put_item()
            .table_name("calls")
            .item("pk", text("call#alicom#1"))
            .item("sk", text("call"))
            .item("cost", number("0.12345678901234567890123456789012345678"))
            .send()
            .await
            .unwrap();

        let due = client
            .query()
            .table_name("calls")
            .index_name("by-due")
            .key_condition_expression("due = :due")
            .expression_attribute_values(":due", text("archive#0"))
            .send()
            .await
            .unwrap();
        let order: Vec<&AttributeValue> = due.items().iter().map(|item| &item["sk"]).collect();
        assert_eq!(order, [&text("recording#main"), &text("recording#full")]);

        let call = client
            .get_item()
            .table_name("calls")
            .key("pk", text("call#alicom#1"))
            .key("sk", text("call"))
            .consistent_read(true)
            .send()
            .await
            .unwrap();
        assert_eq!(call.item().unwrap()["cost"], number("0.12345678901234567890123456789012345678"));
        server.stop().await.unwrap();
    });
}

#[test]
fn of_racing_conditional_puts_exactly_one_wins_and_the_others_learn_of_it() {
    within_limit(async {
        let (server, _) = with_table().await;
        let endpoint = server.endpoint();
        let mut clients = JoinSet::new();
        for id in 0..CLIENTS {
            let client = dynamodb_client(&endpoint);
            clients.spawn(async move {
                let mut won = Vec::new();
                for call in 0..20 {
                    let put = client
                        .put_item()
                        .table_name("calls")
                        .item("pk", text(format!("call#{call}")))
                        .item("sk", text("call"))
                        .item("writer", number(id))
                        .condition_expression("attribute_not_exists(pk)")
                        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                        .send()
                        .await;
                    match put.map_err(|error| error.into_service_error()) {
                        Ok(_) => won.push((call, id)),
                        Err(PutItemError::ConditionalCheckFailedException(failure)) => {
                            assert_ne!(failure.item().unwrap()["writer"], number(id));
                        }
                        Err(error) => panic!("{error:?}"),
                    }
                }
                won
            });
        }
        let winners: Vec<(i32, usize)> = clients.join_all().await.concat();
        assert_eq!(winners.len(), 20, "{winners:?}");
        let client = dynamodb_client(&endpoint);
        for (call, id) in winners {
            let key = HashMap::from([
                ("pk".to_owned(), text(format!("call#{call}"))),
                ("sk".to_owned(), text("call")),
            ]);
            let item = client.get_item().table_name("calls").set_key(Some(key)).send().await.unwrap();
            assert_eq!(item.item().unwrap()["writer"], number(id));
        }
        server.stop().await.unwrap();
    });
}

#[test]
fn no_versioned_update_is_lost() {
    within_limit(async {
        const UPDATES: usize = 10;
        let (server, client) = with_table().await;
        let key = HashMap::from([("pk".to_owned(), text("call#1")), ("sk".to_owned(), text("call"))]);
        let read = |client: Client, key: HashMap<String, AttributeValue>| async move {
            let item =
                client.get_item().table_name("calls").set_key(Some(key)).consistent_read(true).send().await;
            let version =
                item.unwrap().item().map(|item| item["version"].as_n().unwrap().parse::<usize>().unwrap());
            version.unwrap_or_default()
        };
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let client = dynamodb_client(&server.endpoint());
            let key = key.clone();
            clients.spawn(async move {
                let mut done = 0;
                while done < UPDATES {
                    let version = read(client.clone(), key.clone()).await;
                    let update = client
                        .update_item()
                        .table_name("calls")
                        .set_key(Some(key.clone()))
                        .update_expression("SET version = :next")
                        .condition_expression("attribute_not_exists(version) OR version = :known")
                        .expression_attribute_values(":next", number(version + 1))
                        .expression_attribute_values(":known", number(version))
                        .send()
                        .await;
                    match update.map_err(|error| error.into_service_error()) {
                        Ok(_) => done += 1,
                        Err(error) => assert!(error.is_conditional_check_failed_exception(), "{error:?}"),
                    }
                }
            });
        }
        clients.join_all().await;
        assert_eq!(read(client, key).await, CLIENTS * UPDATES);
        server.stop().await.unwrap();
    });
}

#[test]
fn a_restart_keeps_items_and_removes_what_expired() {
    within_limit(async {
        let data = tempfile::tempdir().unwrap();
        let server = dynamodb::start(free_port().await, Some(data.path())).await.unwrap();
        let client = dynamodb_client(&server.endpoint());
        create_table(&client).await;
        let ttl = TimeToLiveSpecification::builder().attribute_name("ttl").enabled(true).build().unwrap();
        client
            .update_time_to_live()
            .table_name("calls")
            .time_to_live_specification(ttl)
            .send()
            .await
            .unwrap();
        for (sk, ttl) in [("old", 1_000_000_000_u64), ("new", 9_000_000_000)] {
            client
                .put_item()
                .table_name("calls")
                .item("pk", text("call#1"))
                .item("sk", text(sk))
                .item("ttl", number(ttl))
                .send()
                .await
                .unwrap();
        }
        server.stop().await.unwrap();

        let server = dynamodb::start(free_port().await, Some(data.path())).await.unwrap();
        let client = dynamodb_client(&server.endpoint());
        loop {
            let items = client.scan().table_name("calls").send().await.unwrap();
            let kept: Vec<&AttributeValue> = items.items().iter().map(|item| &item["sk"]).collect();
            assert!(kept.contains(&&text("new")), "{kept:?}");
            if kept.len() == 1 {
                break;
            }
            // The first sweep comes with the start, not before it.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server.stop().await.unwrap();
    });
}

#[test]
fn what_either_socket_acknowledged_is_seen_at_the_other_and_no_update_is_lost_between_them() {
    within_limit(async {
        const UPDATES: usize = 20;
        let data = tempfile::tempdir().unwrap();
        let server = dynamodb::start(free_port().await, Some(data.path())).await.unwrap();
        let sockets = [server.local_addr(), server.readers_addr()];
        assert_ne!(sockets[0], sockets[1]);
        let [one, other] = sockets.map(|address| dynamodb_client(&format!("http://{address}")));
        create_table(&one).await;
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let (writes, reads) = if client % 2 == 0 { (&one, &other) } else { (&other, &one) };
            let (writes, reads) = (writes.clone(), reads.clone());
            clients.spawn(async move {
                for update in 0..UPDATES {
                    let count = writes.update_item().table_name("calls").key("pk", text("count"));
                    let count = count.key("sk", text("call")).update_expression("ADD updates :one");
                    count.expression_attribute_values(":one", number(1)).send().await.unwrap();
                    let due_at = format!("{client:02}-{update:02}");
                    let put = writes.put_item().table_name("calls").item("pk", text(&due_at));
                    let put = put.item("sk", text("call")).item("due", text("archive#0"));
                    put.item("due_at", text(&due_at)).send().await.unwrap();
                    let due = reads.query().table_name("calls").index_name("by-due");
                    let due = due.key_condition_expression("due = :due AND due_at = :at");
                    let due = due.expression_attribute_values(":due", text("archive#0"));
                    let due = due.expression_attribute_values(":at", text(due_at)).send().await.unwrap();
                    assert_eq!(due.count(), 1);
                }
            });
        }
        clients.join_all().await;
        let count = one.get_item().table_name("calls").key("pk", text("count")).key("sk", text("call"));
        let count = count.send().await.unwrap();
        assert_eq!(count.item().unwrap()["updates"], number(CLIENTS * UPDATES));
        server.stop().await.unwrap();
    });
}

#[test]
fn a_data_directory_that_is_a_file_is_an_error() {
    within_limit(async {
        let data = tempfile::NamedTempFile::new().unwrap();
        let error = dynamodb::start(free_port().await, Some(data.path())).await.unwrap_err();
        assert!(matches!(error, dynamodb::DynamoDbError::Directory { .. }), "{error:?}");
    });
}
