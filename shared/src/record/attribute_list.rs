//! Attributes by name: a record's facts, and an item that is to be written.
//!
//! They are few, most of their names are known when this is compiled, and their order says nothing. A sorted map would take a node and a
//! name's copy for each, only for DynamoDB's client to hash them: making a map of them cost more than all that is done with them.

use std::borrow::Cow;
use std::ops::Index;

use serde_json::{Map, Value};

/// Attributes by name, in any order. No two have the same name.
#[derive(Clone, Debug, Default)]
pub struct AttributeList(Vec<(Cow<'static, str>, Value)>);

impl AttributeList {
    /// A list without attributes.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Makes room for so many more attributes.
    pub fn reserve(&mut self, more: usize) {
        self.0.reserve_exact(more);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds an attribute whose name none has yet.
    pub fn push(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        let name = name.into();
        debug_assert!(!self.contains_key(&name), "{name} stands there already");
        self.0.push((name, value.into()));
    }

    /// Adds an attribute whose name none has yet, if there is one.
    pub fn push_some(&mut self, name: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.push(name, value);
        }
    }

    /// Gives an attribute a value, whether it has one or not.
    pub fn insert(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        let name = name.into();
        match self.position(&name) {
            Some(position) => self.0[position].1 = value.into(),
            None => self.0.push((name, value.into())),
        }
    }

    /// Takes an attribute out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.position(name).map(|position| self.0.swap_remove(position).1)
    }

    /// Whether an attribute is there.
    pub fn contains_key(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// An attribute.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.position(name).map(|position| &self.0[position].1)
    }

    /// An attribute, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.position(name).map(|position| &mut self.0[position].1)
    }

    /// The object that an attribute is, a new one where there is no such attribute; `None` where it is something else.
    pub fn object_mut(&mut self, name: &'static str) -> Option<&mut Map<String, Value>> {
        if !self.contains_key(name) {
            self.push(name, Map::new());
        }
        self.get_mut(name)?.as_object_mut()
    }

    /// The names.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    /// The attributes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(known, _)| known == name)
    }
}

impl PartialEq for AttributeList {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(name, value)| other.get(name) == Some(value))
    }
}

impl Index<&str> for AttributeList {
    type Output = Value;

    /// # Panics
    /// If there is no such attribute.
    fn index(&self, name: &str) -> &Value {
        let position = self.position(name);
        &self.0[position.unwrap_or(usize::MAX)].1
    }
}

impl IntoIterator for AttributeList {
    type Item = (Cow<'static, str>, Value);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<Map<String, Value>> for AttributeList {
    fn from(map: Map<String, Value>) -> Self {
        Self(map.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect())
    }
}

impl From<AttributeList> for Map<String, Value> {
    fn from(list: AttributeList) -> Self {
        list.into_iter().map(|(name, value)| (name.into_owned(), value)).collect()
    }
}

impl From<AttributeList> for Value {
    fn from(list: AttributeList) -> Self {
        Self::Object(list.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn list(object: Value) -> AttributeList {
        object.as_object().unwrap().clone().into()
    }

    #[test]
    fn an_attribute_stands_there_once() {
        let mut attributes = list(json!({"a": 1, "b": 2}));
        attributes.insert("a", 3);
        attributes.insert("c".to_owned(), 4);
        attributes.push_some("d", None::<u64>);
        assert_eq!(attributes.remove("b"), Some(json!(2)));
        assert_eq!(attributes.remove("b"), None);
        attributes.object_mut("e").unwrap().insert("f".to_owned(), json!(5));
        assert!(attributes.object_mut("a").is_none());
        assert_eq!(attributes["c"], 4);
        assert_eq!(Value::from(attributes), json!({"a": 3, "c": 4, "e": {"f": 5}}));
    }

    #[test]
    fn the_order_says_nothing() {
        let mut attributes = AttributeList::new();
        attributes.push("b", 2);
        attributes.push("a", 1);
        assert_eq!(attributes, list(json!({"a": 1, "b": 2})));
        for other in [json!({"a": 1}), json!({"a": 1, "b": 3}), json!({"a": 1, "c": 2})] {
            assert_ne!(attributes, list(other));
        }
    }
}
