//! `GET` and `HEAD /recordings/<name>`: a sound file with lengths, ranges and tags as object storage serves
//! them, or one of the [faults](super::Fault).
//!
//! Query parameters, for trying things with `curl` (they don't touch a signature): `bytes=200000` serves
//! another length, `fault=drip:64` another behaviour than the registered one. Ranges follow RFC 9110, section
//! 14: one range is honoured, several or malformed ones are ignored.

use super::fault::Fault;
use super::oss::{self, Refusal};
use super::recording::{Access, Pour, Recording};
use super::traffic::Counters;
use super::{Simulator, parse_query};
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::header::{
    ACCEPT_RANGES, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, LOCATION, RANGE,
};
use http::{HeaderMap, Method, StatusCode};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// How many bytes `wrong-length:longer` promises too many.
const TOO_MANY: u64 = 1_000;
/// Time for what was sent to leave the machine before a connection is broken off.
const BEFORE_BREAKING_OFF: Duration = Duration::from_millis(50);
/// How often `drip` sends a drop.
const DROPS_PER_SECOND: u64 = 10;

const LOGIN_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\
    <body><h1>Sign in</h1><p>Your session has ended. Please sign in again.</p></body></html>\n";

/// Serves one request for a recording.
pub(super) async fn download(
    State(simulator): State<Arc<Simulator>>,
    method: Method,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = parse_query(query.as_deref());
    let source = simulator.shelf.source(&name);
    match method {
        Method::HEAD => source.counters.count_head(),
        _ => source.counters.count_get(),
    }
    let Some(recording) = source.recording else {
        return refused(&simulator, Refusal::NoSuchKey);
    };
    tokio::time::sleep(recording.waits()).await;
    let now = simulator.now();
    if let Err(refusal) = oss::check(&method, &name, &query, recording.access() == Access::Signed, now) {
        return refused(&simulator, refusal);
    }
    let (recording, fault) = match asked_for(&recording, &query) {
        Ok(asked_for) => asked_for,
        Err(complaint) => return (StatusCode::BAD_REQUEST, format!("{complaint}\n")).into_response(),
    };
    let counters = &source.counters;
    let strikes =
        |times: u32| fault.as_ref().is_some_and(|fault| counters.strikes(&fault.to_string(), times));
    match &fault {
        None => sound(&recording, counters, &headers),
        Some(Fault::NotFound { times }) if strikes(*times) => refused(&simulator, Refusal::NoSuchKey),
        Some(Fault::ServerError { times: Some(times) }) if strikes(*times) => {
            refused(&simulator, Refusal::Busy)
        }
        Some(Fault::UnauthorizedOnce) if strikes(1) => refused(&simulator, Refusal::Unauthorized),
        Some(Fault::NotFound { .. } | Fault::ServerError { times: Some(_) } | Fault::UnauthorizedOnce) => {
            sound(&recording, counters, &headers)
        }
        Some(Fault::ServerError { times: None }) => refused(&simulator, Refusal::Internal),
        Some(Fault::Expired) => refused(&simulator, Refusal::just_expired(now)),
        Some(Fault::Redirect { to }) => match http::HeaderValue::try_from(to) {
            Ok(to) => (StatusCode::FOUND, [(LOCATION, to)]).into_response(),
            Err(_) => (StatusCode::BAD_REQUEST, "this URL can't stand in a header\n").into_response(),
        },
        Some(Fault::Truncated) => {
            let half = recording.pour(0, recording.length() / 2);
            let body = counted(half, counters).chain(stream::once(break_off()));
            broken(&recording, recording.length(), Body::from_stream(body))
        }
        Some(Fault::Stall) => {
            let half = recording.pour(0, recording.length() / 2);
            let body = counted(half, counters).chain(stream::pending());
            broken(&recording, recording.length(), Body::from_stream(body))
        }
        Some(Fault::LongerLength) => {
            let whole = recording.pour(0, recording.length());
            let body = counted(whole, counters).chain(stream::once(break_off()));
            broken(&recording, recording.length() + TOO_MANY, Body::from_stream(body))
        }
        Some(Fault::ShorterLength) => {
            let half = recording.length() / 2;
            broken(&recording, half, Body::from_stream(counted(recording.pour(0, half), counters)))
        }
        Some(Fault::Chunked) => {
            let whole = whole(&recording, counters);
            ([(CONTENT_TYPE, recording.media_type()), (ETAG, &recording.etag())], Body::from_stream(whole))
                .into_response()
        }
        Some(Fault::Drip { bytes_per_second }) => {
            let drop = bytes_per_second.div_ceil(DROPS_PER_SECOND);
            let pause = Duration::from_secs_f64(drop as f64 / *bytes_per_second as f64);
            let drops = recording.pour(0, recording.length()).in_chunks_of(drop);
            let body = counted(drops, counters).then(move |drop| async move {
                tokio::time::sleep(pause).await;
                drop
            });
            broken(&recording, recording.length(), Body::from_stream(body))
        }
        Some(Fault::Xml { as_audio }) => {
            let media_type = if *as_audio { recording.media_type() } else { "application/xml" };
            let document = Refusal::just_expired(now).document(&simulator.request_id(), &simulator.host);
            ([(CONTENT_TYPE, media_type)], document).into_response()
        }
        Some(Fault::Endless) => {
            let body = counted(recording.pour(0, u64::MAX), counters);
            ([(CONTENT_TYPE, recording.media_type())], Body::from_stream(body)).into_response()
        }
        Some(Fault::Empty) => {
            ([(CONTENT_TYPE, "audio/x-wav")], super::wav::header(0).to_vec()).into_response()
        }
        Some(Fault::Html) => ([(CONTENT_TYPE, "text/html; charset=utf-8")], LOGIN_PAGE).into_response(),
    }
}

/// What the request's own parameters make of a recording and its fault.
fn asked_for(
    registered: &Arc<Recording>,
    query: &[(String, String)],
) -> Result<(Arc<Recording>, Option<Fault>), String> {
    let mut recording = Arc::clone(registered);
    let mut fault = registered.misbehaves().cloned();
    for (key, value) in query {
        match key.as_str() {
            "bytes" => {
                let bytes = value.parse().map_err(|_| "bytes is not a whole number".to_owned())?;
                recording = Arc::new(Recording::clone(&recording).bytes(bytes));
            }
            "fault" => fault = Some(value.parse().map_err(|error: super::UnknownFault| error.to_string())?),
            // What is left is the signature.
            _ => {}
        }
    }
    Ok((recording, fault))
}

/// The file as it should be served; the part that `headers` ask for, if they ask for one.
fn sound(recording: &Recording, counters: &Arc<Counters>, headers: &HeaderMap) -> Response {
    let length = recording.length();
    let etag = recording.etag();
    let common = [(CONTENT_TYPE, recording.media_type()), (ACCEPT_RANGES, "bytes"), (ETAG, &etag)];
    match part(headers, &etag, length) {
        Part::Whole => (common, [(CONTENT_LENGTH, length)], Body::from_stream(whole(recording, counters)))
            .into_response(),
        Part::Of(range) => {
            let place = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            let body = counted(recording.pour(range.start, range.end), counters);
            let lengths = [(CONTENT_LENGTH, (range.end - range.start).to_string()), (CONTENT_RANGE, place)];
            (StatusCode::PARTIAL_CONTENT, common, lengths, Body::from_stream(body)).into_response()
        }
        Part::Outside => (StatusCode::RANGE_NOT_SATISFIABLE, [(CONTENT_RANGE, format!("bytes */{length}"))])
            .into_response(),
    }
}

/// A sound answer's head with a length that need not be true. The connection isn't used again.
fn broken(recording: &Recording, length: u64, body: Body) -> Response {
    let head = [(CONTENT_TYPE, recording.media_type()), (CONNECTION, "close"), (ETAG, &recording.etag())];
    (head, [(CONTENT_LENGTH, length)], body).into_response()
}

fn refused(simulator: &Simulator, refusal: Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let document = refusal.document(&simulator.request_id(), &simulator.host);
    (status, [(CONTENT_TYPE, "application/xml")], document).into_response()
}

/// The whole file, counted as completed once its last chunk was taken. (Its end may never be asked for: the
/// length is known.)
fn whole(
    recording: &Recording,
    counters: &Arc<Counters>,
) -> impl stream::Stream<Item = io::Result<Bytes>> + Send + use<> {
    let mut pour = recording.pour(0, recording.length());
    let counters = Arc::clone(counters);
    stream::iter(std::iter::from_fn(move || {
        let chunk = pour.next()?;
        counters.count_bytes(chunk.len());
        if pour.is_empty() {
            counters.count_completed();
        }
        Some(Ok(chunk))
    }))
}

fn counted(
    pour: Pour,
    counters: &Arc<Counters>,
) -> impl stream::Stream<Item = io::Result<Bytes>> + Send + use<> {
    let counters = Arc::clone(counters);
    stream::iter(pour.map(move |chunk| {
        counters.count_bytes(chunk.len());
        Ok(chunk)
    }))
}

/// Closes the connection in the middle of a body: for the HTTP server, an error while reading it.
async fn break_off() -> io::Result<Bytes> {
    tokio::time::sleep(BEFORE_BREAKING_OFF).await;
    Err(io::ErrorKind::ConnectionAborted.into())
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Of(Range<u64>),
    /// The range lies outside of the file.
    Outside,
}

/// Reads `Range` and `If-Range`.
fn part(headers: &HeaderMap, etag: &str, length: u64) -> Part {
    let changed = headers.get(IF_RANGE).is_some_and(|known| known != etag);
    let Some(range) = headers.get(RANGE).filter(|_| !changed).and_then(|range| range.to_str().ok()) else {
        return Part::Whole;
    };
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Part::Whole;
    };
    let range = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Ok(first), Err(_)) if last.trim().is_empty() => first..length,
        (Err(_), Ok(suffix)) if first.trim().is_empty() => length.saturating_sub(suffix)..length,
        _ => return Part::Whole,
    };
    if range.is_empty() { Part::Outside } else { Part::Of(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        let check = |range: &str, expected: Part| {
            let headers = HeaderMap::from_iter([(RANGE, range.parse().unwrap())]);
            assert_eq!(part(&headers, "\"e\"", 1_000), expected, "{range}");
        };
        check("bytes=0-0", Part::Of(0..1));
        check("bytes=100-199", Part::Of(100..200));
        check("bytes=900-", Part::Of(900..1_000));
        check("bytes=900-5000", Part::Of(900..1_000));
        check("bytes=-100", Part::Of(900..1_000));
        check("bytes=-5000", Part::Of(0..1_000));
        check("bytes=1000-", Part::Outside);
        check("bytes=1000-2000", Part::Outside);
        check("bytes=-0", Part::Outside);
        check("bytes=0-18446744073709551615", Part::Of(0..1_000));
        for ignored in ["bytes=2-1", "bytes=0-1,5-6", "bytes=", "bytes=-", "bytes=a-b", "items=0-1", "0-1"] {
            check(ignored, Part::Whole);
        }
    }

    #[test]
    fn if_range_of_another_file_asks_for_the_whole() {
        let headers = |tag: &str| {
            HeaderMap::from_iter([(RANGE, "bytes=0-0".parse().unwrap()), (IF_RANGE, tag.parse().unwrap())])
        };
        assert_eq!(part(&headers("\"e\""), "\"e\"", 1_000), Part::Of(0..1));
        assert_eq!(part(&headers("\"other\""), "\"e\"", 1_000), Part::Whole);
    }
}
