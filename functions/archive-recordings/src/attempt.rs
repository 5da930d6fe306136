//! One attempt at one recording that a run works on: every URL of it in turn, and a fresh one where that is to be had.

use runtime::outbound::fetch::FetchError;
use runtime::store::job::{Copied, Job};
use shared::model::{Instant, SourceUrl};
use tokio::time;

use crate::Archiver;
use crate::copy::Copier;
use crate::copy_error::CopyError;
use crate::renew::{FreshUrl, NoFreshUrl, Renewals};
use crate::retry::{Circumstances, Setback, Verdict};

/// Why an attempt brought nothing, and what was learnt.
#[derive(Debug)]
pub(crate) enum Mishap {
    /// The run had to end; it says nothing of the recording.
    OutOfTime,
    /// The attempt failed.
    Failed(Failed),
}

/// An attempt that failed.
#[derive(Debug)]
pub(crate) struct Failed {
    /// What is to become of the recording.
    pub(crate) verdict: Verdict,
    /// What to tell.
    pub(crate) reason: String,
    /// The host that is not allowed, or not at the address that it has, where it is that.
    pub(crate) refused_host: Option<String>,
    /// The URL that was had on the way, if it is good for the next attempt.
    pub(crate) fresh: Option<FreshUrl>,
}

/// What became of asking the provider for a fresh URL.
enum Renewal {
    /// It was not asked.
    NotAsked,
    /// It gave one.
    Given(FreshUrl),
    /// It gave none.
    Denied(NoFreshUrl),
}

/// A URL that was tried in vain.
struct Vain {
    source: SourceUrl,
    error: CopyError,
    setback: Setback,
}

/// An attempt under way.
struct Attempt<'a> {
    copier: &'a Copier,
    job: &'a Job,
    now: Instant,
    cut_at: time::Instant,
    /// What was tried in vain, in that order.
    vain: Vec<Vain>,
}

/// Why an attempt ends before all was tried.
enum Ended {
    OutOfTime,
    /// What failed is not the source: the next URL would fail by it too.
    Here,
}

impl Archiver {
    /// Brings a recording into the bucket: finds it there already, or copies it from the first of its URLs that is alive, those that
    /// were announced last before all others, or from a fresh one where all are past their time, or one can't be used. Past its
    /// time a URL is tried all the same where no fresh one is to be had: clocks differ.
    pub(crate) async fn attempt(
        &self,
        job: &Job,
        renewals: &Renewals,
        now: Instant,
        cut_at: time::Instant,
    ) -> Result<Copied, Mishap> {
        let mut attempt = Attempt { copier: &self.copier, job, now, cut_at, vain: Vec::new() };
        // An attempt that died may have died after its object was complete; and its source may be dead by now.
        if job.may_be_there {
            match self.copier.find(job, cut_at).await {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(error) => {
                    let url = SourceUrl { url: String::new(), expires_at: None };
                    return Err(match attempt.fail(url, error) {
                        Ok(()) | Err(Ended::Here) => attempt.mishap(Renewal::NotAsked, fastrand::f64()),
                        Err(Ended::OutOfTime) => Mishap::OutOfTime,
                    });
                }
            }
        }
        let mut renewal = Renewal::NotAsked;
        match attempt.try_all(renewals, &mut renewal).await {
            Ok(Some(copied)) => Ok(copied),
            Ok(None) | Err(Ended::Here) => Err(attempt.mishap(renewal, fastrand::f64())),
            Err(Ended::OutOfTime) => Err(Mishap::OutOfTime),
        }
    }
}

impl Attempt<'_> {
    async fn try_all(&mut self, renewals: &Renewals, renewal: &mut Renewal) -> Result<Option<Copied>, Ended> {
        let urls = self.job.recording.urls();
        let (over, live): (Vec<_>, Vec<_>) =
            urls.into_iter().partition(|source| self.circumstances(source.expires_at).is_past_expiry());
        let nothing_lives = live.is_empty();
        if let Some(copied) = self.try_each(live).await? {
            return Ok(Some(copied));
        }
        if nothing_lives || self.vain.iter().any(|vain| self.is_worth_asking_for_another(vain)) {
            *renewal = self.renew(renewals).await?;
        }
        if let Renewal::Given(FreshUrl { url, expires_at }) = renewal {
            let fresh = SourceUrl { url: url.clone(), expires_at: *expires_at };
            if let Some(copied) = self.try_each(vec![fresh]).await? {
                return Ok(Some(copied));
            }
        } else if let Some(copied) = self.try_each(over).await? {
            return Ok(Some(copied));
        }
        self.take_what_is_cut_short().await
    }

    /// Tries URLs until one succeeds. As long as others are left, one takes half of the time at most.
    async fn try_each(&mut self, sources: Vec<SourceUrl>) -> Result<Option<Copied>, Ended> {
        let mut sources = sources.into_iter().peekable();
        while let Some(source) = sources.next() {
            let begun = time::Instant::now();
            let left = self.cut_at.saturating_duration_since(begun);
            let until = if sources.peek().is_some() { begun + left / 2 } else { self.cut_at };
            match self.copier.copy(self.job, &source.url, false, self.now, until).await {
                Ok(copied) => return Ok(Some(copied)),
                Err(CopyError::OutOfTime) if until < self.cut_at => {
                    self.fail(source, CopyError::TookTooLong)?;
                }
                Err(error) => self.fail(source, error)?,
            }
        }
        Ok(None)
    }

    /// Takes a recording that is cut short for what it is, where its URL is not expected to bring a better one.
    async fn take_what_is_cut_short(&mut self) -> Result<Option<Copied>, Ended> {
        let cut_short = self.vain.iter().find(|vain| {
            matches!(vain.error, CopyError::CutShort(_))
                && self.circumstances(vain.source.expires_at).is_last_chance()
        });
        let Some(source) = cut_short.map(|vain| vain.source.clone()) else { return Ok(None) };
        match self.copier.copy(self.job, &source.url, true, self.now, self.cut_at).await {
            Ok(copied) => Ok(Some(copied)),
            Err(error) => self.fail(source, error).map(|()| None),
        }
    }

    /// Notes that a URL was tried in vain.
    fn fail(&mut self, source: SourceUrl, error: CopyError) -> Result<(), Ended> {
        let setback = error.setback().ok_or(Ended::OutOfTime)?;
        self.vain.push(Vain { source, error, setback });
        if setback == Setback::Elsewhere { Err(Ended::Here) } else { Ok(()) }
    }

    /// Whether the provider may have a better URL than one that lives and was tried in vain.
    fn is_worth_asking_for_another(&self, vain: &Vain) -> bool {
        let known = self.circumstances(vain.source.expires_at);
        match vain.setback {
            // A fresh URL is at the same host as a rule, so the provider is asked once, by its id; then an operator has to allow it.
            Setback::HostNotAllowed => known.attempts == 1 && self.job.recording.source_id.is_some(),
            // Or else it is just not there yet.
            Setback::NotFound => !known.is_young(),
            _ => vain.error.is_of_the_url(),
        }
    }

    async fn renew(&self, renewals: &Renewals) -> Result<Renewal, Ended> {
        let asked = renewals.renew(&self.job.call, &self.job.recording, self.cut_at);
        match time::timeout_at(self.cut_at, asked).await {
            Ok(Ok(fresh)) => Ok(Renewal::Given(fresh)),
            Ok(Err(denied)) => Ok(Renewal::Denied(denied)),
            Err(_elapsed) => Err(Ended::OutOfTime),
        }
    }

    /// The circumstances of a URL that expires then.
    fn circumstances(&self, expires_at: Option<Instant>) -> Circumstances {
        Circumstances {
            now: self.now,
            first_received_at: self.job.recording.first_received_at,
            expires_at,
            attempts: self.job.recording.attempts + 1,
        }
    }

    /// What follows from all that was tried in vain: each URL is judged by its own expiry. `chance` as for
    /// [`Circumstances::verdict`].
    fn mishap(self, renewal: Renewal, chance: f64) -> Mishap {
        let mut verdicts = Vec::new();
        let (given, denied) = match renewal {
            Renewal::NotAsked => (None, None),
            Renewal::Given(fresh) => (Some(fresh), None),
            Renewal::Denied(denied) => (None, Some(denied)),
        };
        let may_be_had = denied.as_ref().is_some_and(NoFreshUrl::may_be_had);
        let known = self.job.recording.urls();
        let nothing_lived = known.iter().all(|source| self.circumstances(source.expires_at).is_past_expiry());
        for Vain { source, setback, error } in &self.vain {
            let mut circumstances = self.circumstances(source.expires_at);
            let is_fresh = given.as_ref().is_some_and(|fresh| fresh.url == source.url);
            // The provider gave a fresh URL in place of dead ones, and that is dead as well: it has the file no more.
            if is_fresh
                && !known.is_empty()
                && nothing_lived
                && matches!(setback, Setback::NotFound | Setback::Refused)
            {
                circumstances.expires_at = Some(self.now);
            }
            // A URL that is of no use does not end a recording for which the provider can give another.
            if may_be_had && *setback == Setback::Never && error.is_of_the_url() {
                continue;
            }
            verdicts.push(circumstances.verdict(*setback, chance));
        }
        // As long as the provider may give a URL it is not over.
        let way = match &denied {
            Some(denied) if !denied.is_final() => Some(Setback::Elsewhere),
            Some(_) if verdicts.is_empty() => Some(Setback::NotFound),
            Some(_) | None => None,
        };
        verdicts.extend(way.map(|setback| self.circumstances(None).verdict(setback, chance)));
        let never_tried = || self.circumstances(None).verdict(Setback::Elsewhere, chance);
        let verdict = Verdict::of_all(verdicts).unwrap_or_else(never_tried);

        let refused_host = self.vain.iter().find_map(|vain| match &vain.error {
            CopyError::Fetch(FetchError::HostNotAllowed(refused)) => Some(refused.host.clone()),
            CopyError::Fetch(FetchError::AddressRefused { host, .. }) => Some(host.clone()),
            _ => None,
        });
        let is_good = |fresh: &FreshUrl| {
            let tried = self.vain.iter().rev().find(|vain| vain.source.url == fresh.url);
            tried.is_none_or(|vain| matches!(vain.setback, Setback::Passing | Setback::Elsewhere))
        };
        let reason = self.reason(denied.as_ref());
        Mishap::Failed(Failed { verdict, reason, refused_host, fresh: given.filter(is_good) })
    }

    /// What to tell: of the URL that was announced last, how many others failed too, and why there is no fresh one.
    fn reason(&self, denied: Option<&NoFreshUrl>) -> String {
        let mut reason = match self.vain.first() {
            Some(first) => first.error.to_string(),
            None => "there is no URL".to_owned(),
        };
        let others = self.vain.iter().skip(1).map(|vain| vain.error.to_string());
        for other in others.filter(|other| *other != reason).collect::<std::collections::BTreeSet<_>>() {
            reason = format!("{reason}; another URL: {other}");
        }
        match denied {
            Some(denied) => format!("{reason}; {denied}"),
            None => reason,
        }
    }
}
