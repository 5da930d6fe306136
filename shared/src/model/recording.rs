//! A recording of a call: where it can be fetched, and what has become of it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Instant;

/// What stands before a provider's id of a request, in why an attempt failed.
const REQUEST: &str = ", request ";

/// What a push says of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordingSource {
    /// Which recording of its call this is: `main`, `full` or `customer`. (LAAFFIC's were named by their id once.)
    pub slot: String,
    /// Where to fetch it.
    pub url: Option<String>,
    /// The provider's id of it, from which a URL can be had.
    pub id: Option<String>,
    /// When the URL dies; `None` where nothing is known of its lifetime.
    pub expires_at: Option<Instant>,
    /// The time of the call as this push knows it: it dates the recording's key in the bucket.
    pub call_at: Instant,
}

/// What has become of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// To be archived.
    Pending,
    /// In the bucket, complete and checked.
    Archived,
    /// Its URL died and no fresh one is to be had.
    Expired,
    /// It can never be archived.
    Failed,
}

impl RecordingState {
    /// The name in the item.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Archived => "archived",
            Self::Expired => "expired",
            Self::Failed => "failed",
        }
    }
}

/// A recording as it is stored.
///
/// What pushes and the provider's API announce of it is a set of candidates: URLs and ids, each with the time at which it was
/// first received. [`Recording::refreshed`] is a union of such sets, so that the item does not depend on the order in which
/// they come, nor on repeats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// See [`RecordingSource::slot`].
    pub slot: String,
    /// Where to fetch it: the URL that was first received last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_url: Option<String>,
    /// The provider's id of it: the one that was first received last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    /// When the last of its URLs dies; absent where nothing is known of the lifetime of one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_expires_at: Option<Instant>,
    /// Every URL and id, where they are more than the attributes above tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// What has become of it.
    pub state: RecordingState,
    /// How often it was tried; what was let go before that does not count.
    #[serde(default)]
    pub attempts: u64,
    /// How many runs of the archiver died, one after the other, while they had it in hand.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deaths: u64,
    /// Why the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When to try (again); absent once nothing is left to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Instant>,
    /// When it was given up; only where it is `expired` or `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_at: Option<Instant>,
    /// Until when a run of an earlier release that claimed it may work on it undisturbed. Since then runs have leases on shards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Instant>,
    /// Which run of an earlier release claimed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_owner: Option<String>,
    /// Where it lies in the bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_key: Option<String>,
    /// Its size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Its SHA-256, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Its SHA-512, hex; absent where it was archived by a release that did not reckon it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha512: Option<String>,
    /// Its media type, `audio/x-wav`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// When it was archived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<Instant>,
    /// The time of the call, which dates the key in the bucket.
    pub call_at: Instant,
    /// When the recording was first heard of.
    pub first_received_at: Instant,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Something by which a recording can be had: a URL, or the provider's id.
///
/// The one of [`Recording::source_url`] leaves its URL out, which is long: an item is billed by its size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When the URL dies; `None` where nothing is known of its lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Instant>,
    /// When it was first received.
    pub received_at: Instant,
}

/// A URL of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceUrl {
    /// The URL, as it came.
    pub url: String,
    /// When it dies; `None` where nothing is known of its lifetime.
    pub expires_at: Option<Instant>,
}

/// So many URLs of a recording are kept, and so many ids: those that were first received last. An item has 400 KB.
const MAX_CANDIDATES: usize = 16;
/// For so long after its end a URL that was replaced by a fresh one is still kept, in seconds.
const GRACE_S: i64 = 3_600;

/// All that is known of where a recording can be had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Candidates {
    urls: BTreeMap<String, Offer>,
    /// Each with its first receipt.
    ids: BTreeMap<String, Instant>,
}

/// What is known of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offer {
    received_at: Instant,
    expires_at: Option<Instant>,
}

impl Offer {
    /// The earlier of two announcements of the same URL. Of two at the same time, the earlier expiry counts.
    fn earlier(self, other: Self) -> Self {
        match self.received_at.cmp(&other.received_at) {
            Ordering::Less => self,
            Ordering::Greater => other,
            Ordering::Equal => {
                let expires_at = self.expires_at.into_iter().chain(other.expires_at).min();
                Self { expires_at, ..self }
            }
        }
    }
}

impl Candidates {
    fn of(recording: &Recording) -> Self {
        let Recording { source_url, source_id, source_expires_at, candidates, first_received_at, .. } =
            recording;
        let mut all = Self::default();
        for Candidate { url, id, expires_at, received_at } in candidates {
            match (url.as_ref().or(source_url.as_ref()), id) {
                (_, Some(id)) => all.add_id(id, *received_at),
                (Some(url), None) => {
                    all.add_url(url, Offer { received_at: *received_at, expires_at: *expires_at });
                }
                (None, None) => {}
            }
        }
        // Where no candidate is told, and where a release that knew of none has written these since.
        let newest = all.newest().unwrap_or(*first_received_at);
        if let Some(url) = source_url.as_ref().filter(|url| !all.urls.contains_key(*url)) {
            all.add_url(url, Offer { received_at: newest, expires_at: *source_expires_at });
        }
        if let Some(id) = source_id.as_ref().filter(|id| !all.ids.contains_key(*id)) {
            all.add_id(id, newest);
        }
        all
    }

    fn add_url(&mut self, url: &str, offer: Offer) {
        let known = self.urls.entry(url.to_owned()).or_insert(offer);
        *known = known.earlier(offer);
    }

    fn add_id(&mut self, id: &str, received_at: Instant) {
        let known = self.ids.entry(id.to_owned()).or_insert(received_at);
        *known = received_at.min(*known);
    }

    /// When the newest was first received.
    fn newest(&self) -> Option<Instant> {
        self.urls.values().map(|offer| offer.received_at).chain(self.ids.values().copied()).max()
    }

    /// The URLs, those that were first received last before all others.
    fn urls(&self) -> Vec<(&String, &Offer)> {
        let mut urls: Vec<_> = self.urls.iter().collect();
        urls.sort_by(|(url, offer), (other_url, other)| {
            (other.received_at, other_url).cmp(&(offer.received_at, url))
        });
        urls
    }

    /// The ids, in the same order.
    fn ids(&self) -> Vec<(&String, &Instant)> {
        let mut ids: Vec<_> = self.ids.iter().collect();
        ids.sort_by(|(id, received_at), (other_id, other)| (other, other_id).cmp(&(received_at, id)));
        ids
    }

    /// Drops the oldest of too many.
    fn bounded(mut self) -> Self {
        let too_many: Vec<_> =
            self.urls().into_iter().skip(MAX_CANDIDATES).map(|(url, _)| url.clone()).collect();
        self.urls.retain(|url, _| !too_many.contains(url));
        let too_many: Vec<_> =
            self.ids().into_iter().skip(MAX_CANDIDATES).map(|(id, _)| id.clone()).collect();
        self.ids.retain(|id, _| !too_many.contains(id));
        self
    }

    /// When the last URL dies; `None` where that is not known of each.
    fn last_expiry(&self) -> Option<Instant> {
        let expiries: Option<Vec<_>> = self.urls.values().map(|offer| offer.expires_at).collect();
        expiries?.into_iter().max()
    }

    /// Writes them to the recording, in as few words as they need.
    fn write_to(&self, recording: &mut Recording) {
        let urls = self.urls();
        recording.source_url = urls.first().map(|(url, _)| (*url).clone());
        recording.source_expires_at = self.last_expiry();
        recording.source_id = self.ids().first().map(|(id, _)| (*id).clone());
        recording.candidates = Vec::new();
        if Self::of(recording) == *self {
            return;
        }
        let is_told = |url: &String| Some(url) == recording.source_url.as_ref();
        let urls = urls.into_iter().map(|(url, offer)| Candidate {
            url: (!is_told(url)).then(|| url.clone()),
            id: None,
            expires_at: offer.expires_at,
            received_at: offer.received_at,
        });
        let ids = self.ids().into_iter().map(|(id, received_at)| Candidate {
            url: None,
            id: Some(id.clone()),
            expires_at: None,
            received_at: *received_at,
        });
        recording.candidates = urls.chain(ids).collect();
    }
}

impl Recording {
    /// A recording that was just heard of, due at once.
    pub fn new(source: RecordingSource, received_at: Instant) -> Self {
        Self {
            slot: source.slot,
            source_expires_at: source.expires_at.filter(|_| source.url.is_some()),
            source_url: source.url,
            source_id: source.id,
            candidates: Vec::new(),
            state: RecordingState::Pending,
            attempts: 0,
            deaths: 0,
            last_error: None,
            next_attempt_at: Some(received_at),
            lost_at: None,
            lease_until: None,
            lease_owner: None,
            object_key: None,
            bytes: None,
            sha256: None,
            sha512: None,
            media_type: None,
            archived_at: None,
            call_at: source.call_at,
            first_received_at: received_at,
        }
    }

    /// Its URLs, those that were first received last before all others: the order in which to try them.
    pub fn urls(&self) -> Vec<SourceUrl> {
        let candidates = Candidates::of(self);
        let urls = candidates.urls().into_iter();
        urls.map(|(url, offer)| SourceUrl { url: url.clone(), expires_at: offer.expires_at }).collect()
    }

    /// The provider's ids of it, in the same order.
    pub fn ids(&self) -> Vec<String> {
        Candidates::of(self).ids().into_iter().map(|(id, _)| id.clone()).collect()
    }

    /// Takes what a push received at `received_at` says of the same recording; `None` where it changes nothing.
    ///
    /// A URL or an id that was not known becomes a candidate, and revives a recording that was given up; an archived one stays
    /// as it is, whatever comes. A claim stays with its holder, who may be about to finish. A URL that is known already says
    /// nothing about its lifetime: the clock runs from when it was first received.
    pub fn refreshed(&self, source: &RecordingSource, received_at: Instant) -> Option<Self> {
        if self.state == RecordingState::Archived {
            return None;
        }
        let known = Candidates::of(self);
        let mut all = known.clone();
        if let Some(url) = &source.url {
            all.add_url(url, Offer { received_at, expires_at: source.expires_at });
        }
        if let Some(id) = &source.id {
            all.add_id(id, received_at);
        }
        let all = all.bounded();
        let mut fresh = self.clone();
        if (received_at, source.call_at) < (self.first_received_at, self.call_at) {
            fresh.first_received_at = received_at;
            // Once it was tried there may be an object, under a key that this time dates.
            if !self.was_tried(&known) {
                fresh.call_at = source.call_at;
            }
        }
        all.write_to(&mut fresh);
        let news = all.urls.keys().any(|url| !known.urls.contains_key(url))
            || all.ids.keys().any(|id| !known.ids.contains_key(id));
        if news {
            fresh.state = RecordingState::Pending;
            fresh.attempts = 0;
            fresh.deaths = 0;
            fresh.last_error = None;
            fresh.next_attempt_at = all.newest();
            fresh.lost_at = None;
        } else if !self.was_tried(&known) {
            fresh.next_attempt_at = all.newest().or(self.next_attempt_at);
        }
        (fresh != *self).then_some(fresh)
    }

    /// Takes a URL that the provider gave for it at `now`. Those that died long before are dropped: each renewal brings another.
    #[must_use]
    pub fn renewed(&self, url: &str, expires_at: Option<Instant>, now: Instant) -> Self {
        let mut all = Candidates::of(self);
        let is_over = |offer: &Offer| offer.expires_at.is_some_and(|at| at.plus_seconds(GRACE_S) <= now);
        all.urls.retain(|_, offer| !is_over(offer));
        // The provider knows better when it dies than whoever named it before.
        all.urls.insert(url.to_owned(), Offer { received_at: now, expires_at });
        let mut fresh = self.clone();
        all.bounded().write_to(&mut fresh);
        fresh
    }

    /// Whether a run of the archiver has changed it, or may be about to.
    fn was_tried(&self, known: &Candidates) -> bool {
        let untouched = known.newest().is_none_or(|newest| self.next_attempt_at == Some(newest));
        self.state != RecordingState::Pending
            || self.attempts > 0
            || self.last_error.is_some()
            || self.lease_owner.is_some()
            || !untouched
    }
}

/// Why an attempt at a recording failed, without what is another one each time: the provider's id of the request, `, request F2051E18`.
pub fn cause(error: &str) -> Cow<'_, str> {
    let Some((before, after)) = error.split_once(REQUEST) else { return Cow::Borrowed(error) };
    let after = after.trim_start_matches(|letter: char| letter.is_ascii_graphic() && letter != ')');
    Cow::Owned(format!("{before}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text, jiff::tz::Offset::UTC).unwrap()
    }

    fn source(url: Option<&str>, expires: Option<&str>) -> RecordingSource {
        RecordingSource {
            slot: "main".to_owned(),
            url: url.map(str::to_owned),
            id: None,
            expires_at: expires.map(at),
            call_at: at("2025-06-01 02:00:00"),
        }
    }

    const SEEN: &str = "2025-06-01 03:00:00";
    const LATER: &str = "2025-06-02 03:00:00";

    #[test]
    fn the_url_that_was_first_received_last_is_preferred_whatever_it_says_of_its_lifetime() {
        let signed = source(Some("http://a/1?signed"), Some("2025-06-08 00:00:00"));
        let plain = source(Some("http://a/1"), None);
        for (first, second) in [(&signed, &plain), (&plain, &signed)] {
            let stored = Recording::new(first.clone(), at(SEEN)).refreshed(second, at(LATER)).unwrap();
            assert_eq!(stored.source_url, second.url);
            assert_eq!(stored.source_expires_at, None, "one of them may live for ever");
            let urls: Vec<_> = stored.urls().into_iter().map(|url| Some(url.url)).collect();
            assert_eq!(urls, [second.url.clone(), first.url.clone()]);
            // The first one again is no news.
            assert_eq!(stored.refreshed(first, at("2025-06-03 03:00:00")), None);
        }
    }

    #[test]
    fn one_announcement_takes_no_more_room_than_before_there_were_candidates() {
        let mut both = source(Some("http://a/1"), Some("2025-06-08 00:00:00"));
        both.id = Some("1".to_owned());
        let stored = Recording::new(both.clone(), at(SEEN));
        assert_eq!(stored.candidates, []);
        // The same body, processed before: all of it is as if that had come alone.
        let earlier = stored.refreshed(&both, at("2025-06-01 02:30:00")).unwrap();
        assert_eq!(earlier, Recording::new(both, at("2025-06-01 02:30:00")));
        let second = stored.refreshed(&source(Some("http://a/2"), None), at(LATER)).unwrap();
        let told: Vec<_> = second.candidates.iter().map(|candidate| candidate.url.as_deref()).collect();
        assert_eq!(told, [None, Some("http://a/1"), None], "the preferred URL stands in the item once");
    }

    #[test]
    fn no_more_than_sixteen_urls_are_kept_and_the_item_stays_small() {
        let mut stored = Recording::new(source(Some("http://a/0"), None), at(SEEN));
        for n in 1..40 {
            let url = format!("http://a/{n}");
            stored = stored.refreshed(&source(Some(&url), None), at(SEEN).plus_seconds(n)).unwrap();
        }
        assert_eq!(stored.urls().len(), MAX_CANDIDATES);
        assert_eq!(stored.source_url.as_deref(), Some("http://a/39"));
        assert_eq!(stored.refreshed(&source(Some("http://a/0"), None), at(SEEN)), None, "it is too old");
    }

    #[test]
    fn a_renewed_url_comes_first_and_what_died_long_before_is_dropped() {
        let stored = Recording::new(source(Some("http://a/1"), Some("2025-06-08 00:00:00")), at(SEEN))
            .refreshed(&source(Some("http://a/plain"), None), at(LATER))
            .unwrap();
        let mut now = at("2025-06-09 00:00:00");
        let mut renewed = stored;
        for n in 0..100 {
            renewed = renewed.renewed(&format!("http://a/fresh-{n}"), Some(now.plus_seconds(600)), now);
            now = now.plus_seconds(GRACE_S);
        }
        let urls: Vec<_> = renewed.urls().into_iter().map(|url| url.url).collect();
        assert_eq!(urls, ["http://a/fresh-99", "http://a/fresh-98", "http://a/plain"]);
    }

    #[test]
    fn a_renewal_tells_anew_when_a_known_url_dies() {
        let stored = Recording::new(source(Some("http://a/1"), Some("2025-06-08 00:00:00")), at(SEEN));
        let later = Some(at("2025-06-16 00:00:00"));
        let renewed = stored.renewed("http://a/1", later, at("2025-06-08 00:30:00"));
        assert_eq!(renewed.urls(), [SourceUrl { url: "http://a/1".to_owned(), expires_at: later }]);
    }

    /// What the release before this one reads of a recording's item.
    #[derive(Debug, Deserialize)]
    struct FormerRecording {
        slot: String,
        source_url: Option<String>,
        source_id: Option<String>,
        source_expires_at: Option<Instant>,
    }

    #[test]
    fn the_release_before_and_this_one_read_each_others_items() {
        let old = serde_json::json!({
            "pk": "call#alicom#1", "sk": "recording#main", "version": 3, "due": "archive#1", "due_at": "2025-06-01T03:00:00.000Z",
            "slot": "main", "source_url": "http://a/1", "source_expires_at": "2025-06-08T00:00:00.000Z", "state": "pending",
            "attempts": 2, "next_attempt_at": "2025-06-01T03:00:00.000Z", "call_at": "2025-06-01T02:00:00.000Z",
            "first_received_at": "2025-06-01T03:00:00.000Z",
        });
        let old: Recording = serde_json::from_value(old).unwrap();
        let expires_at = Some(at("2025-06-08 00:00:00"));
        assert_eq!(old.urls(), [SourceUrl { url: "http://a/1".to_owned(), expires_at }]);
        let mut second = source(Some("http://a/2"), None);
        second.id = Some("2".to_owned());
        let new = old.refreshed(&second, at(LATER)).unwrap();
        assert!(!new.candidates.is_empty());
        let read: FormerRecording = serde_json::from_value(serde_json::to_value(&new).unwrap()).unwrap();
        assert_eq!((read.slot.as_str(), read.source_expires_at), ("main", None));
        assert_eq!((read.source_url, read.source_id), (second.url, second.id));
        // It puts a URL of its own in, and leaves the candidates as they are.
        let mut changed = new.clone();
        changed.source_url = Some("http://a/3".to_owned());
        assert_eq!(changed.urls()[0].url, "http://a/3");
    }

    /// Few URLs, ids and times, so that they meet in every way.
    fn announcements() -> impl Strategy<Value = Vec<(RecordingSource, Instant)>> {
        let one = (
            proptest::option::of(0..5_u8),
            proptest::option::of(0..3_u8),
            proptest::option::of(0..4_i64),
            0..3_i64,
            0..6_i64,
        );
        // What names neither announces nothing.
        let one = one.prop_filter("neither", |(url, id, ..)| url.is_some() || id.is_some());
        let one = one.prop_map(|(url, id, expires, call, received)| {
            let source = RecordingSource {
                slot: "main".to_owned(),
                url: url.map(|url| format!("http://a/{url}")),
                id: id.map(|id| id.to_string()),
                expires_at: expires.map(|hours| at(SEEN).plus_seconds(hours * 3_600)),
                call_at: at(SEEN).plus_seconds(-call * 86_400),
            };
            (source, at(SEEN).plus_seconds(received))
        });
        proptest::collection::vec(one, 1..9)
    }

    fn processed(announcements: &[(RecordingSource, Instant)]) -> Recording {
        let ((first, received_at), rest) = announcements.split_first().unwrap();
        let first = Recording::new(first.clone(), *received_at);
        rest.iter().fold(first, |stored, (source, received_at)| {
            // As it is stored and read again.
            let stored = serde_json::from_value(serde_json::to_value(&stored).unwrap()).unwrap();
            Recording::refreshed(&stored, source, *received_at).unwrap_or(stored)
        })
    }

    proptest! {
        #[test]
        fn the_item_does_not_depend_on_the_order_of_processing_nor_on_repeats(
            (in_order, shuffled) in announcements().prop_flat_map(|announcements| {
                let twice: Vec<_> = announcements.iter().chain(&announcements).cloned().collect();
                (Just(announcements), Just(twice).prop_shuffle())
            }),
        ) {
            prop_assert_eq!(processed(&in_order), processed(&shuffled));
        }
    }

    #[test]
    fn a_repeat_of_a_known_url_does_not_make_it_live_longer() {
        let stored = Recording::new(source(Some("http://a/1"), Some("2025-06-08 03:00:00")), at(SEEN));
        assert_eq!(
            stored.refreshed(&source(Some("http://a/1"), Some("2025-06-09 03:00:00")), at(LATER)),
            None
        );
    }

    #[test]
    fn an_archived_recording_stays_archived_whatever_comes() {
        let mut stored = Recording::new(source(Some("http://a/1"), None), at(SEEN));
        stored.state = RecordingState::Archived;
        assert_eq!(
            stored.refreshed(&source(Some("http://a/2"), Some("2025-06-09 00:00:00")), at(LATER)),
            None
        );
    }

    #[test]
    fn a_claim_outlasts_a_fresher_url() {
        let mut stored = Recording::new(source(Some("http://a/1"), None), at(SEEN));
        stored.lease_until = Some(at(LATER));
        stored.lease_owner = Some("a run".to_owned());
        let fresh =
            stored.refreshed(&source(Some("http://a/2"), Some("2025-06-09 00:00:00")), at(LATER)).unwrap();
        assert_eq!((fresh.lease_until, fresh.lease_owner), (stored.lease_until, stored.lease_owner));
    }

    #[test]
    fn states_have_the_same_name_in_the_item_and_in_an_expression() {
        for state in [
            RecordingState::Pending,
            RecordingState::Archived,
            RecordingState::Expired,
            RecordingState::Failed,
        ] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }

    #[test]
    fn a_fresh_url_revives_what_was_given_up() {
        for state in [RecordingState::Expired, RecordingState::Failed] {
            let mut stored =
                Recording::new(source(Some("http://a/1"), Some("2025-06-08 00:00:00")), at(SEEN));
            stored.state = state;
            stored.next_attempt_at = None;
            let fresh = stored
                .refreshed(&source(Some("http://a/2"), Some("2025-06-20 00:00:00")), at(LATER))
                .unwrap();
            assert_eq!(fresh.state, RecordingState::Pending);
            assert_eq!(fresh.next_attempt_at, Some(at(LATER)));
        }
    }

    #[test]
    fn an_id_alone_is_kept_and_a_url_added_to_it() {
        let mut by_id = source(None, None);
        by_id.id = Some("42.wav".to_owned());
        let stored = Recording::new(by_id.clone(), at(SEEN));
        assert_eq!(stored.refreshed(&by_id, at(LATER)), None);
        let fresh = stored.refreshed(&source(Some("http://a/1"), None), at(LATER)).unwrap();
        assert_eq!(
            (fresh.source_id.as_deref(), fresh.source_url.as_deref()),
            (Some("42.wav"), Some("http://a/1"))
        );
    }
}
