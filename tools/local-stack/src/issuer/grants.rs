//! What tokens are given for: a code that somebody who signed in brings back, or a client's own credentials.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use shared::access::Permissions;
use shared::access::actor::permission_of_scope;
use url::Url;

use super::{CONSOLE, MACHINE, is_of_this_machine};

/// How long a code is good for.
const CODE_LIFETIME: SignedDuration = SignedDuration::from_secs(60);
/// How many codes are known at once at most: nobody signs in so often.
const MAX_CODES: usize = 1_000;

/// Why nothing is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GrantError {
    /// As the standard names it.
    pub(super) code: &'static str,
    /// For people.
    pub(super) description: &'static str,
}

impl GrantError {
    pub(super) fn new(code: &'static str, description: &'static str) -> Self {
        Self { code, description }
    }

    fn request(description: &'static str) -> Self {
        Self::new("invalid_request", description)
    }
}

/// The fields of a form, or of a query.
#[derive(Debug)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn read(encoded: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// A field that stands there once at most; an empty one counts as not there.
    pub(super) fn get<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, GrantError> {
        let mut values = self.all(name);
        let value = values.next();
        match values.next() {
            Some(_) => Err(GrantError::request("a parameter stands there twice")),
            None => Ok(value.filter(|value| !value.is_empty())),
        }
    }

    /// All values of a field.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What a client asks for when it sends somebody to sign in.
#[derive(Clone, Debug)]
pub(super) struct AuthorizationRequest {
    pub(super) redirect_uri: Url,
    /// As it was sent, with which it has to come back.
    pub(super) redirect_text: String,
    pub(super) scope: String,
    pub(super) state: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) challenge: String,
}

impl AuthorizationRequest {
    /// <https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest>, <https://www.rfc-editor.org/rfc/rfc7636>
    pub(super) fn of(form: &Form) -> Result<Self, GrantError> {
        if form.get("client_id")? != Some(CONSOLE) {
            return Err(GrantError::request("client_id is not callvault-console"));
        }
        let redirect_text =
            form.get("redirect_uri")?.ok_or(GrantError::request("there is no redirect_uri"))?;
        let redirect_uri = Url::parse(redirect_text).ok().filter(is_of_this_machine);
        let redirect_uri = redirect_uri.filter(|url| url.fragment().is_none());
        let redirect_uri = redirect_uri.ok_or(GrantError::request("redirect_uri is not on this machine"))?;
        if form.get("response_type")? != Some("code") {
            return Err(GrantError::request("response_type is not code"));
        }
        let challenge = match (form.get("code_challenge_method")?, form.get("code_challenge")?) {
            (Some("S256"), Some(challenge)) => challenge.to_owned(),
            _ => return Err(GrantError::request("there is no code_challenge by S256")),
        };
        let text = |name: &str| Ok::<_, GrantError>(form.get(name)?.map(str::to_owned));
        Ok(Self {
            redirect_uri,
            redirect_text: redirect_text.to_owned(),
            scope: text("scope")?.unwrap_or_else(|| "openid".to_owned()),
            state: text("state")?,
            nonce: text("nonce")?,
            challenge,
        })
    }
}

/// Somebody who has signed in.
#[derive(Clone, Debug)]
pub(super) struct SignedIn {
    pub(super) subject: String,
    pub(super) permissions: Permissions,
    pub(super) scope: String,
    pub(super) nonce: Option<String>,
}

struct Issued {
    signed_in: SignedIn,
    redirect_text: String,
    challenge: String,
    at: Timestamp,
}

/// The codes that were not brought back yet.
#[derive(Default)]
pub(super) struct Codes(Mutex<HashMap<String, Issued>>);

impl Codes {
    fn codes<T>(&self, look: impl FnOnce(&mut HashMap<String, Issued>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn issue(
        &self,
        request: AuthorizationRequest,
        subject: String,
        permissions: Permissions,
        now: Timestamp,
    ) -> String {
        let AuthorizationRequest { redirect_text, scope, nonce, challenge, .. } = request;
        let signed_in = SignedIn { subject, permissions, scope, nonce };
        let code = runtime::random::name();
        self.codes(|codes| {
            codes.retain(|_, issued| now.duration_since(issued.at) < CODE_LIFETIME);
            if codes.len() >= MAX_CODES {
                codes.clear();
            }
            codes.insert(code.clone(), Issued { signed_in, redirect_text, challenge, at: now });
        });
        code
    }

    /// Who signed in for a code. It is good once, and for whoever knows what its challenge was made of.
    pub(super) fn redeem(&self, form: &Form, now: Timestamp) -> Result<SignedIn, GrantError> {
        let wrong = |description| GrantError::new("invalid_grant", description);
        let code = form.get("code")?.ok_or(GrantError::request("there is no code"))?;
        let issued =
            self.codes(|codes| codes.remove(code)).ok_or(wrong("the code is not known, or was used"))?;
        if now.duration_since(issued.at) >= CODE_LIFETIME {
            return Err(wrong("the code has expired"));
        }
        if form.get("client_id")?.is_some_and(|client| client != CONSOLE) {
            return Err(wrong("the code is another client's"));
        }
        if form.get("redirect_uri")? != Some(issued.redirect_text.as_str()) {
            return Err(wrong("redirect_uri is another"));
        }
        let verifier = form.get("code_verifier")?.unwrap_or_default();
        match URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) == issued.challenge {
            true => Ok(issued.signed_in),
            false => Err(wrong("code_verifier is another")),
        }
    }
}

/// The program that asks by credentials of its own, in the form or in the header.
pub(super) fn machine(headers: &HeaderMap, form: &Form) -> Result<&'static str, GrantError> {
    let basic = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let basic =
        basic.and_then(|value| value.strip_prefix("Basic ")).and_then(|value| STANDARD.decode(value).ok());
    let given = match basic.and_then(|given| String::from_utf8(given).ok()) {
        Some(given) => given,
        None => {
            let [id, secret] = ["client_id", "client_secret"].map(|name| form.get(name));
            format!("{}:{}", id?.unwrap_or_default(), secret?.unwrap_or_default())
        }
    };
    match given == format!("{MACHINE}:{MACHINE}") {
        true => Ok(MACHINE),
        false => Err(GrantError::new("invalid_client", "client and secret are local-machine")),
    }
}

/// The scopes that a program asks for: those of ours alone, and all of them where it asks for none.
pub(super) fn machine_scope(form: &Form) -> Result<String, GrantError> {
    let Some(scope) = form.get("scope")? else { return Ok(Permissions::all().to_string()) };
    let permissions = scope.split_ascii_whitespace().map(permission_of_scope);
    let permissions: Option<Permissions> = permissions.collect();
    match permissions {
        Some(permissions) => Ok(permissions.to_string()),
        None => Err(GrantError::new("invalid_scope", "there is no such permission")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> Form {
        Form(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    const SOUND: [(&str, &str); 6] = [
        ("client_id", CONSOLE),
        ("redirect_uri", "http://127.0.0.1:3000/callback"),
        ("response_type", "code"),
        ("scope", "openid calls.read"),
        ("code_challenge_method", "S256"),
        // Of RFC 7636's appendix.
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
    ];
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn with(name: &str, value: &str) -> Form {
        let mut fields: Vec<_> = SOUND.into_iter().filter(|(known, _)| *known != name).collect();
        fields.push((name, value));
        form(&fields)
    }

    #[test]
    fn nobody_is_sent_to_another_machine() {
        for (uri, sound) in [
            ("http://localhost:3000/callback?a=b", true),
            ("https://[::1]/callback", true),
            ("http://127.0.0.2/", true),
            ("http://localhost.example/callback", false),
            ("https://evil.example/", false),
            ("http://127.0.0.1@evil.example/", false),
            ("//evil.example", false),
            ("javascript:alert(1)", false),
            ("http://127.0.0.1/#a", false),
            ("", false),
        ] {
            assert_eq!(AuthorizationRequest::of(&with("redirect_uri", uri)).is_ok(), sound, "{uri}");
        }
    }

    #[test]
    fn a_request_that_is_not_as_the_standards_have_it_is_refused() {
        assert!(AuthorizationRequest::of(&form(&SOUND)).is_ok());
        for (name, value) in [
            ("client_id", "other"),
            ("response_type", "token"),
            ("code_challenge_method", "plain"),
            ("code_challenge", ""),
        ] {
            assert!(AuthorizationRequest::of(&with(name, value)).is_err(), "{name}={value}");
        }
        let twice = form(&[&SOUND[..], &[("scope", "openid")]].concat());
        assert!(AuthorizationRequest::of(&twice).is_err());
    }

    #[test]
    fn a_code_is_good_once_for_a_minute_and_for_whoever_began() {
        let (codes, now) = (Codes::default(), Timestamp::UNIX_EPOCH);
        let issue = || {
            let request = AuthorizationRequest::of(&form(&SOUND)).unwrap();
            codes.issue(request, "lead".to_owned(), Permissions::all(), now)
        };
        let redeem = |code: &str, uri: &str, verifier: &str, seconds: i64| {
            let form = form(&[
                ("code", code),
                ("redirect_uri", uri),
                ("code_verifier", verifier),
                ("client_id", CONSOLE),
            ]);
            codes.redeem(&form, now + SignedDuration::from_secs(seconds)).map(|signed_in| signed_in.subject)
        };
        let uri = SOUND[1].1;
        let code = issue();
        assert_eq!(redeem(&code, uri, VERIFIER, 59), Ok("lead".to_owned()));
        assert_eq!(redeem(&code, uri, VERIFIER, 59).unwrap_err().code, "invalid_grant");
        assert!(redeem(&issue(), uri, VERIFIER, 60).is_err());
        assert!(redeem(&issue(), uri, "another", 1).is_err());
        assert!(redeem(&issue(), uri, "", 1).is_err());
        assert!(redeem(&issue(), "http://127.0.0.1:3000/", VERIFIER, 1).is_err());
        assert!(redeem("made-up", uri, VERIFIER, 1).is_err());
    }

    #[test]
    fn a_program_gets_what_it_asks_for_or_all() {
        let scope = |scope: &str| machine_scope(&form(&[("scope", scope)]));
        assert_eq!(scope(""), Ok(Permissions::all().to_string()));
        assert_eq!(
            scope("recordings.listen callvault/calls.read"),
            Ok("calls.read recordings.listen".to_owned())
        );
        assert_eq!(scope("calls.write").unwrap_err().code, "invalid_scope");
    }

    #[test]
    fn a_program_shows_its_credentials_in_the_form_or_in_the_header() {
        let headers = |value: &str| HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
        let right = form(&[("client_id", MACHINE), ("client_secret", MACHINE)]);
        assert!(machine(&HeaderMap::new(), &right).is_ok());
        let basic = format!("Basic {}", STANDARD.encode(format!("{MACHINE}:{MACHINE}")));
        assert!(machine(&headers(&basic), &form(&[])).is_ok());
        assert_eq!(
            machine(&HeaderMap::new(), &form(&[("client_id", MACHINE)])).unwrap_err().code,
            "invalid_client"
        );
        assert!(machine(&headers("Basic bm86bm8="), &right).is_err());
    }
}
