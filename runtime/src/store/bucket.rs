//! The bucket: what is rejected, what is too large for an item, and the recordings.

use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::presigning::{PresigningConfig, PresigningConfigError};
use aws_sdk_s3::primitives::ByteStream;

use crate::aws;
use shared::record::digests::{Digests, Hasher};

/// The bucket could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// An object could not be written.
    #[error("an object could not be written: {}", aws::brief(.0))]
    Write(#[source] Box<aws_sdk_s3::error::SdkError<aws_sdk_s3::operation::put_object::PutObjectError>>),
    /// An object could not be read.
    #[error("an object could not be read: {}", aws::brief(.0))]
    Read(#[source] Box<aws_sdk_s3::error::SdkError<aws_sdk_s3::operation::get_object::GetObjectError>>),
    /// Objects could not be listed.
    #[error("objects could not be listed: {}", aws::brief(.0))]
    List(
        #[source]
        Box<aws_sdk_s3::error::SdkError<aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Error>>,
    ),
    /// An object's bytes broke off.
    #[error("an object's bytes broke off")]
    Body(#[from] aws_sdk_s3::primitives::ByteStreamError),
    /// A URL can't be good for so long.
    #[error("a URL can't be signed")]
    Expiry(#[from] PresigningConfigError),
}

/// What a presigned URL leads to.
#[derive(Clone, Copy, Debug)]
pub struct SignedGet<'a> {
    /// The object's key.
    pub key: &'a str,
    /// For how long the URL is good; no longer than the session that signs it, whatever it says.
    pub expires: Duration,
    /// The media type that the bucket answers with, whatever the object was stored as.
    pub content_type: &'a str,
    /// The name of the file that a browser makes of it: letters, digits, `.`, `_`, `~` and `-`. All else is taken out.
    pub file_name: &'a str,
}

/// The bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// The client.
    pub client: aws_sdk_s3::Client,
    /// The bucket's name.
    pub name: String,
}

impl Bucket {
    /// Puts a JSON object under a key, unless there is one already: keys name their content, so the first stays, and with it
    /// the time at which it was received.
    pub async fn put_json_if_absent(&self, key: &str, json: Vec<u8>) -> Result<(), BucketError> {
        let put = self
            .client
            .put_object()
            .bucket(&self.name)
            .key(key)
            .content_type("application/json")
            .if_none_match("*")
            .body(ByteStream::from(json));
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("PreconditionFailed") => Ok(()),
            Err(error) => Err(BucketError::Write(Box::new(error))),
        }
    }

    /// Reads an object piece by piece, and gives back its digests.
    ///
    /// # Errors
    /// [`BucketError::Read`], and [`BucketError::Body`], where its bytes broke off.
    pub async fn digests(&self, key: &str) -> Result<Digests, BucketError> {
        let get = self.client.get_object().bucket(&self.name).key(key);
        let mut object = get.send().await.map_err(|error| BucketError::Read(Box::new(error)))?;
        let mut hasher = Hasher::default();
        while let Some(bytes) = object.body.try_next().await? {
            hasher.update(&bytes);
        }
        Ok(hasher.finish())
    }

    /// Puts an object.
    ///
    /// # Errors
    /// [`BucketError::Write`].
    pub async fn put(&self, key: &str, content_type: &str, bytes: Vec<u8>) -> Result<(), BucketError> {
        let put = self.client.put_object().bucket(&self.name).key(key).content_type(content_type);
        let put = put.body(ByteStream::from(bytes)).send().await;
        put.map(|_| ()).map_err(|error| BucketError::Write(Box::new(error)))
    }

    /// A URL at which whoever has it gets an object, until it expires. Nothing is asked of the bucket for it.
    ///
    /// # Errors
    /// [`BucketError::Expiry`] beyond a week; [`BucketError::Read`] where nothing can be signed.
    pub async fn signed_get(&self, get: &SignedGet<'_>) -> Result<String, BucketError> {
        let is_plain = |character: &char| character.is_ascii_alphanumeric() || ".-_~".contains(*character);
        let file_name: String = get.file_name.chars().filter(is_plain).collect();
        let request = self
            .client
            .get_object()
            .bucket(&self.name)
            .key(get.key)
            .response_content_type(get.content_type)
            .response_content_disposition(format!("attachment; filename=\"{file_name}\""))
            .response_cache_control("private, no-store");
        let signed = request.presigned(PresigningConfig::expires_in(get.expires)?).await;
        Ok(signed.map_err(|error| BucketError::Read(Box::new(error)))?.uri().to_owned())
    }

    /// Reads an object whole.
    pub async fn get(&self, key: &str) -> Result<Vec<u8>, BucketError> {
        let object = self
            .client
            .get_object()
            .bucket(&self.name)
            .key(key)
            .send()
            .await
            .map_err(|error| BucketError::Read(Box::new(error)))?;
        Ok(object.body.collect().await?.to_vec())
    }
}
