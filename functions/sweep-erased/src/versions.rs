//! The versions of the bucket's objects: listing them, and removing them for good.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::delete_object::DeleteObjectError;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsError;
use aws_sdk_s3::operation::list_object_versions::builders::ListObjectVersionsFluentBuilder;
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use runtime::aws::brief;
use runtime::store::bucket::Bucket;

/// Versions could not be listed, or one not be removed.
#[derive(Debug, thiserror::Error)]
pub enum VersionsError {
    /// The versions could not be listed.
    #[error("the versions of objects can't be listed: {}", brief(.0))]
    List(#[source] Box<SdkError<ListObjectVersionsError>>),
    /// A version could not be removed.
    #[error("a version of an object can't be removed: {}", brief(.0))]
    Delete(#[source] Box<SdkError<DeleteObjectError>>),
    /// A version could not be read.
    #[error("a version of an object can't be read: {}", brief(.0))]
    Read(#[source] Box<SdkError<GetObjectError>>),
    /// A version's bytes broke off.
    #[error("the bytes of an object's version broke off")]
    Bytes(#[source] aws_sdk_s3::primitives::ByteStreamError),
}

/// A version of an object. Delete markers are none: they hold nothing, and the bucket's lifecycle removes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The object's key.
    pub key: String,
    /// Which version it is.
    pub id: String,
    /// Whether it is what a reader of the key finds.
    pub is_latest: bool,
}

/// The versions of all objects under a prefix, page by page as they are asked for.
pub fn versions<'a>(
    bucket: &'a Bucket,
    prefix: &str,
) -> impl Stream<Item = Result<Version, VersionsError>> + use<'a> {
    let Bucket { client, name } = bucket;
    let first = client.list_object_versions().bucket(name).prefix(prefix);
    let pages = stream::try_unfold(Some(first), |next: Option<ListObjectVersionsFluentBuilder>| async move {
        let Some(request) = next else { return Ok(None) };
        let page = request.clone().send().await.map_err(|error| VersionsError::List(Box::new(error)))?;
        let next = (page.is_truncated() == Some(true)).then(|| {
            request
                .set_key_marker(page.next_key_marker().map(str::to_owned))
                .set_version_id_marker(page.next_version_id_marker().map(str::to_owned))
        });
        let versions: Vec<_> = page
            .versions()
            .iter()
            .filter_map(|version| {
                Some(Ok(Version {
                    key: version.key()?.to_owned(),
                    id: version.version_id()?.to_owned(),
                    is_latest: version.is_latest() == Some(true),
                }))
            })
            .collect();
        Ok(Some((stream::iter(versions), next)))
    });
    pages.try_flatten()
}

/// Reads a version of an object whole.
///
/// # Errors
/// [`VersionsError`], when S3 fails.
pub async fn read_version(bucket: &Bucket, version: &Version) -> Result<Vec<u8>, VersionsError> {
    let Bucket { client, name } = bucket;
    let get = client.get_object().bucket(name).key(&version.key).version_id(&version.id);
    let object = get.send().await.map_err(|error| VersionsError::Read(Box::new(error)))?;
    Ok(object.body.collect().await.map_err(VersionsError::Bytes)?.to_vec())
}

/// Removes a version for good; `false` where it stays, since it is locked, or the permission to remove it is missing: S3 does
/// not tell which.
///
/// # Errors
/// [`VersionsError`], when S3 fails.
pub async fn remove_version(
    bucket: &Bucket,
    version: &Version,
    bypass_governance: bool,
) -> Result<bool, VersionsError> {
    let Bucket { client, name } = bucket;
    let delete = client
        .delete_object()
        .bucket(name)
        .key(&version.key)
        .version_id(&version.id)
        .set_bypass_governance_retention(bypass_governance.then_some(true));
    match delete.send().await {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("AccessDenied") => Ok(false),
        Err(error) => Err(VersionsError::Delete(Box::new(error))),
    }
}

/// Removes all versions of the objects under a prefix, and gives back how many, and which of them stay.
///
/// # Errors
/// [`VersionsError`], when S3 fails. What is removed by then is gone.
pub async fn kept_versions(
    bucket: &Bucket,
    prefix: &str,
    bypass_governance: bool,
) -> Result<(usize, Vec<Version>), VersionsError> {
    // All of them are listed first: what is removed would shift the pages.
    let all: Vec<_> = versions(bucket, prefix).try_collect().await?;
    let results: Vec<_> = stream::iter(all)
        .map(|version| async move {
            let is_gone = remove_version(bucket, &version, bypass_governance).await?;
            Ok::<_, VersionsError>((!is_gone).then_some(version))
        })
        .buffer_unordered(8)
        .try_collect()
        .await?;
    let removed = results.iter().filter(|kept| kept.is_none()).count();
    Ok((removed, results.into_iter().flatten().collect()))
}
