//! The operations of S3, over the [store](super::store).
//!
//! What is not here answers `NotImplemented`. What S3 would refuse is refused, so that a mistake shows before it is deployed;
//! access control and encryption are taken note of and have no effect.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use http::{Extensions, HeaderMap};
use s3s::dto::*;
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::blob::StagedBlob;
use super::checksum::{
    Algorithm, Checksum as ObjectChecksum, Digest, Digester, Scope, Summing, composite_checksum,
    composite_etag,
};
use super::describe::{
    KeyEncoding, ReadConditions, attributes, get_checksum, object_answer, precondition, set_checksum,
    source_object,
};
use super::joining::Joining;
use super::receive::{Claims, receive};
use super::store::{
    Content, Deletion, Found, Listing, NewContent, Page, Part as StoredPart, Precondition, Store, StoreError,
    Upload, UploadAttributes, Version, Versioning,
};

/// The smallest part but for the last.
const MIN_PART_BYTES: u64 = 5 * 1024 * 1024;
/// The largest part number.
const MAX_PART_NUMBER: i32 = 10_000;
/// The most entries that a list gives at once.
const MAX_LIST_ENTRIES: i32 = 1_000;
/// How much of an object is in memory while it is read.
const READ_BUFFER_BYTES: usize = 64 * 1024;
/// Everybody is the same person here.
const OWNER: &str = "local";

/// S3 over a [`Store`].
pub(super) struct LocalS3 {
    store: Arc<Store>,
    joining: Joining,
}

impl LocalS3 {
    pub(super) fn new(store: Store, joining: Joining) -> Self {
        Self { store: Arc::new(store), joining }
    }

    /// Runs something on the store where it may block.
    async fn on_store<T, F>(&self, run: F) -> S3Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    {
        let store = Arc::clone(&self.store);
        let result = tokio::task::spawn_blocking(move || run(&store)).await;
        Ok(result.map_err(S3Error::internal_error)??)
    }

    async fn take_in(
        &self,
        body: Option<StreamingBlob>,
        claims: &Claims,
        algorithm: Algorithm,
    ) -> S3Result<(StagedBlob, Digest)> {
        let staged = self.on_store(Store::stage).await?;
        let body = body.unwrap_or_else(|| StreamingBlob::from(s3s::Body::empty()));
        receive(staged, body, claims, algorithm).await
    }

    async fn find(&self, bucket: String, key: String, version_id: Option<String>) -> S3Result<Found> {
        self.on_store(move |store| store.get(&bucket, &key, version_id.as_deref())).await
    }

    async fn find_source(&self, source: &CopySource, conditions: ReadConditions) -> S3Result<Found> {
        let (bucket, key, version_id) = source_object(source)?;
        let found = self.find(bucket, key, version_id).await?;
        match conditions.check(&found) {
            // Of a source, even this is a failed condition.
            Err(error) if *error.code() == s3s::S3ErrorCode::NotModified => {
                Err(s3_error!(PreconditionFailed))
            }
            result => result.map(|()| found),
        }
    }

    async fn upload_of(&self, bucket: &str, key: &str, id: &str) -> S3Result<Upload> {
        let (bucket, key, id) = (bucket.to_owned(), key.to_owned(), id.to_owned());
        self.on_store(move |store| store.upload(&bucket, &key, &id)).await
    }

    async fn add_part(
        &self,
        upload: Upload,
        bucket: String,
        number: i32,
        (blob, digest): (StagedBlob, Digest),
    ) -> S3Result<(ETag, ObjectChecksum)> {
        let answer = (ETag::Strong(digest.etag()), digest.checksum.clone());
        self.on_store(move |store| store.put_part(&bucket, &upload, number, blob, &digest)).await?;
        Ok(answer)
    }
}

#[async_trait::async_trait]
impl S3 for LocalS3 {
    // Buckets.

    async fn create_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let CreateBucketInput { bucket, object_lock_enabled_for_bucket, .. } = req.input;
        let location = Some(format!("/{bucket}"));
        let object_lock = object_lock_enabled_for_bucket.unwrap_or_default();
        self.on_store(move |store| store.create_bucket(&bucket, object_lock)).await?;
        Ok(S3Response::new(CreateBucketOutput { location }))
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.on_store(move |store| store.bucket(&req.input.bucket)).await?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.on_store(move |store| store.bucket(&req.input.bucket)).await?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn list_buckets(
        &self,
        req: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let prefix = req.input.prefix;
        let buckets = self.on_store(Store::buckets).await?;
        let buckets = buckets
            .into_iter()
            .filter(|bucket| prefix.as_ref().is_none_or(|prefix| bucket.name.starts_with(prefix)))
            .map(|bucket| Bucket {
                name: Some(bucket.name),
                creation_date: Some(bucket.created),
                ..Bucket::default()
            })
            .collect();
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(buckets),
            owner: Some(owner()),
            prefix,
            ..ListBucketsOutput::default()
        }))
    }

    async fn delete_bucket(
        &self,
        req: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        self.on_store(move |store| store.delete_bucket(&req.input.bucket)).await?;
        Ok(S3Response::new(DeleteBucketOutput {}))
    }

    async fn put_bucket_versioning(
        &self,
        req: S3Request<PutBucketVersioningInput>,
    ) -> S3Result<S3Response<PutBucketVersioningOutput>> {
        let PutBucketVersioningInput { bucket, versioning_configuration, .. } = req.input;
        let status = versioning_configuration.status;
        let versioning = match status.as_ref().map(BucketVersioningStatus::as_str) {
            Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
            Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
            Some(_) | None => return Err(s3_error!(MalformedXML)),
        };
        self.on_store(move |store| store.set_versioning(&bucket, versioning)).await?;
        Ok(S3Response::new(PutBucketVersioningOutput::default()))
    }

    async fn get_bucket_versioning(
        &self,
        req: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        let bucket = self.on_store(move |store| store.bucket(&req.input.bucket)).await?;
        let status = match bucket.versioning {
            Versioning::Off => None,
            Versioning::Enabled => Some(BucketVersioningStatus::ENABLED),
            Versioning::Suspended => Some(BucketVersioningStatus::SUSPENDED),
        };
        Ok(S3Response::new(GetBucketVersioningOutput {
            status: status.map(BucketVersioningStatus::from_static),
            ..GetBucketVersioningOutput::default()
        }))
    }

    async fn get_object_lock_configuration(
        &self,
        req: S3Request<GetObjectLockConfigurationInput>,
    ) -> S3Result<S3Response<GetObjectLockConfigurationOutput>> {
        let bucket = self.on_store(move |store| store.bucket(&req.input.bucket)).await?;
        if !bucket.object_lock {
            return Err(s3_error!(ObjectLockConfigurationNotFoundError));
        }
        Ok(S3Response::new(GetObjectLockConfigurationOutput {
            object_lock_configuration: Some(ObjectLockConfiguration {
                object_lock_enabled: Some(ObjectLockEnabled::from_static(ObjectLockEnabled::ENABLED)),
                rule: None,
            }),
        }))
    }

    // Objects.

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let claims = Claims::read(&req.headers, &req.extensions)?;
        let mut input = req.input;
        refuse_tags(input.tagging.as_deref())?;
        let condition = precondition(input.if_match.take(), input.if_none_match.take())?;
        let (blob, digest) = self.take_in(input.body.take(), &claims, Algorithm::Crc64Nvme).await?;

        let etag = digest.etag();
        let mut output = PutObjectOutput {
            e_tag: Some(ETag::Strong(etag.clone())),
            checksum_type: Some(checksum_type(&digest.checksum)),
            server_side_encryption: input.server_side_encryption.clone(),
            ssekms_key_id: input.ssekms_key_id.clone(),
            ..PutObjectOutput::default()
        };
        set_checksum!(output, &digest.checksum);

        let mut attributes = attributes!(input);
        attributes.checksum = Some(digest.checksum);
        let content = NewContent { blob, size: digest.length, etag, attributes };
        let written =
            self.on_store(move |store| store.put(&input.bucket, &input.key, content, &condition)).await?;
        output.version_id = written.version_id;
        Ok(S3Response::new(output))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        refuse_part_number(input.part_number)?;
        let found = self.find(input.bucket, input.key, input.version_id).await?;
        let conditions = ReadConditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        conditions.check(&found)?;
        let extent = Extent::of(&found.content, input.range.as_ref())?;

        let mut output = object_answer!(
            GetObjectOutput {
                content_length: Some(extent.length()),
                content_range: extent.content_range(),
                parts_count: found.content.attributes.parts,
            },
            found
        );
        if let Some(checksum) = told_checksum(&found.content, input.checksum_mode.as_ref(), &extent) {
            output.checksum_type = Some(checksum_type(checksum));
            set_checksum!(output, checksum);
        }
        // What a presigned URL asks for instead of what was stored.
        output.content_type = input.response_content_type.or(output.content_type);
        output.content_disposition = input.response_content_disposition.or(output.content_disposition);
        output.cache_control = input.response_cache_control.or(output.cache_control);
        output.body = Some(StreamingBlob::wrap(read(found.file, extent.bytes)));
        Ok(S3Response::new(output))
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = req.input;
        refuse_part_number(input.part_number)?;
        let found = self.find(input.bucket, input.key, input.version_id).await?;
        let conditions = ReadConditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        conditions.check(&found)?;
        let extent = Extent::of(&found.content, input.range.as_ref())?;

        let mut output = object_answer!(
            HeadObjectOutput {
                content_length: Some(extent.length()),
                content_range: extent.content_range(),
                parts_count: found.content.attributes.parts,
            },
            found
        );
        if let Some(checksum) = told_checksum(&found.content, input.checksum_mode.as_ref(), &extent) {
            output.checksum_type = Some(checksum_type(checksum));
            set_checksum!(output, checksum);
        }
        Ok(S3Response::new(output))
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = req.input;
        refuse_tags(input.tagging.as_deref())?;
        let conditions = ReadConditions {
            if_match: input.copy_source_if_match.clone(),
            if_none_match: input.copy_source_if_none_match.clone(),
            if_modified_since: input.copy_source_if_modified_since.clone(),
            if_unmodified_since: input.copy_source_if_unmodified_since.clone(),
        };
        let found = self.find_source(&input.copy_source, conditions).await?;
        let replaces = input.metadata_directive.as_ref().map(MetadataDirective::as_str)
            == Some(MetadataDirective::REPLACE);

        let mut attributes = attributes!(input);
        if !replaces {
            let (source_bucket, source_key, source_version) = source_object(&input.copy_source)?;
            let changes_nothing = source_version.is_none() && input.storage_class.is_none();
            if changes_nothing && source_bucket == input.bucket && source_key == input.key {
                return Err(s3_error!(
                    InvalidRequest,
                    "This copy request is illegal because it is trying to copy an object to itself without \
                     changing the object's metadata, storage class, website redirect location or encryption \
                     attributes."
                ));
            }
            // Class, encryption and lock are never copied, metadata always together.
            let source = found.content.attributes.clone();
            attributes.content_type = source.content_type;
            attributes.content_encoding = source.content_encoding;
            attributes.content_language = source.content_language;
            attributes.content_disposition = source.content_disposition;
            attributes.cache_control = source.cache_control;
            attributes.expires = source.expires;
            attributes.metadata = source.metadata;
        }

        let source_version_id = found.version_id.clone();
        let (bucket, key) = (input.bucket, input.key);
        let (written, etag, checksum) = self
            .on_store(move |store| {
                let blob = store.duplicate(&found.content)?;
                let size = found.content.size;
                let (etag, checksum) = digest_of_copy(found)?;
                attributes.checksum = Some(checksum.clone());
                let content = NewContent { blob, size, etag: etag.clone(), attributes };
                let written = store.put(&bucket, &key, content, &Precondition::None)?;
                Ok((written, etag, checksum))
            })
            .await?;
        let mut result = CopyObjectResult {
            e_tag: Some(ETag::Strong(etag)),
            last_modified: Some(written.modified),
            checksum_type: Some(checksum_type(&checksum)),
            ..CopyObjectResult::default()
        };
        set_checksum!(result, &checksum);
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            copy_source_version_id: source_version_id,
            version_id: written.version_id,
            ..CopyObjectOutput::default()
        }))
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let DeleteObjectInput { bucket, key, version_id, if_match, bypass_governance_retention, .. } =
            req.input;
        let condition = precondition(if_match, None)?;
        let bypass = bypass_governance_retention.unwrap_or_default();
        let deletion = self
            .on_store(move |store| store.delete(&bucket, &key, version_id.as_deref(), &condition, bypass))
            .await?;
        let mut output = DeleteObjectOutput::default();
        match deletion {
            Deletion::Nothing => {}
            Deletion::Removed { version_id, was_marker } => {
                output.version_id = version_id;
                output.delete_marker = was_marker.then_some(true);
            }
            Deletion::Marked { version_id } => {
                output.version_id = Some(version_id);
                output.delete_marker = Some(true);
            }
        }
        Ok(S3Response::new(output))
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let DeleteObjectsInput { bucket, delete, bypass_governance_retention, .. } = req.input;
        let bypass = bypass_governance_retention.unwrap_or_default();
        if delete.objects.is_empty() || delete.objects.len() > MAX_LIST_ENTRIES as usize {
            return Err(s3_error!(MalformedXML));
        }
        let results = self
            .on_store(move |store| {
                store.bucket(&bucket)?;
                let delete_one = |object: ObjectIdentifier| {
                    let condition =
                        object.e_tag.map_or(Precondition::None, |etag| Precondition::Etag(etag.into_value()));
                    let version_id = object.version_id.as_deref();
                    let result = store.delete(&bucket, &object.key, version_id, &condition, bypass);
                    (object.key, object.version_id, result)
                };
                Ok(delete.objects.into_iter().map(delete_one).collect::<Vec<_>>())
            })
            .await?;

        let mut deleted = Vec::new();
        let mut errors = Vec::new();
        for (key, version_id, result) in results {
            match result.map_err(S3Error::from) {
                Ok(deletion) => deleted.push(deleted_object(key, version_id, deletion)),
                Err(error) => errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(str::to_owned),
                    key: Some(key),
                    version_id,
                }),
            }
        }
        let is_quiet = delete.quiet.unwrap_or_default();
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: (!is_quiet).then_some(deleted),
            errors: (!errors.is_empty()).then_some(errors),
            ..DeleteObjectsOutput::default()
        }))
    }

    async fn get_object_retention(
        &self,
        req: S3Request<GetObjectRetentionInput>,
    ) -> S3Result<S3Response<GetObjectRetentionOutput>> {
        let GetObjectRetentionInput { bucket, key, version_id, .. } = req.input;
        let attributes = self.find(bucket, key, version_id).await?.content.attributes;
        if attributes.retain_until.is_none() {
            return Err(s3_error!(NoSuchObjectLockConfiguration));
        }
        Ok(S3Response::new(GetObjectRetentionOutput {
            retention: Some(ObjectLockRetention {
                mode: attributes.lock_mode.map(Into::into),
                retain_until_date: attributes.retain_until,
            }),
        }))
    }

    /// No object has tags: what would set one is refused.
    async fn get_object_tagging(
        &self,
        req: S3Request<GetObjectTaggingInput>,
    ) -> S3Result<S3Response<GetObjectTaggingOutput>> {
        let GetObjectTaggingInput { bucket, key, version_id, .. } = req.input;
        let found = self.find(bucket, key, version_id).await?;
        Ok(S3Response::new(GetObjectTaggingOutput { tag_set: Vec::new(), version_id: found.version_id }))
    }

    // Lists.

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = req.input;
        let encoding = KeyEncoding::read(input.encoding_type.as_ref());
        let after = match &input.continuation_token {
            Some(token) => Some(read_token(token)?),
            None => input.start_after.clone(),
        };
        let limit = limit(input.max_keys)?;
        let listing = Listing {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone(),
            after,
            limit: limit as usize,
            ..Listing::default()
        };
        let bucket = input.bucket.clone();
        let page = self.on_store(move |store| store.list(&bucket, &listing)).await?;

        let key_count = i32::try_from(page.entries.len() + page.prefixes.len()).unwrap_or(i32::MAX);
        let next = page.next.as_ref().map(|(key, _)| BASE64_STANDARD.encode(key));
        let with_owner = input.fetch_owner.unwrap_or_default();
        let (contents, common_prefixes) = objects(page, encoding, with_owner);
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(encoding.write(input.prefix.as_deref().unwrap_or_default())),
            delimiter: input.delimiter.map(|delimiter| encoding.write(&delimiter)),
            start_after: input.start_after.map(|key| encoding.write(&key)),
            max_keys: Some(limit),
            key_count: Some(key_count),
            continuation_token: input.continuation_token,
            is_truncated: Some(next.is_some()),
            next_continuation_token: next,
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            encoding_type: input.encoding_type,
            ..ListObjectsV2Output::default()
        }))
    }

    async fn list_objects(
        &self,
        req: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = req.input;
        let encoding = KeyEncoding::read(input.encoding_type.as_ref());
        let limit = limit(input.max_keys)?;
        let listing = Listing {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone(),
            after: input.marker.clone(),
            limit: limit as usize,
            ..Listing::default()
        };
        let bucket = input.bucket.clone();
        let page = self.on_store(move |store| store.list(&bucket, &listing)).await?;

        let next = page.next.as_ref().map(|(key, _)| encoding.write(key));
        let (contents, common_prefixes) = objects(page, encoding, true);
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(encoding.write(input.prefix.as_deref().unwrap_or_default())),
            delimiter: input.delimiter.map(|delimiter| encoding.write(&delimiter)),
            marker: Some(encoding.write(input.marker.as_deref().unwrap_or_default())),
            max_keys: Some(limit),
            is_truncated: Some(next.is_some()),
            next_marker: next,
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            encoding_type: input.encoding_type,
            ..ListObjectsOutput::default()
        }))
    }

    async fn list_object_versions(
        &self,
        req: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let input = req.input;
        if input.version_id_marker.is_some() && input.key_marker.is_none() {
            return Err(s3_error!(
                InvalidArgument,
                "A version-id marker cannot be specified without a key marker."
            ));
        }
        let encoding = KeyEncoding::read(input.encoding_type.as_ref());
        let limit = limit(input.max_keys)?;
        let listing = Listing {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone(),
            after: input.key_marker.clone(),
            after_version: input.version_id_marker.clone(),
            limit: limit as usize,
            versions: true,
        };
        let bucket = input.bucket.clone();
        let page = self.on_store(move |store| store.list(&bucket, &listing)).await?;

        let is_truncated = page.next.is_some();
        let (next_key, next_version) = page.next.unzip();
        let mut versions = Vec::new();
        let mut markers = Vec::new();
        for entry in page.entries {
            let Version { key, version_id, modified, content, .. } = entry.version;
            let key = Some(encoding.write(&key));
            match content {
                Some(content) => versions.push(ObjectVersion {
                    key,
                    version_id: Some(version_id),
                    is_latest: Some(entry.is_latest),
                    last_modified: Some(modified),
                    e_tag: Some(ETag::Strong(content.etag)),
                    size: Some(size(content.size)),
                    storage_class: Some(storage_class(content.attributes.storage_class).into()),
                    owner: Some(owner()),
                    ..ObjectVersion::default()
                }),
                None => markers.push(DeleteMarkerEntry {
                    key,
                    version_id: Some(version_id),
                    is_latest: Some(entry.is_latest),
                    last_modified: Some(modified),
                    owner: Some(owner()),
                }),
            }
        }
        Ok(S3Response::new(ListObjectVersionsOutput {
            name: Some(input.bucket),
            prefix: Some(encoding.write(input.prefix.as_deref().unwrap_or_default())),
            delimiter: input.delimiter.map(|delimiter| encoding.write(&delimiter)),
            key_marker: Some(encoding.write(input.key_marker.as_deref().unwrap_or_default())),
            version_id_marker: input.version_id_marker,
            max_keys: Some(limit),
            is_truncated: Some(is_truncated),
            next_key_marker: next_key.map(|key| encoding.write(&key)),
            next_version_id_marker: next_version.flatten(),
            versions: Some(versions),
            delete_markers: Some(markers),
            common_prefixes: Some(common_prefixes(page.prefixes, encoding)),
            encoding_type: input.encoding_type,
            ..ListObjectVersionsOutput::default()
        }))
    }

    // Uploads in parts.

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = req.input;
        refuse_tags(input.tagging.as_deref())?;
        let chosen = match &input.checksum_algorithm {
            None => None,
            Some(name) => Some(Algorithm::parse(name.as_str()).ok_or_else(|| s3_error!(InvalidRequest))?),
        };
        let algorithm = chosen.unwrap_or(Algorithm::Crc64Nvme);
        let scope = match (input.checksum_type.as_ref().map(ChecksumType::as_str), algorithm) {
            (Some(ChecksumType::COMPOSITE), Algorithm::Crc64Nvme)
            | (Some(ChecksumType::FULL_OBJECT), Algorithm::Sha1 | Algorithm::Sha256) => {
                return Err(s3_error!(
                    InvalidRequest,
                    "The checksum algorithm does not allow this checksum type."
                ));
            }
            (Some(ChecksumType::FULL_OBJECT), _) | (None, Algorithm::Crc64Nvme) => Scope::FullObject,
            (Some(_) | None, _) => Scope::Composite,
        };
        let attributes =
            UploadAttributes { object: attributes!(input), algorithm, scope, chosen: chosen.is_some() };
        let (bucket, key) = (input.bucket.clone(), input.key.clone());
        let upload_id = self.on_store(move |store| store.create_upload(&bucket, &key, &attributes)).await?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(upload_id),
            checksum_algorithm: input.checksum_algorithm,
            checksum_type: chosen.map(|_| ChecksumType::from_static(scope.name())),
            server_side_encryption: input.server_side_encryption,
            ssekms_key_id: input.ssekms_key_id,
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let claims = Claims::read(&req.headers, &req.extensions)?;
        let input = req.input;
        check_part_number(input.part_number)?;
        let upload = self.upload_of(&input.bucket, &input.key, &input.upload_id).await?;
        let UploadAttributes { algorithm, chosen, .. } = upload.attributes;
        if chosen && claims.algorithm().is_some_and(|claimed| claimed != algorithm) {
            return Err(s3_error!(
                InvalidRequest,
                "Checksum Type mismatch occurred, expected checksum Type: {}",
                algorithm.name()
            ));
        }
        let received = self.take_in(input.body, &claims, algorithm).await?;
        let (etag, checksum) = self.add_part(upload, input.bucket, input.part_number, received).await?;
        let mut output = UploadPartOutput { e_tag: Some(etag), ..UploadPartOutput::default() };
        set_checksum!(output, &checksum);
        Ok(S3Response::new(output))
    }

    async fn upload_part_copy(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let input = req.input;
        check_part_number(input.part_number)?;
        let upload = self.upload_of(&input.bucket, &input.key, &input.upload_id).await?;
        let conditions = ReadConditions {
            if_match: input.copy_source_if_match,
            if_none_match: input.copy_source_if_none_match,
            if_modified_since: input.copy_source_if_modified_since,
            if_unmodified_since: input.copy_source_if_unmodified_since,
        };
        let found = self.find_source(&input.copy_source, conditions).await?;
        let range = match &input.copy_source_range {
            None => None,
            Some(range) => {
                Some(s3s::dto::Range::parse(range).map_err(|error| s3_error!(error, InvalidArgument))?)
            }
        };
        let extent = Extent::of(&found.content, range.as_ref())?;

        let claims = claims_of_length(extent.length())?;
        let body = StreamingBlob::wrap(read(found.file, extent.bytes));
        let received = self.take_in(Some(body), &claims, upload.attributes.algorithm).await?;
        let (etag, checksum) = self.add_part(upload, input.bucket, input.part_number, received).await?;
        let mut result = CopyPartResult {
            e_tag: Some(etag),
            last_modified: Some(found.modified),
            ..CopyPartResult::default()
        };
        set_checksum!(result, &checksum);
        Ok(S3Response::new(UploadPartCopyOutput {
            copy_part_result: Some(result),
            copy_source_version_id: found.version_id,
            ..UploadPartCopyOutput::default()
        }))
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let mut input = req.input;
        let condition = precondition(input.if_match.take(), input.if_none_match.take())?;
        let upload = self.upload_of(&input.bucket, &input.key, &input.upload_id).await?;
        let listed = input.multipart_upload.take().and_then(|upload| upload.parts).unwrap_or_default();
        let stored = {
            let upload = upload.clone();
            self.on_store(move |store| store.parts(&upload)).await?
        };
        let used = used_parts(&listed, &stored, &upload.attributes)?;
        let size: u64 = used.iter().map(|part| part.size).sum();
        if input.mpu_object_size.is_some_and(|claimed| u64::try_from(claimed) != Ok(size)) {
            return Err(s3_error!(
                InvalidRequest,
                "The object has another size than x-amz-mp-object-size says."
            ));
        }
        let etag = composite_etag(used.iter().map(|part| part.etag.as_str()))
            .ok_or_else(|| s3_error!(InternalError))?;

        let UploadAttributes { algorithm, scope, .. } = upload.attributes;
        let (blob, full_checksum) = {
            let (used, joining) = (used.clone(), self.joining.clone());
            let full = (scope == Scope::FullObject).then_some(algorithm);
            self.on_store(move |store| joining.time(|| join(store, &used, full))).await?
        };
        let checksum = match full_checksum {
            Some(checksum) => checksum,
            None => composite_checksum(algorithm, used.iter().map(|part| part.checksum.value.as_str()))
                .ok_or_else(|| s3_error!(InternalError))?,
        };
        if get_checksum!(input, algorithm).is_some_and(|claimed| claimed != checksum.value) {
            return Err(s3_error!(
                BadDigest,
                "The checksum you specified did not match the calculated checksum."
            ));
        }

        let mut output = CompleteMultipartUploadOutput {
            bucket: Some(input.bucket.clone()),
            key: Some(input.key.clone()),
            location: Some(format!("/{}/{}", input.bucket, KeyEncoding::URL.write(&input.key))),
            e_tag: Some(ETag::Strong(etag.clone())),
            checksum_type: Some(checksum_type(&checksum)),
            server_side_encryption: upload.attributes.object.server_side_encryption.clone().map(Into::into),
            ..CompleteMultipartUploadOutput::default()
        };
        set_checksum!(output, &checksum);
        let mut attributes = upload.attributes.object.clone();
        attributes.checksum = Some(checksum);
        attributes.parts = i32::try_from(used.len()).ok();
        let content = NewContent { blob, size, etag, attributes };
        let written = self
            .on_store(move |store| store.complete_upload(&input.bucket, &upload, &used, content, &condition))
            .await?;
        output.version_id = written.version_id;
        Ok(S3Response::new(output))
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let AbortMultipartUploadInput { bucket, key, upload_id, .. } = req.input;
        self.on_store(move |store| store.abort_upload(&bucket, &key, &upload_id)).await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let input = req.input;
        let upload = self.upload_of(&input.bucket, &input.key, &input.upload_id).await?;
        let limit = limit(input.max_parts)?;
        let marker = input.part_number_marker.unwrap_or_default();
        let mut parts = {
            let upload = upload.clone();
            self.on_store(move |store| store.parts(&upload)).await?
        };
        parts.retain(|part| part.number > marker);
        let is_truncated = parts.len() > limit as usize;
        parts.truncate(limit as usize);
        let next = parts.last().filter(|_| is_truncated).map(|part| part.number);
        let describe = |part: StoredPart| {
            let mut described = Part {
                part_number: Some(part.number),
                last_modified: Some(part.modified),
                e_tag: Some(ETag::Strong(part.etag)),
                size: Some(size(part.size)),
                ..Part::default()
            };
            set_checksum!(described, &part.checksum);
            described
        };
        let chosen = upload.attributes.chosen;
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            part_number_marker: Some(marker),
            next_part_number_marker: next,
            max_parts: Some(limit),
            is_truncated: Some(is_truncated),
            parts: Some(parts.into_iter().map(describe).collect()),
            checksum_algorithm: chosen
                .then(|| ChecksumAlgorithm::from_static(upload.attributes.algorithm.name())),
            checksum_type: chosen.then(|| ChecksumType::from_static(upload.attributes.scope.name())),
            owner: Some(owner()),
            storage_class: Some(storage_class(upload.attributes.object.storage_class).into()),
            ..ListPartsOutput::default()
        }))
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = req.input;
        if input.delimiter.is_some() {
            return Err(s3_error!(NotImplemented, "Uploads are listed without a delimiter"));
        }
        let encoding = KeyEncoding::read(input.encoding_type.as_ref());
        let limit = limit(input.max_uploads)?;
        let mut uploads = {
            let bucket = input.bucket.clone();
            self.on_store(move |store| store.uploads(&bucket)).await?
        };
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let marker = input.key_marker.as_deref().map(|key| (key, input.upload_id_marker.as_deref()));
        uploads.retain(|upload| {
            upload.key.starts_with(prefix) && marker.is_none_or(|marker| is_behind(upload, marker))
        });
        let is_truncated = uploads.len() > limit as usize;
        uploads.truncate(limit as usize);
        let next = uploads
            .last()
            .filter(|_| is_truncated)
            .map(|upload| (encoding.write(&upload.key), upload.id.clone()));
        let (next_key_marker, next_upload_id_marker) = next.unzip();
        let describe = |upload: Upload| MultipartUpload {
            key: Some(encoding.write(&upload.key)),
            upload_id: Some(upload.id),
            initiated: Some(upload.initiated),
            storage_class: Some(storage_class(upload.attributes.object.storage_class).into()),
            owner: Some(owner()),
            ..MultipartUpload::default()
        };
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            prefix: Some(encoding.write(prefix)),
            key_marker: input.key_marker.as_deref().map(|key| encoding.write(key)),
            upload_id_marker: input.upload_id_marker,
            next_key_marker,
            next_upload_id_marker,
            max_uploads: Some(limit),
            is_truncated: Some(is_truncated),
            uploads: Some(uploads.into_iter().map(describe).collect()),
            encoding_type: input.encoding_type,
            ..ListMultipartUploadsOutput::default()
        }))
    }
}

/// The bytes of an object that are asked for.
struct Extent {
    bytes: Range<u64>,
    size: u64,
    is_partial: bool,
}

impl Extent {
    fn of(content: &Content, range: Option<&s3s::dto::Range>) -> S3Result<Self> {
        let bytes = match range {
            None => 0..content.size,
            Some(range) => range.check(content.size)?,
        };
        Ok(Self { bytes, size: content.size, is_partial: range.is_some() })
    }

    fn length(&self) -> i64 {
        size(self.bytes.end - self.bytes.start)
    }

    fn content_range(&self) -> Option<String> {
        let Range { start, end } = self.bytes;
        self.is_partial.then(|| format!("bytes {start}-{}/{}", end - 1, self.size))
    }
}

/// Reads some bytes of a file, a buffer at a time.
fn read(file: File, bytes: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static {
    let from = (tokio::fs::File::from_std(file), bytes.start, false);
    stream::try_unfold(from, move |(mut file, at, is_placed)| async move {
        if at == bytes.end {
            return Ok(None);
        }
        if !is_placed {
            file.seek(SeekFrom::Start(at)).await?;
        }
        let wanted = usize::try_from(bytes.end - at).unwrap_or(usize::MAX).min(READ_BUFFER_BYTES);
        let mut buffer = BytesMut::with_capacity(wanted);
        if (&mut file).take(wanted as u64).read_buf(&mut buffer).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        let next = (file, at + buffer.len() as u64, true);
        Ok(Some((buffer.freeze(), next)))
    })
}

/// Puts parts together, and computes the checksum of the whole if one is asked for. Nobody asks for its MD5, which would take as long as the parts
/// took to come.
fn join(
    store: &Store,
    parts: &[StoredPart],
    full: Option<Algorithm>,
) -> Result<(StagedBlob, Option<ObjectChecksum>), StoreError> {
    let (blob, mut whole) = store.stage()?;
    let mut summing = full.map(Summing::new);
    for part in parts {
        digest(store.read_part(part)?, |data| {
            summing.iter_mut().for_each(|summing| summing.update(data));
            whole.write_all(data)
        })?;
    }
    Ok((blob, summing.map(Summing::finish)))
}

/// Returns the `ETag` and the checksum of a copy. A copy is one piece, whatever its source was made of.
fn digest_of_copy(source: Found) -> Result<(String, ObjectChecksum), StoreError> {
    let Content { etag, attributes, .. } = source.content;
    match attributes.checksum {
        Some(checksum) if attributes.parts.is_none() => Ok((etag, checksum)),
        checksum => {
            let algorithm = checksum.map_or(Algorithm::Crc64Nvme, |checksum| checksum.algorithm);
            let mut digester = Digester::new(algorithm);
            let mut file = source.file;
            file.seek(SeekFrom::Start(0))?;
            digest(file, |data| {
                digester.update(data);
                Ok(())
            })?;
            let found = digester.finish();
            Ok((found.etag(), found.checksum))
        }
    }
}

fn digest(mut file: File, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; READ_BUFFER_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            length => take(buffer.get(..length).unwrap_or_default())?,
        }
    }
}

/// Finds the parts that a client lists, in its order, if they are what it says and make an object.
fn used_parts(
    listed: &[CompletedPart],
    stored: &[StoredPart],
    upload: &UploadAttributes,
) -> S3Result<Vec<StoredPart>> {
    if listed.is_empty() {
        return Err(s3_error!(MalformedXML));
    }
    if !listed.is_sorted_by(|one, next| one.part_number < next.part_number) {
        return Err(s3_error!(InvalidPartOrder));
    }
    let mut used = Vec::with_capacity(listed.len());
    for claimed in listed {
        let part = stored.iter().find(|part| Some(part.number) == claimed.part_number);
        let is_claimed = |part: &&StoredPart| {
            let has_etag = claimed.e_tag.as_ref().is_some_and(|etag| etag.value() == part.etag);
            let checksum = get_checksum!(claimed, part.checksum.algorithm);
            has_etag && checksum.is_none_or(|checksum| checksum == part.checksum.value)
        };
        used.push(part.filter(is_claimed).cloned().ok_or_else(|| s3_error!(InvalidPart))?);
    }
    if let Some((_last, others)) = used.split_last()
        && others.iter().any(|part| part.size < MIN_PART_BYTES)
    {
        return Err(s3_error!(EntityTooSmall));
    }
    let has_its_checksums = used.iter().all(|part| part.checksum.algorithm == upload.algorithm);
    if upload.scope == Scope::Composite && !has_its_checksums {
        return Err(s3_error!(InvalidPart));
    }
    Ok(used)
}

fn claims_of_length(length: i64) -> S3Result<Claims> {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_LENGTH, length.into());
    Claims::read(&headers, &Extensions::new())
}

fn is_behind(upload: &Upload, (key, id): (&str, Option<&str>)) -> bool {
    match id {
        None => upload.key.as_str() > key,
        Some(id) => (upload.key.as_str(), upload.id.as_str()) > (key, id),
    }
}

fn check_part_number(number: i32) -> S3Result<()> {
    if (1..=MAX_PART_NUMBER).contains(&number) {
        Ok(())
    } else {
        Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive"))
    }
}

fn refuse_part_number(number: Option<i32>) -> S3Result<()> {
    match number {
        None => Ok(()),
        Some(_) => Err(s3_error!(NotImplemented, "Objects are not read by part number")),
    }
}

/// Better than to lose them.
fn refuse_tags(tags: Option<&str>) -> S3Result<()> {
    match tags {
        None | Some("") => Ok(()),
        Some(_) => Err(s3_error!(NotImplemented, "Objects have no tags")),
    }
}

fn limit(asked: Option<i32>) -> S3Result<i32> {
    match asked {
        None => Ok(MAX_LIST_ENTRIES),
        Some(asked @ 0..) => Ok(asked.min(MAX_LIST_ENTRIES)),
        Some(_) => {
            Err(s3_error!(InvalidArgument, "Argument maxKeys must be an integer between 0 and 2147483647"))
        }
    }
}

fn read_token(token: &str) -> S3Result<String> {
    BASE64_STANDARD
        .decode(token)
        .ok()
        .and_then(|key| String::from_utf8(key).ok())
        .ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
}

/// A checksum is told when asked for, and of the whole object only.
fn told_checksum<'a>(
    content: &'a Content,
    mode: Option<&ChecksumMode>,
    extent: &Extent,
) -> Option<&'a ObjectChecksum> {
    let asked_for = mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED);
    content.attributes.checksum.as_ref().filter(|_| asked_for && !extent.is_partial)
}

fn checksum_type(checksum: &ObjectChecksum) -> ChecksumType {
    ChecksumType::from_static(checksum.scope.name())
}

fn deleted_object(key: String, asked_for: Option<String>, deletion: Deletion) -> DeletedObject {
    let mut deleted = DeletedObject { key: Some(key), version_id: asked_for, ..DeletedObject::default() };
    match deletion {
        Deletion::Nothing | Deletion::Removed { was_marker: false, .. } => {}
        Deletion::Removed { version_id, was_marker: true } => {
            deleted.delete_marker = Some(true);
            deleted.delete_marker_version_id = version_id;
        }
        Deletion::Marked { version_id } => {
            deleted.delete_marker = Some(true);
            deleted.delete_marker_version_id = Some(version_id);
        }
    }
    deleted
}

fn objects(page: Page, encoding: KeyEncoding, with_owner: bool) -> (Vec<Object>, Vec<CommonPrefix>) {
    let describe = |version: Version| {
        let content = version.content?;
        let checksum = content.attributes.checksum;
        Some(Object {
            key: Some(encoding.write(&version.key)),
            last_modified: Some(version.modified),
            e_tag: Some(ETag::Strong(content.etag)),
            size: Some(size(content.size)),
            storage_class: Some(storage_class(content.attributes.storage_class).into()),
            checksum_algorithm: checksum
                .as_ref()
                .map(|checksum| vec![ChecksumAlgorithm::from_static(checksum.algorithm.name())]),
            checksum_type: checksum.as_ref().map(checksum_type),
            owner: with_owner.then(owner),
            ..Object::default()
        })
    };
    let contents = page.entries.into_iter().filter_map(|entry| describe(entry.version)).collect();
    (contents, common_prefixes(page.prefixes, encoding))
}

fn common_prefixes(prefixes: Vec<String>, encoding: KeyEncoding) -> Vec<CommonPrefix> {
    prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(encoding.write(prefix)) }).collect()
}

fn owner() -> Owner {
    Owner { display_name: None, id: Some(OWNER.to_owned()) }
}

fn storage_class(class: Option<String>) -> String {
    class.unwrap_or_else(|| StorageClass::STANDARD.to_owned())
}

fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
