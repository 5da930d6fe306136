//! A recording of a call: where it can be fetched, and what has become of it.

use serde::{Deserialize, Serialize};

use super::Instant;

/// What a push says of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordingSource {
    /// Which recording of its call this is: `main`, `full`, `customer`, or the provider's id.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// See [`RecordingSource::slot`].
    pub slot: String,
    /// Where to fetch it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_url: Option<String>,
    /// The provider's id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    /// When the URL dies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_expires_at: Option<Instant>,
    /// What has become of it.
    pub state: RecordingState,
    /// How often it was tried.
    #[serde(default)]
    pub attempts: u64,
    /// Why the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When to try (again); absent once nothing is left to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Instant>,
    /// Until when the archiver run that claimed it may work on it undisturbed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Instant>,
    /// Which run of the archiver claimed it.
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

impl Recording {
    /// A recording that was just heard of, due at once.
    pub fn new(source: RecordingSource, received_at: Instant) -> Self {
        Self {
            slot: source.slot,
            source_url: source.url,
            source_id: source.id,
            source_expires_at: source.expires_at,
            state: RecordingState::Pending,
            attempts: 0,
            last_error: None,
            next_attempt_at: Some(received_at),
            lease_until: None,
            lease_owner: None,
            object_key: None,
            bytes: None,
            sha256: None,
            media_type: None,
            archived_at: None,
            call_at: source.call_at,
            first_received_at: received_at,
        }
    }

    /// Takes what a later push says of the same recording; `None` where it changes nothing.
    ///
    /// A fresher URL replaces the one that is stored, and revives a recording that was given up; an archived one stays
    /// as it is, whatever comes. A claim stays with its holder, who may be about to finish. A URL that is known already says nothing about its lifetime: the clock runs from when
    /// it was first seen.
    pub fn refreshed(&self, source: &RecordingSource, received_at: Instant) -> Option<Self> {
        if self.state == RecordingState::Archived {
            return None;
        }
        let mut fresh = self.clone();
        if fresh.source_id.is_none() {
            fresh.source_id = source.id.clone();
        }
        let known = source.url.is_none() || source.url == self.source_url;
        let fresher = self.source_url.is_none()
            || (source.expires_at, source.url.as_deref())
                > (self.source_expires_at, self.source_url.as_deref());
        if !known && fresher {
            fresh.source_url = source.url.clone();
            fresh.source_expires_at = source.expires_at;
            fresh.state = RecordingState::Pending;
            fresh.attempts = 0;
            fresh.last_error = None;
            fresh.next_attempt_at = Some(received_at);
        }
        (fresh != *self).then_some(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_fresher_url_replaces_the_stored_one_and_an_older_does_not() {
        let stored = Recording::new(source(Some("http://a/1"), Some("2025-06-08 00:00:00")), at(SEEN));
        let fresh =
            stored.refreshed(&source(Some("http://a/2"), Some("2025-06-09 00:00:00")), at(LATER)).unwrap();
        assert_eq!(fresh.source_url.as_deref(), Some("http://a/2"));
        assert_eq!(fresh.source_expires_at, Some(at("2025-06-09 00:00:00")));
        assert_eq!(
            stored.refreshed(&source(Some("http://a/0"), Some("2025-06-07 00:00:00")), at(LATER)),
            None
        );
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
