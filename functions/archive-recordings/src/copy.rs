//! One recording from its source to the bucket.
//!
//! What a copy holds it takes from the run's budget of bytes. The bytes pass through a part's buffer, are hashed on the way (`source`) and judged before anything of them is visible:
//! what ends within the first part is one `PutObject` of known length, what goes on is a multipart upload, which reads one part while
//! it sends others and is completed only once all of it came. Either is on condition that there is no object yet, so that an
//! object under a recording's key is always complete and checked, and is never replaced.

use std::pin::pin;
use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, ObjectLockMode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use runtime::backoff::Backoff;
use runtime::outbound::fetch::Fetcher;
use runtime::store::bucket::Bucket;
use runtime::store::job::{Copied, Job};
use shared::model::Instant;
use shared::record::digests::Hasher;
use shared::record::keys::recording_key;
use tokio::select;
use tokio::time::{self, timeout_at};

use crate::audio::{self, AudioType, EXTENSIONS, NotAudio};
use crate::budget::{Budget, Reservation};
use crate::copy_error::{CopyError, CutShort};
use crate::lock::RecordingLock;
use crate::source::Source;

/// How often a put is tried while others put the same.
const MAX_PUTS: u32 = 4;
/// The pauses in between.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_millis(800));
/// The longest id that goes into an object's metadata, in bytes once escaped: all of it has to fit into 2 KB.
const MAX_METADATA_ID_BYTES: usize = 600;

/// Copies recordings.
#[derive(Clone, Debug)]
pub(crate) struct Copier {
    /// Fetches them.
    pub(crate) fetcher: Fetcher,
    /// Where they go.
    pub(crate) bucket: Bucket,
    /// What all copies may hold together.
    pub(crate) budget: Budget,
    /// What is smaller is no recording.
    pub(crate) min_bytes: u64,
    /// How recordings are locked once they are there.
    pub(crate) lock: Option<RecordingLock>,
}

impl Copier {
    /// Copies what is behind a URL, at `now`. `take_doubtful` takes a recording that is cut short for what it is. After `cut_at`
    /// nothing more is done, and nothing is left behind.
    pub(crate) async fn copy(
        &self,
        job: &Job,
        url: &str,
        take_doubtful: bool,
        now: Instant,
        cut_at: time::Instant,
    ) -> Result<Copied, CopyError> {
        match self.transfer(job, url, take_doubtful, now, cut_at).await {
            Err(CopyError::AlreadyThere { object_key }) => in_time(cut_at, self.adopt(object_key)).await,
            result => result,
        }
    }

    /// Finds the object that an earlier attempt left, which died before it could say so.
    pub(crate) async fn find(&self, job: &Job, cut_at: time::Instant) -> Result<Option<Copied>, CopyError> {
        let prefix = recording_key(&job.call, job.recording.call_at, &job.recording.slot, "");
        let list = self.bucket.client.list_objects_v2().bucket(&self.bucket.name).prefix(&prefix);
        let listed = in_time(cut_at, async { list.send().await.map_err(CopyError::bucket("list")) }).await?;
        let mut keys = listed.contents().iter().filter_map(|object| object.key());
        match keys.find(|key| key.strip_prefix(&prefix).is_some_and(|end| EXTENSIONS.contains(&end))) {
            Some(key) => in_time(cut_at, self.adopt(key.to_owned())).await.map(Some),
            None => Ok(None),
        }
    }

    async fn transfer(
        &self,
        job: &Job,
        url: &str,
        take_doubtful: bool,
        now: Instant,
        cut_at: time::Instant,
    ) -> Result<Copied, CopyError> {
        let mut room = in_time(cut_at, async { Ok(self.budget.enter().await) }).await?;
        let mut source = in_time(cut_at, Source::open(&self.fetcher, url)).await?;
        let fitted = async {
            room.fit(source.length).await;
            Ok(())
        };
        in_time(cut_at, fitted).await?;
        source.allocate();
        let first = in_time(cut_at, source.next_part()).await?;
        if source.ended && source.bytes < self.min_bytes {
            return Err(NotAudio::TooSmall { bytes: source.bytes }.into());
        }
        let audio = audio::recognize(&first, source.content_type.as_deref())?;
        let object = Object::new(job, audio, self.lock.as_ref(), now);
        source.claimed_bytes = audio::claimed_bytes(&first);
        if source.ended {
            in_time(cut_at, self.put(&object, source, first, take_doubtful)).await
        } else {
            self.upload_in_parts(&object, source, first, &mut room, take_doubtful, cut_at).await
        }
    }

    async fn put(
        &self,
        object: &Object,
        source: Source,
        bytes: Bytes,
        take_doubtful: bool,
    ) -> Result<Copied, CopyError> {
        let copied = copied(source, object, take_doubtful)?;
        let checksum = hex::decode(&copied.digests.sha256).unwrap_or_default();
        for round in 1.. {
            let put = self
                .bucket
                .client
                .put_object()
                .bucket(&self.bucket.name)
                .key(&object.key)
                .if_none_match("*")
                .content_type(&object.audio.media_type)
                .checksum_sha256(BASE64.encode(&checksum))
                .set_object_lock_mode(object.lock_mode.clone())
                .set_object_lock_retain_until_date(object.locked_until)
                .set_metadata(Some(object.metadata.iter().cloned().collect()))
                .metadata("sha256", &copied.digests.sha256)
                .metadata("sha512", &copied.digests.sha512)
                .body(ByteStream::from(bytes.clone()));
            // Its bytes have a checksum, and TLS; signing them too would hash them once more.
            match put.customize().disable_payload_signing().send().await {
                Ok(_) => break,
                Err(error) if error.code() == Some("PreconditionFailed") => {
                    return Err(CopyError::AlreadyThere { object_key: object.key.clone() });
                }
                // Somebody else is putting the same, and may yet fail.
                Err(error) if error.code() == Some("ConditionalRequestConflict") && round < MAX_PUTS => {
                    BACKOFF.pause(round).await;
                }
                Err(error) => return Err(CopyError::bucket("take the recording")(error)),
            }
        }
        Ok(copied)
    }

    async fn upload_in_parts(
        &self,
        object: &Object,
        source: Source,
        first: Bytes,
        room: &mut Reservation,
        take_doubtful: bool,
        cut_at: time::Instant,
    ) -> Result<Copied, CopyError> {
        let create = self
            .bucket
            .client
            .create_multipart_upload()
            .bucket(&self.bucket.name)
            .key(&object.key)
            .content_type(&object.audio.media_type)
            // The object has the lock from the moment on in which the upload is completed.
            .set_object_lock_mode(object.lock_mode.clone())
            .set_object_lock_retain_until_date(object.locked_until)
            .set_metadata(Some(object.metadata.iter().cloned().collect()))
            // One whose value for the whole follows from the parts', so that the object has a checksum of its own.
            .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme);
        let created =
            in_time(cut_at, async { create.send().await.map_err(CopyError::bucket("begin an upload")) })
                .await?;
        let upload_id = created.upload_id.unwrap_or_default();
        let sent = self.send_parts(object, &upload_id, source, first, room, take_doubtful);
        let sent = in_time(cut_at, sent).await;
        if sent.is_err() {
            // Where that fails, a later run does it.
            self.bucket.remove_upload(&object.key, &upload_id).await;
        }
        sent
    }

    async fn send_parts(
        &self,
        object: &Object,
        upload_id: &str,
        mut source: Source,
        first: Bytes,
        room: &mut Reservation,
        take_doubtful: bool,
    ) -> Result<Copied, CopyError> {
        let mut parts = Vec::new();
        let mut sending = FuturesUnordered::new();
        let mut number = 1;
        sending.push(self.send_part(object, upload_id, number, first));
        while !source.ended {
            // The next one is read once there is room for it beside those that are sent.
            while sending.len() >= room.parts() && !room.grow() {
                parts.extend(sending.next().await.transpose()?);
            }
            let mut reading = pin!(source.next_part());
            let part = loop {
                select! {
                    part = &mut reading => break part?,
                    Some(sent) = sending.next() => parts.push(sent?),
                }
            };
            number += 1;
            sending.push(self.send_part(object, upload_id, number, part));
        }
        while let Some(sent) = sending.next().await {
            parts.push(sent?);
        }
        parts.sort_by_key(CompletedPart::part_number);
        let copied = copied(source, object, take_doubtful)?;
        let complete = self
            .bucket
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket.name)
            .key(&object.key)
            .upload_id(upload_id)
            .if_none_match("*")
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build());
        match complete.send().await {
            Ok(_) => Ok(copied),
            Err(error) if error.code() == Some("PreconditionFailed") => {
                Err(CopyError::AlreadyThere { object_key: object.key.clone() })
            }
            Err(error) => Err(CopyError::bucket("complete an upload")(error)),
        }
    }

    async fn send_part(
        &self,
        object: &Object,
        upload_id: &str,
        number: i32,
        part: Bytes,
    ) -> Result<CompletedPart, CopyError> {
        let upload = self
            .bucket
            .client
            .upload_part()
            .bucket(&self.bucket.name)
            .key(&object.key)
            .upload_id(upload_id)
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
            .body(ByteStream::from(part));
        // Its bytes have a checksum, and TLS; signing them too would hash them once more.
        let uploaded = upload.customize().disable_payload_signing().send().await;
        let uploaded = uploaded.map_err(CopyError::bucket("take a part"))?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(uploaded.e_tag)
            .set_checksum_crc64_nvme(uploaded.checksum_crc64_nvme)
            .build())
    }

    /// Takes the object that is there for the recording: under such a key nothing appears but what is complete and checked.
    async fn adopt(&self, object_key: String) -> Result<Copied, CopyError> {
        let get = self.bucket.client.get_object().bucket(&self.bucket.name).key(&object_key);
        let mut object = get.send().await.map_err(CopyError::bucket("give the object that is there"))?;
        let (mut hasher, mut bytes, mut claimed) = (Hasher::default(), 0, None);
        while let Some(chunk) = object.body.next().await {
            let chunk = chunk.map_err(|error| CopyError::Bucket {
                action: "give the object that is there",
                words: "its bytes broke off".to_owned(),
                source: error.into(),
            })?;
            if bytes == 0 {
                claimed = audio::claimed_bytes(&chunk);
            }
            bytes += chunk.len() as u64;
            hasher.update(&chunk);
        }
        Ok(Copied {
            object_key,
            bytes,
            digests: hasher.finish(),
            media_type: object.content_type.unwrap_or_default(),
            doubt: CutShort::of(claimed, bytes).map(|cut_short| cut_short.to_string()),
        })
    }
}

async fn in_time<T>(
    cut_at: time::Instant,
    work: impl Future<Output = Result<T, CopyError>>,
) -> Result<T, CopyError> {
    timeout_at(cut_at, work).await.unwrap_or(Err(CopyError::OutOfTime))
}

/// What became of a recording, once all of it has come.
fn copied(source: Source, object: &Object, take_doubtful: bool) -> Result<Copied, CopyError> {
    let doubt = match CutShort::of(source.claimed_bytes, source.bytes) {
        Some(cut_short) if !take_doubtful => return Err(CopyError::CutShort(cut_short)),
        doubt => doubt.map(|cut_short| cut_short.to_string()),
    };
    Ok(Copied {
        object_key: object.key.clone(),
        bytes: source.bytes,
        digests: source.digests(),
        media_type: object.audio.media_type.clone(),
        doubt,
    })
}

/// The object that a recording becomes.
struct Object {
    key: String,
    audio: AudioType,
    metadata: Vec<(String, String)>,
    /// Both, where it is locked; S3 takes neither without the other.
    lock_mode: Option<ObjectLockMode>,
    locked_until: Option<DateTime>,
}

impl Object {
    fn new(job: &Job, audio: AudioType, lock: Option<&RecordingLock>, now: Instant) -> Self {
        let Job { call, recording, .. } = job;
        let mut metadata = vec![
            ("provider".to_owned(), call.provider.to_string()),
            ("call-at".to_owned(), recording.call_at.to_string()),
        ];
        for (name, id) in [("call-id", call.call_id.as_str()), ("slot", recording.slot.as_str())] {
            let escaped = utf8_percent_encode(id, NON_ALPHANUMERIC).to_string();
            if escaped.len() <= MAX_METADATA_ID_BYTES {
                metadata.push((name.to_owned(), escaped));
            }
        }
        let key = recording_key(call, recording.call_at, &recording.slot, audio.extension);
        Self {
            key,
            audio,
            metadata,
            lock_mode: lock.map(|lock| lock.mode.clone()),
            locked_until: lock.map(|lock| DateTime::from_millis(lock.until(now).epoch_millis())),
        }
    }
}
