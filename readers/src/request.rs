//! A request, read as it comes: path, query, and what it accepts.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;
use shared::access::Actor;

use crate::event::Event;
use crate::parameter::{CURSOR, Described, Parameter};
use crate::problem::Problem;

/// The longest query that is read, in bytes. API Gateway takes no more of a request's head than 10,240.
const MAX_QUERY_BYTES: usize = 8_192;
/// Kept in a query as they are: what needs no escape there.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The path of a request without the stage that API Gateway puts before it.
pub fn path(event: &Event) -> &str {
    let stage = event.request_context.stage.as_deref().filter(|stage| *stage != "$default");
    let below = stage.and_then(|stage| event.raw_path.strip_prefix('/')?.strip_prefix(stage));
    below.filter(|path| path.starts_with('/')).unwrap_or(&event.raw_path)
}

/// The value of a header, by its name in small letters.
pub fn header<'a>(event: &'a Event, name: &str) -> Option<&'a str> {
    let mut named = event.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value.as_str())
}

/// The parameters of a query, each as it was given.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// Where it is too long, or no percent-encoded UTF-8.
    pub fn read(raw: &str) -> Result<Self, Problem> {
        if raw.len() > MAX_QUERY_BYTES {
            return Err(Problem::LongQuery(MAX_QUERY_BYTES));
        }
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (raw, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(raw).map_err(|what| Problem::Query { name: raw.to_owned(), what })?;
            match decoded(value) {
                Ok(value) => Ok((name, value)),
                Err(what) => Err(Problem::Query { name, what }),
            }
        });
        Ok(Self(pairs.collect::<Result<_, Problem>>()?))
    }

    /// Holds it to the parameters that a request takes, of which some need a permission of their own.
    ///
    /// # Errors
    /// Where it has one that is not among them, twice what is taken once, or what its sender may not use.
    pub fn check(&self, known: &[&'static Described], actor: Option<&Actor>) -> Result<(), Problem> {
        for (position, (name, _)) in self.0.iter().enumerate() {
            let Some(parameter) = known.iter().find(|known| known.name == name) else {
                let known = known.iter().map(|known| known.name).collect();
                return Err(Problem::UnknownParameter { name: name.clone(), known });
            };
            if !parameter.repeatable && self.0[..position].iter().any(|(before, _)| before == name) {
                return Err(Problem::RepeatedParameter(parameter.name));
            }
            let lacking =
                parameter.permission.filter(|permission| actor.is_none_or(|actor| !actor.may(*permission)));
            if let Some(permission) = lacking {
                return Err(Problem::Forbidden(permission));
            }
        }
        Ok(())
    }

    /// Whether a parameter is given.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// The value of a parameter, where it is given.
    ///
    /// # Errors
    /// Where it is no value of the parameter.
    pub fn get<T>(&self, parameter: &'static Parameter<T>) -> Result<Option<T>, Problem> {
        self.all(parameter).map(|values| values.into_iter().next())
    }

    /// Every value of a parameter.
    ///
    /// # Errors
    /// Where one is no value of the parameter.
    pub fn all<T>(&self, parameter: &'static Parameter<T>) -> Result<Vec<T>, Problem> {
        let name = parameter.described.name;
        let values = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value);
        let read = values.map(|value| {
            let read = match (parameter.read)(value) {
                Ok(_) if value.chars().any(char::is_control) => {
                    Err("a text without control characters".to_owned())
                }
                read => read,
            };
            read.map_err(|expected| Problem::BadValue { name, came: value.clone(), expected })
        });
        read.collect()
    }

    /// The same query, going on elsewhere.
    pub fn going_on(&self, cursor: &str) -> String {
        let name = CURSOR.described.name;
        let others = self.0.iter().filter(|(known, _)| known != name);
        let next = (name.to_owned(), cursor.to_owned());
        let mut query = String::new();
        for (name, value) in others.chain([&next]) {
            let separator = if query.is_empty() { "" } else { "&" };
            let [name, value] = [name, value].map(|text| utf8_percent_encode(text, PLAIN));
            // Writing to a text can't fail.
            let _ = write!(query, "{separator}{name}={value}");
        }
        query
    }
}

/// A name or a value as it is meant; where it can't be read, why.
fn decoded(text: &str) -> Result<String, &'static str> {
    let bytes = text.as_bytes();
    let is_escape =
        |at: usize| bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    if bytes.iter().enumerate().any(|(at, byte)| *byte == b'%' && !is_escape(at)) {
        return Err("`%` stands before two hexadecimal digits, itself it is `%25`");
    }
    let spaced = text.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err("it has bytes that are no UTF-8"),
    }
}

/// Which of some media types a reader wants most, by the header `Accept`; the first where all are wanted alike, or there is no header.
///
/// # Errors
/// Where none is wanted.
pub fn accepted<T: Copy>(accept: Option<&str>, offers: &[(&'static str, T)]) -> Result<T, Problem> {
    let refused = || Problem::NotAcceptable(offers.iter().map(|(name, _)| *name).collect());
    let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else {
        return offers.first().map(|(_, offer)| *offer).ok_or_else(refused);
    };
    let ranges: Vec<_> = accept.split(',').filter_map(Range::read).collect();
    let mut best = None;
    for (name, offer) in offers {
        // The range that says most of a type counts for it.
        let says = ranges.iter().filter_map(|range| Some((range.says_of(name)?, range.quality)));
        let quality = says.max_by_key(|(closeness, _)| *closeness).map_or(0, |(_, quality)| quality);
        if quality > best.map_or(0, |(quality, _)| quality) {
            best = Some((quality, *offer));
        }
    }
    best.map(|(_, offer)| offer).ok_or_else(refused)
}

/// Which of the languages that there are a reader wants most, by the header `Accept-Language`; `None` where none of them is wanted.
pub fn language(accept: Option<&str>, offers: &[&'static str]) -> Option<&'static str> {
    let ranges = accept?.split(',').filter_map(Range::read);
    let mut best: Option<(u16, &'static str)> = None;
    for range in ranges {
        let primary = range.name.split('-').next().unwrap_or_default();
        let offer = offers.iter().find(|offer| offer.eq_ignore_ascii_case(primary));
        if let Some(offer) = offer.filter(|_| range.quality > best.map_or(0, |(quality, _)| quality)) {
            best = Some((range.quality, offer));
        }
    }
    best.map(|(_, offer)| offer)
}

/// One of the things that are accepted, and how much it is wanted, in thousandths.
struct Range<'a> {
    name: &'a str,
    quality: u16,
}

impl<'a> Range<'a> {
    /// <https://www.rfc-editor.org/rfc/rfc9110#name-quality-values>
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().filter(|name| !name.is_empty())?;
        let quality = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then_some(value.trim())
        });
        let quality = match quality {
            None => 1_000,
            Some(quality) => thousandths(quality)?,
        };
        Some(Self { name, quality })
    }

    /// How closely it names a media type; `None` where it does not.
    fn says_of(&self, name: &str) -> Option<u8> {
        let (kind, _) = name.split_once('/')?;
        match self.name {
            "*/*" | "*" => Some(0),
            range if range.eq_ignore_ascii_case(name) => Some(2),
            range => {
                let of_kind = range.strip_suffix("/*")?;
                of_kind.eq_ignore_ascii_case(kind).then_some(1)
            }
        }
    }
}

/// Java's own client writes `.2`, others more than three digits: they are understood too.
fn thousandths(quality: &str) -> Option<u16> {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    if quality.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    match whole {
        "" | "0" => Some(fraction),
        "1" if fraction == 0 => Some(1_000),
        _ => None,
    }
}

/// JSON as it is sent.
pub fn json_bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameter::{LIMIT, OUTCOME, TAG, UPDATED_SINCE};
    use proptest::prelude::*;

    const OFFERS: [(&str, u8); 3] = [("application/json", 0), ("text/csv", 1), ("application/x-ndjson", 2)];

    #[test]
    fn what_a_reader_wants_most_is_what_it_gets() {
        for (accept, wanted) in [
            (None, Some(0)),
            (Some(""), Some(0)),
            (Some("*/*"), Some(0)),
            (Some("text/csv"), Some(1)),
            (Some("Text/CSV; charset=utf-8"), Some(1)),
            (Some("text/*"), Some(1)),
            (Some("application/json;q=0.5, text/csv"), Some(1)),
            (Some("*/*;q=0.1, application/x-ndjson"), Some(2)),
            (Some("application/json;q=0, */*"), Some(1)),
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), Some(0)),
            (Some("text/html"), None),
            (Some("application/json;q=0"), None),
            (Some("*/*;q=0"), None),
            (Some("text/*;q=0, application/*;q=0.000"), None),
            (Some("application/json;q=0, */*;q=0.001"), Some(1)),
            (Some("*/*;q=0, text/csv"), Some(1)),
            (Some("text/html, *; q=.2, */*; q=.2"), Some(0)),
            (Some("application/json;q=0.3333, text/csv;q=0.3339"), Some(0)),
            (Some("application/json;q=0.3333, text/csv;q=0.3343"), Some(1)),
            (Some("application/json;q=., text/csv;q="), None),
            (Some("application/json;q=2, text/csv;q=x"), None),
            (Some(",;/*;,"), None),
        ] {
            assert_eq!(accepted(accept, &OFFERS).ok(), wanted, "{accept:?}");
        }
        for (accept, wanted) in [
            (None, None),
            (Some("zh-CN,zh;q=0.9,en;q=0.8"), Some("zh")),
            (Some("de, en-US;q=0.3"), Some("en")),
            (Some("fr"), None),
            (Some("*"), None),
        ] {
            assert_eq!(language(accept, &["en", "zh"]), wanted, "{accept:?}");
        }
    }

    #[test]
    fn a_query_is_read_as_it_is_meant() {
        let query = Query::read("tag=a%26b+c&outcome=busy&outcome=no_answer&limit=7").unwrap();
        assert_eq!(query.get(&TAG).unwrap().as_deref(), Some("a&b c"));
        assert_eq!(query.all(&OUTCOME).unwrap().len(), 2);
        assert_eq!(query.get(&LIMIT).unwrap(), Some(7));
        assert_eq!(
            query.going_on("c/1"),
            "tag=a%26b%20c&outcome=busy&outcome=no_answer&limit=7&cursor=c%2F1"
        );
        assert_eq!(Query::read(&query.going_on("c")).unwrap().going_on("d"), query.going_on("d"));
    }

    #[test]
    fn what_a_query_may_not_have_is_named() {
        let known = [&LIMIT.described, &OUTCOME.described, &crate::parameter::CALLEE.described];
        let check =
            |raw: &str| Query::read(raw).and_then(|query| query.check(&known, None)).map_err(|it| it.tag());
        assert_eq!(check("outcome=busy&limit=1&outcome=other"), Ok(()));
        assert_eq!(check("limit=1&limit=1"), Err("repeated-parameter"));
        assert_eq!(check("Limit=1"), Err("unknown-parameter"));
        assert_eq!(check("=1"), Err("unknown-parameter"));
        assert_eq!(check("callee=1"), Err("forbidden"));
        assert_eq!(check("limit=%"), Err("bad-query"));
        assert_eq!(check("limit=%ff"), Err("bad-query"));
        assert_eq!(check(&"limit=1&".repeat(2_000)), Err("query-too-long"));
        let value = |raw: &str| Query::read(raw).unwrap().get(&LIMIT).map_err(|it| it.tag());
        for limit in ["0", "1001", "-1", "+1", "1.0", "", "x", "1%00", "99999999999999999999999"] {
            assert_eq!(value(&format!("limit={limit}")), Err("bad-value"), "{limit}");
        }
    }

    #[test]
    fn a_time_may_have_a_plus_that_was_not_escaped() {
        let time =
            |raw: &str| Query::read(raw).unwrap().get(&UPDATED_SINCE).ok().flatten().map(|it| it.to_text());
        let at = Some("2025-06-01T02:00:00.000Z".to_owned());
        assert_eq!(time("updated_since=2025-06-01T10:00:00+08:00"), at);
        assert_eq!(time("updated_since=2025-06-01T10:00:00%2B08:00"), at);
        assert_eq!(time("updated_since=2025-06-01T02:00:00Z"), at);
        for none in ["2025-06-01", "1748743200", "2025-06-01%2002:00:00Z", "2025-06-01T02:00:00"] {
            assert_eq!(time(&format!("updated_since={none}")), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_makes_it_panic(raw in "\\PC{0,80}", accept in "\\PC{0,40}") {
            if let Ok(query) = Query::read(&raw) {
                prop_assert_eq!(Query::read(&query.going_on("c")).unwrap().going_on("d"), query.going_on("d"));
            }
            let _ = accepted(Some(&accept), &OFFERS);
            let _ = language(Some(&accept), &["en"]);
        }
    }
}
