//! How a run asks for one call and stores the answer, and what it makes of a platform that does not answer.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runtime::config::expiry;
use runtime::deadline::Deadline;
use runtime::outbound::alibaba::{Alibaba, DetailIds};
use runtime::outbound::api::{ApiError, ApiErrorKind};
use runtime::store::table::TableError;
use runtime::store::{Store, StoreError, Stored};
use shared::model::{CallKey, Instant, Provider};
use shared::normalize::Context;
use shared::record::item::Asked as AskedBy;
use shared::record::parts::Element;

use crate::config::FetchConfig;
use crate::summary::Summary;
use crate::{ANSWER, FUNCTION};

/// How many questions are under way at once; the pace is the client's.
pub(crate) const CONCURRENCY: usize = 8;
/// After so many questions in a row that the platform could not answer the run ends: the next one may find it well again.
const MAX_STREAK: u32 = 16;

/// The run could not read or write the table.
#[derive(thiserror::Error)]
pub enum RunError {
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// In the words that are fit for a log: Lambda's runtime logs what a function fails by, and the SDK's errors hold whole answers.
impl fmt::Debug for RunError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

/// One run.
pub(crate) struct Run<'a> {
    pub(crate) store: &'a Store,
    pub(crate) config: &'a FetchConfig,
    pub(crate) alibaba: Alibaba,
    /// The time of the run, which all that it receives is dated by.
    pub(crate) now: Instant,
    /// When the last question may be asked.
    pub(crate) deadline: tokio::time::Instant,
    /// What has happened so far.
    pub(crate) tally: Mutex<Tally>,
}

/// What has happened so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) summary: Summary,
    /// How many questions in a row the platform could not answer.
    streak: u32,
}

/// Why a call is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It is due.
    Due,
    /// The platform lists it and the table does not have it, or not all of it.
    Reconciliation,
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The answer is stored under the call that it names.
    Told(CallKey),
    /// There is an answer, and it is of no use: asking again soon would bring the same.
    InVain,
    /// There is no answer, and that says nothing about the call.
    NotNow,
}

impl Run<'_> {
    /// Changes the counts.
    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing more is to be asked.
    pub(crate) fn is_over(&self) -> bool {
        let tally = self.tally();
        tally.summary.denied > 0 || tally.streak >= MAX_STREAK || tokio::time::Instant::now() >= self.deadline
    }

    /// Asks for a call, and merges the answer into the call that it names: after a redial that is not the one asked for.
    pub(crate) async fn ask(&self, ids: &DetailIds, reason: Reason, deadline: tokio::time::Instant) -> Asked {
        if self.is_over() {
            return Asked::NotNow;
        }
        let data = match self.alibaba.query_conversation_detail_info(ids, deadline).await {
            Ok(data) => data,
            Err(error) => return self.judge(&error),
        };
        self.tally().streak = 0;
        let context = Context { received_at: self.now, utc_offset: self.config.utc_offset };
        let normalized = match ANSWER.normalized(data.get(), &context) {
            Ok(normalized) => normalized,
            Err(rejection) => {
                self.fail("the answer is about no call", &rejection);
                return Asked::InVain;
            }
        };
        // The answer does not say them. They are kept with it, to be known when it is read anew.
        let DetailIds { task_id, batch_id, detail_id } = ids;
        let ids = [("task_id", task_id), ("batch_id", batch_id), ("detail_id", detail_id)];
        let asked = AskedBy {
            ids: ids.map(|(attribute, id)| (attribute.to_owned(), id.clone())).into(),
            found_by: (reason == Reason::Reconciliation).then(|| "reconciliation".to_owned()),
        };
        let key = CallKey { provider: Provider::Alicom, call_id: normalized.call_id.clone() };
        let element = Element {
            key: key.clone(),
            push: ANSWER,
            context,
            expires: expiry(self.now, self.config.retention_days),
            text: data.get().to_owned(),
            envelope: None,
            asked: Some(asked),
            normalized,
        };
        match self.store.store(vec![element]).await.pop() {
            None | Some(Ok(Stored::Kept)) => Asked::Told(key),
            Some(Ok(Stored::OfErasedCall)) => Asked::InVain,
            Some(Err(error)) => {
                self.fail("the answer could not be stored", &*error);
                match &*error {
                    StoreError::Table(TableError::Refused(_) | TableError::Full) => Asked::InVain,
                    StoreError::Table(_) | StoreError::Bucket(_) | StoreError::Late => Asked::NotNow,
                }
            }
        }
    }

    /// Takes note of an error of the API's, and tells what it means for what was asked.
    pub(crate) fn judge(&self, error: &ApiError) -> Asked {
        match error.kind() {
            ApiErrorKind::Denied => {
                let mut tally = self.tally();
                if tally.summary.denied == 0 {
                    tracing::error!(
                        function = FUNCTION,
                        error = %error,
                        "Alibaba refuses the keys: nothing is asked for until they are mended"
                    );
                }
                tally.summary.denied = 1;
                Asked::NotNow
            }
            ApiErrorKind::Throttled => {
                self.tally().streak += 1;
                Asked::NotNow
            }
            ApiErrorKind::Unavailable => {
                if !matches!(error, ApiError::NoTime) {
                    self.fail("the platform gave no answer", error);
                    self.tally().streak += 1;
                }
                Asked::NotNow
            }
            ApiErrorKind::NotFound | ApiErrorKind::BadParameter | ApiErrorKind::Unexpected => {
                self.fail("the platform refused to answer", error);
                self.tally().streak = 0;
                Asked::InVain
            }
        }
    }

    /// Counts a failure and writes it down.
    pub(crate) fn fail(&self, what: &'static str, error: &dyn std::error::Error) {
        self.tally().summary.failed += 1;
        tracing::warn!(function = FUNCTION, error = %error, "{what}");
    }

    /// What it did.
    pub(crate) fn into_summary(self, deadline: Deadline) -> Summary {
        let throttled = self.alibaba.throttles();
        let tally = self.tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        Summary { throttled, time_left_ms: millis(deadline.left()), ..tally.summary }
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
