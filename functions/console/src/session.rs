//! Who is signed in, as their browser keeps it: sealed claims, and no token.

use runtime::auth::config::AuthConfig;
use runtime::auth::session::Sealer;
use runtime::auth::sign_in::SignedIn;
use runtime::random;
use serde::{Deserialize, Serialize};
use shared::access::{Actor, ActorKind, Permission, Permissions};
use shared::model::Instant;
use subtle::ConstantTimeEq;

use crate::cookie::SESSION;

/// For what sessions are sealed.
const PURPOSE: &str = "session";
/// How many bytes the secret of forms has.
const FORM_BYTES: usize = 16;

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) actor: Actor,
    /// What to call them.
    pub(crate) name: String,
    /// What their forms have to bring back.
    form_secret: [u8; FORM_BYTES],
}

/// A session as it is sealed.
#[derive(Serialize, Deserialize)]
struct Sealed {
    /// The issuer and the client that they signed in by.
    iss: String,
    client: String,
    sub: String,
    name: String,
    permissions: String,
    /// When it ends, in milliseconds since 1970.
    ends_ms: i64,
    form: String,
}

impl Session {
    /// The session of somebody who has just signed in.
    pub(crate) fn begin(signed_in: SignedIn) -> Self {
        let mut form_secret = [0; FORM_BYTES];
        // As many hexadecimal digits as that takes.
        let _ = hex::decode_to_slice(random::name(), &mut form_secret);
        Self { actor: signed_in.actor, name: signed_in.name, form_secret }
    }

    /// As a cookie keeps it.
    pub(crate) fn seal(&self, sealer: &Sealer, config: &AuthConfig, now: Instant) -> String {
        let sealed = Sealed {
            iss: issuer(config).to_owned(),
            client: client(config).to_owned(),
            sub: self.actor.subject.clone(),
            name: self.name.clone(),
            permissions: self.actor.permissions.to_string(),
            ends_ms: now.plus_seconds(SESSION.max_age_s).epoch_millis(),
            form: hex::encode(self.form_secret),
        };
        // Texts and a number: it can't fail.
        sealer.seal(PURPOSE, &serde_json::to_vec(&sealed).unwrap_or_default())
    }

    /// The session that a cookie keeps; `None` where it is none, is over, or is of another issuer or client than are set.
    pub(crate) fn open(sealer: &Sealer, config: &AuthConfig, text: &str, now: Instant) -> Option<Self> {
        let sealed: Sealed = serde_json::from_slice(&sealer.open(PURPOSE, text)?).ok()?;
        let is_ours = sealed.iss == issuer(config) && sealed.client == client(config);
        if !is_ours || now.epoch_millis() >= sealed.ends_ms {
            return None;
        }
        let permissions: Permissions =
            sealed.permissions.split_ascii_whitespace().filter_map(Permission::named).collect();
        let mut form_secret = [0; FORM_BYTES];
        hex::decode_to_slice(&sealed.form, &mut form_secret).ok()?;
        let actor = Actor { subject: sealed.sub, kind: ActorKind::Person, permissions };
        Some(Self { actor, name: sealed.name, form_secret })
    }

    /// What tells the session from any other, for what is sealed.
    pub(crate) fn mark(&self) -> String {
        hex::encode(self.form_secret)
    }

    /// What a form of theirs carries: other letters on each page, since pages are compressed, and a length would tell letters to whoever
    /// can put text beside them (BREACH).
    pub(crate) fn form_token(&self) -> String {
        let mut pad = [0; FORM_BYTES];
        let _ = hex::decode_to_slice(random::name(), &mut pad);
        let masked: Vec<u8> = pad.iter().zip(self.form_secret).map(|(pad, secret)| pad ^ secret).collect();
        hex::encode([&pad[..], &masked].concat())
    }

    /// Whether a form is theirs.
    pub(crate) fn is_form_token(&self, token: &str) -> bool {
        let mut bytes = [0; 2 * FORM_BYTES];
        if hex::decode_to_slice(token, &mut bytes).is_err() {
            return false;
        }
        let (pad, masked) = bytes.split_at(FORM_BYTES);
        let told: Vec<u8> = pad.iter().zip(masked).map(|(pad, masked)| pad ^ masked).collect();
        told.ct_eq(&self.form_secret).into()
    }
}

fn issuer(config: &AuthConfig) -> &str {
    config.issuer.as_ref().map_or("", |issuer| issuer.as_str())
}

fn client(config: &AuthConfig) -> &str {
    config.client_id.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::config::Environment;

    fn config(issuer: &str) -> AuthConfig {
        let look_up = |name: &str| match name {
            "OIDC_ISSUER" => Some(issuer.to_owned()),
            "OIDC_CLIENT_ID" => Some("console".to_owned()),
            _ => None,
        };
        AuthConfig::read(&Environment::new(&look_up)).unwrap()
    }

    #[test]
    fn a_session_is_over_in_time_and_worth_nothing_by_another_issuer() {
        let sealer = Sealer::new(["a key of thirty-two characters, or more"]).unwrap();
        let permissions: Permissions = [Permission::ReadCalls].into_iter().collect();
        let actor = Actor { subject: "u".to_owned(), kind: ActorKind::Person, permissions };
        let session = Session::begin(SignedIn { actor, name: "Li".to_owned() });
        let now = Instant::from_epoch_seconds(1_750_000_000).unwrap();
        let ours = config("https://id.example");
        let sealed = session.seal(&sealer, &ours, now);
        let opened = |config: &AuthConfig, after_s| {
            Session::open(&sealer, config, &sealed, now.plus_seconds(after_s)).map(|session| session.actor)
        };
        assert_eq!(opened(&ours, SESSION.max_age_s - 1), Some(session.actor.clone()));
        assert_eq!(opened(&ours, SESSION.max_age_s), None);
        assert_eq!(opened(&config("https://other.example"), 0), None);
        assert!(sealed.len() < 1_000);
    }

    #[test]
    fn a_form_is_its_owners_and_looks_another_way_each_time() {
        let session = |subject: &str| {
            let actor = Actor {
                subject: subject.to_owned(),
                kind: ActorKind::Person,
                permissions: Permissions::NONE,
            };
            Session::begin(SignedIn { actor, name: String::new() })
        };
        let (one, other) = (session("a"), session("b"));
        let token = one.form_token();
        assert!(one.is_form_token(&token) && !other.is_form_token(&token));
        assert_ne!(token, one.form_token());
        for none in ["", "00", &"0".repeat(64), "x"] {
            assert!(!one.is_form_token(none), "{none}");
        }
    }
}
