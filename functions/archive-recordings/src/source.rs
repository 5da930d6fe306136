//! A recording as it comes in: in parts, counted and hashed.

use bytes::{Bytes, BytesMut};
use runtime::outbound::fetch::{Body, Fetcher};
use shared::record::digests::{Digests, Hasher};

use crate::budget::PART_BYTES;
use crate::copy_error::CopyError;

/// A recording as it comes in.
pub(crate) struct Source {
    body: Body,
    /// What the source says of its type.
    pub(crate) content_type: Option<String>,
    /// How many bytes the source announced.
    pub(crate) length: Option<u64>,
    hasher: Hasher,
    /// How many bytes have come.
    pub(crate) bytes: u64,
    /// How many bytes the file's header tells of.
    pub(crate) claimed_bytes: Option<u64>,
    /// Whether all of it has come.
    pub(crate) ended: bool,
    /// The part that is being filled. It is taken out to be sent, and its memory comes back once it was.
    buffer: BytesMut,
    /// What came beyond the part.
    rest: Bytes,
}

impl Source {
    /// Asks for what is behind a URL.
    pub(crate) async fn open(fetcher: &Fetcher, url: &str) -> Result<Self, CopyError> {
        let fetched = fetcher.get(url).await?;
        // 206 is none either: nobody asked for a part.
        if fetched.status != 200 {
            return Err(CopyError::Status(fetched.status));
        }
        Ok(Self {
            body: fetched.body,
            content_type: fetched.media_type,
            length: fetched.content_length,
            hasher: Hasher::default(),
            bytes: 0,
            claimed_bytes: None,
            ended: false,
            buffer: BytesMut::new(),
            rest: Bytes::new(),
        })
    }

    /// Makes room for the first part. Memory that is not written to is nobody's yet.
    pub(crate) fn allocate(&mut self) {
        let length = self.length.and_then(|length| usize::try_from(length).ok());
        self.buffer.reserve(length.unwrap_or(PART_BYTES).min(PART_BYTES));
    }

    /// The next part: full, unless it is the last.
    pub(crate) async fn next_part(&mut self) -> Result<Bytes, CopyError> {
        if self.bytes > 0 {
            self.buffer.reserve(PART_BYTES);
        }
        loop {
            let taken = self.rest.len().min(PART_BYTES - self.buffer.len());
            self.buffer.extend_from_slice(&self.rest.split_to(taken));
            // The part is full only once more has come: the last one is to be known for the last.
            if !self.rest.is_empty() {
                break;
            }
            match self.body.next_chunk().await {
                Some(chunk) => {
                    self.rest = chunk?;
                    self.hasher.update(&self.rest);
                    self.bytes += self.rest.len() as u64;
                }
                None => {
                    self.ended = true;
                    break;
                }
            }
        }
        Ok(self.buffer.split().freeze())
    }

    /// The digests of what has come.
    pub(crate) fn digests(self) -> Digests {
        self.hasher.finish()
    }
}
