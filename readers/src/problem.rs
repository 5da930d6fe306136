//! What a reader is told where there is no answer: problem details (RFC 9457), one enumeration, one mapping.
//!
//! A title says what to do about it. Nothing of the inside is told, and nothing of a call that the reader may not see.

use std::fmt;

use runtime::auth::{AuthError, Refusal};
use serde_json::{Map, Value, json};
use shared::access::Permission;
use shared::masking::{in_name, in_text};
use tracing::Level;

use crate::event::Answer;
use crate::parameter::may_hold_a_number;

/// Why a request has no other answer.
#[derive(Debug)]
pub enum Problem {
    /// The query can't be read.
    Query {
        /// The parameter that can't be, by its name as far as that can.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The query is too long; so many bytes are taken.
    LongQuery(usize),
    /// The request has no such parameter, but these.
    UnknownParameter {
        /// Its name.
        name: String,
        /// Those that there are.
        known: Vec<&'static str>,
    },
    /// A parameter that is taken once stands there twice.
    RepeatedParameter(&'static str),
    /// A parameter's value is none.
    BadValue {
        /// The parameter.
        name: &'static str,
        /// The value that came.
        came: String,
        /// What a value of it is.
        expected: String,
    },
    /// A parameter's greatest value is below the least that another one asks for.
    BelowLeast {
        /// The parameter.
        name: &'static str,
        /// The value that came.
        came: u64,
        /// The parameter of the least.
        least: &'static str,
    },
    /// Two parameters don't go together.
    Together {
        /// The one.
        name: &'static str,
        /// The other.
        other: &'static str,
    },
    /// A part of the path is no id as ids are written in paths.
    BadId(&'static str),
    /// There is no such path.
    NoSuchPath,
    /// There is no such call, or it was erased.
    NoSuchCall,
    /// No call of such a task is known.
    NoSuchTask,
    /// The call has no such recording, push.
    NoSuchPart(&'static str),
    /// The recording is not in the archive.
    NotArchived(&'static str),
    /// The method is not taken.
    Method,
    /// None of the media types that the reader accepts can be made; these can.
    NotAcceptable(Vec<&'static str>),
    /// It is not known who asks.
    Unauthenticated(Refusal),
    /// Who asks may not.
    Forbidden(Permission),
    /// A form was not sent by a page of ours, or by one of another session.
    StaleForm,
    /// What a reader may look for who lacks the permission.
    ForbiddenValue {
        /// The parameter.
        name: &'static str,
        /// What it takes.
        permission: Permission,
    },
    /// The whole filter is more than one file can take; so many calls were read of it.
    TooLarge(u64),
    /// The keys of the issuer of tokens can't be had.
    NoKeys,
    /// A store, or something else that is needed, does not answer.
    Unavailable {
        /// What does not answer.
        what: &'static str,
        /// Why, for the log.
        why: String,
    },
    /// Something stored can't be read.
    Unreadable {
        /// Why, for the log.
        why: String,
    },
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Unauthenticated(refusal) => Self::Unauthenticated(refusal),
            AuthError::Unavailable(_) => Self::NoKeys,
        }
    }
}

impl Problem {
    /// Something that is needed does not answer. What it says is for the log.
    pub fn unavailable(what: &'static str, error: &dyn fmt::Display) -> Self {
        Self::Unavailable { what, why: error.to_string() }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Query { .. }
            | Self::UnknownParameter { .. }
            | Self::RepeatedParameter(_)
            | Self::BadValue { .. }
            | Self::BelowLeast { .. }
            | Self::Together { .. }
            | Self::BadId(_) => 400,
            Self::Unauthenticated(_) => 401,
            Self::Forbidden(_) | Self::ForbiddenValue { .. } | Self::StaleForm => 403,
            Self::NoSuchPath
            | Self::NoSuchCall
            | Self::NoSuchTask
            | Self::NoSuchPart(_)
            | Self::NotArchived(_) => 404,
            Self::Method => 405,
            Self::NotAcceptable(_) => 406,
            Self::LongQuery(_) => 414,
            Self::TooLarge(_) => 422,
            Self::Unreadable { .. } => 500,
            Self::NoKeys | Self::Unavailable { .. } => 503,
        }
    }

    /// The problem's name: the end of its `type`, and what logs and metrics call it.
    pub fn tag(&self) -> &'static str {
        match self {
            Self::Query { .. } => "bad-query",
            Self::LongQuery(_) => "query-too-long",
            Self::UnknownParameter { .. } => "unknown-parameter",
            Self::RepeatedParameter(_) => "repeated-parameter",
            Self::BadValue { .. } | Self::BelowLeast { .. } => "bad-value",
            Self::Together { .. } => "parameters-exclude-each-other",
            Self::BadId(_) => "bad-id",
            Self::NoSuchPath => "no-such-path",
            Self::NoSuchCall => "no-such-call",
            Self::NoSuchTask => "no-such-task",
            Self::NoSuchPart(_) => "not-found",
            Self::NotArchived(_) => "not-archived",
            Self::Method => "method-not-allowed",
            Self::NotAcceptable(_) => "not-acceptable",
            Self::Unauthenticated(_) => "unauthenticated",
            Self::Forbidden(_) | Self::ForbiddenValue { .. } => "forbidden",
            Self::StaleForm => "stale-form",
            Self::TooLarge(_) => "too-large",
            Self::NoKeys => "no-keys",
            Self::Unavailable { .. } => "unavailable",
            Self::Unreadable { .. } => "unreadable",
        }
    }

    /// How loudly it is logged.
    pub fn level(&self) -> Level {
        match self.status() {
            500.. => Level::ERROR,
            _ => Level::INFO,
        }
    }

    /// What is wrong on this side, for the log.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Unavailable { why, .. } | Self::Unreadable { why } => Some(why),
            _ => None,
        }
    }

    fn title(&self) -> String {
        match self {
            Self::Query { name, what } => {
                format!("Write `{}` in the query in percent-encoded UTF-8: {what}.", shown(name))
            }
            Self::LongQuery(most) => format!("Ask for less at once: a query has at most {most} bytes."),
            Self::UnknownParameter { name, known } => match known.is_empty() {
                true => format!("Leave the parameter `{}` out: this request takes none.", shown(name)),
                false => format!(
                    "There is no parameter `{}` here: take one of those in `parameters`.",
                    shown(name)
                ),
            },
            Self::RepeatedParameter(name) => format!("Give the parameter `{name}` once."),
            Self::BelowLeast { name, came, least } => below_least(name, *came, least).title(),
            Self::BadValue { name, came, expected } => match came.trim().is_empty() {
                true => format!("Give `{name}` a value. Expected: {expected}."),
                false => {
                    format!(
                        "Give `{name}` another value than `{}`. Expected: {expected}.",
                        shown_value(name, came)
                    )
                }
            },
            Self::Together { name, other } => format!("Give either `{name}` or `{other}`, not both."),
            Self::BadId(name) => format!(
                "Write `{name}` in the path with `~XX` for each byte outside A-Z, a-z, 0-9, `_` and `-`, as `href` has it."
            ),
            Self::NoSuchPath => {
                "There is nothing at this path: see /api/openapi.json for what there is.".to_owned()
            }
            Self::NoSuchCall => {
                "There is no such call: no push of it came, or it was erased. Check the provider and the id."
                    .to_owned()
            }
            Self::NoSuchTask => "There is no call of such a task. Check the provider and the id.".to_owned(),
            Self::NoSuchPart(part) => {
                format!("This call has no such {part}: the call itself lists those that it has.")
            }
            Self::NotArchived("pending") => {
                "The recording is not archived yet: ask again in a few minutes.".to_owned()
            }
            Self::NotArchived(_) => {
                "The recording could not be had from the platform, and is lost.".to_owned()
            }
            Self::Method => "Use GET: this API only reads.".to_owned(),
            Self::NotAcceptable(_) => "Accept one of the media types in `media_types`.".to_owned(),
            Self::Unauthenticated(_) => {
                "Send an access token that is valid: `Authorization: Bearer <token>`.".to_owned()
            }
            Self::Forbidden(permission) => {
                format!("You need the permission `{permission}` for this: ask whoever runs callvault for it.")
            }
            Self::ForbiddenValue { name, permission } => format!(
                "To look for this in `{name}` you need the permission `{permission}`: it looks like a phone number."
            ),
            Self::StaleForm => "Load the page anew, and send its form again.".to_owned(),
            Self::TooLarge(_) => {
                "This is too much for one file: ask for fewer days, or walk over `next` with limit=1000."
                    .to_owned()
            }
            Self::NoKeys => {
                "The issuer of your token does not answer, so it can't be checked: try again soon.".to_owned()
            }
            Self::Unavailable { what, .. } => format!("{what} does not answer: try again soon."),
            Self::Unreadable { .. } => {
                "What is stored of this can't be read: tell whoever runs callvault the time.".to_owned()
            }
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Unauthenticated(refusal) => Some(refusal.to_string()),
            Self::TooLarge(calls) => Some(format!("{calls} calls were read when it became too much")),
            _ => None,
        }
    }

    /// Members beside those of every problem.
    fn more(&self) -> Map<String, Value> {
        let more = match self {
            Self::Query { name, .. } => json!({"parameter": shown(name)}),
            Self::UnknownParameter { name, known } => json!({"parameter": shown(name), "parameters": known}),
            Self::BelowLeast { name, came, least } => return below_least(name, *came, least).more(),
            Self::BadValue { name, came, expected } => {
                json!({"parameter": name, "value": shown_value(name, came), "expected": expected})
            }
            Self::RepeatedParameter(name) | Self::Together { name, .. } | Self::BadId(name) => {
                json!({"parameter": name})
            }
            Self::ForbiddenValue { name, permission } => {
                json!({"parameter": name, "permission": permission.as_str()})
            }
            Self::Forbidden(permission) => json!({"permission": permission.as_str()}),
            Self::NotArchived(state) => json!({"state": state}),
            Self::NotAcceptable(known) => json!({"media_types": known}),
            _ => Value::Null,
        };
        match more {
            Value::Object(more) => more,
            _ => Map::new(),
        }
    }

    /// The answer that tells it.
    pub fn answer(&self) -> Answer {
        let mut body = Map::new();
        body.insert("type".to_owned(), format!("urn:callvault:problem:{}", self.tag()).into());
        body.insert("title".to_owned(), self.title().into());
        body.insert("status".to_owned(), self.status().into());
        body.extend(self.detail().map(|detail| ("detail".to_owned(), detail.into())));
        body.extend(self.more());
        let body = Value::Object(body).to_string().into_bytes();
        let answer = Answer::of(self.status(), "application/problem+json", body);
        match self {
            Self::Unauthenticated(refusal) => answer.with("www-authenticate", refusal.challenge()),
            Self::Method => answer.with("allow", "GET, HEAD"),
            Self::NoKeys | Self::Unavailable { .. } => answer.with("retry-after", "2"),
            _ => answer,
        }
    }
}

/// A greatest value that is below the least is told as one that is not expected.
fn below_least(name: &'static str, came: u64, least: &str) -> Problem {
    let expected = format!("a whole number that is no less than `{least}`");
    Problem::BadValue { name, came: came.to_string(), expected }
}

/// A parameter's value, as whoever wrote it is told of it: of one that may hold a number no digits that may be some of one, of any other as
/// [`shown`] has it.
fn shown_value(name: &str, came: &str) -> String {
    if may_hold_a_number(name) { brief(&in_text(came)) } else { shown(came) }
}

/// What somebody wrote, as they are told of it: without what may be a phone number, which no error tells, wherever it was written. Figures and
/// days stay.
fn shown(written: &str) -> String {
    match written.split("..").all(is_like_a_day) {
        true => written.to_owned(),
        false => brief(&in_name(written)),
    }
}

/// Whether something is written as a day of these centuries is, be there one or not: `2025-06-31`.
fn is_like_a_day(text: &str) -> bool {
    let is_like =
        |(at, byte): (usize, u8)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == "2025-06-31".len()
        && (text.starts_with("19") || text.starts_with("20"))
        && text.bytes().enumerate().all(is_like)
}

/// What somebody wrote, no longer than a name is.
fn brief(written: &str) -> String {
    const MAX_CHARACTERS: usize = 40;
    match written.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => format!("{}…", &written[..end]),
        None => written.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_says_what_to_do() {
        for (problem, status, title) in [
            (
                Problem::UnknownParameter { name: "days".repeat(30), known: vec!["day"] },
                400,
                "There is no parameter `daysdaysdaysdaysdaysdaysdaysdaysdaysdays…` here: take one of those in `parameters`.",
            ),
            (
                Problem::BadValue {
                    name: "limit",
                    came: "0".to_owned(),
                    expected: "a number from 1 to 1000".to_owned(),
                },
                400,
                "Give `limit` another value than `0`. Expected: a number from 1 to 1000.",
            ),
            (
                Problem::BadValue {
                    name: "callee",
                    came: "to 13700009182".to_owned(),
                    expected: "a number".to_owned(),
                },
                400,
                "Give `callee` another value than `to ***********`. Expected: a number.",
            ),
            // A number may be given where none belongs.
            (
                Problem::BadValue {
                    name: "limit",
                    came: "447911123456".to_owned(),
                    expected: "a number from 1 to 1000".to_owned(),
                },
                400,
                "Give `limit` another value than `************`. Expected: a number from 1 to 1000.",
            ),
            (
                Problem::BadValue {
                    name: "day",
                    came: "2025-06-07..2025-06-01".to_owned(),
                    expected: "x".to_owned(),
                },
                400,
                "Give `day` another value than `2025-06-07..2025-06-01`. Expected: x.",
            ),
            (
                Problem::UnknownParameter { name: "137/0000/9182".to_owned(), known: vec![] },
                400,
                "Leave the parameter `***/****/****` out: this request takes none.",
            ),
            (
                Problem::BadValue { name: "day", came: " ".to_owned(), expected: "a date".to_owned() },
                400,
                "Give `day` a value. Expected: a date.",
            ),
            (
                Problem::Forbidden(Permission::SeeNumbers),
                403,
                "You need the permission `calls.pii` for this: ask whoever runs callvault for it.",
            ),
            (
                Problem::NotArchived("pending"),
                404,
                "The recording is not archived yet: ask again in a few minutes.",
            ),
        ] {
            let answer = problem.answer();
            let body: Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!((answer.status_code, body["title"].as_str()), (status, Some(title)));
            assert_eq!(body["status"], status);
            assert_eq!(answer.headers["content-type"], "application/problem+json");
        }
        let answer = Problem::Unauthenticated(Refusal::NoToken).answer();
        assert_eq!((answer.status_code, answer.headers["www-authenticate"].as_str()), (401, "Bearer"));
    }

    #[test]
    fn what_is_wrong_inside_is_not_told() {
        let problem = Problem::unavailable("The table", &"secret");
        assert!(!problem.answer().body.contains("secret"));
        assert_eq!(problem.why(), Some("secret"));
    }
}
