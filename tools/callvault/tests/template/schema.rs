//! The table as the template defines it, against the one definition that the code and the local stack have.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::record::keys::{INDEXES, PK, SK, TTL};

use crate::template::Template;

fn key(partition: &str, sort: &str) -> Value {
    json!([
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ])
}

#[test]
fn the_table_has_the_keys_and_indexes_that_the_code_has() {
    let template = Template::read();
    let table = &template.resource("Table")["Properties"];
    assert_eq!(table["KeySchema"], key(PK, SK));
    let indexes: Vec<_> = INDEXES
        .iter()
        .map(|index| {
            let projection = match index.projects {
                [] => json!({"ProjectionType": "KEYS_ONLY"}),
                attributes => json!({"ProjectionType": "INCLUDE", "NonKeyAttributes": attributes}),
            };
            let key = key(index.partition, index.sort);
            json!({"IndexName": index.name, "KeySchema": key, "Projection": projection})
        })
        .collect();
    assert_eq!(table["GlobalSecondaryIndexes"], json!(indexes));
    let defined: BTreeSet<_> = table["AttributeDefinitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attribute| {
            assert_eq!(attribute["AttributeType"], "S", "{attribute}");
            attribute["AttributeName"].as_str().unwrap()
        })
        .collect();
    let keys = INDEXES.iter().flat_map(|index| [index.partition, index.sort]);
    assert_eq!(defined, keys.chain([PK, SK]).collect());
    assert_eq!(table["StreamSpecification"], json!({"StreamViewType": "NEW_AND_OLD_IMAGES"}));
    assert_eq!(table["TimeToLiveSpecification"], json!({"AttributeName": TTL, "Enabled": true}));
}
