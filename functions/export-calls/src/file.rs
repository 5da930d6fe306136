//! A file of one data set and one hour, written to the disk: what is held of it in memory is one row group, however large the hour is.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;
use sha2::{Digest, Sha256};

use crate::buffer::Buffer;
use crate::column::{DataSet, Row};
use crate::schema::{properties, schema};

/// A row group is written once it takes so much memory, in bytes.
const GROUP_BYTES: usize = 16 * 1024 * 1024;

/// A file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The disk is full, most likely.
    #[error("a file could not be written: {0}")]
    Disk(#[from] io::Error),
    /// The library refuses.
    #[error("a file could not be written as Parquet: {0}")]
    Parquet(#[from] ParquetError),
}

/// A finished file.
#[derive(Debug)]
pub struct Finished {
    /// Its bytes.
    pub file: File,
    /// How many there are.
    pub bytes: u64,
    /// Their SHA-256, hex.
    pub sha256: String,
    /// How many rows it has.
    pub rows: u64,
}

impl Finished {
    /// Its bytes, all of them in memory.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn into_bytes(mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.rewind()?;
        self.file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// What is written, and its digest.
struct Hashed {
    file: File,
    hasher: Sha256,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += u64::try_from(written).unwrap_or_default();
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A file that is being written.
pub(crate) struct DataFile {
    set: &'static DataSet,
    buffer: Buffer,
    writer: SerializedFileWriter<Hashed>,
    rows: u64,
}

impl DataFile {
    pub(crate) fn new(set: &'static DataSet) -> Result<Self, FileError> {
        let hashed = Hashed { file: tempfile::tempfile()?, hasher: Sha256::new(), bytes: 0 };
        let writer = SerializedFileWriter::new(hashed, schema(set)?, Arc::new(properties(set)?))?;
        Ok(Self { set, buffer: Buffer::new(set), writer, rows: 0 })
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, row: &Row<'_>) -> Result<(), FileError> {
        self.buffer.push(self.set.columns.iter().map(|column| column.cell(row)));
        self.rows += 1;
        // To reckon it takes as long as a row.
        if self.buffer.rows().is_multiple_of(64) && self.buffer.bytes() >= GROUP_BYTES {
            self.write_group()?;
        }
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), FileError> {
        if self.buffer.rows() > 0 {
            let group = self.writer.next_row_group()?;
            self.buffer.write(self.set, group)?;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Finished, FileError> {
        self.write_group()?;
        let mut hashed = self.writer.into_inner()?;
        hashed.flush()?;
        let Hashed { file, hasher, bytes } = hashed;
        Ok(Finished { file, bytes, sha256: hex::encode(hasher.finalize()), rows: self.rows })
    }
}
