//! A fresh URL for a recording, from the provider that keeps it.

use std::fmt;

use shared::credentials::ProviderCredentials;
use shared::model::{CallKey, Instant, Provider, Recording};
use shared::outbound::api::{ApiError, ApiErrorKind};
use shared::outbound::laaffic::{Laaffic, SourceType};
use tokio::time;

use crate::config::ArchiveConfig;

/// A URL that was just signed. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct FreshUrl {
    /// The URL.
    pub(crate) url: String,
    /// When it expires.
    pub(crate) expires_at: Option<Instant>,
}

impl fmt::Debug for FreshUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreshUrl").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Why there is no fresh URL.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoFreshUrl {
    /// The provider gives none, or nothing is known by which to ask for one.
    #[error("the provider gives no fresh URL for it")]
    NotOffered,
    /// The provider could be asked if its keys were configured.
    #[error("no keys of {0}'s API are configured")]
    NoKeys(Provider),
    /// The provider knows no such recording.
    #[error("the provider has it no more: {0}")]
    Gone(#[source] ApiError),
    /// The provider did not say.
    #[error("the provider could not be asked: {0}")]
    Unanswered(#[source] ApiError),
}

impl NoFreshUrl {
    /// Whether asking again is of no use, as things are.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::NotOffered | Self::NoKeys(_) | Self::Gone(_) => true,
            Self::Unanswered(_) => false,
        }
    }
}

/// Those who can be asked.
#[derive(Clone, Debug)]
pub(crate) struct Renewals {
    laaffic: Option<Laaffic>,
}

impl Renewals {
    /// The providers whose keys are at hand.
    pub(crate) fn new(config: &ArchiveConfig, credentials: ProviderCredentials) -> Self {
        Self { laaffic: credentials.laaffic.map(|key| Laaffic::new(config.laaffic.clone(), key)) }
    }

    /// Asks for a fresh URL of a recording, in time for `deadline`.
    pub(crate) async fn renew(
        &self,
        call: &CallKey,
        recording: &Recording,
        deadline: time::Instant,
    ) -> Result<FreshUrl, NoFreshUrl> {
        match (call.provider, &recording.source_id) {
            (Provider::Laaffic, Some(id)) => {
                let laaffic = self.laaffic.as_ref().ok_or(NoFreshUrl::NoKeys(call.provider))?;
                let answer = laaffic.recording_file_url(id, SourceType::Group, deadline).await;
                let fresh = answer.map_err(no_fresh_url)?;
                let expires_at =
                    fresh.expires_at.and_then(|at| Instant::from_epoch_millis(at.as_millisecond()));
                Ok(FreshUrl { url: fresh.url, expires_at })
            }
            (Provider::Laaffic, None) | (Provider::Alicom | Provider::AiVoice, _) => {
                Err(NoFreshUrl::NotOffered)
            }
        }
    }
}

fn no_fresh_url(error: ApiError) -> NoFreshUrl {
    match error.kind() {
        ApiErrorKind::NotFound | ApiErrorKind::BadParameter => NoFreshUrl::Gone(error),
        ApiErrorKind::Throttled
        | ApiErrorKind::Denied
        | ApiErrorKind::Unavailable
        | ApiErrorKind::Unexpected => NoFreshUrl::Unanswered(error),
    }
}
