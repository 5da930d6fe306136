//! The forms that a list of calls has: JSON, lines of JSON, and tables.

mod cell;
mod sheet;

pub use cell::{LANGUAGES, Readers, neutralized};
pub use sheet::{Sheet, SheetError, Told, UNREADABLE, table};

/// The form of a list of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// A line of JSON a call.
    Ndjson,
    /// A table of text.
    Csv,
    /// A spreadsheet.
    Xlsx,
}

/// Every form by its media type, the usual one first.
pub const LIST_FORMATS: [(&str, Format); 4] = [
    ("application/json", Format::Json),
    ("text/csv", Format::Csv),
    ("application/x-ndjson", Format::Ndjson),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Format::Xlsx),
];

impl Format {
    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Xlsx => LIST_FORMATS[3].0,
        }
    }

    /// The end of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }
}
