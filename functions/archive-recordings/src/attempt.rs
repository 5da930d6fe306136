//! One attempt at one recording that is claimed.

use shared::model::Instant;
use shared::outbound::fetch::FetchError;
use tokio::time;

use crate::Archiver;
use crate::claim::Claim;
use crate::copy::{Copied, CopyError};
use crate::renew::{FreshUrl, NoFreshUrl};
use crate::retry::{Circumstances, Setback};

/// Why an attempt brought nothing, and what was learnt.
#[derive(Debug)]
pub(crate) enum Mishap {
    /// The run had to end; it says nothing of the recording.
    OutOfTime,
    /// The attempt failed.
    Failed {
        /// What that means.
        setback: Setback,
        /// What to tell.
        reason: String,
        /// The host that is not allowed, where it is that.
        refused_host: Option<String>,
        /// The URL that was had on the way, if it is good for the next attempt.
        fresh: Option<FreshUrl>,
        /// The circumstances under which to decide what follows.
        circumstances: Circumstances,
    },
}

/// What is known of the URL that is tried.
enum Renewal {
    /// The provider was not asked.
    NotAsked,
    /// It gave a fresh one.
    Fresh(FreshUrl),
    /// It gave none.
    Denied(NoFreshUrl),
}

impl Archiver {
    /// Brings a recording into the bucket: finds it there already, or copies it from its URL, or from a fresh one where the URL
    /// is past its time, refused or missing. Past its time it is tried all the same where no fresh one is to be had: clocks differ.
    pub(crate) async fn attempt(
        &self,
        claim: &Claim,
        now: Instant,
        cut_at: time::Instant,
    ) -> Result<Copied, Mishap> {
        let recording = &claim.recording;
        let circumstances = Circumstances {
            now,
            first_received_at: recording.first_received_at,
            expires_at: recording.source_expires_at,
            attempts: recording.attempts,
        };
        let mishap = |error: CopyError, renewal: Renewal| Mishap::of(error, renewal, circumstances);
        // An attempt that died may have died after its object was complete; and its source may be dead by now.
        if recording.attempts > 1 {
            match self.copier.find(claim, cut_at).await {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(error) => return Err(mishap(error, Renewal::NotAsked)),
            }
        }
        let copy =
            async |url: &str| self.copier.copy(claim, url, circumstances.is_last_chance(), now, cut_at).await;

        let Some(url) = &recording.source_url else {
            return match self.renew(claim, cut_at).await {
                Renewal::Fresh(fresh) => {
                    copy(&fresh.url).await.map_err(|error| mishap(error, Renewal::Fresh(fresh)))
                }
                Renewal::NotAsked => Err(Mishap::OutOfTime),
                Renewal::Denied(denied) => Err(Mishap::without_url(denied, circumstances)),
            };
        };
        let mut renewal = Renewal::NotAsked;
        if circumstances.is_past_expiry() {
            renewal = self.renew(claim, cut_at).await;
        }
        let first = match &renewal {
            Renewal::Fresh(fresh) => copy(&fresh.url).await,
            Renewal::NotAsked | Renewal::Denied(_) => copy(url).await,
        };
        match (first, &renewal) {
            (Ok(copied), _) => Ok(copied),
            (Err(error), Renewal::NotAsked) if error.setback() == Some(Setback::Refused) => {
                match self.renew(claim, cut_at).await {
                    Renewal::Fresh(fresh) => {
                        copy(&fresh.url).await.map_err(|error| mishap(error, Renewal::Fresh(fresh)))
                    }
                    none => Err(mishap(error, none)),
                }
            }
            (Err(error), _) => Err(mishap(error, renewal)),
        }
    }

    async fn renew(&self, claim: &Claim, cut_at: time::Instant) -> Renewal {
        match time::timeout_at(cut_at, self.renewals.renew(&claim.call, &claim.recording, cut_at)).await {
            Ok(Ok(fresh)) => Renewal::Fresh(fresh),
            Ok(Err(denied)) => Renewal::Denied(denied),
            Err(_elapsed) => Renewal::NotAsked,
        }
    }
}

impl Mishap {
    fn of(error: CopyError, renewal: Renewal, known: Circumstances) -> Self {
        let Some(setback) = error.setback() else { return Self::OutOfTime };
        let refused_host = match &error {
            CopyError::Fetch(FetchError::HostNotAllowed(refused)) => Some(refused.host.clone()),
            _ => None,
        };
        let mut reason = error.to_string();
        let definite = matches!(setback, Setback::NotFound | Setback::Refused | Setback::HostNotAllowed);
        let (setback, fresh, expires_at) = match renewal {
            Renewal::NotAsked => (setback, None, known.expires_at),
            // The provider gave a fresh URL in place of a dead one, and that is dead as well: it has the file no more.
            Renewal::Fresh(_) if definite && known.is_past_expiry() => (setback, None, known.expires_at),
            Renewal::Fresh(fresh) => {
                let expires_at = fresh.expires_at;
                (setback, Some(fresh), expires_at)
            }
            Renewal::Denied(denied) => {
                reason = format!("{reason}; {denied}");
                let setback = match setback {
                    Setback::Never => setback,
                    // It is not over as long as the provider may give a fresh URL.
                    _ if !denied.is_final() => Setback::Elsewhere,
                    _ => setback,
                };
                (setback, None, known.expires_at)
            }
        };
        let circumstances = Circumstances { expires_at, ..known };
        Self::Failed { setback, reason, refused_host, fresh, circumstances }
    }

    /// There is no URL, and none is to be had.
    fn without_url(denied: NoFreshUrl, circumstances: Circumstances) -> Self {
        let setback = if denied.is_final() { Setback::NotFound } else { Setback::Elsewhere };
        let reason = format!("there is no URL: {denied}");
        Self::Failed { setback, reason, refused_host: None, fresh: None, circumstances }
    }
}
