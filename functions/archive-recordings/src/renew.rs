//! A fresh URL for a recording, from the provider that keeps it.

use runtime::credentials::Keys;
pub(crate) use runtime::outbound::alibaba::FreshUrl;
use runtime::outbound::alibaba::{Alibaba, DetailIds, RenewalError};
use runtime::outbound::api::ApiErrorKind;
use runtime::outbound::laaffic::{Laaffic, SourceType};
use runtime::store::table::{Table, TableError};
use shared::model::{CallFacts, CallKey, Instant, Provider, Recording};
use shared::record::item::is_tombstone;
use shared::record::{item, keys};
use tokio::time;

use crate::config::ArchiveConfig;

/// Why there is no fresh URL.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoFreshUrl {
    /// The provider gives none, or nothing is known by which to ask for one.
    #[error("the provider gives no fresh URL for it")]
    NotOffered,
    /// The provider could be asked if its keys were configured.
    #[error("no keys of {0}'s API are configured")]
    NoKeys(Provider),
    /// The secret that may hold its keys could not be read.
    #[error("the keys of {0}'s API could not be read")]
    KeysUnreadable(Provider),
    /// The call was erased: nothing is asked about it any more.
    #[error("the call was erased")]
    Erased,
    /// The provider knows no such recording.
    #[error("the provider has it no more: {0}")]
    Gone(#[source] RenewalError),
    /// What the provider would have to be asked by could not be read.
    #[error("the call could not be read: {0}")]
    Call(#[source] TableError),
    /// The provider did not say.
    #[error("the provider could not be asked: {0}")]
    Unanswered(#[source] RenewalError),
}

impl NoFreshUrl {
    /// Whether asking again is of no use, as things are.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::NotOffered | Self::NoKeys(_) | Self::Gone(_) | Self::Erased => true,
            Self::Unanswered(_) | Self::Call(_) | Self::KeysUnreadable(_) => false,
        }
    }

    /// Whether the provider may have it still, and a change of settings is all that it takes to ask.
    pub(crate) fn may_be_had(&self) -> bool {
        matches!(self, Self::NoKeys(_)) || !self.is_final()
    }
}

/// Those who can be asked.
#[derive(Clone, Debug)]
pub(crate) struct Renewals {
    table: Table,
    /// Whether there may be keys that could not be read.
    unreadable: bool,
    alibaba: Option<Alibaba>,
    laaffic: Option<Laaffic>,
}

impl Renewals {
    /// The providers whose keys are at hand.
    pub(crate) fn new(config: &ArchiveConfig, keys: Keys, table: Table) -> Self {
        let Keys { credentials, unreadable } = keys;
        Self {
            table,
            unreadable: unreadable.is_some(),
            alibaba: credentials.alibaba.map(|key| Alibaba::new(config.alibaba.clone(), key)),
            laaffic: credentials.laaffic.map(|key| Laaffic::new(config.laaffic.clone(), key)),
        }
    }

    /// Asks for a fresh URL of a recording, in time for `deadline`.
    pub(crate) async fn renew(
        &self,
        call: &CallKey,
        recording: &Recording,
        deadline: time::Instant,
    ) -> Result<FreshUrl, NoFreshUrl> {
        match call.provider {
            Provider::Laaffic => {
                let ids = recording.ids();
                let Some((newest, older)) = ids.split_first() else { return Err(NoFreshUrl::NotOffered) };
                let laaffic = self.laaffic.as_ref().ok_or_else(|| self.no_keys(call.provider))?;
                let mut answer = fresh_url(laaffic, newest, deadline).await;
                for id in older {
                    if !matches!(answer, Err(NoFreshUrl::Gone(_))) {
                        break;
                    }
                    answer = fresh_url(laaffic, id, deadline).await;
                }
                answer
            }
            Provider::Alicom => {
                let ids = self.detail_ids(call).await?.ok_or(NoFreshUrl::NotOffered)?;
                let alibaba = self.alibaba.as_ref().ok_or_else(|| self.no_keys(call.provider))?;
                let fresh = alibaba.fresh_recording_url(&ids, call.call_id.as_str(), deadline).await;
                fresh.map_err(no_fresh_url)
            }
            // No other platform's API gives a recording's URL again.
            _ => Err(NoFreshUrl::NotOffered),
        }
    }

    fn no_keys(&self, provider: Provider) -> NoFreshUrl {
        if self.unreadable { NoFreshUrl::KeysUnreadable(provider) } else { NoFreshUrl::NoKeys(provider) }
    }

    /// By what Alibaba's API knows a call, as far as pushes told.
    async fn detail_ids(&self, call: &CallKey) -> Result<Option<DetailIds>, NoFreshUrl> {
        let stored = self.table.get(&keys::call_pk(call), keys::CALL).await.map_err(NoFreshUrl::Call)?;
        if stored.as_ref().is_some_and(is_tombstone) {
            return Err(NoFreshUrl::Erased);
        }
        let facts = stored.map(|stored| item::typed::<CallFacts>(item::record(stored)?.facts)).transpose();
        let facts = facts.map_err(|error| NoFreshUrl::Call(error.into()))?;
        Ok(facts.as_ref().and_then(DetailIds::of))
    }
}

async fn fresh_url(laaffic: &Laaffic, id: &str, deadline: time::Instant) -> Result<FreshUrl, NoFreshUrl> {
    let answer = laaffic.recording_file_url(id, SourceType::Group, deadline).await;
    let fresh = answer.map_err(|error| no_fresh_url(error.into()))?;
    let expires_at = fresh.expires_at.and_then(|at| Instant::from_epoch_millis(at.as_millisecond()));
    Ok(FreshUrl { url: fresh.url, expires_at })
}

fn no_fresh_url(error: RenewalError) -> NoFreshUrl {
    let kind = match &error {
        RenewalError::Api(error) => error.kind(),
        RenewalError::OtherCall => return NoFreshUrl::Gone(error),
        // There may be none yet.
        RenewalError::NoRecording => return NoFreshUrl::Unanswered(error),
    };
    match kind {
        ApiErrorKind::NotFound | ApiErrorKind::BadParameter => NoFreshUrl::Gone(error),
        ApiErrorKind::Throttled
        | ApiErrorKind::Denied
        | ApiErrorKind::Unavailable
        | ApiErrorKind::Unexpected => NoFreshUrl::Unanswered(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_again_is_of_use_where_only_the_asking_failed() {
        let gone = || NoFreshUrl::Gone(RenewalError::OtherCall);
        for (denied, is_final, may_be_had) in [
            (NoFreshUrl::NotOffered, true, false),
            (NoFreshUrl::Erased, true, false),
            (gone(), true, false),
            (NoFreshUrl::NoKeys(Provider::Laaffic), true, true),
            (NoFreshUrl::KeysUnreadable(Provider::Laaffic), false, true),
            (NoFreshUrl::Unanswered(RenewalError::NoRecording), false, true),
        ] {
            assert_eq!((denied.is_final(), denied.may_be_had()), (is_final, may_be_had), "{denied}");
        }
    }
}
