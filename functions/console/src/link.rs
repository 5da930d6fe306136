//! The filters of a page, as its URL has them: what links to other pages are made of.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::form_urlencoded;

/// Kept in a query as they are: what needs no escape there.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// What a form names the first and the last of some days, which are one parameter.
const DAYS: [&str; 2] = ["from", "to"];

/// Names and values, without what a form left blank.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filters(Vec<(String, String)>);

impl Filters {
    /// Those of a query; a form's two days become one parameter.
    pub(crate) fn of(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes()).into_owned();
        let (days, mut rest): (Vec<_>, Vec<_>) = pairs
            .filter(|(_, value)| !value.trim().is_empty())
            .partition(|(name, _)| DAYS.contains(&&**name));
        let day = |name: &str| days.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let days = match (day(DAYS[0]), day(DAYS[1])) {
            (Some(first), Some(last)) if first == last => Some(first.to_owned()),
            // Whoever mixes them up means the days between.
            (Some(first), Some(last)) if first > last => Some(format!("{last}..{first}")),
            (Some(first), Some(last)) => Some(format!("{first}..{last}")),
            (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
            (None, None) => None,
        };
        if let Some(days) = days {
            rest.retain(|(name, _)| name != "day");
            rest.push(("day".to_owned(), days));
        }
        Self(rest)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter that may stand there several times.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The same with another value of a parameter.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same without some parameters.
    #[must_use]
    pub(crate) fn without(mut self, names: &[&str]) -> Self {
        self.0.retain(|(known, _)| !names.contains(&known.as_str()));
        self
    }

    /// As a query has them.
    pub(crate) fn query(&self) -> String {
        let pairs = self.0.iter().map(|(name, value)| {
            let [name, value] = [name, value].map(|text| utf8_percent_encode(text, PLAIN));
            format!("{name}={value}")
        });
        pairs.collect::<Vec<_>>().join("&")
    }

    /// A path with them.
    pub(crate) fn at(&self, path: &str) -> String {
        let query = self.query();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_go_and_two_days_are_one_parameter() {
        let filters = Filters::of("task=&intent=A%26B&from=2025-06-01&to=2025-06-02&day=2024-01-01");
        assert_eq!(filters.at("/calls"), "/calls?intent=A%26B&day=2025-06-01..2025-06-02");
        assert_eq!(Filters::of("from=2025-06-01&to=2025-06-01").query(), "day=2025-06-01");
        assert_eq!(Filters::of("from=2025-06-03&to=2025-06-01").query(), "day=2025-06-01..2025-06-03");
        assert_eq!(Filters::of("to=2025-06-01").query(), "day=2025-06-01");
        assert_eq!(filters.without(&["intent", "day"]).with("task", "7").query(), "task=7");
        assert_eq!(Filters::of("").at("/calls"), "/calls");
        let several = Filters::of("outcome=busy&intent=A&outcome=no_answer&outcome=");
        assert_eq!(several.all("outcome").collect::<Vec<_>>(), ["busy", "no_answer"]);
        assert_eq!(several.query(), "outcome=busy&intent=A&outcome=no_answer");
    }
}
