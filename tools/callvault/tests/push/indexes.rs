//! What can be asked of the table by index.

use aws_sdk_dynamodb::types::AttributeValue;
use runtime::aws::{self, Account, Patience};
use runtime::config::Environment;
use serde_json::json;
use shared::record::keys::SHARDS;

use crate::support::{post, stack};

#[tokio::test]
async fn calls_are_found_by_task_callee_and_day_in_order_of_time_and_recordings_by_when_they_are_due() {
    let stack = stack().await;
    let report = |id: &str, task: &str, callee: &str, originated: &str| json!({"callId": id, "taskId": task, "callee": callee, "originateTime": originated});
    let reports = json!([
        report("b", "1", "13900000001", "2025-06-01 10:00:02"),
        report("c", "1", "13900000002", "2025-06-01 10:00:03"),
        report("a", "1", "13900000001", "2025-06-01 10:00:01"),
        report("d", "2", "139********", "2025-06-02 10:00:00"),
    ]);
    post(&format!("{}/push/alicom-call-report/canary-token", stack.url()), reports.to_string()).await;
    let records = json!([
        {"callId": "a", "recordFile": "http://a.aliyuncs.com/1"}, {"callId": "c", "recordFile": "http://a.aliyuncs.com/2"},
    ]);
    post(&format!("{}/push/alicom-call-record/canary-token", stack.url()), records.to_string()).await;

    let account = Account::of_function(&Environment::new(&|_: &str| None), stack.stores()).unwrap();
    let client = aws::dynamodb(&account, stack.stores(), Patience::Nobody);
    let query = async |index: &str, partition: &str, value: &str| -> Vec<String> {
        let found = client
            .query()
            .table_name(&stack.stores().table_name)
            .index_name(index)
            .key_condition_expression("#partition = :value")
            .expression_attribute_names("#partition", partition)
            .expression_attribute_values(":value", AttributeValue::S(value.to_owned()))
            .send()
            .await
            .unwrap();
        found.items().iter().map(|item| item["pk"].as_s().unwrap().replace("call#alicom#", "")).collect()
    };
    assert_eq!(query("by-task", "task_key", "alicom#1").await, ["a", "b", "c"]);
    assert_eq!(query("by-callee", "callee_key", "13900000001").await, ["a", "b"]);
    assert_eq!(query("by-callee", "callee_key", "139********").await, [""; 0], "a masked number is no key");
    let shards = async |index: &str, partition: &str, prefix: &str| {
        let mut found = Vec::new();
        for shard in 0..SHARDS {
            found.extend(query(index, partition, &format!("{prefix}#{shard}")).await);
        }
        found.sort();
        found
    };
    assert_eq!(shards("by-day", "day", "2025-06-01").await, ["a", "b", "c"], "one query a shard");
    assert_eq!(shards("by-day", "day", "2025-06-02").await, ["d"]);
    assert_eq!(shards("by-due", "due", "archive").await, ["a", "c"]);
}
