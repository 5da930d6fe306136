//! How long an archived recording is locked against removal.

use std::num::NonZeroU32;

use aws_sdk_s3::types::ObjectLockMode;
use shared::model::Instant;

/// How long nobody can remove an archived recording.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingLock {
    /// Who can remove it all the same: in governance mode whoever may bypass it, in compliance mode nobody at all.
    pub mode: ObjectLockMode,
    /// For how many days from its archiving on.
    pub days: NonZeroU32,
}

impl RecordingLock {
    /// Until when a recording is locked that is archived at `archived_at`.
    pub(crate) fn until(&self, archived_at: Instant) -> Instant {
        archived_at.plus_seconds(i64::from(self.days.get()) * 86_400)
    }
}
