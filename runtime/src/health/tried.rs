//! What is of interest of a recording that was tried, or lost. Pure.

use shared::model::{CallKey, Recording, RecordingState};
use shared::normalize::recording_url::clean_url;
use url::Url;

use crate::outbound::address;

/// A recording that waits or was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The call that it is of.
    pub call: CallKey,
    /// The host of its URL.
    pub host: Option<String>,
    /// The port of its URL, also where the URL leaves it to the scheme.
    pub port: Option<u16>,
    /// Why it failed, unless it is archived.
    pub last_error: Option<String>,
    /// How many runs died over it.
    pub deaths: u64,
}

impl Tried {
    /// What is of interest of a call's recording.
    #[must_use]
    pub fn of(call: CallKey, recording: &Recording) -> Self {
        let url = recording.source_url.as_deref().and_then(|url| Url::parse(&clean_url(url)).ok());
        let is_archived = recording.state == RecordingState::Archived;
        Self {
            call,
            host: url.as_ref().and_then(|url| url.host_str().map(str::to_owned)),
            port: url.as_ref().and_then(Url::port_or_known_default),
            last_error: recording.last_error.clone().filter(|_| !is_archived),
            deaths: if is_archived { 0 } else { recording.deaths },
        }
    }

    /// Whether its URL is at a host, or at one port of it (`host:port`).
    #[must_use]
    pub fn is_at(&self, place: &str) -> bool {
        let Some(host) = &self.host else { return false };
        host.eq_ignore_ascii_case(place)
            || self.port.is_some_and(|port| format!("{host}:{port}").eq_ignore_ascii_case(place))
    }
}

/// Whether a host is a private address, by its name alone.
pub(super) fn is_private(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse();
    host == "localhost" || address.is_ok_and(|address| address::refusal(address).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_at_its_host_and_at_the_port_that_the_scheme_means() {
        let at = |url: &str| {
            let source = shared::model::RecordingSource {
                slot: "main".to_owned(),
                url: Some(url.to_owned()),
                id: None,
                expires_at: None,
                call_at: shared::model::Instant::from_epoch_millis(1_748_743_200_000).unwrap(),
            };
            let call = CallKey {
                provider: shared::model::Provider::Alicom,
                call_id: shared::model::CallId::new("1".to_owned()).unwrap(),
            };
            let now = shared::model::Instant::from_epoch_millis(1_748_743_200_000).unwrap();
            Tried::of(call, &Recording::new(source, now))
        };
        let secure = at("https://a.example/1");
        assert!(secure.is_at("A.example") && secure.is_at("a.example:443") && !secure.is_at("a.example:80"));
        assert!(at("http://127.0.0.1:4000/1").is_at("127.0.0.1:4000"));
        assert!(!at("no URL").is_at(""));
    }

    #[test]
    fn private_addresses_are_known_by_what_is_written() {
        for (host, expected) in [
            ("127.0.0.1", true),
            ("[::1]", true),
            ("10.1.2.3", true),
            ("localhost", true),
            ("8.8.8.8", false),
            ("a.example", false),
        ] {
            assert_eq!(is_private(host), expected, "{host}");
        }
    }
}
