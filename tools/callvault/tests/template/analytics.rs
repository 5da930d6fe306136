//! Analytics' files as the template and the documentation have them, against the columns that they have.

use export_calls::DATA_SETS;
use serde_json::{Value, json};

use crate::template::{Template, read};

#[test]
fn every_data_set_is_a_table_with_its_columns() {
    let template = Template::read();
    let tables = template.resources_of_type("AWS::Glue::Table");
    assert_eq!(tables.len(), DATA_SETS.len());
    for set in DATA_SETS {
        let table =
            tables.iter().find(|table| table.definition["Properties"]["TableInput"]["Name"] == set.name);
        let table =
            &table.unwrap_or_else(|| panic!("no table {}", set.name)).definition["Properties"]["TableInput"];
        let columns =
            set.columns.iter().map(|column| json!({"Name": column.name, "Type": column.kind.glue()}));
        assert_eq!(table["StorageDescriptor"]["Columns"], Value::from_iter(columns), "{}", set.name);
        assert_eq!(table["Description"], set.about);
        let (parameters, name) = (&table["Parameters"], set.name);
        assert_eq!(
            parameters["storage.location.template"]["Fn::Sub"],
            format!("s3://${{AnalyticsBucket}}/{name}/day=${{!day}}/")
        );
        assert_eq!(parameters["projection.enabled"], "true");
    }
}

/// What a deployment asks of a person by name is told, column by column.
#[test]
fn the_documentation_has_every_column() {
    let told = read("docs/analytics.md");
    for set in DATA_SETS {
        let (_, section) = told.split_once(&format!("### `{}`\n", set.name)).unwrap();
        let section = section.split("\n### ").next().unwrap().split("\n## ").next().unwrap();
        let rows = set.columns.iter().map(|column| {
            format!("| `{}` | `{}` | {} | {} |", column.name, column.kind.glue(), column.unit, column.about)
        });
        let told: Vec<_> = section.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(told, rows.collect::<Vec<_>>(), "{}", set.name);
    }
}

#[test]
fn the_documentation_has_every_query() {
    let (template, told) = (Template::read(), read("docs/analytics.md"));
    let queries = template.resources_of_type("AWS::Athena::NamedQuery");
    assert_eq!(queries.len(), 5);
    for query in queries {
        let properties = &query.definition["Properties"];
        let name = properties["Name"].as_str().unwrap().trim_start_matches("callvault: ");
        assert!(told.contains(&format!("`{name}`")), "{name}");
        assert!(told.contains(properties["Description"].as_str().unwrap()), "{name}");
        assert_eq!(properties["WorkGroup"], json!({"Ref": "Workgroup"}), "{name}");
    }
}

/// What is asked is forgotten after a day, and what is erased is not kept as a version.
#[test]
fn the_bucket_keeps_nothing_that_it_should_forget() {
    let template = Template::read();
    let bucket = &template.resource("AnalyticsBucket")["Properties"];
    assert!(bucket.get("VersioningConfiguration").is_none() && bucket.get("ObjectLockEnabled").is_none());
    let rules = bucket["LifecycleConfiguration"]["Rules"].as_array().unwrap();
    let results = rules.iter().find(|rule| rule["Prefix"] == "athena-results/").unwrap();
    assert_eq!(results["ExpirationInDays"], 1);
    let workgroup = &template.resource("Workgroup")["Properties"]["WorkGroupConfiguration"];
    assert_eq!(
        workgroup["ResultConfiguration"]["OutputLocation"]["Fn::Sub"],
        "s3://${AnalyticsBucket}/athena-results/"
    );
    assert_eq!(workgroup["EnforceWorkGroupConfiguration"], true);
}
