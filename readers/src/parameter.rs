//! The parameters of requests: one row each, which says how it is read. The API's description is made of the same rows.

use serde_json::{Value, json};
use shared::access::Permission;
use shared::access::callee_id::is_callee_id;
use shared::model::{HangupBy, Instant, Outcome, PhoneNumber, Provider, RecordingState};
use shared::reading::{CalleeSearch, DayRange, DayRangeError, Order, Zone};

/// What is told of a parameter.
#[derive(Debug)]
pub struct Described {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Whether it may stand in a request several times.
    pub repeatable: bool,
    /// Which permission it takes beside the route's.
    pub permission: Option<Permission>,
    /// Of one value, as JSON Schema.
    pub schema: fn() -> Value,
}

/// A parameter, and how a value of it is read: what it is where it is none.
pub struct Parameter<T> {
    /// What is told of it.
    pub described: Described,
    /// Reads a value.
    pub read: fn(&str) -> Result<T, String>,
}

/// The longest text to look for, in bytes: an id has no more.
const MAX_TEXT_BYTES: usize = 1024;
/// How many calls a page has, and how many at most.
pub const DEFAULT_LIMIT: usize = 50;
/// The most calls of a page.
pub const MAX_LIMIT: usize = 1_000;
/// For how long a recording's URL is good, in seconds, and for how long at most.
pub const DEFAULT_EXPIRY_S: u64 = 300;
/// The same, at most.
pub const MAX_EXPIRY_S: u64 = 3_600;
/// The longest duration of a call to look for, in seconds.
const MAX_DURATION_S: u64 = 1_000_000;

const fn described(name: &'static str, schema: fn() -> Value, about: &'static str) -> Described {
    Described { name, about, repeatable: false, permission: None, schema }
}

/// The platform.
pub static PROVIDER: Parameter<Provider> = Parameter {
    described: described(
        "provider",
        || one_of(Provider::ALL.map(Provider::as_str)),
        "Calls of this platform.",
    ),
    read: |text| Provider::named(text).ok_or_else(|| names(Provider::ALL.map(Provider::as_str))),
};

/// The task.
pub static TASK: Parameter<String> = Parameter {
    described: described("task", any_text, "Calls of this task. Chooses the index."),
    read: text,
};

/// The number called.
pub static CALLEE: Parameter<CalleeSearch> = Parameter {
    described: Described {
        permission: Some(Permission::SeeNumbers),
        ..described(
            "callee",
            || json!({"type": "string", "minLength": 1, "maxLength": PhoneNumber::MAX_BYTES, "pattern": r"^[^*]*\d[^*]*$"}),
            "Calls to this number, with or without country code (write `+` as `%2B`). Chooses the index.",
        )
    },
    read: |number| {
        let search = CalleeSearch::read(number).filter(|_| may_be_called(number));
        search.ok_or_else(|| "a whole phone number in digits, without letters and `*`".to_owned())
    },
};

/// The id of the number called.
pub static CALLEE_ID: Parameter<String> = Parameter {
    described: described(
        "callee_id",
        || json!({"type": "string", "pattern": "^[0-9a-f]{32}$"}),
        "Calls to the number that has this `callee_id`. Without `task` or `day` the days are walked back, newest first: pages may be short.",
    ),
    read: |id| match is_callee_id(id) {
        true => Ok(id.to_owned()),
        false => Err("32 characters of 0-9 and a-f, as a call has them in `callee_id`".to_owned()),
    },
};

/// Days.
pub static DAY: Parameter<DayRange> = Parameter {
    described: described(
        "day",
        || json!({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}(\.\.\d{4}-\d{2}-\d{2})?$", "examples": ["2025-06-01", "2025-06-01..2025-06-07"]}),
        "Calls of this day, or of the days from one to another, in `zone`. Chooses the index. Without `task`, `callee`, `callee_id` and `day` it is today.",
    ),
    read: |days| {
        days.parse().map_err(|error| match error {
            DayRangeError::Form => {
                "a date, `2025-06-01`, or the first and the last of several, `2025-06-01..2025-06-07`"
                    .to_owned()
            }
            DayRangeError::Year => OF_THESE_YEARS.to_owned(),
            DayRangeError::Backwards => "the earlier day first, like `2025-06-01..2025-06-07`".to_owned(),
        })
    },
};

/// The time zone.
pub static ZONE: Parameter<Zone> = Parameter {
    described: described(
        "zone",
        || json!({"type": "string", "default": Zone::default().name(), "examples": ["Europe/Berlin"]}),
        "The time zone of days, hours and local times, by its name in the IANA database.",
    ),
    read: |name| {
        Zone::named(name).ok_or_else(|| "a time zone of the IANA database, like `Asia/Shanghai`".to_owned())
    },
};

/// What became of the call.
pub static OUTCOME: Parameter<Outcome> = Parameter {
    described: Described {
        repeatable: true,
        ..described(
            "outcome",
            || one_of(Outcome::ALL.map(Outcome::as_str)),
            "Calls with this outcome; again for others.",
        )
    },
    read: |text| {
        let again = || format!("{}; `outcome` again for another", names(Outcome::ALL.map(Outcome::as_str)));
        Outcome::named(text).ok_or_else(again)
    },
};

/// The callee's intent.
pub static INTENT: Parameter<String> = Parameter {
    described: described("intent", any_text, "Calls with this intent, by its code or in words."),
    read: text,
};

/// A tag.
pub static TAG: Parameter<String> = Parameter {
    described: described(
        "tag",
        any_text,
        "Calls with this tag: a plain tag, the name of a tag with values, or `name:value`.",
    ),
    read: text,
};

/// The shortest duration.
pub static AT_LEAST_S: Parameter<u64> = Parameter {
    described: described(
        "min_duration_s",
        || whole(0, MAX_DURATION_S),
        "Calls of this many seconds at least.",
    ),
    read: |text| number(text, 0, MAX_DURATION_S),
};

/// The longest duration.
pub static AT_MOST_S: Parameter<u64> = Parameter {
    described: described(
        "max_duration_s",
        || whole(0, MAX_DURATION_S),
        "Calls of this many seconds at most.",
    ),
    read: |text| number(text, 0, MAX_DURATION_S),
};

/// Who ended the call.
pub static HANGUP_BY: Parameter<HangupBy> = Parameter {
    described: described(
        "hangup_by",
        || one_of(HangupBy::ALL.map(HangupBy::as_str)),
        "Calls that this side ended.",
    ),
    read: |text| HangupBy::named(text).ok_or_else(|| names(HangupBy::ALL.map(HangupBy::as_str))),
};

/// Whether a recording was announced.
pub static HAS_RECORDING: Parameter<bool> = Parameter {
    described: described(
        "has_recording",
        truth_schema,
        "Calls of which a recording was announced, whatever became of it; or of which none was.",
    ),
    read: truth,
};

/// Whether somebody has reviewed it.
pub static REVIEWED: Parameter<bool> = Parameter {
    described: described("reviewed", truth_schema, "Calls that somebody has reviewed, or that nobody has."),
    read: truth,
};

/// Since when something new was received.
pub static UPDATED_SINCE: Parameter<Instant> = Parameter {
    described: described(
        "updated_since",
        || json!({"type": "string", "format": "date-time"}),
        "Among the calls of the chosen days, task or number: those of which something new was received at this time or later.",
    ),
    // A `+` that was not escaped has become a space.
    read: |text| {
        let is_written = text.contains(['T', 't']);
        let time = is_written.then(|| text.replace(' ', "+").parse().ok()).flatten();
        time.ok_or_else(|| "a time with its zone, like `2025-06-01T02:00:00Z`".to_owned())
    },
};

/// In which order.
pub static ORDER: Parameter<Order> = Parameter {
    described: described(
        "order",
        || json!({"type": "string", "enum": ["desc", "asc"], "default": "desc"}),
        "The newest first, or the oldest first.",
    ),
    read: |text| Order::named(text).ok_or_else(|| "`desc` or `asc`".to_owned()),
};

/// How many a page has.
pub static LIMIT: Parameter<usize> = Parameter {
    described: described(
        "limit",
        || json!({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}),
        "How many calls a page has at most. It may have fewer, or none, and still have `next`.",
    ),
    read: |text| number(text, 1, MAX_LIMIT),
};

/// Where a walk goes on.
pub static CURSOR: Parameter<String> = Parameter {
    described: described(
        "cursor",
        any_text,
        "Where a walk goes on: `next` of the page before, with the same filters.",
    ),
    read: |text| match text.len() <= MAX_CURSOR_BYTES {
        true => Ok(text.to_owned()),
        false => Err("`next` of the page before".to_owned()),
    },
};

/// The longest cursor, in bytes: longer than any that is given out.
const MAX_CURSOR_BYTES: usize = 8_192;

/// Whether all is wanted as a file.
pub static DOWNLOAD: Parameter<bool> = Parameter {
    described: described(
        "download",
        truth_schema,
        "`true`: all calls of the filter as one file, by a redirect to it. For spreadsheets and programs, by `Accept`. Not with `limit` or `cursor`: a file has no pages.",
    ),
    read: truth,
};

/// For how long a URL is good.
pub static EXPIRES: Parameter<u64> = Parameter {
    described: described(
        "expires",
        || json!({"type": "integer", "minimum": 1, "maximum": MAX_EXPIRY_S, "default": DEFAULT_EXPIRY_S}),
        "For how many seconds the URL of the recording is good.",
    ),
    read: |text| number(text, 1, MAX_EXPIRY_S),
};

/// The states of recordings that are not archived.
const WAITING: [RecordingState; 3] =
    [RecordingState::Pending, RecordingState::Expired, RecordingState::Failed];

/// A recording's state.
pub static STATE: Parameter<RecordingState> = Parameter {
    described: described(
        "state",
        || json!({"type": "string", "enum": WAITING.map(RecordingState::as_str), "default": "pending"}),
        "`pending`: what is still to be archived, soonest expiry first. `expired`, `failed`: what was lost, newest first.",
    ),
    read: |text| {
        let known = WAITING.into_iter().find(|known| known.as_str() == text);
        known.ok_or_else(|| names(WAITING.map(RecordingState::as_str)))
    },
};

/// What is told of a day that no call was on.
const OF_THESE_YEARS: &str = "dates of the years 2000 to 2099, like `2025-06-01`";
/// What is told where one day is asked for.
const ONE_DATE: &str = "one date, like `2025-06-01`";

/// A day.
pub static ONE_DAY: Parameter<DayRange> = Parameter {
    described: described(
        "day",
        || json!({"type": "string", "format": "date"}),
        "The tasks that had calls on this day, in `zone`; today where it is not given.",
    ),
    read: |text| {
        let day = text.parse::<DayRange>().map_err(|error| match error {
            DayRangeError::Year => OF_THESE_YEARS,
            DayRangeError::Form | DayRangeError::Backwards => ONE_DATE,
        })?;
        if day.first() == day.last() { Ok(day) } else { Err(ONE_DATE.to_owned()) }
    },
};

/// Whether a value of the parameter of this name may hold a phone number.
pub(crate) fn may_hold_a_number(name: &str) -> bool {
    let texts = [&TASK.described, &CALLEE.described, &CALLEE_ID.described, &INTENT.described, &TAG.described];
    texts.iter().any(|text| text.name == name)
}

/// Whether a number may be somebody's that was called: it has digits, and letters only where it is an address (`sip:7001@example.com`).
fn may_be_called(number: &str) -> bool {
    number.chars().any(char::is_numeric) && (number.contains('@') || !number.chars().any(char::is_alphabetic))
}

fn any_text() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": MAX_TEXT_BYTES})
}

fn truth_schema() -> Value {
    json!({"type": "boolean"})
}

fn one_of<const N: usize>(names: [&'static str; N]) -> Value {
    json!({"type": "string", "enum": names.as_slice()})
}

fn whole(least: u64, most: u64) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": most})
}

fn text(text: &str) -> Result<String, String> {
    match !text.is_empty() && text.len() <= MAX_TEXT_BYTES {
        true => Ok(text.to_owned()),
        false => Err(format!("a text of 1 to {MAX_TEXT_BYTES} bytes")),
    }
}

fn truth(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "`true` or `false`".to_owned())
}

/// A whole number in these bounds, in digits alone.
fn number<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
    text: &str,
    least: T,
    most: T,
) -> Result<T, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number
        .filter(|number| (&least..=&most).contains(&number))
        .ok_or_else(|| format!("a whole number from {least} to {most}"))
}

fn names<const N: usize>(names: [&'static str; N]) -> String {
    let quoted = names.map(|name| format!("`{name}`"));
    format!("one of {}", quoted.join(", "))
}
