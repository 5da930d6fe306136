//! Makes any credentials good: takes the signature off a request before the protocol layer sees it.
//!
//! [`s3s`] verifies signatures against a secret it must know, and undoes `aws-chunked` only on the way. The local store is
//! open to whoever reaches its port, so here the signature is dropped unread and the chunking undone. What a client says
//! *about the body* (its SHA-256, a checksum in the trailer) is kept and handed on as request extensions: it guards the
//! data, not the door.
//!
//! Format: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html> and `…-trailers.html`.

use std::sync::{Arc, OnceLock};

use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use futures_util::{TryStreamExt as _, stream};
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use s3s::HttpRequest;

const CONTENT_SHA256: &str = "x-amz-content-sha256";
const DECODED_LENGTH: &str = "x-amz-decoded-content-length";

/// Query parameters that sign a URL: those of version 4, then those of version 2.
const SIGNING_PARAMETERS: [&str; 10] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "AWSAccessKeyId",
    "Signature",
    "Expires",
];

/// No chunk header or trailer of a sound client is longer.
const MAX_LINE_BYTES: usize = 8 * 1024;
/// Nor does it send more of them in its trailer.
const MAX_TRAILERS: usize = 16;

/// The SHA-256 (lower-case hex) that the client promised for the body.
#[derive(Debug, Clone)]
pub(super) struct PayloadSha256(pub(super) String);

/// The headers that follow a chunked body; empty until it was read to its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Trailers(Arc<OnceLock<HeaderMap>>);

impl Trailers {
    /// Returns the value of one trailing header.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get()?.get(name)?.to_str().ok()
    }
}

/// A chunked body that is not what its format asks for.
#[derive(Debug, thiserror::Error)]
enum ChunkError {
    #[error("the body ends inside a chunk")]
    Truncated,
    #[error("malformed chunk")]
    Malformed,
    #[error("the body can't be read")]
    Read(#[source] axum::Error),
}

/// Turns a request with any signature, or none, into the same request without one.
pub(super) fn without_signature(request: Request) -> HttpRequest {
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(AUTHORIZATION);
    parts.uri = unsigned(parts.uri);

    let promised = parts
        .headers
        .remove(CONTENT_SHA256)
        .and_then(|value| value.to_str().map(str::to_owned).ok())
        .unwrap_or_default();
    if !promised.starts_with("STREAMING-") {
        if promised.len() == 64 {
            parts.extensions.insert(PayloadSha256(promised));
        }
        return HttpRequest::from_parts(parts, s3s::Body::http_body_unsync(body));
    }

    let trailers = Trailers::default();
    parts.extensions.insert(trailers.clone());
    describe_decoded_body(&mut parts.headers);
    let chunks = Chunks {
        source: body,
        buffer: BytesMut::new(),
        next: Next::Header,
        received: HeaderMap::new(),
        trailers,
    };
    let decoded = stream::try_unfold(chunks, async |mut chunks| {
        Ok::<_, ChunkError>(chunks.next().await?.map(|data| (data, chunks)))
    });
    let body = StreamBody::new(decoded.map_ok(Frame::data));
    HttpRequest::from_parts(parts, s3s::Body::http_body_unsync(body))
}

/// Removes what signs a URL from its query.
fn unsigned(uri: Uri) -> Uri {
    let Some(query) = uri.query() else { return uri };
    let is_signing = |pair: &&str| SIGNING_PARAMETERS.contains(&pair.split('=').next().unwrap_or(pair));
    if !query.split('&').any(|pair| is_signing(&pair)) {
        return uri;
    }
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_signing(pair)).collect();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = format!("{}?{}", uri.path(), kept.join("&")).parse::<PathAndQuery>().ok();
    Uri::from_parts(parts).unwrap_or(uri)
}

/// Makes the headers speak of the body as it is once its chunks are undone.
fn describe_decoded_body(headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    if let Some(length) = headers.remove(DECODED_LENGTH) {
        headers.insert(CONTENT_LENGTH, length);
    }
    let encodings: Vec<String> = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("aws-chunked"))
        .map(str::to_owned)
        .collect();
    headers.remove(CONTENT_ENCODING);
    if let Ok(value) = HeaderValue::try_from(encodings.join(","))
        && !value.is_empty()
    {
        headers.insert(CONTENT_ENCODING, value);
    }
}

/// What must come next in a chunked body.
enum Next {
    Header,
    Data(u64),
    DataEnd,
    Trailer,
    End,
}

/// Reads `<hex size>[;chunk-signature=…]\r\n<data>\r\n`, repeated, an empty chunk, trailers and an empty line.
struct Chunks {
    source: axum::body::Body,
    buffer: BytesMut,
    next: Next,
    received: HeaderMap,
    trailers: Trailers,
}

impl Chunks {
    async fn next(&mut self) -> Result<Option<Bytes>, ChunkError> {
        loop {
            match self.next {
                Next::Header => {
                    let line = self.line().await?.ok_or(ChunkError::Truncated)?;
                    self.next = match chunk_size(&line).ok_or(ChunkError::Malformed)? {
                        0 => Next::Trailer,
                        size => Next::Data(size),
                    };
                }
                Next::Data(left) => {
                    if self.buffer.is_empty() && !self.fill().await? {
                        return Err(ChunkError::Truncated);
                    }
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
                    self.next = match left - length as u64 {
                        0 => Next::DataEnd,
                        left => Next::Data(left),
                    };
                    return Ok(Some(self.buffer.split_to(length).freeze()));
                }
                Next::DataEnd => match self.line().await? {
                    Some(line) if line.is_empty() => self.next = Next::Header,
                    Some(_) => return Err(ChunkError::Malformed),
                    None => return Err(ChunkError::Truncated),
                },
                // Some clients leave out the last empty line. A trailer that is missed is noticed by whoever needs it.
                Next::Trailer => match self.line().await? {
                    Some(line) if !line.is_empty() => self.keep_trailer(&line)?,
                    Some(_) | None => {
                        // Set once only: this state is left for good.
                        let _ = self.trailers.0.set(std::mem::take(&mut self.received));
                        self.next = Next::End;
                    }
                },
                Next::End => return Ok(None),
            }
        }
    }

    fn keep_trailer(&mut self, line: &[u8]) -> Result<(), ChunkError> {
        let colon = line.iter().position(|&byte| byte == b':').ok_or(ChunkError::Malformed)?;
        let name = HeaderName::from_bytes(line[..colon].trim_ascii()).map_err(|_| ChunkError::Malformed)?;
        let value =
            HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).map_err(|_| ChunkError::Malformed)?;
        if self.received.len() == MAX_TRAILERS {
            return Err(ChunkError::Malformed);
        }
        self.received.insert(name, value);
        Ok(())
    }

    /// Takes one line off the body; `None` where the body ends in its stead.
    async fn line(&mut self) -> Result<Option<Bytes>, ChunkError> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.buffer.split_to(end).freeze();
                let _line_end = self.buffer.split_to(2);
                return Ok(Some(line));
            }
            if self.buffer.len() > MAX_LINE_BYTES {
                return Err(ChunkError::Malformed);
            }
            if !self.fill().await? {
                return if self.buffer.is_empty() { Ok(None) } else { Err(ChunkError::Truncated) };
            }
        }
    }

    /// Reads on; false at the body's end.
    async fn fill(&mut self) -> Result<bool, ChunkError> {
        while let Some(frame) = self.source.frame().await {
            if let Ok(data) = frame.map_err(ChunkError::Read)?.into_data()
                && !data.is_empty()
            {
                self.buffer.extend_from_slice(&data);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let size = line.split(|&byte| byte == b';').next()?;
    u64::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use proptest::prelude::*;

    use super::*;

    /// Writes `data` in chunks, the way a client does.
    fn encode(data: &[u8], chunk_bytes: usize) -> Vec<u8> {
        let mut body = Vec::new();
        for chunk in data.chunks(chunk_bytes) {
            body.extend(format!("{:x};chunk-signature=abc\r\n", chunk.len()).into_bytes());
            body.extend(chunk);
            body.extend(b"\r\n");
        }
        body.extend(b"0;chunk-signature=abc\r\n");
        body
    }

    /// Reads a chunked body that arrives in frames; `None` if it is refused.
    fn decode(body: &[u8], frame_bytes: usize) -> Option<(Vec<u8>, Trailers)> {
        let frames: Vec<_> = body
            .chunks(frame_bytes)
            .map(|frame| Ok::<_, std::io::Error>(Bytes::copy_from_slice(frame)))
            .collect();
        let request = Request::builder()
            .header(CONTENT_SHA256, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            .body(axum::body::Body::from_stream(stream::iter(frames)))
            .unwrap();
        let (parts, mut body) = without_signature(request).into_parts();
        let mut data = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            while let Some(read) = body.next().await {
                data.extend(read.ok()?);
            }
            Some((data, parts.extensions.get::<Trailers>().unwrap().clone()))
        })
    }

    proptest! {
        #[test]
        fn however_a_body_is_cut_it_is_read_whole(
            data in prop::collection::vec(any::<u8>(), 0..2_000),
            chunk_bytes in 1_usize..700,
            frame_bytes in 1_usize..700,
        ) {
            let body = [encode(&data, chunk_bytes), b"x-amz-checksum-crc32: AAAA\r\n\r\n".to_vec()].concat();
            let (read, trailers) = decode(&body, frame_bytes).unwrap();
            prop_assert_eq!(read, data);
            prop_assert_eq!(trailers.get("x-amz-checksum-crc32"), Some("AAAA"));
        }

        #[test]
        fn a_body_that_breaks_off_is_refused(
            data in prop::collection::vec(any::<u8>(), 1..200),
            chunk_bytes in 1_usize..70,
            frame_bytes in 1_usize..70,
            at in any::<prop::sample::Index>(),
        ) {
            let body = encode(&data, chunk_bytes);
            let cut = &body[..at.index(body.len())];
            prop_assert!(decode(cut, frame_bytes).is_none());
        }

        #[test]
        fn no_body_makes_it_panic(
            body in prop::collection::vec(prop::sample::select(b"0123af;:\r\n x".to_vec()), 0..200),
        ) {
            let _ = decode(&body, 7);
        }
    }

    #[test]
    fn endless_lines_and_trailers_are_refused() {
        assert!(decode(&[b'0'; 3 * MAX_LINE_BYTES], 100).is_none());
        let trailers: String = (0..=MAX_TRAILERS).map(|at| format!("x-{at}: y\r\n")).collect();
        assert!(decode(format!("0\r\n{trailers}\r\n").as_bytes(), 100).is_none());
    }

    #[test]
    fn only_what_signs_a_url_is_taken_off_its_query() {
        for (uri, expected) in [
            ("/b/k", "/b/k"),
            ("/b/k%5E?versionId=1", "/b/k%5E?versionId=1"),
            (
                "/b/k?x-id=GetObject&X-Amz-Signature=1&versionId=2&X-Amz-Expires=3",
                "/b/k?x-id=GetObject&versionId=2",
            ),
            ("/b/k?AWSAccessKeyId=1&Signature=2&Expires=3", "/b/k?"),
        ] {
            assert_eq!(unsigned(uri.parse().unwrap()).to_string(), expected);
        }
    }
}
