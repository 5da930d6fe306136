//! Buckets, versions of objects, and uploads under way: an index in SQLite, their bytes in [blobs](super::blob).
//!
//! Every change is one transaction, and transactions take turns, so that a condition (`If-None-Match: *`) is judged and its
//! put made visible in one step. Nothing here is asynchronous or knows HTTP.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};
use s3s::dto::Timestamp;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::blob::{Blobs, StagedBlob, random_id};
use super::checksum::{Algorithm, Checksum, Digest, Scope};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS bucket (
        name        TEXT PRIMARY KEY,
        created_s  INTEGER NOT NULL,
        versioning  TEXT NOT NULL,
        object_lock INTEGER NOT NULL
    ) WITHOUT ROWID;

    -- `seq` grows with every write: of a key's versions, the one with the highest is current. No blob: a delete marker.
    CREATE TABLE IF NOT EXISTS version (
        seq         INTEGER PRIMARY KEY AUTOINCREMENT,
        bucket      TEXT NOT NULL REFERENCES bucket (name),
        key         TEXT NOT NULL,
        version_id  TEXT NOT NULL,
        modified_s INTEGER NOT NULL,
        blob        TEXT,
        size        INTEGER NOT NULL,
        etag        TEXT NOT NULL,
        attributes  TEXT NOT NULL,
        UNIQUE (bucket, key, version_id)
    );
    CREATE INDEX IF NOT EXISTS version_order ON version (bucket, key, seq DESC);

    CREATE TABLE IF NOT EXISTS upload (
        id           TEXT PRIMARY KEY,
        bucket       TEXT NOT NULL REFERENCES bucket (name),
        key          TEXT NOT NULL,
        initiated_s INTEGER NOT NULL,
        attributes   TEXT NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE IF NOT EXISTS part (
        upload      TEXT NOT NULL REFERENCES upload (id) ON DELETE CASCADE,
        number      INTEGER NOT NULL,
        modified_s INTEGER NOT NULL,
        blob        TEXT NOT NULL,
        size        INTEGER NOT NULL,
        etag        TEXT NOT NULL,
        checksum    TEXT NOT NULL,
        PRIMARY KEY (upload, number)
    ) WITHOUT ROWID;
";

const VERSION_COLUMNS: &str = "seq, key, version_id, modified_s, blob, size, etag, attributes";

/// The version id of what was written while its bucket kept no versions.
const NULL_VERSION: &str = "null";

/// What precedes a sequence number where a list of versions is to go on.
const SEQ_MARKER: &str = "seq-";

/// How long to wait for another process to let go of the data directory, as one that is just ending does.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// Why the store did not do what it was asked, in S3's words where S3 has some: clients are shown them.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("The specified bucket does not exist.")]
    NoSuchBucket,
    #[error("The bucket you tried to delete is not empty. You must delete all versions in the bucket.")]
    BucketNotEmpty,
    #[error("A bucket with Object Lock keeps its versions.")]
    VersioningLocked,
    #[error("Bucket is missing Object Lock Configuration.")]
    NoObjectLock,
    #[error("x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied")]
    HalfALock,
    #[error("The retain until date must be in the future!")]
    LapsedLock,
    #[error("The specified key does not exist.")]
    NoSuchKey,
    #[error("The specified version does not exist.")]
    NoSuchVersion,
    #[error("The object is deleted.")]
    Deleted {
        /// The delete marker.
        version_id: String,
        /// Whether the marker was asked for by its version id.
        asked_for: bool,
    },
    #[error("At least one of the pre-conditions you specified did not hold.")]
    PreconditionFailed,
    #[error("Access Denied because object protected by Object Lock.")]
    Locked,
    #[error("The specified multipart upload does not exist. It may have been aborted or completed.")]
    NoSuchUpload,
    #[error("A part is missing or was replaced while the upload was completed.")]
    PartChanged,
    #[error("The data directory is used by another process.")]
    InUse,
    #[error("The index can't be read or written.")]
    Index(#[source] rusqlite::Error),
    #[error("A row of the index can't be understood.")]
    Row(#[from] serde_json::Error),
    #[error("The data can't be read or written.")]
    Io(#[from] io::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy) => Self::InUse,
            _ => Self::Index(error),
        }
    }
}

type Result<T> = std::result::Result<T, StoreError>;

/// Whether a bucket keeps what is overwritten and deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Versioning {
    Off,
    Enabled,
    Suspended,
}

impl Versioning {
    fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Enabled => "enabled",
            Self::Suspended => "suspended",
        }
    }

    fn from_str(text: &str) -> Self {
        match text {
            "enabled" => Self::Enabled,
            "suspended" => Self::Suspended,
            _ => Self::Off,
        }
    }
}

/// A bucket.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    pub(super) name: String,
    pub(super) created: Timestamp,
    pub(super) versioning: Versioning,
    pub(super) object_lock: bool,
}

/// What a client said about an object, and gets back with it. Names as in S3's requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Attributes {
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) expires: Option<Timestamp>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) storage_class: Option<String>,
    pub(super) server_side_encryption: Option<String>,
    pub(super) kms_key_id: Option<String>,
    pub(super) lock_mode: Option<String>,
    pub(super) retain_until: Option<Timestamp>,
    pub(super) legal_hold: Option<String>,
    pub(super) checksum: Option<Checksum>,
    /// Number of parts, of an object uploaded in parts.
    pub(super) parts: Option<i32>,
}

impl Attributes {
    /// Checks what is asked for by way of locks.
    fn check_lock(&self, bucket: &Bucket) -> Result<()> {
        let wants_lock = self.lock_mode.is_some() || self.retain_until.is_some() || self.legal_hold.is_some();
        if wants_lock && !bucket.object_lock {
            return Err(StoreError::NoObjectLock);
        }
        if self.lock_mode.is_some() != self.retain_until.is_some() {
            return Err(StoreError::HalfALock);
        }
        match &self.retain_until {
            Some(until) if *until <= now() => Err(StoreError::LapsedLock),
            _ => Ok(()),
        }
    }

    /// Tells whether the version must not be deleted at `now`.
    fn is_locked(&self, now: &Timestamp, bypass_governance: bool) -> bool {
        let retained = self.retain_until.as_ref().is_some_and(|until| until > now)
            && !(bypass_governance && self.lock_mode.as_deref() == Some("GOVERNANCE"));
        retained || self.legal_hold.as_deref() == Some("ON")
    }
}

/// One version of an object, or a delete marker.
#[derive(Debug, Clone)]
pub(super) struct Version {
    seq: i64,
    pub(super) key: String,
    pub(super) version_id: String,
    pub(super) modified: Timestamp,
    /// `None`: a delete marker.
    pub(super) content: Option<Content>,
}

/// What a version that is no delete marker holds.
#[derive(Debug, Clone)]
pub(super) struct Content {
    blob: String,
    /// Bytes.
    pub(super) size: u64,
    /// Without quotes.
    pub(super) etag: String,
    pub(super) attributes: Attributes,
}

impl Version {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let content = match row.get::<_, Option<String>>("blob")? {
            None => None,
            Some(blob) => Some(Content {
                blob,
                size: row.get("size")?,
                etag: row.get("etag")?,
                attributes: serde_json::from_str(&row.get::<_, String>("attributes")?)?,
            }),
        };
        Ok(Self {
            seq: row.get("seq")?,
            key: row.get("key")?,
            version_id: row.get("version_id")?,
            modified: timestamp(row.get("modified_s")?),
            content,
        })
    }
}

/// A version that was found, with its bytes open.
#[derive(Debug)]
pub(super) struct Found {
    /// The version's id, where its bucket keeps or kept versions.
    pub(super) version_id: Option<String>,
    pub(super) modified: Timestamp,
    pub(super) content: Content,
    pub(super) file: File,
}

/// What is to become a version.
#[derive(Debug)]
pub(super) struct NewContent {
    pub(super) blob: StagedBlob,
    /// Bytes.
    pub(super) size: u64,
    /// Without quotes.
    pub(super) etag: String,
    pub(super) attributes: Attributes,
}

/// What must be true of a key's current version for a write to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Precondition {
    None,
    /// `If-None-Match: *`
    Absent,
    /// `If-Match: *`
    Present,
    /// `If-Match: "<etag>"`, without quotes here.
    Etag(String),
}

impl Precondition {
    fn check(&self, current: Option<&Version>) -> Result<()> {
        let content = current.and_then(|version| version.content.as_ref());
        match (self, content) {
            (Self::None, _) | (Self::Absent, None) | (Self::Present, Some(_)) => Ok(()),
            (Self::Etag(etag), Some(content)) if *etag == content.etag => Ok(()),
            (Self::Present | Self::Etag(_), None) => Err(StoreError::NoSuchKey),
            (Self::Absent | Self::Etag(_), Some(_)) => Err(StoreError::PreconditionFailed),
        }
    }
}

/// What a write left.
#[derive(Debug)]
pub(super) struct Written {
    /// The version's id, where the bucket keeps or kept versions.
    pub(super) version_id: Option<String>,
    pub(super) modified: Timestamp,
}

/// What a delete did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deletion {
    /// There was no such key, or version: in S3 a success.
    Nothing,
    /// A version is gone.
    Removed {
        /// The version, where the bucket keeps or kept versions.
        version_id: Option<String>,
        was_marker: bool,
    },
    /// The key is hidden by a delete marker.
    Marked { version_id: String },
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub(super) struct Listing {
    pub(super) prefix: String,
    pub(super) delimiter: Option<String>,
    /// Go on behind this key or common prefix…
    pub(super) after: Option<String>,
    /// …or, of a list of versions, behind this version of it: an id, or what [`Page::next`] gave.
    pub(super) after_version: Option<String>,
    /// Entries and common prefixes together.
    pub(super) limit: usize,
    /// All versions and delete markers, not only current objects.
    pub(super) versions: bool,
}

/// A part of a list.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
    pub(super) prefixes: Vec<String>,
    /// Where the list goes on: key (or common prefix), and what to give as `after_version`. `None` at its end.
    pub(super) next: Option<(String, Option<String>)>,
}

/// One version in a list.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) version: Version,
    pub(super) is_latest: bool,
}

/// An upload in parts.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) initiated: Timestamp,
    pub(super) attributes: UploadAttributes,
}

/// What was said when an upload was created.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct UploadAttributes {
    /// The attributes of the object to be.
    pub(super) object: Attributes,
    /// The checksum that parts and object get.
    pub(super) algorithm: Algorithm,
    pub(super) scope: Scope,
    /// Whether the client asked for a checksum.
    pub(super) chosen: bool,
}

/// A part that was uploaded.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) number: i32,
    pub(super) modified: Timestamp,
    blob: String,
    /// Bytes.
    pub(super) size: u64,
    /// Without quotes.
    pub(super) etag: String,
    pub(super) checksum: Checksum,
}

/// The store.
#[derive(Debug)]
pub(super) struct Store {
    index: Mutex<Connection>,
    blobs: Blobs,
    /// Held for its removal when the store is dropped.
    _temporary: Option<TempDir>,
}

impl Store {
    /// Opens the store in `data`, which one process may have open at a time; without it in a temporary directory that goes
    /// with the store.
    pub(super) fn open(data: Option<&Path>) -> Result<Self> {
        let temporary = if data.is_none() { Some(tempfile::tempdir()?) } else { None };
        let directory = match (data, &temporary) {
            (Some(data), _) => data.join("s3"),
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => return Err(io::Error::from(io::ErrorKind::NotFound).into()),
        };
        let durable = data.is_some();

        let blobs = Blobs::open(directory.join("blobs"), durable)?;
        let index = Connection::open(directory.join("index.sqlite"))?;
        index.busy_timeout(LOCK_TIMEOUT)?;
        // Exclusive: a second process would sweep away what this one is just writing.
        index.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        index.pragma_update(None, "journal_mode", "WAL")?;
        index.pragma_update(None, "synchronous", if durable { "FULL" } else { "OFF" })?;
        index.pragma_update(None, "foreign_keys", true)?;
        index.execute_batch(SCHEMA)?;
        let named = index
            .prepare("SELECT blob FROM version WHERE blob IS NOT NULL UNION ALL SELECT blob FROM part")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<HashSet<String>>>()?;
        blobs.sweep(&named)?;
        Ok(Self { index: Mutex::new(index), blobs, _temporary: temporary })
    }

    /// Creates a file for bytes to come.
    pub(super) fn stage(&self) -> Result<(StagedBlob, File)> {
        Ok(self.blobs.stage()?)
    }

    // Buckets.

    /// Creates a bucket, unless it exists.
    pub(super) fn create_bucket(&self, name: &str, object_lock: bool) -> Result<()> {
        let versioning = if object_lock { Versioning::Enabled } else { Versioning::Off };
        self.index().execute(
            "INSERT INTO bucket VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            params![name, now_s(), versioning.as_str(), object_lock],
        )?;
        Ok(())
    }

    /// Returns a bucket.
    pub(super) fn bucket(&self, name: &str) -> Result<Bucket> {
        find_bucket(&self.index(), name)
    }

    /// Returns all buckets, by name.
    pub(super) fn buckets(&self) -> Result<Vec<Bucket>> {
        let index = self.index();
        let mut statement = index.prepare_cached("SELECT * FROM bucket ORDER BY name")?;
        Ok(statement.query_map([], bucket_from_row)?.collect::<rusqlite::Result<_>>()?)
    }

    /// Removes a bucket that holds nothing, not even old versions.
    pub(super) fn delete_bucket(&self, name: &str) -> Result<()> {
        let mut index = self.index();
        let transaction = write(&mut index)?;
        find_bucket(&transaction, name)?;
        let holds_something: bool = transaction.query_row(
            "SELECT EXISTS (SELECT 1 FROM version WHERE bucket = ?1)",
            [name],
            |row| row.get(0),
        )?;
        if holds_something {
            return Err(StoreError::BucketNotEmpty);
        }
        let parts = blobs_of_parts(&transaction, "SELECT id FROM upload WHERE bucket = ?1", name)?;
        transaction.execute("DELETE FROM upload WHERE bucket = ?1", [name])?;
        transaction.execute("DELETE FROM bucket WHERE name = ?1", [name])?;
        transaction.commit()?;
        drop(index);
        self.blobs.remove(&parts);
        Ok(())
    }

    /// Decides whether a bucket keeps versions from now on.
    pub(super) fn set_versioning(&self, name: &str, versioning: Versioning) -> Result<()> {
        let mut index = self.index();
        let transaction = write(&mut index)?;
        if find_bucket(&transaction, name)?.object_lock && versioning != Versioning::Enabled {
            return Err(StoreError::VersioningLocked);
        }
        transaction.execute(
            "UPDATE bucket SET versioning = ?2 WHERE name = ?1",
            params![name, versioning.as_str()],
        )?;
        Ok(transaction.commit()?)
    }

    // Objects.

    /// Makes `content` the current version of `key`, if `condition` holds at that moment.
    pub(super) fn put(
        &self,
        bucket: &str,
        key: &str,
        content: NewContent,
        condition: &Precondition,
    ) -> Result<Written> {
        self.blobs.settle(&content.blob)?;
        let mut index = self.index();
        let transaction = write(&mut index)?;
        let bucket = find_bucket(&transaction, bucket)?;
        condition.check(current(&transaction, &bucket.name, key)?.as_ref())?;
        let (written, replaced) = insert(&transaction, &bucket, key, Some(&content))?;
        transaction.commit()?;
        drop(index);
        content.blob.keep();
        self.blobs.remove(&replaced);
        Ok(written)
    }

    /// Finds a version of `key`, the current one unless told otherwise, and opens its bytes.
    pub(super) fn get(&self, bucket: &str, key: &str, version_id: Option<&str>) -> Result<Found> {
        let index = self.index();
        let bucket = find_bucket(&index, bucket)?;
        let version = match version_id {
            Some(id) => version(&index, &bucket.name, key, id)?.ok_or(StoreError::NoSuchVersion)?,
            None => current(&index, &bucket.name, key)?.ok_or(StoreError::NoSuchKey)?,
        };
        let Some(content) = version.content else {
            return Err(StoreError::Deleted {
                version_id: version.version_id,
                asked_for: version_id.is_some(),
            });
        };
        // Under the lock, so that the blob can't be removed before it is open.
        let file = self.blobs.read(&content.blob)?;
        Ok(Found {
            version_id: visible(&bucket, version.version_id),
            modified: version.modified,
            content,
            file,
        })
    }

    /// Gives the bytes of a version that was found to a new object to be.
    pub(super) fn duplicate(&self, content: &Content) -> Result<StagedBlob> {
        match self.blobs.duplicate(&content.blob) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::NoSuchKey),
            result => Ok(result?),
        }
    }

    /// Deletes one version for good; or, without a version id, hides or removes the key as the bucket's versioning has it.
    pub(super) fn delete(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
        condition: &Precondition,
        bypass_governance: bool,
    ) -> Result<Deletion> {
        let mut index = self.index();
        let transaction = write(&mut index)?;
        let bucket = find_bucket(&transaction, bucket)?;
        condition.check(current(&transaction, &bucket.name, key)?.as_ref())?;
        let (deletion, removed) = match version_id {
            None if bucket.versioning == Versioning::Off => {
                let removed = remove_version(&transaction, &bucket.name, key, NULL_VERSION)?;
                (Deletion::Nothing, removed)
            }
            None => {
                let (written, replaced) = insert(&transaction, &bucket, key, None)?;
                (Deletion::Marked { version_id: written.version_id.unwrap_or_default() }, replaced)
            }
            Some(id) => match version(&transaction, &bucket.name, key, id)? {
                None => (Deletion::Nothing, Vec::new()),
                Some(version) => {
                    let content = version.content.as_ref();
                    if content.is_some_and(|content| content.attributes.is_locked(&now(), bypass_governance))
                    {
                        return Err(StoreError::Locked);
                    }
                    let removed = remove_version(&transaction, &bucket.name, key, id)?;
                    let was_marker = version.content.is_none();
                    (
                        Deletion::Removed { version_id: visible(&bucket, version.version_id), was_marker },
                        removed,
                    )
                }
            },
        };
        transaction.commit()?;
        drop(index);
        self.blobs.remove(&removed);
        Ok(deletion)
    }

    /// Lists objects, or versions, in the order of their keys' bytes; a key's newest version comes first.
    pub(super) fn list(&self, bucket: &str, listing: &Listing) -> Result<Page> {
        let index = self.index();
        let bucket = find_bucket(&index, bucket)?;
        let mut page = Page::default();
        if listing.limit == 0 {
            return Ok(page);
        }
        let after = listing.after.as_deref().unwrap_or_default();
        let after_seq = match listing.after_version.as_deref() {
            None => i64::MIN,
            Some(marker) => match marker.strip_prefix(SEQ_MARKER).and_then(|seq| seq.parse().ok()) {
                Some(seq) => seq,
                None => version(&index, &bucket.name, after, marker)?.map_or(i64::MIN, |version| version.seq),
            },
        };

        let mut statement = index.prepare_cached(&format!(
            "SELECT {VERSION_COLUMNS} FROM version WHERE bucket = ?1 AND key >= ?2 ORDER BY key, seq DESC"
        ))?;
        let mut rows = statement.query(params![bucket.name, after.max(&listing.prefix)])?;
        let mut previous: Option<String> = None;
        let mut last = (String::new(), None);
        while let Some(row) = rows.next()? {
            let version = Version::from_row(row)?;
            if !version.key.starts_with(&listing.prefix) {
                break;
            }
            let is_latest = previous.as_deref() != Some(version.key.as_str());
            previous = Some(version.key.clone());
            let is_wanted = listing.versions || (is_latest && version.content.is_some());
            let is_behind = version.key.as_str() > after || (version.key == after && version.seq < after_seq);
            if !is_wanted || (listing.after.is_some() && !is_behind) {
                continue;
            }
            let common = common_prefix(&version.key, &listing.prefix, listing.delimiter.as_deref());
            if common.is_some_and(|prefix| {
                prefix == after || page.prefixes.last().is_some_and(|last| last == prefix)
            }) {
                continue;
            }
            if page.entries.len() + page.prefixes.len() == listing.limit {
                page.next = Some(last);
                break;
            }
            match common {
                Some(prefix) => {
                    last = (prefix.to_owned(), None);
                    page.prefixes.push(prefix.to_owned());
                }
                None => {
                    last = (version.key.clone(), Some(format!("{SEQ_MARKER}{}", version.seq)));
                    page.entries.push(Entry { version, is_latest });
                }
            }
        }
        Ok(page)
    }

    // Uploads in parts.

    /// Begins an upload and returns its id.
    pub(super) fn create_upload(
        &self,
        bucket: &str,
        key: &str,
        attributes: &UploadAttributes,
    ) -> Result<String> {
        let index = self.index();
        let bucket = find_bucket(&index, bucket)?;
        attributes.object.check_lock(&bucket)?;
        let id = random_id();
        index.execute(
            "INSERT INTO upload VALUES (?1, ?2, ?3, ?4, ?5)",
            params![id, bucket.name, key, now_s(), serde_json::to_string(attributes)?],
        )?;
        Ok(id)
    }

    /// Returns an upload under way.
    pub(super) fn upload(&self, bucket: &str, key: &str, id: &str) -> Result<Upload> {
        find_upload(&self.index(), bucket, key, id)
    }

    /// Returns the uploads under way of a bucket, by key and then by id.
    pub(super) fn uploads(&self, bucket: &str) -> Result<Vec<Upload>> {
        let index = self.index();
        find_bucket(&index, bucket)?;
        let mut statement =
            index.prepare_cached("SELECT * FROM upload WHERE bucket = ?1 ORDER BY key, id")?;
        let mut rows = statement.query([bucket])?;
        let mut uploads = Vec::new();
        while let Some(row) = rows.next()? {
            uploads.push(upload_from_row(row)?);
        }
        Ok(uploads)
    }

    /// Adds a part, in the place of one with the same number.
    pub(super) fn put_part(
        &self,
        bucket: &str,
        upload: &Upload,
        number: i32,
        blob: StagedBlob,
        digest: &Digest,
    ) -> Result<()> {
        self.blobs.settle(&blob)?;
        let mut index = self.index();
        let transaction = write(&mut index)?;
        // It may have been completed or aborted while the part was on its way.
        find_upload(&transaction, bucket, &upload.key, &upload.id)?;
        let replaced: Option<String> = transaction
            .query_row(
                "DELETE FROM part WHERE upload = ?1 AND number = ?2 RETURNING blob",
                params![upload.id, number],
                |row| row.get(0),
            )
            .optional()?;
        let checksum = serde_json::to_string(&digest.checksum)?;
        transaction.execute(
            "INSERT INTO part VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![upload.id, number, now_s(), blob.name(), digest.length, digest.etag(), checksum],
        )?;
        transaction.commit()?;
        drop(index);
        blob.keep();
        self.blobs.remove(replaced.as_slice());
        Ok(())
    }

    /// Returns the parts of an upload, by number.
    pub(super) fn parts(&self, upload: &Upload) -> Result<Vec<Part>> {
        parts(&self.index(), &upload.id)
    }

    /// Opens the bytes of a part. It may be gone: another request may have ended the upload.
    pub(super) fn read_part(&self, part: &Part) -> Result<File> {
        self.blobs.read(&part.blob).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::PartChanged,
            _ => error.into(),
        })
    }

    /// Ends an upload: `content`, made of `used` parts, becomes the current version of its key, if `condition` holds.
    pub(super) fn complete_upload(
        &self,
        bucket: &str,
        upload: &Upload,
        used: &[Part],
        content: NewContent,
        condition: &Precondition,
    ) -> Result<Written> {
        self.blobs.settle(&content.blob)?;
        let mut index = self.index();
        let transaction = write(&mut index)?;
        let bucket = find_bucket(&transaction, bucket)?;
        find_upload(&transaction, &bucket.name, &upload.key, &upload.id)?;
        let now_there = parts(&transaction, &upload.id)?;
        if !used.iter().all(|part| now_there.iter().any(|other| other.blob == part.blob)) {
            return Err(StoreError::PartChanged);
        }
        condition.check(current(&transaction, &bucket.name, &upload.key)?.as_ref())?;
        let (written, mut removed) = insert(&transaction, &bucket, &upload.key, Some(&content))?;
        transaction.execute("DELETE FROM upload WHERE id = ?1", [&upload.id])?;
        transaction.commit()?;
        drop(index);
        content.blob.keep();
        removed.extend(now_there.into_iter().map(|part| part.blob));
        self.blobs.remove(&removed);
        Ok(written)
    }

    /// Ends an upload without an object.
    pub(super) fn abort_upload(&self, bucket: &str, key: &str, id: &str) -> Result<()> {
        let mut index = self.index();
        let transaction = write(&mut index)?;
        find_upload(&transaction, bucket, key, id)?;
        let removed = blobs_of_parts(&transaction, "SELECT id FROM upload WHERE id = ?1", id)?;
        transaction.execute("DELETE FROM upload WHERE id = ?1", [id])?;
        transaction.commit()?;
        drop(index);
        self.blobs.remove(&removed);
        Ok(())
    }

    /// A panic in the middle of a transaction rolls it back: the connection behind a poisoned lock is sound.
    fn index(&self) -> MutexGuard<'_, Connection> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(index: &mut Connection) -> Result<Transaction<'_>> {
    Ok(index.transaction_with_behavior(TransactionBehavior::Immediate)?)
}

fn find_bucket(index: &Connection, name: &str) -> Result<Bucket> {
    index
        .prepare_cached("SELECT * FROM bucket WHERE name = ?1")?
        .query_row([name], bucket_from_row)
        .optional()?
        .ok_or(StoreError::NoSuchBucket)
}

fn bucket_from_row(row: &Row<'_>) -> rusqlite::Result<Bucket> {
    Ok(Bucket {
        name: row.get("name")?,
        created: timestamp(row.get("created_s")?),
        versioning: Versioning::from_str(&row.get::<_, String>("versioning")?),
        object_lock: row.get("object_lock")?,
    })
}

/// Finds a key's newest version or delete marker.
fn current(index: &Connection, bucket: &str, key: &str) -> Result<Option<Version>> {
    let mut statement = index.prepare_cached(&format!(
        "SELECT {VERSION_COLUMNS} FROM version WHERE bucket = ?1 AND key = ?2 ORDER BY seq DESC LIMIT 1"
    ))?;
    let mut rows = statement.query([bucket, key])?;
    rows.next()?.map(Version::from_row).transpose()
}

fn version(index: &Connection, bucket: &str, key: &str, version_id: &str) -> Result<Option<Version>> {
    let mut statement = index.prepare_cached(&format!(
        "SELECT {VERSION_COLUMNS} FROM version WHERE bucket = ?1 AND key = ?2 AND version_id = ?3"
    ))?;
    let mut rows = statement.query([bucket, key, version_id])?;
    rows.next()?.map(Version::from_row).transpose()
}

/// Makes `content`, or a delete marker, a key's current version. Returns the blobs that nothing names any longer, too.
fn insert(
    transaction: &Transaction<'_>,
    bucket: &Bucket,
    key: &str,
    content: Option<&NewContent>,
) -> Result<(Written, Vec<String>)> {
    if let Some(content) = content {
        content.attributes.check_lock(bucket)?;
    }
    let (version_id, replaced) = if bucket.versioning == Versioning::Enabled {
        (random_id(), Vec::new())
    } else {
        (NULL_VERSION.to_owned(), remove_version(transaction, &bucket.name, key, NULL_VERSION)?)
    };
    let modified_s = now_s();
    let attributes = content.map(|content| &content.attributes);
    transaction.execute(
        "INSERT INTO version (bucket, key, version_id, modified_s, blob, size, etag, attributes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            bucket.name,
            key,
            version_id,
            modified_s,
            content.map(|content| content.blob.name()),
            content.map_or(0, |content| content.size),
            content.map_or("", |content| &content.etag),
            serde_json::to_string(&attributes)?,
        ],
    )?;
    let written = Written { version_id: visible(bucket, version_id), modified: timestamp(modified_s) };
    Ok((written, replaced))
}

/// Removes a version, if there is one, and returns its blob.
fn remove_version(
    transaction: &Transaction<'_>,
    bucket: &str,
    key: &str,
    version_id: &str,
) -> Result<Vec<String>> {
    let blob: Option<Option<String>> = transaction
        .query_row(
            "DELETE FROM version WHERE bucket = ?1 AND key = ?2 AND version_id = ?3 RETURNING blob",
            [bucket, key, version_id],
            |row| row.get(0),
        )
        .optional()?;
    Ok(blob.flatten().into_iter().collect())
}

/// Version ids are told where there can be more than one.
fn visible(bucket: &Bucket, version_id: String) -> Option<String> {
    (bucket.versioning != Versioning::Off).then_some(version_id)
}

fn find_upload(index: &Connection, bucket: &str, key: &str, id: &str) -> Result<Upload> {
    find_bucket(index, bucket)?;
    let mut statement =
        index.prepare_cached("SELECT * FROM upload WHERE id = ?1 AND bucket = ?2 AND key = ?3")?;
    let mut rows = statement.query([id, bucket, key])?;
    rows.next()?.map(upload_from_row).transpose()?.ok_or(StoreError::NoSuchUpload)
}

fn upload_from_row(row: &Row<'_>) -> Result<Upload> {
    Ok(Upload {
        id: row.get("id")?,
        key: row.get("key")?,
        initiated: timestamp(row.get("initiated_s")?),
        attributes: serde_json::from_str(&row.get::<_, String>("attributes")?)?,
    })
}

fn parts(index: &Connection, upload: &str) -> Result<Vec<Part>> {
    let mut statement = index.prepare_cached("SELECT * FROM part WHERE upload = ?1 ORDER BY number")?;
    let mut rows = statement.query([upload])?;
    let mut parts = Vec::new();
    while let Some(row) = rows.next()? {
        parts.push(Part {
            number: row.get("number")?,
            modified: timestamp(row.get("modified_s")?),
            blob: row.get("blob")?,
            size: row.get("size")?,
            etag: row.get("etag")?,
            checksum: serde_json::from_str(&row.get::<_, String>("checksum")?)?,
        });
    }
    Ok(parts)
}

/// Returns the blobs of the parts of the uploads that `uploads`, a query with one parameter, selects.
fn blobs_of_parts(index: &Connection, uploads: &str, parameter: &str) -> Result<Vec<String>> {
    let mut statement =
        index.prepare_cached(&format!("SELECT blob FROM part WHERE upload IN ({uploads})"))?;
    Ok(statement.query_map([parameter], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

/// Returns the part of a key up to and with the first delimiter behind the prefix.
fn common_prefix<'a>(key: &'a str, prefix: &str, delimiter: Option<&str>) -> Option<&'a str> {
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let found = key.get(prefix.len()..)?.find(delimiter)?;
    key.get(..prefix.len() + found + delimiter.len())
}

/// Returns the present, in whole seconds since 1970: S3 knows no finer time.
fn now_s() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
}

fn now() -> Timestamp {
    timestamp(now_s())
}

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from(UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::checksum::Digester;

    fn stage(store: &Store, bytes: &[u8]) -> (StagedBlob, Digest) {
        let (blob, mut file) = store.stage().unwrap();
        file.write_all(bytes).unwrap();
        let mut digester = Digester::new(Algorithm::Crc64Nvme);
        digester.update(bytes);
        (blob, digester.finish())
    }

    /// No client can time this: a part is replaced after the completion has read it and before it commits.
    #[test]
    fn an_upload_is_not_completed_from_a_part_that_was_replaced_meanwhile() {
        let store = Store::open(None).unwrap();
        store.create_bucket("bucket", false).unwrap();
        let attributes = UploadAttributes {
            object: Attributes::default(),
            algorithm: Algorithm::Crc64Nvme,
            scope: Scope::FullObject,
            chosen: false,
        };
        let id = store.create_upload("bucket", "key", &attributes).unwrap();
        let upload = store.upload("bucket", "key", &id).unwrap();
        let put_part = |bytes: &[u8]| {
            let (blob, digest) = stage(&store, bytes);
            store.put_part("bucket", &upload, 1, blob, &digest).unwrap();
            store.parts(&upload).unwrap()
        };
        let complete = |used: &[Part], bytes: &[u8]| {
            let (blob, digest) = stage(&store, bytes);
            let etag = digest.etag();
            let content = NewContent { blob, size: digest.length, etag, attributes: Attributes::default() };
            store.complete_upload("bucket", &upload, used, content, &Precondition::None)
        };

        let old = put_part(b"old");
        let new = put_part(b"new");
        assert!(matches!(complete(&old, b"old"), Err(StoreError::PartChanged)));
        assert!(matches!(store.read_part(&old[0]), Err(StoreError::PartChanged)));
        assert!(matches!(store.get("bucket", "key", None), Err(StoreError::NoSuchKey)));
        complete(&new, b"new").unwrap();
        assert_eq!(store.get("bucket", "key", None).unwrap().content.size, 3);
    }
}
