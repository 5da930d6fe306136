//! The bucket of analytics' files: Parquet, and what is counted of each hour. It is not versioned, and nothing in it is ever locked: what
//! is removed from the table is gone from it with the next run.

use std::fs::File;
use std::io::{self, Read, Seek};

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadError;
use aws_sdk_s3::operation::create_multipart_upload::CreateMultipartUploadError;
use aws_sdk_s3::operation::delete_object::DeleteObjectError;
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Error;
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::operation::upload_part::UploadPartError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use sha2::{Digest, Sha256};

use super::bucket::Bucket;
use crate::aws;
use shared::model::{Hour, Instant};
use shared::reading::HourSummary;
use shared::record::keys;

/// The folder of the same bucket in which Athena leaves its results.
pub const ATHENA_RESULTS: &str = "athena-results/";
/// How much of a file is held in memory. What is larger is uploaded in parts of that size.
const PART_BYTES: u64 = 8 * 1024 * 1024;
/// Tells an object's SHA-256, by which it is known whether it would change.
const SHA256: &str = "sha256";

/// The bucket of analytics' files could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum AnalyticsError {
    /// An object could not be looked at.
    #[error("an object could not be looked at: {}", aws::brief(.0))]
    Look(#[source] Box<SdkError<HeadObjectError>>),
    /// An object could not be read.
    #[error("an object could not be read: {}", aws::brief(.0))]
    Read(#[source] Box<SdkError<GetObjectError>>),
    /// An object's bytes broke off.
    #[error("an object's bytes broke off")]
    Body(#[from] aws_sdk_s3::primitives::ByteStreamError),
    /// An object could not be written.
    #[error("an object could not be written: {}", aws::brief(.0))]
    Write(#[source] Box<SdkError<PutObjectError>>),
    /// An upload could not be begun.
    #[error("an upload could not be begun: {}", aws::brief(.0))]
    Begin(#[source] Box<SdkError<CreateMultipartUploadError>>),
    /// A part could not be uploaded.
    #[error("a part could not be uploaded: {}", aws::brief(.0))]
    Part(#[source] Box<SdkError<UploadPartError>>),
    /// An upload could not be completed.
    #[error("an upload could not be completed: {}", aws::brief(.0))]
    Complete(#[source] Box<SdkError<CompleteMultipartUploadError>>),
    /// Objects could not be listed.
    #[error("objects could not be listed: {}", aws::brief(.0))]
    Keys(#[source] Box<SdkError<ListObjectsV2Error>>),
    /// An object could not be removed.
    #[error("an object could not be removed: {}", aws::brief(.0))]
    Remove(#[source] Box<SdkError<DeleteObjectError>>),
    /// What is to be written could not be read from the disk.
    #[error("a file could not be read")]
    File(#[from] io::Error),
    /// What is counted of an hour is not what any release has written.
    #[error("what is counted of an hour can't be read")]
    Summary(#[from] serde_json::Error),
}

/// A file that is to be in the bucket.
#[derive(Debug)]
pub struct NewObject {
    /// Its key.
    pub key: String,
    /// Its media type.
    pub media_type: &'static str,
    /// Its bytes.
    pub file: File,
    /// How many there are.
    pub bytes: u64,
    /// Their SHA-256, hex.
    pub sha256: String,
}

/// By what it is known whether an object has the bytes that it ought to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownBy {
    /// By how many there are, and the SHA-256 that the object was put with.
    Digest,
    /// By the bytes, which are read.
    Bytes,
}

/// The bucket of analytics' files.
#[derive(Clone, Debug)]
pub struct AnalyticsBucket(pub Bucket);

impl AnalyticsBucket {
    /// Puts a file, unless the object that is there has the same bytes. Whether it was put.
    ///
    /// # Errors
    /// [`AnalyticsError`], when the bucket fails or the file can't be read. The object is then as it was.
    pub async fn put_if_other(&self, object: NewObject, known_by: KnownBy) -> Result<bool, AnalyticsError> {
        let there = match known_by {
            KnownBy::Digest => self.told_of(&object.key).await?,
            KnownBy::Bytes => self.digest_of(&object.key).await?,
        };
        if there.is_some_and(|(bytes, sha256)| bytes == object.bytes && sha256 == object.sha256) {
            return Ok(false);
        }
        let NewObject { key, media_type, mut file, bytes, sha256 } = object;
        file.rewind()?;
        if bytes > PART_BYTES {
            self.upload(&key, media_type, &mut file, &sha256).await?;
            return Ok(true);
        }
        let mut body = Vec::new();
        file.read_to_end(&mut body)?;
        let Bucket { client, name } = &self.0;
        let put = client.put_object().bucket(name).key(key).content_type(media_type).metadata(SHA256, sha256);
        let put = put.body(ByteStream::from(body)).send().await;
        put.map(|_| true).map_err(|error| AnalyticsError::Write(Box::new(error)))
    }

    /// How many bytes an object has, and the SHA-256 that it was put with; `None` where there is no object, or it tells none.
    async fn told_of(&self, key: &str) -> Result<Option<(u64, String)>, AnalyticsError> {
        let Bucket { client, name } = &self.0;
        match client.head_object().bucket(name).key(key).send().await {
            Ok(object) => {
                let bytes = object.content_length.and_then(|bytes| u64::try_from(bytes).ok());
                let sha256 = object.metadata.and_then(|mut metadata| metadata.remove(SHA256));
                Ok(bytes.zip(sha256))
            }
            Err(error) if error.as_service_error().is_some_and(HeadObjectError::is_not_found) => Ok(None),
            Err(error) => Err(AnalyticsError::Look(Box::new(error))),
        }
    }

    /// How many bytes an object has, and their SHA-256, whatever it was put with; `None` where there is no object.
    async fn digest_of(&self, key: &str) -> Result<Option<(u64, String)>, AnalyticsError> {
        let Some(object) = self.open(key).await? else { return Ok(None) };
        let (mut body, mut hasher, mut bytes) = (object.body, Sha256::new(), 0_u64);
        while let Some(chunk) = body.next().await {
            let chunk = chunk?;
            hasher.update(&chunk);
            bytes += u64::try_from(chunk.len()).unwrap_or_default();
        }
        Ok(Some((bytes, hex::encode(hasher.finalize()))))
    }

    /// Puts a file in parts, one after the other: one is held at a time.
    async fn upload(
        &self,
        key: &str,
        media_type: &str,
        file: &mut File,
        sha256: &str,
    ) -> Result<(), AnalyticsError> {
        let Bucket { client, name } = &self.0;
        let begin = client.create_multipart_upload().bucket(name).key(key).content_type(media_type);
        let begun = begin.metadata(SHA256, sha256).send().await;
        let upload_id = begun.map_err(|error| AnalyticsError::Begin(Box::new(error)))?.upload_id;
        let upload_id = upload_id.unwrap_or_default();
        // What stays of one that breaks off, the next run removes.
        self.send_parts(key, &upload_id, file).await
    }

    async fn send_parts(&self, key: &str, upload_id: &str, file: &mut File) -> Result<(), AnalyticsError> {
        let Bucket { client, name } = &self.0;
        let mut parts = Vec::new();
        for number in 1.. {
            let mut body = Vec::new();
            if file.by_ref().take(PART_BYTES).read_to_end(&mut body)? == 0 {
                break;
            }
            let part = client.upload_part().bucket(name).key(key).upload_id(upload_id).part_number(number);
            let sent = part.body(ByteStream::from(body)).send().await;
            let etag = sent.map_err(|error| AnalyticsError::Part(Box::new(error)))?.e_tag;
            parts.push(CompletedPart::builder().part_number(number).set_e_tag(etag).build());
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = client.complete_multipart_upload().bucket(name).key(key).upload_id(upload_id);
        let completed = complete.multipart_upload(parts).send().await;
        completed.map(|_| ()).map_err(|error| AnalyticsError::Complete(Box::new(error)))
    }

    /// The keys of all objects that begin with a folder, in order; of all objects where that is empty.
    ///
    /// # Errors
    /// [`AnalyticsError::Keys`].
    pub async fn keys_in(&self, folder: &str) -> Result<Vec<String>, AnalyticsError> {
        let Bucket { client, name } = &self.0;
        let mut pages = client.list_objects_v2().bucket(name).prefix(folder).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| AnalyticsError::Keys(Box::new(error)))?;
            keys.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key));
        }
        Ok(keys)
    }

    /// Reads an object whole, and tells when it was put; `None` where there is none.
    ///
    /// # Errors
    /// [`AnalyticsError::Read`], [`AnalyticsError::Body`].
    pub async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Option<Instant>)>, AnalyticsError> {
        let Some(object) = self.open(key).await? else { return Ok(None) };
        let put_at = object.last_modified.and_then(|at| Instant::from_epoch_seconds(at.secs()));
        Ok(Some((object.body.collect().await?.to_vec(), put_at)))
    }

    async fn open(&self, key: &str) -> Result<Option<GetObjectOutput>, AnalyticsError> {
        let Bucket { client, name } = &self.0;
        match client.get_object().bucket(name).key(key).send().await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(None),
            Err(error) => Err(AnalyticsError::Read(Box::new(error))),
        }
    }

    /// Removes an object, where there is one. Whether there was.
    ///
    /// # Errors
    /// [`AnalyticsError`], when the bucket fails.
    pub async fn remove(&self, key: &str) -> Result<bool, AnalyticsError> {
        let Bucket { client, name } = &self.0;
        match client.head_object().bucket(name).key(key).send().await {
            Ok(_) => {}
            Err(error) if error.as_service_error().is_some_and(HeadObjectError::is_not_found) => {
                return Ok(false);
            }
            Err(error) => return Err(AnalyticsError::Look(Box::new(error))),
        }
        let removed = client.delete_object().bucket(name).key(key).send().await;
        removed.map(|_| true).map_err(|error| AnalyticsError::Remove(Box::new(error)))
    }

    /// What is counted of an hour, and when that was written; `None` where it was not counted yet.
    ///
    /// # Errors
    /// [`AnalyticsError`], when the bucket fails, and where it is not what any release has written.
    pub async fn summary(
        &self,
        hour: Hour,
    ) -> Result<Option<(HourSummary, Option<Instant>)>, AnalyticsError> {
        let Some((json, put_at)) = self.get(&keys::summary_key(hour)).await? else { return Ok(None) };
        Ok(Some((HourSummary::from_json(&json)?, put_at)))
    }
}
