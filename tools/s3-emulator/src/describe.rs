//! Between the store's words and the protocol's: errors, conditions, attributes, checksums.
//!
//! The protocol's types repeat the same fields in request after request without sharing a type; hence the macros.

use http::{HeaderMap, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{CopySource, ETag, ETagCondition, EncodingType, Timestamp};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::store::{Found, Precondition, StoreError};

/// What is left as it is in `encoding-type=url`.
const KEY_SAFE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/').remove(b'*');

impl From<StoreError> for S3Error {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::NoSuchBucket => S3ErrorCode::NoSuchBucket,
            StoreError::BucketNotEmpty => S3ErrorCode::BucketNotEmpty,
            StoreError::VersioningLocked => S3ErrorCode::InvalidBucketState,
            StoreError::NoObjectLock => S3ErrorCode::InvalidRequest,
            StoreError::HalfALock | StoreError::LapsedLock => S3ErrorCode::InvalidArgument,
            StoreError::NoSuchKey => S3ErrorCode::NoSuchKey,
            StoreError::NoSuchVersion => S3ErrorCode::NoSuchVersion,
            StoreError::Deleted { version_id, asked_for } => return deleted(version_id, *asked_for),
            StoreError::PreconditionFailed => S3ErrorCode::PreconditionFailed,
            StoreError::Locked => S3ErrorCode::AccessDenied,
            StoreError::NoSuchUpload => S3ErrorCode::NoSuchUpload,
            StoreError::PartChanged => S3ErrorCode::InvalidPart,
            StoreError::InUse | StoreError::Index(_) | StoreError::Row(_) | StoreError::Io(_) => {
                S3ErrorCode::InternalError
            }
        };
        let mut answer = S3Error::with_message(code, error.to_string());
        answer.set_source(Box::new(error));
        answer
    }
}

/// A delete marker answers 404 in its key's place, and 405 when asked for itself.
fn deleted(version_id: &str, asked_for: bool) -> S3Error {
    let mut error = if asked_for {
        s3_error!(MethodNotAllowed, "The specified version is a delete marker.")
    } else {
        StoreError::NoSuchKey.into()
    };
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
    if let Ok(version_id) = HeaderValue::try_from(version_id) {
        headers.insert("x-amz-version-id", version_id);
    }
    error.set_headers(headers);
    error
}

/// Reads the conditions of a write.
pub(super) fn precondition(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
) -> S3Result<Precondition> {
    match (if_match, if_none_match) {
        (None, None) => Ok(Precondition::None),
        (None, Some(ETagCondition::Any)) => Ok(Precondition::Absent),
        (Some(ETagCondition::Any), None) => Ok(Precondition::Present),
        (Some(ETagCondition::ETag(etag)), None) => Ok(Precondition::Etag(etag.into_value())),
        // So does S3.
        (None, Some(ETagCondition::ETag(_))) | (Some(_), Some(_)) => {
            Err(s3_error!(NotImplemented, "Writes take If-None-Match: *, or If-Match"))
        }
    }
}

/// The conditions of a read.
#[derive(Debug, Default)]
pub(super) struct ReadConditions {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
    pub(super) if_modified_since: Option<Timestamp>,
    pub(super) if_unmodified_since: Option<Timestamp>,
}

impl ReadConditions {
    /// Checks them in the order of RFC 9110, section 13.2.2.
    pub(super) fn check(&self, found: &Found) -> S3Result<()> {
        let Self { if_match, if_none_match, if_modified_since, if_unmodified_since } = self;
        let matches = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(etag) => etag.value() == found.content.etag,
        };
        let may = match (if_match, if_unmodified_since) {
            (Some(condition), _) => matches(condition),
            (None, Some(since)) => found.modified <= *since,
            (None, None) => true,
        };
        if !may {
            return Err(StoreError::PreconditionFailed.into());
        }
        let is_new = match (if_none_match, if_modified_since) {
            (Some(condition), _) => !matches(condition),
            (None, Some(since)) => found.modified > *since,
            (None, None) => true,
        };
        if is_new { Ok(()) } else { Err(not_modified(&found.content.etag)) }
    }
}

fn not_modified(etag: &str) -> S3Error {
    let mut error = s3_error!(NotModified);
    error.set_status_code(StatusCode::NOT_MODIFIED);
    let mut headers = HeaderMap::new();
    if let Ok(etag) = ETag::Strong(etag.to_owned()).to_http_header() {
        headers.insert(http::header::ETAG, etag);
    }
    error.set_headers(headers);
    error
}

/// Reads where to copy from: bucket, key and version.
pub(super) fn source_object(source: &CopySource) -> S3Result<(String, String, Option<String>)> {
    match source {
        CopySource::Bucket { bucket, key, version_id } => {
            Ok((bucket.to_string(), key.to_string(), version_id.as_deref().map(str::to_owned)))
        }
        CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => {
            Err(s3_error!(NotImplemented, "There are no access points here"))
        }
    }
}

/// How a list writes keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyEncoding {
    url: bool,
}

impl KeyEncoding {
    /// `encoding-type=url`
    pub(super) const URL: Self = Self { url: true };

    pub(super) fn read(encoding: Option<&EncodingType>) -> Self {
        Self { url: encoding.is_some_and(|encoding| encoding.as_str() == EncodingType::URL) }
    }

    /// Writes a key, or a part of one.
    pub(super) fn write(self, key: &str) -> String {
        if self.url { utf8_percent_encode(key, KEY_SAFE).to_string() } else { key.to_owned() }
    }
}

/// Reads the attributes of an object to be from any request that creates one.
macro_rules! attributes {
    ($input:expr) => {{
        let input = &$input;
        $crate::store::Attributes {
            content_type: input.content_type.clone(),
            content_encoding: input.content_encoding.clone(),
            content_language: input.content_language.clone(),
            content_disposition: input.content_disposition.clone(),
            cache_control: input.cache_control.clone(),
            expires: input.expires.clone(),
            metadata: input.metadata.clone().unwrap_or_default().into_iter().collect(),
            storage_class: input.storage_class.as_ref().map(|class| class.as_str().to_owned()),
            server_side_encryption: input.server_side_encryption.as_ref().map(|sse| sse.as_str().to_owned()),
            kms_key_id: input.ssekms_key_id.clone(),
            lock_mode: input.object_lock_mode.as_ref().map(|mode| mode.as_str().to_owned()),
            retain_until: input.object_lock_retain_until_date.clone(),
            legal_hold: input.object_lock_legal_hold_status.as_ref().map(|hold| hold.as_str().to_owned()),
            checksum: None,
            parts: None,
        }
    }};
}

/// Fills an answer that describes an object; fields not named here follow as in a struct expression.
macro_rules! object_answer {
    ($Output:ident { $($field:ident: $value:expr),* $(,)? }, $found:expr) => {{
        let found = &$found;
        let attributes = &found.content.attributes;
        $Output {
            accept_ranges: Some("bytes".to_owned()),
            cache_control: attributes.cache_control.clone(),
            content_disposition: attributes.content_disposition.clone(),
            content_encoding: attributes.content_encoding.clone(),
            content_language: attributes.content_language.clone(),
            content_type: Some(
                attributes.content_type.clone().unwrap_or_else(|| "binary/octet-stream".to_owned()),
            ),
            e_tag: Some(ETag::Strong(found.content.etag.clone())),
            expires: attributes.expires.clone(),
            last_modified: Some(found.modified.clone()),
            metadata: Some(attributes.metadata.clone().into_iter().collect()),
            object_lock_legal_hold_status: attributes.legal_hold.clone().map(Into::into),
            object_lock_mode: attributes.lock_mode.clone().map(Into::into),
            object_lock_retain_until_date: attributes.retain_until.clone(),
            server_side_encryption: attributes.server_side_encryption.clone().map(Into::into),
            ssekms_key_id: attributes.kms_key_id.clone(),
            // S3 does not name the usual class.
            storage_class: attributes.storage_class.clone().filter(|class| class != "STANDARD").map(Into::into),
            version_id: found.version_id.clone(),
            $($field: $value,)*
            ..$Output::default()
        }
    }};
}

/// Sets the one of an answer's five checksum fields that the checksum belongs to.
macro_rules! set_checksum {
    ($output:expr, $checksum:expr) => {{
        let checksum: &$crate::checksum::Checksum = $checksum;
        let value = Some(checksum.value.clone());
        match checksum.algorithm {
            $crate::checksum::Algorithm::Crc32 => $output.checksum_crc32 = value,
            $crate::checksum::Algorithm::Crc32c => $output.checksum_crc32c = value,
            $crate::checksum::Algorithm::Crc64Nvme => $output.checksum_crc64nvme = value,
            $crate::checksum::Algorithm::Sha1 => $output.checksum_sha1 = value,
            $crate::checksum::Algorithm::Sha256 => $output.checksum_sha256 = value,
        }
    }};
}

/// Gets the one of a request's five checksum fields that belongs to an algorithm.
macro_rules! get_checksum {
    ($input:expr, $algorithm:expr) => {
        match $algorithm {
            $crate::checksum::Algorithm::Crc32 => $input.checksum_crc32.as_deref(),
            $crate::checksum::Algorithm::Crc32c => $input.checksum_crc32c.as_deref(),
            $crate::checksum::Algorithm::Crc64Nvme => $input.checksum_crc64nvme.as_deref(),
            $crate::checksum::Algorithm::Sha1 => $input.checksum_sha1.as_deref(),
            $crate::checksum::Algorithm::Sha256 => $input.checksum_sha256.as_deref(),
        }
    };
}

pub(super) use {attributes, get_checksum, object_answer, set_checksum};
