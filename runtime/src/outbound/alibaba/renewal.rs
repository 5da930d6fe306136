//! What a call is known by to the API, and a fresh URL for its recording.

use tokio::time::Instant;

use super::super::api::ApiError;
use super::super::lenient::Object;
use super::Alibaba;
use shared::model::{self, CallFacts};
use shared::normalize::body::read;
use shared::normalize::recording_url;

/// By what the API knows a call. When the callee is called again, the same ids stand for the later call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetailIds {
    /// The task.
    pub task_id: String,
    /// The import within the task.
    pub batch_id: String,
    /// The callee's entry in the import.
    pub detail_id: String,
}

impl DetailIds {
    /// The ids of a call; `None` where one isn't known.
    pub fn of(call: &CallFacts) -> Option<Self> {
        let CallFacts {
            task_id: Some(task_id), batch_id: Some(batch_id), detail_id: Some(detail_id), ..
        } = call
        else {
            return None;
        };
        let [task_id, batch_id, detail_id] = [task_id, batch_id, detail_id].map(Clone::clone);
        Some(Self { task_id, batch_id, detail_id })
    }
}

/// A recording's URL, just signed.
#[derive(Clone, PartialEq, Eq)]
pub struct FreshUrl {
    /// The URL.
    pub url: String,
    /// When it dies, where it tells.
    pub expires_at: Option<model::Instant>,
}

impl std::fmt::Debug for FreshUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FreshUrl").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Why there is no fresh URL.
#[derive(Debug, thiserror::Error)]
pub enum RenewalError {
    /// The API gave no answer.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The callee was called again since: the answer tells of that call, and the recording in it is that call's.
    #[error("the answer is about another call")]
    OtherCall,
    /// The call has no recording, or none yet.
    #[error("the call has no recording")]
    NoRecording,
}

impl Alibaba {
    /// Asks for a fresh URL of the recording of the call `call_id`, which is known by `ids`.
    ///
    /// # Errors
    /// [`RenewalError`]; another call's recording is never given.
    pub async fn fresh_recording_url(
        &self,
        ids: &DetailIds,
        call_id: &str,
        deadline: Instant,
    ) -> Result<FreshUrl, RenewalError> {
        let data = self.query_conversation_detail_info(ids, deadline).await?;
        // What is no object tells of no call.
        let detail = read(data.get()).ok().and_then(Object::of).ok_or(RenewalError::OtherCall)?;
        if detail.text("CallId").as_deref() != Some(call_id) {
            return Err(RenewalError::OtherCall);
        }
        let url = detail.text("RecordingFileDownloadUrl").filter(|url| !url.trim().is_empty());
        let url = url.ok_or(RenewalError::NoRecording)?;
        let expires_at = recording_url::expires_at(&url)
            .and_then(|expiry| model::Instant::from_epoch_millis(expiry.as_millisecond()));
        Ok(FreshUrl { url, expires_at })
    }
}
