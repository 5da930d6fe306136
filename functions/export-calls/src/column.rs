//! The columns of the data sets: one row each. The files' schema, the tables of the template and those of `docs/analytics.md` are held to
//! it. Columns only ever grow: none is renamed, removed, or given another type.

use serde_json::Value;
use shared::model::cause;
use shared::view::Object;

use crate::cell::{self, Cell};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text of which few different ones are expected, or of which many begin alike.
    Text,
    /// An id: hardly one is there twice, but in rows that follow one another.
    Id,
    /// JSON, as text.
    Json,
    /// A whole number of 64 bits.
    Number,
    /// Yes or no.
    Flag,
    /// A time in UTC, in milliseconds.
    Time,
    /// A date.
    Date,
    /// An amount of money: 38 digits, 10 of them behind the point.
    Amount,
    /// Names, each with a value or none.
    Tags,
}

impl Kind {
    /// Its type in Glue's and Athena's tables.
    pub fn glue(self) -> &'static str {
        match self {
            Self::Text | Self::Id | Self::Json => "string",
            Self::Number => "bigint",
            Self::Flag => "boolean",
            Self::Time => "timestamp",
            Self::Date => "date",
            Self::Amount => "decimal(38,10)",
            Self::Tags => "array<struct<name:string,value:string>>",
        }
    }
}

/// A column.
#[derive(Clone, Copy)]
pub struct Column {
    /// Its name: as the API has it, where it has it.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// In which unit, or in which form; empty where there is none.
    pub unit: &'static str,
    /// What it means, and where it comes from.
    pub about: &'static str,
    from: From,
}

/// Where a column's value is taken from.
#[derive(Clone, Copy)]
enum From {
    /// The attribute of the call that has the column's name.
    Call,
    /// The attribute of the turn, or of the recording.
    Part,
    /// The attribute of the conversation.
    Conversation,
    /// It is made of others.
    Made(for<'a> fn(&'a Row<'a>) -> Cell<'a>),
}

/// What a row is made of: a call as it is shown, and the part of it that the row is about.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    /// The call as a list shows it, its codes and what else is known of it.
    pub(crate) call: &'a Object,
    /// Its conversation.
    pub(crate) conversation: Option<&'a Object>,
    /// The turn, or the recording.
    pub(crate) part: Option<&'a Object>,
    /// Which turn it is.
    pub(crate) position: i64,
    /// What is told of the whole call.
    pub(crate) told: &'a Told,
}

/// What is told of a whole call beside its attributes.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// Its time, in milliseconds since 1970.
    pub(crate) call_at_ms: i64,
    /// Its date in the zone, in days since 1970.
    pub(crate) local_date: i32,
    /// Its hour in the zone.
    pub(crate) local_hour: u8,
    pub(crate) answered: bool,
    pub(crate) connected: bool,
    pub(crate) complete: bool,
    pub(crate) turns: usize,
    pub(crate) recordings: usize,
}

impl Column {
    /// Its value in a row.
    pub(crate) fn cell<'a>(&self, row: &'a Row<'a>) -> Cell<'a> {
        let of = |object: Option<&'a Object>| {
            object
                .and_then(|object| object.get(self.name))
                .map_or(Cell::Nothing, |value| cell::of(self.kind, value))
        };
        match self.from {
            From::Call => of(Some(row.call)),
            From::Part => of(row.part),
            From::Conversation => of(row.conversation),
            From::Made(make) => make(row),
        }
    }
}

/// A data set: a kind of file, and a table.
pub struct DataSet {
    /// Its name.
    pub name: &'static str,
    /// What a row is.
    pub about: &'static str,
    /// Its columns, in order.
    pub columns: &'static [Column],
}

/// The data sets.
pub const DATA_SETS: [&DataSet; 3] = [&CALLS, &TURNS, &RECORDINGS];

const fn of(from: From, name: &'static str, kind: Kind, unit: &'static str, about: &'static str) -> Column {
    Column { name, kind, unit, about, from }
}

const fn call(name: &'static str, kind: Kind, unit: &'static str, about: &'static str) -> Column {
    of(From::Call, name, kind, unit, about)
}

const fn part(name: &'static str, kind: Kind, unit: &'static str, about: &'static str) -> Column {
    of(From::Part, name, kind, unit, about)
}

const fn made(
    name: &'static str,
    kind: Kind,
    unit: &'static str,
    about: &'static str,
    make: for<'a> fn(&'a Row<'a>) -> Cell<'a>,
) -> Column {
    of(From::Made(make), name, kind, unit, about)
}

const PROVIDER: Column = call("provider", Kind::Text, "", "The platform that made the call.");
const CALL_ID: Column =
    call("call_id", Kind::Id, "", "The platform's id of the call. With `provider`, the key of the call.");
const CALL_AT: Column = made(
    "call_at",
    Kind::Time,
    "UTC, milliseconds",
    "When the call was originated, else the earliest time known of it. The file and its `day` go by it, and rows are sorted by it.",
    |row| Cell::Number(row.told.call_at_ms),
);
const LOCAL_DATE: Column = made(
    "local_date",
    Kind::Date,
    "zone of `EXPORT_ZONE`",
    "The date of `call_at` where the callees are.",
    |row| Cell::Date(row.told.local_date),
);
const LOCAL_HOUR: Column = made(
    "local_hour",
    Kind::Number,
    "0 to 23, zone of `EXPORT_ZONE`",
    "The hour of `call_at` where the callees are.",
    |row| Cell::Number(row.told.local_hour.into()),
);
const TASK_ID: Column = call("task_id", Kind::Text, "", "The task (campaign) that the call belongs to.");
const SCRIPT_ID: Column = call("script_id", Kind::Text, "", "The script that was spoken.");

/// One row a call.
pub(crate) const CALLS: DataSet = DataSet {
    name: "calls",
    about: "One row a call.",
    columns: &[
        PROVIDER,
        CALL_ID,
        CALL_AT,
        LOCAL_DATE,
        LOCAL_HOUR,
        TASK_ID,
        call("out_id", Kind::Id, "", "Your own id of the call, passed through by the platform."),
        call("callee", Kind::Id, "", "The number called; masked unless `EXPORT_NUMBERS` is `full`."),
        call(
            "callee_id",
            Kind::Id,
            "32 hexadecimal digits",
            "The same for all calls to the same number, and does not tell the number. Needs `CalleeIdSecretArn`.",
        ),
        call("display_number", Kind::Text, "", "The number that the callee saw; masked as `callee` is."),
        call("caller", Kind::Text, "", "The number that the call was ordered from; masked as `callee` is."),
        call(
            "outcome",
            Kind::Text,
            "",
            "What became of the call, in one vocabulary for all platforms (glossary).",
        ),
        made("answered", Kind::Flag, "", "Whether a person answered (glossary).", |row| {
            Cell::Flag(row.told.answered)
        }),
        made(
            "connected",
            Kind::Flag,
            "",
            "Whether the line was picked up: by a person, an answering machine or a voice assistant (glossary).",
            |row| Cell::Flag(row.told.connected),
        ),
        made(
            "complete",
            Kind::Flag,
            "",
            "Whether all is known of the call that its platform tells (glossary).",
            |row| Cell::Flag(row.told.complete),
        ),
        call("hangup_by", Kind::Text, "", "Who ended the call: `callee`, `agent`, `system` or `unknown`."),
        call("intent_code", Kind::Text, "", "The callee's intent, as the platform codes it."),
        call("intent_name", Kind::Text, "", "The callee's intent in words."),
        call(
            "tags",
            Kind::Tags,
            "list of `{name, value}`",
            "The conclusions that the agent drew. A tag with several values is there once for each; one without has no `value`.",
        ),
        call("duration_s", Kind::Number, "seconds", "How long the call lasted, as the platform counts it."),
        call("ring_s", Kind::Number, "seconds", "How long it rang."),
        call("billed_s", Kind::Number, "seconds", "How long is charged for."),
        made(
            "cost_amount",
            Kind::Amount,
            "units of `cost_currency`",
            "What the call cost, exact. Empty where it has more than 10 digits behind the point, or 18 before it: so ten billion calls can be added.",
            |row| match cell::amount(row.call) {
                Some(exact) => cell::units(exact).map_or(Cell::Nothing, Cell::Amount),
                None => Cell::Nothing,
            },
        ),
        made("cost_currency", Kind::Text, "ISO 4217", "The currency of the cost.", |row| {
            cell::currency(row.call).map_or(Cell::Nothing, |currency| Cell::Text(currency.into()))
        }),
        made(
            "cost_text",
            Kind::Text,
            "units of `cost_currency`",
            "What the call cost, as text; only where `cost_amount` can't hold it.",
            |row| match cell::amount(row.call) {
                Some(exact) if cell::units(exact).is_none() => Cell::Text(exact.into()),
                _ => Cell::Nothing,
            },
        ),
        call("attempt", Kind::Number, "", "Which attempt at this callee the call was."),
        call("batch_id", Kind::Text, "", "The batch of callees within the task."),
        call("detail_id", Kind::Id, "", "The callee's entry within the batch."),
        call("app_id", Kind::Text, "", "The platform's application that made the call."),
        SCRIPT_ID,
        call("submitted_at", Kind::Time, "UTC, milliseconds", "When the call was ordered."),
        call("originated_at", Kind::Time, "UTC, milliseconds", "When the call was handed to the carrier."),
        call("ringing_at", Kind::Time, "UTC, milliseconds", "When the callee's phone began to ring."),
        call("answered_at", Kind::Time, "UTC, milliseconds", "When the callee answered."),
        call("ended_at", Kind::Time, "UTC, milliseconds", "When the call ended."),
        call("status", Kind::Json, "", "The platform's own codes and messages, by its own names."),
        of(
            From::Conversation,
            "variables",
            Kind::Json,
            "",
            "The values that the script was filled with, as the platform lists them.",
        ),
        made("turn_count", Kind::Number, "rows of `turns`", "How many utterances the call has.", |row| {
            Cell::Number(cell::count(row.told.turns))
        }),
        made(
            "recording_count",
            Kind::Number,
            "rows of `recordings`",
            "How many recordings the call has.",
            |row| Cell::Number(cell::count(row.told.recordings)),
        ),
        call(
            "first_received_at",
            Kind::Time,
            "UTC, milliseconds",
            "When the first push about the call was received.",
        ),
        call(
            "updated_at",
            Kind::Time,
            "UTC, milliseconds",
            "When the last push that told something new was received.",
        ),
        call(
            "extra",
            Kind::Json,
            "",
            "What the model has no column for, by function; only with `EXPORT_NUMBERS=full`, since it is full of numbers.",
        ),
    ],
};

/// One row an utterance.
pub(crate) const TURNS: DataSet = DataSet {
    name: "turns",
    about: "One row an utterance of a call's conversation.",
    columns: &[
        PROVIDER,
        CALL_ID,
        CALL_AT,
        LOCAL_DATE,
        TASK_ID,
        SCRIPT_ID,
        made("turn", Kind::Number, "from 0 on", "Which utterance of the call it is, in order.", |row| {
            Cell::Number(row.position)
        }),
        part(
            "speaker",
            Kind::Text,
            "",
            "Who spoke: `agent` or `callee`; empty where the platform named neither.",
        ),
        part(
            "text",
            Kind::Text,
            "",
            "The words; runs of four digits and more are blacked out unless `EXPORT_NUMBERS` is `full`.",
        ),
        part("start_ms", Kind::Number, "milliseconds", "Where the utterance begins in the recording."),
        part("end_ms", Kind::Number, "milliseconds", "Where it ends."),
        made(
            "interrupted",
            Kind::Flag,
            "",
            "Whether the callee interrupted the agent with it; false also where the platform does not tell.",
            |row| {
                let told = row.part.and_then(|turn| turn.get("interrupted")).and_then(Value::as_bool);
                Cell::Flag(told.unwrap_or_default())
            },
        ),
        part("extra", Kind::Json, "", "What else the platform says of it; only with `EXPORT_NUMBERS=full`."),
    ],
};

/// One row a recording.
pub(crate) const RECORDINGS: DataSet = DataSet {
    name: "recordings",
    about: "One row a recording of a call.",
    columns: &[
        PROVIDER,
        CALL_ID,
        CALL_AT,
        LOCAL_DATE,
        TASK_ID,
        part("slot", Kind::Text, "", "Which recording of its call it is: `main`, `full` or `customer`."),
        part("state", Kind::Text, "", "What has become of it: `pending`, `archived`, `expired` or `failed`."),
        part("media_type", Kind::Text, "", "Its media type, `audio/x-wav`."),
        part("bytes", Kind::Number, "bytes", "Its size."),
        part("archived_at", Kind::Time, "UTC, milliseconds", "When it was archived."),
        part("lost_at", Kind::Time, "UTC, milliseconds", "When it was given up."),
        made(
            "attempts",
            Kind::Number,
            "",
            "How often it was tried in vain, of one that was given up: empty while it waits, and once it is archived.",
            |row| {
                // Else its hour would be written anew with each attempt.
                let given_up =
                    row.part.filter(|part| part.get("state").is_some_and(|state| state != "pending"));
                let attempts = given_up.and_then(|part| part.get("attempts"));
                attempts.map_or(Cell::Nothing, |attempts| cell::of(Kind::Number, attempts))
            },
        ),
        made("last_error", Kind::Text, "", "Why the last attempt failed.", |row| {
            // Without the provider's id of the request: else its hour would be written anew with each attempt.
            let error = row.part.and_then(|part| part.get("last_error")?.as_str());
            error.map_or(Cell::Nothing, |error| Cell::Text(cause(error)))
        }),
        part("source_expires_at", Kind::Time, "UTC, milliseconds", "When the last of its URLs dies."),
        part("first_received_at", Kind::Time, "UTC, milliseconds", "When it was first heard of."),
    ],
};
