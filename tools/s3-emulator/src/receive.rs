//! Takes in the bytes of an object or a part: writes them as they come, and keeps them only if they are what the client
//! said they are.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::header::CONTENT_LENGTH;
use http::{Extensions, HeaderMap, StatusCode};
use s3s::crypto::{Checksum as _, Sha256};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use std::fs::File;
use tokio::io::AsyncWriteExt as _;

use super::blob::StagedBlob;
use super::checksum::{Algorithm, Digest, Digester};
use super::request::{PayloadSha256, Trailers};

/// The largest body of one request, as in S3: 5 GiB.
const MAX_BODY_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// What a client said of the body it sends.
#[derive(Debug)]
pub(super) struct Claims {
    length: u64,
    md5: Option<[u8; 16]>,
    sha256: Option<String>,
    checksum: Option<(Algorithm, Source)>,
}

/// Where the value of a checksum is found.
#[derive(Debug)]
enum Source {
    Header(String),
    Trailer(Trailers),
    /// It is only asked for.
    Nowhere,
}

impl Claims {
    /// Reads a request's headers, as [`without_signature`](super::request::without_signature) left them.
    pub(super) fn read(headers: &HeaderMap, extensions: &Extensions) -> S3Result<Self> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());

        let length: u64 = header(CONTENT_LENGTH.as_str())
            .and_then(|length| length.parse().ok())
            .ok_or_else(|| s3_error!(MissingContentLength))?;
        if length > MAX_BODY_BYTES {
            return Err(s3_error!(EntityTooLarge));
        }
        let md5 = match header("content-md5") {
            None => None,
            Some(text) => {
                let md5 = BASE64_STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
                Some(md5.ok_or_else(|| s3_error!(InvalidDigest))?)
            }
        };

        let trailer = header("x-amz-trailer").unwrap_or_default();
        let mut checksum = None;
        for algorithm in Algorithm::ALL {
            let source = if let Some(value) = header(algorithm.header()) {
                Source::Header(value.to_owned())
            } else if trailer.split(',').any(|name| name.trim().eq_ignore_ascii_case(algorithm.header())) {
                Source::Trailer(extensions.get::<Trailers>().cloned().unwrap_or_default())
            } else {
                continue;
            };
            if checksum.replace((algorithm, source)).is_some() {
                return Err(s3_error!(InvalidRequest, "Expecting a single x-amz-checksum- header"));
            }
        }
        if checksum.is_none() {
            checksum = header("x-amz-sdk-checksum-algorithm")
                .and_then(Algorithm::parse)
                .map(|algorithm| (algorithm, Source::Nowhere));
        }

        let sha256 = extensions.get::<PayloadSha256>().map(|PayloadSha256(hex)| hex.clone());
        Ok(Self { length, md5, sha256, checksum })
    }

    /// Returns the algorithm the client chose, if it did.
    pub(super) fn algorithm(&self) -> Option<Algorithm> {
        self.checksum.as_ref().map(|(algorithm, _)| *algorithm)
    }

    fn check(&self, digest: &Digest, sha256: Option<String>) -> S3Result<()> {
        if digest.length != self.length {
            return Err(s3_error!(IncompleteBody));
        }
        if self.md5.is_some_and(|md5| md5 != digest.md5) {
            return Err(s3_error!(
                BadDigest,
                "The Content-MD5 you specified did not match what we received."
            ));
        }
        if self.sha256 != sha256 {
            let mut error = S3Error::new(S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into()));
            error.set_status_code(StatusCode::BAD_REQUEST);
            return Err(error);
        }
        let claimed = match &self.checksum {
            None | Some((_, Source::Nowhere)) => return Ok(()),
            Some((_, Source::Header(value))) => Some(value.as_str()),
            Some((algorithm, Source::Trailer(trailers))) => trailers.get(algorithm.header()),
        };
        match claimed {
            Some(value) if value == digest.checksum.value => Ok(()),
            Some(_) => {
                Err(s3_error!(BadDigest, "The checksum you specified did not match what we received."))
            }
            None => Err(s3_error!(IncompleteBody, "The trailer lacks the checksum it was to carry.")),
        }
    }
}

/// Writes a body to `staged`, whose file is `file`, and hands it back only if it is as claimed. It computes the
/// checksum that the client chose, else `algorithm`.
pub(super) async fn receive(
    (staged, file): (StagedBlob, File),
    mut body: impl Stream<Item = Result<Bytes, s3s::StdError>> + Unpin,
    claims: &Claims,
    algorithm: Algorithm,
) -> S3Result<(StagedBlob, Digest)> {
    let mut digester = Digester::new(claims.algorithm().unwrap_or(algorithm));
    let mut sha256 = claims.sha256.as_ref().map(|_| Sha256::new());
    let mut file = tokio::fs::File::from_std(file);
    let mut length = 0;
    while let Some(data) = body.next().await {
        let data = data.map_err(|error| S3Error::with_source(S3ErrorCode::IncompleteBody, error))?;
        length += data.len() as u64;
        if length > claims.length {
            return Err(s3_error!(IncompleteBody));
        }
        digester.update(&data);
        if let Some(sha256) = &mut sha256 {
            sha256.update(&data);
        }
        file.write_all(&data).await.map_err(S3Error::internal_error)?;
    }
    file.flush().await.map_err(S3Error::internal_error)?;

    let digest = digester.finish();
    claims.check(&digest, sha256.map(|sha256| hex::encode(sha256.finalize())))?;
    Ok((staged, digest))
}
