//! `template.yaml`, as far as the checks have to understand it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// The template, with CloudFormation's short forms (`!Ref x`) written out (`{"Ref": "x"}`).
pub(crate) struct Template(Value);

/// A resource and its logical name.
#[derive(Clone, Copy)]
pub(crate) struct Resource<'a> {
    pub(crate) name: &'a str,
    pub(crate) definition: &'a Value,
}

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn read_json(path: &str) -> Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

impl Template {
    pub(crate) fn read() -> Self {
        Self::read_from("template.yaml")
    }

    pub(crate) fn read_from(path: &str) -> Self {
        let text = read(path);
        let documents = Yaml::load_from_str(&text).unwrap();
        let [document] = &documents[..] else { panic!("one document") };
        Self(json(document))
    }

    pub(crate) fn parameters(&self) -> &Map<String, Value> {
        self.0["Parameters"].as_object().unwrap()
    }

    pub(crate) fn section(&self, name: &str) -> &Value {
        &self.0[name]
    }

    pub(crate) fn resource(&self, name: &str) -> &Value {
        let resource = &self.0["Resources"][name];
        assert!(resource.is_object(), "no resource {name}");
        resource
    }

    pub(crate) fn resources_of_type(&self, kind: &str) -> Vec<Resource<'_>> {
        let resources = self.0["Resources"].as_object().unwrap();
        resources
            .iter()
            .filter(|(_, definition)| definition["Type"] == kind)
            .map(|(name, definition)| Resource { name, definition })
            .collect()
    }

    /// The functions, by the name that their resource stands for.
    pub(crate) fn functions(&self) -> BTreeMap<String, Resource<'_>> {
        self.resources_of_type("AWS::Serverless::Function")
            .into_iter()
            .map(|resource| (kebab_case(resource.name), resource))
            .collect()
    }

    /// The variables that are declared for a function.
    pub(crate) fn environment(&self, function: &str) -> BTreeMap<String, Value> {
        let of_all = &self.0["Globals"]["Function"]["Environment"]["Variables"];
        let own = &self.functions()[function].definition["Properties"]["Environment"]["Variables"];
        [of_all, own]
            .into_iter()
            .flat_map(|variables| variables.as_object().into_iter().flatten())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// The default of the parameter that a value refers to, or the value itself where it is written out; `None` where only
    /// a deployment can tell. Of a choice, what is chosen where nothing is set.
    pub(crate) fn default(&self, value: &Value) -> Option<String> {
        if let Some(choice) = value.get("Fn::If") {
            return self.default(&choice[2]);
        }
        let value = match value.get("Ref").and_then(Value::as_str) {
            Some(name) => self.parameters().get(name)?.get("Default")?,
            None => value,
        };
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }
}

/// `AlicomCallReport` as `alicom-call-report`.
pub(crate) fn kebab_case(camel_case: &str) -> String {
    let mut name = String::new();
    for letter in camel_case.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// Every value under `Ref`, and every name in a `Fn::Sub`, wherever it stands.
pub(crate) fn references(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| match (key.as_str(), value) {
                ("Ref" | "Condition", Value::String(name)) => BTreeSet::from([name.clone()]),
                ("Fn::Sub", Value::String(text)) => placeholders(text),
                _ => references(value),
            })
            .collect(),
        Value::Array(list) => list.iter().flat_map(references).collect(),
        _ => BTreeSet::new(),
    }
}

fn placeholders(text: &str) -> BTreeSet<String> {
    text.split("${").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0.to_owned())).collect()
}

/// What a value that stands for a resource comes to: `Table` for its ARN, `Bucket/large/*`.
pub(crate) fn target(value: &Value) -> String {
    if let Some(attribute) = value.get("Fn::GetAtt").and_then(Value::as_str) {
        // A secret calls its ARN `Id`.
        return attribute.trim_end_matches(".Arn").trim_end_matches(".Id").to_owned();
    }
    if let Some(text) = value.get("Fn::Sub").and_then(Value::as_str) {
        return text.replace(".Arn}", "").replace("${", "");
    }
    match value.get("Ref").unwrap_or(value) {
        Value::String(name) => name.clone(),
        other => panic!("not a resource: {other}"),
    }
}

/// A value, or the list of values that may stand in its place.
pub(crate) fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

fn json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(truth)) => json!(truth),
        Yaml::Value(Scalar::Integer(number)) => json!(number),
        Yaml::Value(Scalar::FloatingPoint(number)) => json!(number.into_inner()),
        Yaml::Value(Scalar::String(text)) => json!(text),
        Yaml::Representation(text, ..) => json!(text),
        Yaml::Sequence(list) => list.iter().map(json).collect(),
        Yaml::Mapping(map) => map
            .iter()
            .map(|(key, value)| (json(key).as_str().expect("keys are text").to_owned(), json(value)))
            .collect(),
        Yaml::Tagged(tag, node) => {
            let name = match tag.suffix.as_str() {
                "Ref" | "Condition" => tag.suffix.clone(),
                function => format!("Fn::{function}"),
            };
            Value::Object(Map::from_iter([(name, json(node))]))
        }
        Yaml::Alias(_) | Yaml::BadValue => panic!("unreadable YAML: {yaml:?}"),
    }
}
