//! The only DynamoDB expressions are in `runtime/src/store`: nobody else knows how an item is addressed, and on what condition it is
//! written.

use std::path::{Path, PathBuf};

use crate::template::{read, root};

/// What may talk to DynamoDB itself beside `runtime/src/store`: the client is made in `aws.rs`, and the tools are not deployed.
const OTHERS: [&str; 4] =
    ["runtime/src/aws.rs", "tools/local-stack/src/schema.rs", "tools/bench/", "tools/benches/"];

/// By what a request to DynamoDB is known, or what it is made of.
const MARKS: [&str; 10] = [
    "aws_sdk_dynamodb",
    "AttributeValue",
    "aws::dynamodb(",
    "update_expression(",
    "condition_expression(",
    "filter_expression(",
    "projection_expression(",
    "attribute_exists(",
    "attribute_not_exists(",
    ".table_name(",
];

/// What a source has of a request to DynamoDB.
fn mark(source: &str) -> Option<&'static str> {
    MARKS.into_iter().find(|mark| source.contains(mark))
}

/// The files below a folder that have this ending, but for those of builds and of tests.
fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !["target", "tests", "test_data"].contains(&name) {
            files(&path, ending, found);
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

/// The files of functions, runtime and tools with this ending, by their paths in the project, but for the store's own and the others'.
fn elsewhere(ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["functions", "runtime", "shared", "tools"] {
        files(&root().join(folder), ending, &mut found);
    }
    let paths = found.iter().map(|path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
    let is_others = |path: &String| OTHERS.iter().any(|other| path.starts_with(other));
    paths.filter(|path| !path.starts_with("runtime/src/store/") && !is_others(path)).collect()
}

#[test]
fn only_the_store_has_expressions_of_dynamodb() {
    let sources = elsewhere(".rs");
    assert!(sources.iter().any(|path| path == "functions/sweep-erased/src/remover.rs"), "{sources:?}");
    assert!(sources.iter().any(|path| path == "tools/operator/src/erase/search.rs"), "{sources:?}");
    let strays: Vec<_> = sources.iter().filter_map(|path| Some((path, mark(&read(path))?))).collect();
    assert!(strays.is_empty(), "a request to DynamoDB belongs into runtime/src/store: {strays:#?}");
}

/// So that what the search for marks would miss does not compile.
#[test]
fn functions_and_the_operators_commands_have_no_sdk_of_dynamodb() {
    let manifests = elsewhere("Cargo.toml");
    let bound = manifests
        .iter()
        .filter(|path| path.starts_with("functions/") || *path == "tools/operator/Cargo.toml");
    let bound: Vec<_> = bound.collect();
    assert!(bound.len() > 8, "{bound:?}");
    for manifest in bound {
        assert!(!read(manifest).contains("aws-sdk-dynamodb"), "{manifest}");
    }
}

#[test]
fn a_request_is_known_by_what_it_is_made_of() {
    for request in [
        r#"client.update_item().table_name(name).update_expression("SET #a = :a")"#,
        r#"pages.condition_expression("version = :known")"#,
        r#"let only_if = "attribute_not_exists(pk)";"#,
        "use aws_sdk_dynamodb::Client;",
        "let client = aws::dynamodb(&account, &stores, Patience::Nobody);",
    ] {
        assert!(mark(request).is_some(), "{request}");
    }
    assert_eq!(mark("table.delete(&pk, &sk).await?; stores.table_name.clone()"), None);
}
