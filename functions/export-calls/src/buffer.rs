//! The rows of a row group, column by column, until they are written.
//!
//! Texts of a column stand in one piece of memory: a vector of texts would take several times as much.

use std::io::Write;

use bytes::Bytes;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::errors::{ParquetError, Result};
use parquet::file::writer::{SerializedColumnWriter, SerializedRowGroupWriter};

use crate::cell::Cell;
use crate::column::{DataSet, Kind};

/// So many values are handed over at once.
const BATCH: usize = 4_096;

/// Levels of a tag's leaves: of no list, of an empty one, of a tag, and of a tag's value.
const NO_TAGS: i16 = 0;
const EMPTY: i16 = 1;
const TAG: i16 = 2;
const VALUE: i16 = 3;

/// A leaf of the schema, with what it holds so far.
struct Leaf {
    values: Values,
    /// How deep each entry is defined; an entry that is as deep as can be has a value.
    definition: Vec<i16>,
    /// Whether an entry begins a row (0) or goes on with one (1); empty where each begins one.
    repetition: Vec<i16>,
    deepest: i16,
}

enum Values {
    Flags(Vec<bool>),
    Days(Vec<i32>),
    Numbers(Vec<i64>),
    Amounts(Vec<i128>),
    Texts { bytes: Vec<u8>, ends: Vec<usize> },
}

impl Leaf {
    fn new(values: Values, deepest: i16) -> Self {
        Self { values, definition: Vec::new(), repetition: Vec::new(), deepest }
    }

    fn of(kind: Kind) -> Vec<Self> {
        let texts = || Values::Texts { bytes: Vec::new(), ends: Vec::new() };
        let one = |values| vec![Self::new(values, 1)];
        match kind {
            Kind::Text | Kind::Id | Kind::Json => one(texts()),
            Kind::Number | Kind::Time => one(Values::Numbers(Vec::new())),
            Kind::Flag => one(Values::Flags(Vec::new())),
            Kind::Date => one(Values::Days(Vec::new())),
            Kind::Amount => one(Values::Amounts(Vec::new())),
            Kind::Tags => vec![Self::new(texts(), TAG), Self::new(texts(), VALUE)],
        }
    }

    /// About how many bytes of memory it takes.
    fn bytes(&self) -> usize {
        let values = match &self.values {
            Values::Flags(values) => values.len(),
            Values::Days(values) => 4 * values.len(),
            Values::Numbers(values) => 8 * values.len(),
            Values::Amounts(values) => 16 * values.len(),
            Values::Texts { bytes, ends } => bytes.len() + 8 * ends.len(),
        };
        values + 2 * (self.definition.len() + self.repetition.len())
    }

    fn push_text(&mut self, text: &str) {
        if let Values::Texts { bytes, ends } = &mut self.values {
            bytes.extend_from_slice(text.as_bytes());
            ends.push(bytes.len());
        }
    }

    /// Adds a row's only value. One of another kind is none.
    fn push(&mut self, cell: Cell<'_>) {
        let is_there = match (&mut self.values, cell) {
            (Values::Flags(values), Cell::Flag(value)) => {
                values.push(value);
                true
            }
            (Values::Days(values), Cell::Date(value)) => {
                values.push(value);
                true
            }
            (Values::Numbers(values), Cell::Number(value)) => {
                values.push(value);
                true
            }
            (Values::Amounts(values), Cell::Amount(value)) => {
                values.push(value);
                true
            }
            (Values::Texts { bytes, ends }, Cell::Text(text)) => {
                bytes.extend_from_slice(text.as_bytes());
                ends.push(bytes.len());
                true
            }
            _ => false,
        };
        self.definition.push(i16::from(is_there));
    }

    fn write(self, writer: &mut ColumnWriter<'_>) -> Result<()> {
        let Self { values, definition, repetition, deepest } = self;
        let levels = Some(&definition[..]);
        match (values, writer) {
            (Values::Flags(values), ColumnWriter::BoolColumnWriter(writer)) => {
                writer.write_batch(&values, levels, None)?;
            }
            (Values::Days(values), ColumnWriter::Int32ColumnWriter(writer)) => {
                writer.write_batch(&values, levels, None)?;
            }
            (Values::Numbers(values), ColumnWriter::Int64ColumnWriter(writer)) => {
                writer.write_batch(&values, levels, None)?;
            }
            (Values::Amounts(values), ColumnWriter::FixedLenByteArrayColumnWriter(writer)) => {
                let values =
                    values.into_iter().map(|value| ByteArray::from(value.to_be_bytes().to_vec()).into());
                let values: Vec<FixedLenByteArray> = values.collect();
                writer.write_batch(&values, levels, None)?;
            }
            (Values::Texts { bytes, ends }, ColumnWriter::ByteArrayColumnWriter(writer)) => {
                let (bytes, mut begin, mut ends) = (Bytes::from(bytes), 0, ends.into_iter());
                let mut rest = 0;
                while rest < definition.len() {
                    let mut end = definition.len().min(rest + BATCH);
                    // A row is handed over whole.
                    while repetition.get(end).is_some_and(|level| *level > 0) {
                        end += 1;
                    }
                    let levels = &definition[rest..end];
                    let count = levels.iter().filter(|level| **level == deepest).count();
                    let texts = ends.by_ref().take(count).map(|end| {
                        let text = ByteArray::from(bytes.slice(begin..end));
                        begin = end;
                        text
                    });
                    let texts: Vec<_> = texts.collect();
                    writer.write_batch(&texts, Some(levels), repetition.get(rest..end))?;
                    rest = end;
                }
            }
            (..) => return Err(ParquetError::General("a column of another type".to_owned())),
        }
        Ok(())
    }
}

/// The rows of a row group.
pub(crate) struct Buffer {
    /// The leaves of each column.
    columns: Vec<Vec<Leaf>>,
    rows: usize,
}

impl Buffer {
    pub(crate) fn new(set: &DataSet) -> Self {
        Self { columns: set.columns.iter().map(|column| Leaf::of(column.kind)).collect(), rows: 0 }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// About how many bytes of memory the rows take.
    pub(crate) fn bytes(&self) -> usize {
        self.columns.iter().flatten().map(Leaf::bytes).sum()
    }

    /// Adds a row: a value for each column.
    pub(crate) fn push<'a>(&mut self, cells: impl Iterator<Item = Cell<'a>>) {
        self.rows += 1;
        for (leaves, cell) in self.columns.iter_mut().zip(cells) {
            match (&mut leaves[..], cell) {
                ([name, value], Cell::Tags(tags)) if !tags.is_empty() => {
                    for (position, (tag, of_tag)) in tags.into_iter().enumerate() {
                        let level = i16::from(position > 0);
                        name.push_text(&tag);
                        name.definition.push(TAG);
                        value.definition.push(if of_tag.is_some() { VALUE } else { TAG });
                        of_tag.iter().for_each(|of_tag| value.push_text(of_tag));
                        name.repetition.push(level);
                        value.repetition.push(level);
                    }
                }
                (both @ [_, _], cell) => {
                    let level = if matches!(cell, Cell::Tags(_)) { EMPTY } else { NO_TAGS };
                    for leaf in both {
                        leaf.definition.push(level);
                        leaf.repetition.push(0);
                    }
                }
                ([leaf], cell) => leaf.push(cell),
                _ => {}
            }
        }
    }

    /// Writes the rows as a row group, and forgets them.
    pub(crate) fn write<W: Write + Send>(
        &mut self,
        set: &DataSet,
        mut group: SerializedRowGroupWriter<'_, W>,
    ) -> Result<()> {
        let columns = std::mem::replace(self, Self::new(set)).columns;
        for leaf in columns.into_iter().flatten() {
            let mut column: SerializedColumnWriter<'_> = group.next_column()?.ok_or_else(|| {
                ParquetError::General("there are more columns than in the schema".to_owned())
            })?;
            leaf.write(column.untyped())?;
            column.close()?;
        }
        group.close().map(|_| ())
    }
}
