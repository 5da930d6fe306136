//! Writing a list of calls, call by call.

use jiff::civil::DateTime;
use rust_xlsxwriter::{Format as CellFormat, Workbook, XlsxError};
use serde_json::{Value, json};
use shared::reading::Zone;
use shared::view::Object;

use super::Format;
use super::cell::{CHINESE, Cell, Column, Readers, columns, neutralized};
use crate::event::Answer;

/// Marks a table of text as UTF-8, which Excel takes it for only then.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// The most characters of a spreadsheet's cell.
const MAX_CELL_CHARACTERS: usize = 32_767;
/// Stands at the end of what is longer.
const CUT: &str = "… (cut: see the call itself)";
/// The same below Chinese headings.
const CUT_CHINESE: &str = "…（已截断，完整内容见通话详情）";
/// The same in a table of counts.
const CUT_NAME: &str = "…";
/// The most calls of one spreadsheet. Its rows lie on disk until it is whole; Excel takes no more.
const MAX_ROWS: u32 = 1_048_575;
/// How many digits of a number a spreadsheet keeps. One that has more is text.
const MAX_DIGITS: usize = 15;

/// A list could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// It is more than a spreadsheet takes.
    #[error("more than {MAX_ROWS} calls")]
    Full,
    /// A spreadsheet does not take what is in it.
    #[error("the spreadsheet can't be written")]
    Spreadsheet(#[from] XlsxError),
    /// A table of text does not.
    #[error("the table can't be written")]
    Table(#[from] csv::Error),
}

/// The header that tells how many calls of a list can't be read, where there are any: most forms have no place for it.
pub const UNREADABLE: &str = "callvault-unreadable";

/// What is told of a list beside its calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told<'a> {
    /// Where it goes on.
    pub next: Option<&'a str>,
    /// How many calls were looked at.
    pub scanned: u64,
    /// How many of them can't be read, and are not among it.
    pub unreadable: u64,
}

impl Told<'_> {
    /// The answer, which tells of calls that can't be read.
    #[must_use]
    pub fn beside(&self, answer: Answer) -> Answer {
        match self.unreadable {
            0 => answer,
            unreadable => answer.with(UNREADABLE, unreadable.to_string()),
        }
    }
}

/// A list of calls that is being written.
pub struct Sheet {
    zone: Zone,
    /// Of its headings: one of those that there are.
    language: Option<&'static str>,
    /// Of outcomes and the like, where they are in words.
    words: Option<&'static str>,
    columns: Vec<Column>,
    body: Body,
    /// How many bytes were written, about.
    bytes: usize,
    rows: u32,
}

enum Body {
    Json(Vec<u8>),
    Ndjson(Vec<u8>),
    Csv(Box<csv::Writer<Vec<u8>>>),
    Xlsx(Box<Workbook>),
}

impl Sheet {
    /// Begins a list. Headings are in `language`, local times are those of `zone`.
    pub fn new(
        format: Format,
        language: Option<&'static str>,
        zone: Zone,
        readers: Readers,
    ) -> Result<Self, SheetError> {
        let columns = columns(readers);
        let words = language.filter(|language| *language == CHINESE || readers != Readers::Programs);
        let headings: Vec<_> = columns.iter().map(|column| column.heading(language, &zone)).collect();
        let body = match format {
            Format::Json => Body::Json(br#"{"calls":["#.to_vec()),
            Format::Ndjson => Body::Ndjson(Vec::new()),
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new()
                    .terminator(csv::Terminator::CRLF)
                    .from_writer(BYTE_ORDER_MARK.to_vec());
                writer.write_record(&headings)?;
                Body::Csv(Box::new(writer))
            }
            Format::Xlsx => {
                let mut workbook = Workbook::new();
                let sheet = workbook.add_worksheet_with_constant_memory()?.set_name(sheet_name(language))?;
                sheet.set_freeze_panes(1, 0)?;
                let bold = CellFormat::new().set_bold();
                for ((place, column), heading) in (0u16..).zip(&columns).zip(&headings) {
                    sheet.write_string_with_format(0, place, heading, &bold)?;
                    sheet.set_column_width(place, column.width())?;
                }
                Body::Xlsx(Box::new(workbook))
            }
        };
        Ok(Self { zone, language, words, columns, body, bytes: 0, rows: 0 })
    }

    /// How large the list is so far, about, in bytes.
    pub fn bytes(&self) -> usize {
        match &self.body {
            Body::Json(json) | Body::Ndjson(json) => json.len(),
            Body::Csv(_) | Body::Xlsx(_) => self.bytes,
        }
    }

    /// Adds a call.
    ///
    /// # Errors
    /// [`SheetError`].
    pub fn add(&mut self, call: &Object) -> Result<(), SheetError> {
        let Self { zone, language, words, columns, body, bytes, rows } = self;
        let (language, words) = (*language, *words);
        let first = *rows == 0;
        *rows += 1;
        match body {
            Body::Json(json) => {
                if !first {
                    json.push(b',');
                }
                json.extend(Value::Object(call.clone()).to_string().into_bytes());
            }
            Body::Ndjson(lines) => {
                lines.extend(Value::Object(call.clone()).to_string().into_bytes());
                lines.push(b'\n');
            }
            Body::Csv(writer) => {
                for column in columns.iter() {
                    let text = match column.cell(call, words, zone) {
                        Cell::Empty => String::new(),
                        Cell::Text(text) => neutralized(&text).into_owned(),
                        Cell::Number(number) => number.into_owned(),
                        Cell::Local(time) => clock(time),
                    };
                    *bytes += text.len() + 1;
                    writer.write_field(text)?;
                }
                writer.write_record(None::<&[u8]>)?;
            }
            Body::Xlsx(workbook) => {
                if *rows > MAX_ROWS {
                    return Err(SheetError::Full);
                }
                let sheet = workbook.worksheet_from_index(0)?;
                let local = CellFormat::new().set_num_format("yyyy-mm-dd hh:mm:ss");
                for (place, column) in (0u16..).zip(columns.iter()) {
                    match column.cell(call, words, zone) {
                        Cell::Empty => {}
                        Cell::Text(text) => {
                            *bytes += text.len();
                            let cut = if language == Some(CHINESE) { CUT_CHINESE } else { CUT };
                            sheet.write_string(*rows, place, fitting(&text, cut))?;
                        }
                        Cell::Number(number) => {
                            match exactly(&number) {
                                Some(number) => sheet.write_number(*rows, place, number)?,
                                None => sheet.write_string(*rows, place, &*number)?,
                            };
                        }
                        Cell::Local(time) => {
                            sheet.write_datetime_with_format(*rows, place, time, &local)?;
                        }
                    }
                    *bytes += 8;
                }
            }
        }
        Ok(())
    }

    /// The list.
    ///
    /// # Errors
    /// [`SheetError`].
    pub fn finish(self, told: &Told<'_>) -> Result<Vec<u8>, SheetError> {
        match self.body {
            Body::Json(mut json) => {
                let Told { next, scanned, unreadable } = told;
                let end = json!({"next": next, "scanned": scanned, "unreadable": unreadable}).to_string();
                json.extend(b"],");
                json.extend(end.trim_start_matches('{').bytes());
                Ok(json)
            }
            Body::Ndjson(lines) => Ok(lines),
            Body::Csv(writer) => {
                Ok(writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?)
            }
            Body::Xlsx(mut workbook) => Ok(workbook.save_to_buffer()?),
        }
    }
}

/// A small table of names and counts: as text, or as a spreadsheet. Any other form is one of text.
///
/// # Errors
/// [`SheetError`].
pub fn table(
    format: Format,
    headings: [&str; 3],
    rows: impl Iterator<Item = (String, String, u64)>,
) -> Result<Vec<u8>, SheetError> {
    if format == Format::Xlsx {
        let mut workbook = Workbook::new();
        let sheet = workbook.add_worksheet();
        let bold = CellFormat::new().set_bold();
        for (place, heading) in (0u16..).zip(headings) {
            sheet.write_string_with_format(0, place, heading, &bold)?;
            sheet.set_column_width(place, 28)?;
        }
        for (row, (table, name, count)) in (1u32..).zip(rows) {
            sheet.write_string(row, 0, fitting(&table, CUT_NAME))?;
            sheet.write_string(row, 1, fitting(&name, CUT_NAME))?;
            // A count of calls is far below what a double holds.
            sheet.write_number(row, 2, count as f64)?;
        }
        return Ok(workbook.save_to_buffer()?);
    }
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(BYTE_ORDER_MARK.to_vec());
    writer.write_record(headings)?;
    for (table, name, count) in rows {
        writer.write_record([&*neutralized(&table), &*neutralized(&name), &count.to_string()])?;
    }
    Ok(writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?)
}

/// A time as clocks show it.
fn clock(time: DateTime) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// What a spreadsheet of calls calls its one sheet.
fn sheet_name(language: Option<&str>) -> &'static str {
    if language == Some(CHINESE) { "通话记录" } else { "calls" }
}

/// A text that fits a cell; one that does not ends with `cut`.
fn fitting(text: &str, cut: &str) -> String {
    // Excel counts units of UTF-16.
    if text.encode_utf16().count() <= MAX_CELL_CHARACTERS {
        return text.to_owned();
    }
    let mut left = MAX_CELL_CHARACTERS - cut.encode_utf16().count();
    let mut short = String::new();
    for character in text.chars() {
        match left.checked_sub(character.len_utf16()) {
            Some(rest) => left = rest,
            None => break,
        }
        short.push(character);
    }
    short + cut
}

/// A number that a spreadsheet keeps to its last digit.
fn exactly(number: &str) -> Option<f64> {
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    number.parse().ok().filter(|_| digits <= MAX_DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_for_a_cell_says_that_it_is_cut() {
        // Two units of UTF-16 each: none is cut in half.
        let long = "😀".repeat(MAX_CELL_CHARACTERS);
        for cut in [CUT, CUT_CHINESE, CUT_NAME] {
            let shown = fitting(&long, cut);
            let units = shown.encode_utf16().count();
            assert!((MAX_CELL_CHARACTERS - 1..=MAX_CELL_CHARACTERS).contains(&units), "{units}");
            let rest = shown.strip_suffix(cut).unwrap();
            assert!(long.starts_with(rest), "{cut}");
        }
        let fits = "语".repeat(MAX_CELL_CHARACTERS);
        assert_eq!(fitting(&fits, CUT), fits);
    }
}
