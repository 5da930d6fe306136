//! The embedded S3, operation by operation.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    BucketVersioningStatus, ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload,
    CompletedPart, Delete, MetadataDirective, ObjectIdentifier, ObjectLockMode, StorageClass,
    VersioningConfiguration,
};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest as _, Md5};
use sha2::Sha256;
use tokio::task::JoinSet;

use crate::{free_port, s3_client, s3_with_bucket, within_limit};

const MIB: usize = 1024 * 1024;

/// Returns the code of the error that a request must have failed with.
#[track_caller]
fn code<T: Debug, E: ProvideErrorMetadata + Debug>(result: Result<T, SdkError<E>>) -> String {
    let error = result.unwrap_err();
    // A HEAD has no body to carry a code, nor has 304.
    let status = error.raw_response().map(|response| response.status().as_u16().to_string());
    error.code().map(str::to_owned).or(status).unwrap()
}

fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", hex::encode(Md5::digest(bytes)))
}

/// Returns bytes without a period that a buffer's size could hide.
fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

async fn put(client: &Client, key: &str, body: &[u8]) -> Option<String> {
    let body = ByteStream::from(body.to_vec());
    client.put_object().bucket("bucket").key(key).body(body).send().await.unwrap().version_id
}

async fn get(client: &Client, key: &str) -> Vec<u8> {
    let object = client.get_object().bucket("bucket").key(key).send().await.unwrap();
    object.body.collect().await.unwrap().to_vec()
}

async fn enable_versioning(client: &Client) {
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    client.put_bucket_versioning().bucket("bucket").versioning_configuration(enabled).send().await.unwrap();
}

#[test]
fn buckets() {
    within_limit(async {
        let (server, client) = s3_with_bucket(None).await;
        client.create_bucket().bucket("bucket").send().await.unwrap();
        client.create_bucket().bucket("another").send().await.unwrap();
        client.head_bucket().bucket("bucket").send().await.unwrap();
        let listed = client.list_buckets().send().await.unwrap();
        let names: Vec<_> = listed.buckets().iter().filter_map(|bucket| bucket.name()).collect();
        assert_eq!(names, ["another", "bucket"]);

        put(&client, "key", b"data").await;
        assert_eq!(code(client.delete_bucket().bucket("bucket").send().await), "BucketNotEmpty");
        client.delete_object().bucket("bucket").key("key").send().await.unwrap();
        client.create_multipart_upload().bucket("bucket").key("key").send().await.unwrap();
        client.delete_bucket().bucket("bucket").send().await.unwrap();
        assert_eq!(code(client.delete_bucket().bucket("bucket").send().await), "NoSuchBucket");
        assert!(
            client
                .head_bucket()
                .bucket("bucket")
                .send()
                .await
                .unwrap_err()
                .into_service_error()
                .is_not_found()
        );
        let body = ByteStream::from_static(b"data");
        assert_eq!(
            code(client.put_object().bucket("bucket").key("key").body(body).send().await),
            "NoSuchBucket"
        );
        assert_eq!(code(client.list_objects_v2().bucket("bucket").send().await), "NoSuchBucket");
        server.stop().await.unwrap();
    });
}

#[test]
fn what_was_said_with_an_object_comes_back_with_it() {
    within_limit(async {
        let (server, client) = s3_with_bucket(None).await;
        let expires = DateTime::from_secs(1_900_000_000);
        let put = client
            .put_object()
            .bucket("bucket")
            .key("key")
            .body(ByteStream::from_static(b"data"))
            .content_type("audio/wav")
            .content_encoding("gzip")
            .content_language("zh")
            .content_disposition("inline")
            .cache_control("no-store")
            .expires(expires)
            .metadata("call-id", "1^2")
            .storage_class(StorageClass::GlacierIr)
            .send()
            .await
            .unwrap();
        assert_eq!(put.e_tag(), Some(&*etag(b"data")));
        assert_eq!(put.version_id(), None);

        let head = client.head_object().bucket("bucket").key("key").send().await.unwrap();
        assert_eq!(head.content_length(), Some(4));
        assert_eq!(head.e_tag(), Some(&*etag(b"data")));
        assert_eq!(head.content_type(), Some("audio/wav"));
        assert_eq!(head.content_encoding(), Some("gzip"));
        assert_eq!(head.content_language(), Some("zh"));
        assert_eq!(head.content_disposition(), Some("inline"));
        assert_eq!(head.cache_control(), Some("no-store"));
        assert_eq!(head.expires_string(), Some("Sun, 17 Mar 2030 17:46:40 GMT"));
        assert_eq!(head.metadata().unwrap()["call-id"], "1^2");
        assert_eq!(head.storage_class(), Some(&StorageClass::GlacierIr));
        let age =
            SystemTime::now().duration_since(SystemTime::try_from(*head.last_modified().unwrap()).unwrap());
        assert!(age.unwrap() < Duration::from_secs(3600));

        let get = client.get_object().bucket("bucket").key("key").send().await.unwrap();
        assert_eq!((get.content_type(), get.metadata()), (head.content_type(), head.metadata()));
        assert_eq!(get.e_tag(), head.e_tag());
        assert_eq!(get.body.collect().await.unwrap().to_vec(), b"data");

        let tagged = client.put_object().bucket("bucket").key("key").tagging("a=b").send().await;
        assert_eq!(code(tagged), "NotImplemented");
        server.stop().await.unwrap();
    });
}

/// Names that a file system, a URL or XML could trip over.
fn awkward_keys() -> Vec<String> {
    let mut keys: Vec<String> = [
        "a b+c",
        "..",
        "../../etc/passwd",
        "a//b",
        "/leading",
        "trailing/",
        "percent%2Fsign%",
        "call^id=1",
        "recordings/provider=alicom/date=2025-06-01/106%5E1/main.wav",
        "通话/录音🎙.wav",
        "<&>\"'",
        "?versionId=x&uploads#y",
        "CON",
        ".",
        "a\\b:c*d|e",
        "A",
        "a",
    ]
    .map(str::to_owned)
    .into();
    keys.push("k".repeat(1024));
    keys.push("录".repeat(341));
    keys
}

#[test]
fn any_key_is_stored_listed_copied_and_deleted() {
    within_limit(async {
        let (server, client) = s3_with_bucket(None).await;
        let keys: BTreeSet<String> = awkward_keys().into_iter().collect();
        for key in &keys {
            put(&client, key, key.as_bytes()).await;
        }
        for key in &keys {
            assert_eq!(get(&client, key).await, key.as_bytes(), "{key}");
        }
        for encoding in [None, Some(aws_sdk_s3::types::EncodingType::Url)] {
            let is_encoded = encoding.is_some();
            let listed =
                client.list_objects_v2().bucket("bucket").set_encoding_type(encoding).send().await.unwrap();
            let decode = |key: &str| match is_encoded {
                true => percent_encoding::percent_decode_str(key).decode_utf8().unwrap().into_owned(),
                false => key.to_owned(),
            };
            let found: Vec<String> =
                listed.contents().iter().map(|object| decode(object.key().unwrap())).collect();
            assert_eq!(found, keys.iter().cloned().collect::<Vec<_>>());
        }

        let too_long = "k".repeat(1025);
        let body = ByteStream::from_static(b"");
        assert_eq!(
            code(client.put_object().bucket("bucket").key(too_long).body(body).send().await),
            "KeyTooLongError"
        );

        let some = &keys.iter().collect::<Vec<_>>()[..8];
        let objects = some.iter().map(|key| ObjectIdentifier::builder().key(*key).build().unwrap()).collect();
        let delete = Delete::builder().set_objects(Some(objects)).build().unwrap();
        let deleted = client.delete_objects().bucket("bucket").delete(delete).send().await.unwrap();
        assert_eq!(deleted.deleted().len(), some.len());
        for key in keys.iter().skip(some.len()) {
            client.delete_object().bucket("bucket").key(key).send().await.unwrap();
        }
        assert_eq!(client.list_objects_v2().bucket("bucket").send().await.unwrap().key_count(), Some(0));
        server.stop().await.unwrap();
    });
}

#[test]
fn of_racing_puts_if_absent_exactly_one_wins() {
    within_limit(async {
        let data = tempfile::tempdir().unwrap();
        let (server, client) = s3_with_bucket(Some(data.path())).await;
        for round in 0..5 {
            let key = format!("key-{round}");
            let mut racers = JoinSet::new();
            for id in 0..16_u8 {
                let (client, key) = (client.clone(), key.clone());
                racers.spawn(async move {
                    let body = ByteStream::from(vec![id; 100_000 + usize::from(id)]);
                    let put = client
                        .put_object()
                        .bucket("bucket")
                        .key(key)
                        .if_none_match("*")
                        .body(body)
                        .send()
                        .await;
                    (id, put.map_err(|error| error.into_service_error().code().map(str::to_owned)))
                });
            }
            let (winners, losers): (Vec<_>, Vec<_>) =
                racers.join_all().await.into_iter().partition(|(_, put)| put.is_ok());
            assert_eq!(winners.len(), 1);
            for (_, put) in losers {
                assert_eq!(put.unwrap_err().as_deref(), Some("PreconditionFailed"));
            }
            let id = winners[0].0;
            assert_eq!(get(&client, &key).await, vec![id; 100_000 + usize::from(id)]);
        }
        server.stop().await.unwrap();
        assert_eq!(std::fs::read_dir(data.path().join("s3/blobs")).unwrap().count(), 5);
    });
}

#[test]
fn conditional_writes_follow_the_etag() {
    within_limit(async {
        let (server, client) = s3_with_bucket(None).await;
        let put_if = |condition: String, body: &'static [u8]| {
            let put = client.put_object().bucket("bucket").key("key").if_match(condition);
            put.body(ByteStream::from_static(body)).send()
        };
        assert_eq!(code(put_if(etag(b"one"), b"two").await), "NoSuchKey");
        put(&client, "key", b"one").await;
        put_if(etag(b"one"), b"two").await.unwrap();
        assert_eq!(code(put_if(etag(b"one"), b"three").await), "PreconditionFailed");
        assert_eq!(get(&client, "key").await, b"two");

        let delete_if =
            |condition: String| client.delete_object().bucket("bucket").key("key").if_match(condition).send();
        assert_eq!(code(delete_if(etag(b"one")).await), "PreconditionFailed");
        delete_if(etag(b"two")).await.unwrap();
        assert_eq!(code(client.get_object().bucket("bucket").key("key").send().await), "NoSuchKey");
        server.stop().await.unwrap();
    });
}

#[test]
fn a_bad_digest_leaves_the_old_object() {
    within_limit(async {
        let data = tempfile::tempdir().unwrap();
        let (server, client) = s3_with_bucket(Some(data.path())).await;
        put(&client, "key", b"old").await;
        let put = || client.put_object().bucket("bucket").key("key").body(ByteStream::from_static(b"new"));
        let zeros = |length| BASE64_STANDARD.encode(vec![0; length]);
        for bad in [
            put().content_md5(zeros(16)),
            put().checksum_crc32(zeros(4)),
            put().checksum_crc32_c(zeros(4)),
            put().checksum_crc64_nvme(zeros(8)),
            put().checksum_sha1(zeros(20)),
            put().checksum_sha256(zeros(32)),
        ] {
            assert_eq!(code(bad.send().await), "BadDigest");
        }
        assert_eq!(code(put().content_md5("not base64").send().await), "InvalidDigest");
        let two = put().checksum_crc32(zeros(4)).checksum_sha1(zeros(20)).send().await;
        assert_eq!(code(two), "InvalidRequest");
        assert_eq!(get(&client, "key").await, b"old");

        put().content_md5(BASE64_STANDARD.encode(Md5::digest(b"new"))).send().await.unwrap();
        assert_eq!(get(&client, "key").await, b"new");
        server.stop().await.unwrap();
        assert_eq!(std::fs::read_dir(data.path().join("s3/blobs")).unwrap().count(), 1);
    });
}

#[test]
fn every_checksum_the_sdk_computes_is_verified_kept_and_told() {
    within_limit(async {
        let (server, client) = s3_with_bucket(None).await;
        let body = noise(200_000);
        // "123456789" has well-known checksums.
        for (algorithm, known) in [
            (ChecksumAlgorithm::Crc32, "y/Q5Jg=="),
            (ChecksumAlgorithm::Crc32C, "4waSgw=="),
            (ChecksumAlgorithm::Crc64Nvme, "rosUhgp5mIg="),
            (ChecksumAlgorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (ChecksumAlgorithm::Sha256, "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
        ] {
            let put = |body: ByteStream| {
                client
                    .put_object()
                    .bucket("bucket")
                    .key("key")
                    .checksum_algorithm(algorithm.clone())
                    .body(body)
                    .send()
            };
            put(ByteStream::from_static(b"123456789")).await.unwrap();
            let head = client
                .head_object()
                .bucket("bucket")
                .key("key")
                .checksum_mode(ChecksumMode::Enabled)
                .send()
                .await
                .unwrap();
            let all = [
                head.checksum_crc32(),
                head.checksum_crc32_c(),
                head.checksum_crc64_nvme(),
                head.checksum_sha1(),
                head.checksum_sha256(),
            ];
            assert_eq!(all.into_iter().flatten().collect::<Vec<_>>(), [known], "{algorithm}");
            assert_eq!(head.checksum_type(), Some(&ChecksumType::FullObject));

            // A body from a file goes in chunks with the checksum behind them. The SDK checks it on the way back.
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &body).unwrap();
            put(ByteStream::from_path(file.path()).await.unwrap()).await.unwrap();
            let object = client
                .get_object()
                .bucket("bucket")
                .key("key")
                .checksum_mode(ChecksumMode::Enabled)
                .send()
                .await
                .unwrap();
            assert_eq!(object.body.collect().await.unwrap().to_vec(), body);
        }
        server.stop().await.unwrap();
    });
}

#[test]
fn ranges_and_conditions_of_reads() {
    within_limit(async {
        let (server, client) = s3_with_bucket(None).await;
        let body = noise(300_000);
        put(&client, "key", &body).await;
        put(&client, "empty", b"").await;
        assert_eq!(get(&client, "empty").await, b"");
        let ranged = |range: &str| client.get_object().bucket("bucket").key("key").range(range).send();
        for (range, content_range, expected) in [
            ("bytes=0-0", "bytes 0-0/300000", &body[..1]),
            ("bytes=65530-65545", "bytes 65530-65545/300000", &body[65_530..65_546]),
            ("bytes=299990-", "bytes 299990-299999/300000", &body[299_990..]),
            ("bytes=100000-900000", "bytes 100000-299999/300000", &body[100_000..]),
            ("bytes=-7", "bytes 299993-299999/300000", &body[299_993..]),
        ] {
            let part = ranged(range).await.unwrap();
            assert_eq!(part.content_range(), Some(content_range));
            assert_eq!(part.content_length(), i64::try_from(expected.len()).ok());
            assert_eq!(part.body.collect().await.unwrap().to_vec(), expected);
        }
        assert_eq!(code(ranged("bytes=300000-").await), "InvalidRange");

        let get = || client.get_object().bucket("bucket").key("key");
        let (past, future) = (DateTime::from_secs(1_000_000_000), DateTime::from_secs(4_000_000_000));
        for holds in [
            get().if_match(etag(&body)),
            get().if_none_match(etag(b"other")),
            get().if_modified_since(past),
            get().if_unmodified_since(future),
            get().if_none_match(etag(b"other")).if_modified_since(future),
        ] {
            holds.send().await.unwrap();
        }
        assert_eq!(code(get().if_match(etag(b"other")).send().await), "PreconditionFailed");
        assert_eq!(code(get().if_unmodified_since(past).send().await), "PreconditionFailed");
        for unchanged in [get().if_none_match(etag(&body)), get().if_modified_since(future)] {
            let error = unchanged.send().await.unwrap_err();
            assert_eq!(error.raw_response().unwrap().status().as_u16(), 304);
        }
        assert_eq!(code(client.get_object().bucket("bucket").key("none").send().await), "NoSuchKey");
        assert_eq!(code(client.head_object().bucket("bucket").key("none").send().await), "NotFound");
        server.stop().await.unwrap();
    });
}

/// What a list must show, worked out the slow way.
fn expected_list(keys: &[&str], prefix: &str, delimiter: &str, after: &str) -> Vec<String> {
    let mut shown: Vec<String> = Vec::new();
    for key in keys.iter().filter(|key| key.starts_with(prefix) && **key > after) {
        let rest = &key[prefix.len()..];
        let line = match rest.find(delimiter).filter(|_| !delimiter.is_empty()) {
            Some(at) => format!("{prefix}{}", &rest[..at + delimiter.len()]),
            None => (*key).to_owned(),
        };
        if shown.last() != Some(&line) {
            shown.push(line);
        }
    }
    shown
}

#[test]
fn lists_page_through_every_key_and_prefix_once() {
    within_limit(async {
        let (server, client) = s3_with_bucket(None).await;
        let mut keys =
            vec!["a", "a/", "a/1", "a/2", "a/b/1", "a/b/2", "a/b/c/1", "a0", "b/1", "b/2", "c", "z/é/1"];
        keys.sort_unstable();
        for key in keys.iter().rev() {
            put(&client, key, key.as_bytes()).await;
        }
        for prefix in ["", "a", "a/", "a/b/", "b/", "none", "z/"] {
            for delimiter in ["", "/", "b/"] {
                for after in ["", "a/", "a/1", "b/", "c"] {
                    let expected = expected_list(&keys, prefix, delimiter, after);
                    // S3 shows a prefix it was told to start behind only if a key without one follows: never here.
                    let expected: Vec<String> = expected.into_iter().filter(|line| line != after).collect();
                    for page_size in [1, 2, 3, 1000] {
                        let mut found = Vec::new();
                        let mut pages = client
                            .list_objects_v2()
                            .bucket("bucket")
                            .prefix(prefix)
                            .delimiter(delimiter)
                            .start_after(after)
                            .into_paginator()
                            .page_size(page_size)
                            .send();
                        while let Some(page) = pages.next().await {
                            let page = page.unwrap();
                            let mut lines: Vec<String> = page
                                .contents()
                                .iter()
                                .map(|object| object.key().unwrap().to_owned())
                                .collect();
                            lines.extend(
                                page.common_prefixes()
                                    .iter()
                                    .map(|prefix| prefix.prefix().unwrap().to_owned()),
                            );
                            lines.sort_unstable();
                            assert!(lines.len() <= page_size as usize);
                            assert_eq!(page.key_count(), i32::try_from(lines.len()).ok());
                            found.extend(lines);
                        }
                        assert_eq!(found, expected, "{prefix:?} {delimiter:?} {after:?} {page_size}");
                    }
                }
            }
        }

        let mut marker = None;
        let mut found = Vec::new();
        loop {
            let list = client.list_objects().bucket("bucket").delimiter("/").max_keys(2);
            let page = list.set_marker(marker).send().await.unwrap();
            found.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
            found.extend(page.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap().to_owned()));
            marker = page.next_marker().map(str::to_owned);
            if page.is_truncated() != Some(true) {
                break;
            }
        }
        found.sort_unstable();
        assert_eq!(found, expected_list(&keys, "", "/", ""));

        let none = client.list_objects_v2().bucket("bucket").max_keys(0).send().await.unwrap();
        assert_eq!((none.key_count(), none.is_truncated()), (Some(0), Some(false)));
        assert_eq!(
            code(client.list_objects_v2().bucket("bucket").continuation_token("?").send().await),
            "InvalidArgument"
        );
        server.stop().await.unwrap();
    });
}

#[test]
fn deleting_without_versioning_is_for_good() {
    within_limit(async {
        let (server, client) = s3_with_bucket(None).await;
        put(&client, "key", b"one").await;
        put(&client, "key", b"two").await;
        let versions = client.list_object_versions().bucket("bucket").send().await.unwrap();
        assert_eq!(versions.versions().len(), 1);
        assert_eq!(versions.versions()[0].version_id(), Some("null"));
        for _ in 0..2 {
            let deleted = client.delete_object().bucket("bucket").key("key").send().await.unwrap();
            assert_eq!((deleted.delete_marker(), deleted.version_id()), (None, None));
        }
        let versions = client.list_object_versions().bucket("bucket").send().await.unwrap();
        assert_eq!((versions.versions().len(), versions.delete_markers().len()), (0, 0));
        server.stop().await.unwrap();
    });
}

/// Lists all versions, `page_size` at a time: key, version id, whether it is a marker, whether it is the latest.
async fn all_versions(client: &Client, page_size: i32) -> Vec<(String, String, bool, bool)> {
    let mut found = Vec::new();
    let mut next = (None, None);
    loop {
        let page: ListObjectVersionsOutput = client
            .list_object_versions()
            .bucket("bucket")
            .max_keys(page_size)
            .set_key_marker(next.0)
            .set_version_id_marker(next.1)
            .send()
            .await
            .unwrap();
        let mut lines = Vec::new();
        for version in page.versions() {
            let (key, id) = (version.key().unwrap().to_owned(), version.version_id().unwrap().to_owned());
            lines.push((key, id, false, version.is_latest().unwrap()));
        }
        for marker in page.delete_markers() {
            let (key, id) = (marker.key().unwrap().to_owned(), marker.version_id().unwrap().to_owned());
            lines.push((key, id, true, marker.is_latest().unwrap()));
        }
        assert!(lines.len() <= page_size as usize);
        found.extend(lines);
        if page.is_truncated() != Some(true) {
            return found;
        }
        next = (page.next_key_marker, page.next_version_id_marker);
    }
}

#[test]
fn versions_are_kept_listed_and_deleted_one_by_one() {
    within_limit(async {
        let (server, client) = s3_with_bucket(None).await;
        put(&client, "key", b"before").await;
        enable_versioning(&client).await;
        let status = client.get_bucket_versioning().bucket("bucket").send().await.unwrap();
        assert_eq!(status.status(), Some(&BucketVersioningStatus::Enabled));
        let one = put(&client, "key", b"one").await.unwrap();
        let two = put(&client, "key", b"two").await.unwrap();
        let marker = client.delete_object().bucket("bucket").key("key").send().await.unwrap();
        assert_eq!(marker.delete_marker(), Some(true));
        let marker = marker.version_id().unwrap().to_owned();
        let other = put(&client, "other", b"other").await.unwrap();

        let gone = client.get_object().bucket("bucket").key("key").send().await.unwrap_err();
        assert_eq!(gone.raw_response().unwrap().headers().get("x-amz-delete-marker"), Some("true"));
        assert!(gone.into_service_error().is_no_such_key());
        let listed = client.list_objects_v2().bucket("bucket").send().await.unwrap();
        assert_eq!(
            listed.contents().iter().map(|object| object.key().unwrap()).collect::<Vec<_>>(),
            ["other"]
        );

        let version = |id: &str| client.get_object().bucket("bucket").key("key").version_id(id).send();
        for (id, body) in [("null", "before"), (&*one, "one"), (&*two, "two")] {
            let object = version(id).await.unwrap();
            assert_eq!(object.version_id(), Some(id));
            assert_eq!(object.body.collect().await.unwrap().to_vec(), body.as_bytes());
        }
        assert_eq!(code(version(&marker).await), "MethodNotAllowed");
        assert_eq!(code(version("none").await), "NoSuchVersion");

        let expected: BTreeSet<_> = [
            ("key", &*marker, true, true),
            ("key", &*two, false, false),
            ("key", &*one, false, false),
            ("key", "null", false, false),
            ("other", &*other, false, true),
        ]
        .map(|(key, id, is_marker, is_latest)| (key.to_owned(), id.to_owned(), is_marker, is_latest))
        .into();
        for page_size in 1..=6 {
            let found = all_versions(&client, page_size).await;
            assert_eq!(found.len(), expected.len(), "{page_size}: {found:?}");
            assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
        }

        let delete = |id: &str| client.delete_object().bucket("bucket").key("key").version_id(id).send();
        assert_eq!(delete(&marker).await.unwrap().delete_marker(), Some(true));
        assert_eq!(get(&client, "key").await, b"two");
        delete(&two).await.unwrap();
        assert_eq!(get(&client, "key").await, b"one");
        delete("null").await.unwrap();
        delete(&one).await.unwrap();
        delete(&one).await.unwrap();
        assert_eq!(code(client.get_object().bucket("bucket").key("key").send().await), "NoSuchKey");
        assert_eq!(all_versions(&client, 10).await.len(), 1);
        server.stop().await.unwrap();
    });
}

#[test]
fn all_versions_can_be_deleted_page_by_page_while_listing() {
    within_limit(async {
        let (server, client) = s3_with_bucket(None).await;
        enable_versioning(&client).await;
        for round in 0..3_u8 {
            for key in ["a", "b", "c"] {
                put(&client, key, &[round]).await;
            }
        }
        client.delete_object().bucket("bucket").key("b").send().await.unwrap();
        let mut next = (None, None);
        let mut deleted = 0;
        loop {
            let list = client.list_object_versions().bucket("bucket").max_keys(2);
            let page = list.set_key_marker(next.0).set_version_id_marker(next.1).send().await.unwrap();
            let identify = |key: Option<&str>, id: Option<&str>| {
                ObjectIdentifier::builder().key(key.unwrap()).version_id(id.unwrap()).build().unwrap()
            };
            let mut objects: Vec<_> =
                page.versions().iter().map(|version| identify(version.key(), version.version_id())).collect();
            objects.extend(
                page.delete_markers().iter().map(|marker| identify(marker.key(), marker.version_id())),
            );
            let delete = Delete::builder().set_objects(Some(objects)).build().unwrap();
            let result = client.delete_objects().bucket("bucket").delete(delete).send().await.unwrap();
            assert_eq!(result.errors(), []);
            deleted += result.deleted().len();
            if page.is_truncated() != Some(true) {
                break;
            }
            next = (page.next_key_marker, page.next_version_id_marker);
        }
        assert_eq!(deleted, 10);
        client.delete_bucket().bucket("bucket").send().await.unwrap();
        server.stop().await.unwrap();
    });
}

#[test]
fn suspended_versioning_overwrites_the_null_version_only() {
    within_limit(async {
        let (server, client) = s3_with_bucket(None).await;
        enable_versioning(&client).await;
        let kept = put(&client, "key", b"kept").await.unwrap();
        let suspended = VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended).build();
        client
            .put_bucket_versioning()
            .bucket("bucket")
            .versioning_configuration(suspended)
            .send()
            .await
            .unwrap();
        assert_eq!(put(&client, "key", b"one").await.as_deref(), Some("null"));
        assert_eq!(put(&client, "key", b"two").await.as_deref(), Some("null"));
        let marker = client.delete_object().bucket("bucket").key("key").send().await.unwrap();
        assert_eq!(marker.version_id(), Some("null"));
        let found: Vec<_> =
            all_versions(&client, 10).await.into_iter().map(|(_, id, marker, _)| (id, marker)).collect();
        assert_eq!(found, [(kept, false), ("null".to_owned(), true)]);
        server.stop().await.unwrap();
    });
}

#[test]
fn a_locked_version_outlives_its_deletion() {
    within_limit(async {
        let (server, client) = s3_with_bucket(None).await;
        let locked_put = |bucket: &str, mode: ObjectLockMode, until: i64| {
            let put = client.put_object().bucket(bucket).key("key").body(ByteStream::from_static(b"data"));
            put.object_lock_mode(mode).object_lock_retain_until_date(DateTime::from_secs(until)).send()
        };
        const FUTURE: i64 = 4_000_000_000;
        assert_eq!(code(locked_put("bucket", ObjectLockMode::Compliance, FUTURE).await), "InvalidRequest");

        client.create_bucket().bucket("locked").object_lock_enabled_for_bucket(true).send().await.unwrap();
        let delete = |id: &str| client.delete_object().bucket("locked").key("key").version_id(id);
        const PAST: i64 = 1_000_000_000;
        assert_eq!(code(locked_put("locked", ObjectLockMode::Compliance, PAST).await), "InvalidArgument");
        let put = client.put_object().bucket("locked").key("key").body(ByteStream::from_static(b"data"));
        let without_date = put.object_lock_mode(ObjectLockMode::Compliance).send().await;
        assert_eq!(code(without_date), "InvalidArgument");
        let in_two_seconds = DateTime::from(SystemTime::now() + Duration::from_secs(2)).secs();
        let put = locked_put("locked", ObjectLockMode::Compliance, in_two_seconds).await;
        let lapsing = put.unwrap().version_id.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        delete(&lapsing).send().await.unwrap();
        let governed =
            locked_put("locked", ObjectLockMode::Governance, FUTURE).await.unwrap().version_id.unwrap();
        assert_eq!(code(delete(&governed).send().await), "AccessDenied");
        delete(&governed).bypass_governance_retention(true).send().await.unwrap();

        let compliant =
            locked_put("locked", ObjectLockMode::Compliance, FUTURE).await.unwrap().version_id.unwrap();
        assert_eq!(code(delete(&compliant).bypass_governance_retention(true).send().await), "AccessDenied");
        client.delete_object().bucket("locked").key("key").send().await.unwrap();
        let head =
            client.head_object().bucket("locked").key("key").version_id(&compliant).send().await.unwrap();
        assert_eq!(head.object_lock_mode(), Some(&ObjectLockMode::Compliance));
        assert_eq!(head.object_lock_retain_until_date(), Some(&DateTime::from_secs(FUTURE)));
        server.stop().await.unwrap();
    });
}

#[test]
fn copies_keep_or_replace_what_is_said_of_the_object() {
    within_limit(async {
        let (server, client) = s3_with_bucket(None).await;
        enable_versioning(&client).await;
        let put = client.put_object().bucket("bucket").key("a b%/é").body(ByteStream::from_static(b"one"));
        let one = put.content_type("audio/wav").metadata("m", "1").send().await.unwrap().version_id.unwrap();
        client
            .put_object()
            .bucket("bucket")
            .key("a b%/é")
            .body(ByteStream::from_static(b"two"))
            .send()
            .await
            .unwrap();
        let source = "bucket/a%20b%25/%C3%A9";

        let copied =
            client.copy_object().bucket("bucket").key("copy").copy_source(source).send().await.unwrap();
        assert_eq!(copied.copy_object_result().unwrap().e_tag(), Some(&*etag(b"two")));
        assert_eq!(get(&client, "copy").await, b"two");
        let old = format!("{source}?versionId={one}");
        client.copy_object().bucket("bucket").key("copy").copy_source(&old).send().await.unwrap();
        let head = client.head_object().bucket("bucket").key("copy").send().await.unwrap();
        assert_eq!((head.content_type(), &*head.metadata().unwrap()["m"]), (Some("audio/wav"), "1"));
        assert_eq!(get(&client, "copy").await, b"one");

        let replacing = client.copy_object().bucket("bucket").key("copy").copy_source("bucket/copy");
        assert_eq!(code(replacing.clone().send().await), "InvalidRequest");
        let replacing = replacing.metadata_directive(MetadataDirective::Replace).metadata("m", "2");
        replacing.send().await.unwrap();
        let head = client.head_object().bucket("bucket").key("copy").send().await.unwrap();
        assert_eq!(
            (head.content_type(), &*head.metadata().unwrap()["m"]),
            (Some("binary/octet-stream"), "2")
        );

        let copy = client.copy_object().bucket("bucket").key("copy").copy_source(source);
        assert_eq!(code(copy.copy_source_if_none_match(etag(b"two")).send().await), "PreconditionFailed");
        let none = client.copy_object().bucket("bucket").key("copy").copy_source("bucket/none").send().await;
        assert_eq!(code(none), "NoSuchKey");

        // The source's deletion does not touch the copy.
        client.delete_object().bucket("bucket").key("a b%/é").version_id(one).send().await.unwrap();
        assert_eq!(get(&client, "copy").await, b"one");
        server.stop().await.unwrap();
    });
}

async fn create_upload(client: &Client, algorithm: Option<ChecksumAlgorithm>) -> String {
    let create = client.create_multipart_upload().bucket("bucket").key("key").content_type("audio/wav");
    create.set_checksum_algorithm(algorithm).send().await.unwrap().upload_id.unwrap()
}

async fn upload_part(client: &Client, upload: &str, number: i32, body: &[u8]) -> CompletedPart {
    let part = client
        .upload_part()
        .bucket("bucket")
        .key("key")
        .upload_id(upload)
        .part_number(number)
        .body(ByteStream::from(body.to_vec()))
        .send()
        .await
        .unwrap();
    assert_eq!(part.e_tag(), Some(&*etag(body)));
    CompletedPart::builder().part_number(number).e_tag(part.e_tag.unwrap()).build()
}

fn complete(
    client: &Client,
    upload: &str,
    parts: Vec<CompletedPart>,
) -> aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder {
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    client.complete_multipart_upload().bucket("bucket").key("key").upload_id(upload).multipart_upload(parts)
}

#[test]
fn parts_become_one_object() {
    within_limit(async {
        let (server, client) = s3_with_bucket(None).await;
        let bodies = [noise(5 * MIB), noise(5 * MIB + 1), b"the end".to_vec()];
        let md5s: Vec<u8> = bodies.iter().flat_map(Md5::digest).collect();
        let composite = format!("\"{}-3\"", hex::encode(Md5::digest(&md5s)));
        let sha256s: Vec<u8> = bodies.iter().flat_map(Sha256::digest).collect();
        let sha256 = format!("{}-3", BASE64_STANDARD.encode(Sha256::digest(&sha256s)));

        for algorithm in [None, Some(ChecksumAlgorithm::Crc32), Some(ChecksumAlgorithm::Sha256)] {
            let upload = create_upload(&client, algorithm.clone()).await;
            let mut parts = Vec::new();
            // Out of order, one of them twice.
            for (number, body) in [(30, &bodies[2]), (7, &bodies[0]), (2, &bodies[0]), (7, &bodies[1])] {
                let part = upload_part_with(&client, &upload, number, body, algorithm.clone()).await;
                parts.retain(|other: &CompletedPart| other.part_number() != Some(number));
                parts.push(part);
            }
            parts.sort_unstable_by_key(|part| part.part_number());
            assert_eq!(code_of_get(&client, "key").await.as_deref(), Some("NoSuchKey"));
            let completed = complete(&client, &upload, parts).send().await.unwrap();
            assert_eq!(completed.e_tag(), Some(&*composite));

            let get = client.get_object().bucket("bucket").key("key").checksum_mode(ChecksumMode::Enabled);
            let object = get.send().await.unwrap();
            assert_eq!((object.e_tag(), object.content_type()), (Some(&*composite), Some("audio/wav")));
            match algorithm {
                Some(ChecksumAlgorithm::Sha256) => assert_eq!(object.checksum_sha256(), Some(&*sha256)),
                Some(_) => assert_eq!(object.checksum_type(), Some(&ChecksumType::Composite)),
                None => assert!(object.checksum_crc64_nvme().is_some_and(|checksum| !checksum.contains('-'))),
            }
            assert_eq!(object.body.collect().await.unwrap().to_vec(), bodies.concat());
            assert_eq!(code(complete(&client, &upload, Vec::new()).send().await), "NoSuchUpload");
            client.delete_object().bucket("bucket").key("key").send().await.unwrap();
        }
        server.stop().await.unwrap();
    });
}

async fn upload_part_with(
    client: &Client,
    upload: &str,
    number: i32,
    body: &[u8],
    algorithm: Option<ChecksumAlgorithm>,
) -> CompletedPart {
    let part = client
        .upload_part()
        .bucket("bucket")
        .key("key")
        .upload_id(upload)
        .part_number(number)
        .set_checksum_algorithm(algorithm)
        .body(ByteStream::from(body.to_vec()))
        .send()
        .await
        .unwrap();
    CompletedPart::builder()
        .part_number(number)
        .set_e_tag(part.e_tag)
        .set_checksum_crc32(part.checksum_crc32)
        .set_checksum_sha256(part.checksum_sha256)
        .build()
}

async fn code_of_get(client: &Client, key: &str) -> Option<String> {
    let get = client.get_object().bucket("bucket").key(key).send().await;
    get.err().map(|error| error.into_service_error().code().unwrap().to_owned())
}

#[test]
fn a_completion_that_does_not_fit_its_parts_makes_no_object() {
    within_limit(async {
        let (server, client) = s3_with_bucket(None).await;
        let upload = create_upload(&client, None).await;
        let small = upload_part(&client, &upload, 1, b"small").await;
        let last = upload_part(&client, &upload, 2, b"last").await;
        let wrong = CompletedPart::builder().part_number(1).e_tag(etag(b"other")).build();
        let missing = CompletedPart::builder().part_number(3).e_tag(etag(b"other")).build();
        for (parts, expected) in [
            (vec![small.clone(), last.clone()], "EntityTooSmall"),
            (vec![last.clone(), small.clone()], "InvalidPartOrder"),
            (vec![small.clone(), small.clone()], "InvalidPartOrder"),
            (vec![wrong], "InvalidPart"),
            (vec![small.clone(), missing], "InvalidPart"),
            (Vec::new(), "MalformedXML"),
        ] {
            assert_eq!(code(complete(&client, &upload, parts).send().await), expected);
        }
        let sized = complete(&client, &upload, vec![last.clone()]).mpu_object_size(5).send().await;
        assert_eq!(code(sized), "InvalidRequest");
        let digest =
            complete(&client, &upload, vec![last.clone()]).checksum_crc64_nvme("AAAAAAAAAAA=").send().await;
        assert_eq!(code(digest), "BadDigest");
        assert_eq!(code_of_get(&client, "key").await.as_deref(), Some("NoSuchKey"));

        put(&client, "key", b"there").await;
        let if_absent = complete(&client, &upload, vec![last.clone()]).if_none_match("*").send().await;
        assert_eq!(code(if_absent), "PreconditionFailed");
        assert_eq!(get(&client, "key").await, b"there");
        complete(&client, &upload, vec![last]).mpu_object_size(4).send().await.unwrap();
        assert_eq!(get(&client, "key").await, b"last");
        server.stop().await.unwrap();
    });
}

#[test]
fn of_racing_completions_exactly_one_wins() {
    within_limit(async {
        let data = tempfile::tempdir().unwrap();
        let (server, client) = s3_with_bucket(Some(data.path())).await;
        let upload = create_upload(&client, None).await;
        let part = upload_part(&client, &upload, 1, &noise(2 * MIB)).await;
        let mut racers = JoinSet::new();
        for _ in 0..8 {
            racers.spawn(complete(&client, &upload, vec![part.clone()]).send());
        }
        let (won, lost): (Vec<_>, Vec<_>) = racers.join_all().await.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        for loser in lost {
            let code = code(loser);
            assert!(code == "NoSuchUpload" || code == "InvalidPart", "{code}");
        }
        assert_eq!(get(&client, "key").await, noise(2 * MIB));
        server.stop().await.unwrap();
        assert_eq!(std::fs::read_dir(data.path().join("s3/blobs")).unwrap().count(), 1);
    });
}

#[test]
fn uploads_under_way_are_listed_and_aborted() {
    within_limit(async {
        let data = tempfile::tempdir().unwrap();
        let (server, client) = s3_with_bucket(Some(data.path())).await;
        let upload = create_upload(&client, None).await;
        for number in [1, 2, 5] {
            upload_part(&client, &upload, number, &[0; 100]).await;
        }
        let list = || client.list_parts().bucket("bucket").key("key").upload_id(&upload);
        let page = list().max_parts(2).send().await.unwrap();
        assert_eq!((page.parts().len(), page.is_truncated()), (2, Some(true)));
        let page = list().part_number_marker(page.next_part_number_marker().unwrap()).send().await.unwrap();
        assert_eq!(page.parts().iter().map(|part| part.part_number().unwrap()).collect::<Vec<_>>(), [5]);
        assert_eq!(page.parts()[0].e_tag(), Some(&*etag(&[0; 100])));
        assert_eq!(page.parts()[0].size(), Some(100));

        let other = client.create_multipart_upload().bucket("bucket").key("other").send().await.unwrap();
        let first = client.list_multipart_uploads().bucket("bucket").max_uploads(1).send().await.unwrap();
        assert_eq!(first.uploads()[0].upload_id(), Some(&*upload));
        let rest = client
            .list_multipart_uploads()
            .bucket("bucket")
            .set_key_marker(first.next_key_marker)
            .set_upload_id_marker(first.next_upload_id_marker)
            .send()
            .await
            .unwrap();
        assert_eq!(rest.uploads().len(), 1);
        assert_eq!(rest.uploads()[0].upload_id(), other.upload_id());

        let abort = || client.abort_multipart_upload().bucket("bucket").key("key").upload_id(&upload).send();
        abort().await.unwrap();
        assert_eq!(code(abort().await), "NoSuchUpload");
        assert_eq!(code(list().send().await), "NoSuchUpload");
        assert_eq!(std::fs::read_dir(data.path().join("s3/blobs")).unwrap().count(), 0);
        let part = client.upload_part().bucket("bucket").key("other").upload_id(other.upload_id().unwrap());
        let part = part.part_number(10_001).body(ByteStream::from_static(b"x")).send().await;
        assert_eq!(code(part), "InvalidArgument");
        server.stop().await.unwrap();
    });
}

#[test]
fn parts_can_be_copied_from_an_object() {
    within_limit(async {
        let (server, client) = s3_with_bucket(None).await;
        let body = noise(6 * MIB);
        put(&client, "source", &body).await;
        let upload = create_upload(&client, None).await;
        let mut parts = Vec::new();
        for (number, range) in
            [(1, format!("bytes=0-{}", 5 * MIB - 1)), (2, format!("bytes={}-{}", 5 * MIB, 6 * MIB - 1))]
        {
            let copy =
                client.upload_part_copy().bucket("bucket").key("key").upload_id(&upload).part_number(number);
            let copied = copy.copy_source("bucket/source").copy_source_range(range).send().await.unwrap();
            let etag = copied.copy_part_result().unwrap().e_tag().unwrap();
            parts.push(CompletedPart::builder().part_number(number).e_tag(etag).build());
        }
        complete(&client, &upload, parts).send().await.unwrap();
        assert_eq!(get(&client, "key").await, body);

        // A copy of an object made of parts is one piece again.
        client.copy_object().bucket("bucket").key("copy").copy_source("bucket/key").send().await.unwrap();
        let head = client.head_object().bucket("bucket").key("copy").send().await.unwrap();
        assert_eq!(head.e_tag(), Some(&*etag(&body)));
        server.stop().await.unwrap();
    });
}

#[test]
fn a_restart_keeps_objects_versions_and_uploads() {
    within_limit(async {
        let data = tempfile::tempdir().unwrap();
        let (server, client) = s3_with_bucket(Some(data.path())).await;
        enable_versioning(&client).await;
        let one = put(&client, "key", b"one").await.unwrap();
        put(&client, "key", b"two").await;
        let upload = create_upload(&client, None).await;
        let part = upload_part(&client, &upload, 1, b"part").await;
        server.stop().await.unwrap();

        std::fs::write(data.path().join("s3/blobs/left-behind"), b"by a killed process").unwrap();
        let server = s3_emulator::start(free_port().await, Some(data.path())).await.unwrap();
        let client = s3_client(&server.endpoint());
        assert_eq!(get(&client, "key").await, b"two");
        let old = client.get_object().bucket("bucket").key("key").version_id(one).send().await.unwrap();
        assert_eq!(old.body.collect().await.unwrap().to_vec(), b"one");
        complete(&client, &upload, vec![part]).send().await.unwrap();
        assert_eq!(get(&client, "key").await, b"part");
        assert!(!data.path().join("s3/blobs/left-behind").exists());
        server.stop().await.unwrap();
    });
}

#[test]
fn a_data_directory_serves_one_process_at_a_time() {
    within_limit(async {
        let data = tempfile::tempdir().unwrap();
        let (server, client) = s3_with_bucket(Some(data.path())).await;
        let second = s3_emulator::start(free_port().await, Some(data.path())).await;
        assert!(matches!(second.unwrap_err(), s3_emulator::S3Error::InUse));
        put(&client, "key", b"still there").await;
        server.stop().await.unwrap();
        let server = s3_emulator::start(free_port().await, Some(data.path())).await.unwrap();
        assert_eq!(get(&s3_client(&server.endpoint()), "key").await, b"still there");
        server.stop().await.unwrap();
    });
}

#[test]
fn an_object_read_while_it_is_replaced_is_the_old_one_to_its_end() {
    within_limit(async {
        let (server, client) = s3_with_bucket(None).await;
        let old = noise(4 * MIB);
        put(&client, "key", &old).await;
        let reading = client.get_object().bucket("bucket").key("key").send().await.unwrap();
        put(&client, "key", b"new").await;
        assert_eq!(reading.body.collect().await.unwrap().to_vec(), old);
        assert_eq!(get(&client, "key").await, b"new");
        server.stop().await.unwrap();
    });
}
