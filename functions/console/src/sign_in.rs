//! Signing in and out.
//!
//! What has begun is kept in a sealed cookie of the browser that began it: a callback that another browser was sent to brings no such
//! cookie, or one with another state.

use maud::html;
use readers::request::header;
use readers::{Answer, Event};
use runtime::auth::session::Sealer;
use runtime::auth::sign_in::{Begun, Returned, SignInError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::model::Instant;
use url::form_urlencoded;

use crate::cookie::{SESSION, SIGN_IN, SOUGHT, Served};
use crate::frame::{Frame, Page, Place};
use crate::session::Session;
use crate::{Console, html_answer, see};

/// For what begun sign-ins are sealed.
const PURPOSE: &str = "sign-in";
/// The longest path that somebody comes back to, in bytes: it has to fit the cookie.
const MAX_BACK_BYTES: usize = 1_500;

#[derive(Serialize, Deserialize)]
struct Kept {
    begun: Begun,
    /// Where they were.
    back: String,
    ends_ms: i64,
}

/// Why somebody is not signed in.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The settings lack something.
    NotSet(String),
    /// It was another browser's sign-in, or none, or it took too long.
    NotBegun,
    /// The issuer or its answer.
    Issuer(SignInError),
}

impl Failure {
    pub(crate) fn tag(&self) -> &'static str {
        match self {
            Self::NotSet(_) => "not_set",
            Self::NotBegun => "not_begun",
            Self::Issuer(error) => error.tag(),
        }
    }

    fn status(&self) -> u16 {
        match self {
            Self::NotSet(_) => 503,
            Self::Issuer(SignInError::NoClient) => 503,
            Self::Issuer(error) if error.is_passing() => 503,
            Self::NotBegun | Self::Issuer(_) => 400,
        }
    }
}

/// Where the console is, as its user's browser knows it: `https://calls.example`. `None` where nobody may be sent back to it.
pub(crate) fn base(event: &Event, served: Served) -> Option<String> {
    let host = event.request_context.domain_name.as_deref()?;
    let scheme = match served {
        Served::OverHttps => "https",
        Served::OnLoopback => "http",
    };
    let base = format!("{scheme}://{host}");
    runtime::auth::sign_in::is_redirect(&base).then_some(base)
}

/// A path of the console's own that somebody may be sent to; its start for anything else.
pub(crate) fn own_path(path: &str) -> &str {
    let is_own = path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= MAX_BACK_BYTES
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_own { path } else { "/" }
}

/// Where to sign in, to come back to a path afterwards.
pub(crate) fn path_of(back: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("to", own_path(back)).finish();
    format!("/login?{query}")
}

/// Sends somebody to the issuer.
pub(crate) async fn begin(
    console: &Console,
    event: &Event,
    sealer: &Sealer,
    now: Instant,
) -> Result<Answer, Failure> {
    let base = base(event, console.served).ok_or(Failure::NotBegun)?;
    let back = parameter(event, "to").unwrap_or_default();
    let redirect_uri = format!("{base}/callback");
    let (begun, url) = console
        .authenticator
        .begin_sign_in(&redirect_uri, &console.scope, now)
        .await
        .map_err(Failure::Issuer)?;
    let ends_ms = now.plus_seconds(SIGN_IN.max_age_s).epoch_millis();
    let kept = Kept { begun, back: own_path(&back).to_owned(), ends_ms };
    let sealed = sealer.seal(PURPOSE, &serde_json::to_vec(&kept).unwrap_or_default());
    let mut answer = Answer::found(url);
    answer.cookies.push(SIGN_IN.set(console.served, &sealed));
    Ok(answer)
}

/// Somebody comes back from the issuer.
pub(crate) async fn end(
    console: &Console,
    event: &Event,
    sealer: &Sealer,
    now: Instant,
) -> Result<Answer, Failure> {
    let kept = SIGN_IN.of(event, console.served).and_then(|sealed| sealer.open(PURPOSE, sealed));
    let kept = kept.and_then(|kept| serde_json::from_slice::<Kept>(&kept).ok());
    let Kept { begun, back, .. } =
        kept.filter(|kept| now.epoch_millis() < kept.ends_ms).ok_or(Failure::NotBegun)?;
    let [code, state, issuer, error] = ["code", "state", "iss", "error"].map(|name| parameter(event, name));
    let returned = Returned {
        code: code.as_deref(),
        state: state.as_deref(),
        issuer: issuer.as_deref(),
        error: error.as_deref(),
    };
    let secret = console.client_secret.get().await.map_err(|error| Failure::NotSet(error.to_string()))?;
    let signed_in = console
        .authenticator
        .end_sign_in(&begun, &returned, secret.as_deref(), now)
        .await
        .map_err(Failure::Issuer)?;
    let session = Session::begin(signed_in).seal(sealer, console.authenticator.config(), now);
    let mut answer = see(own_path(&back).to_owned());
    answer.cookies.push(SIGN_IN.forget(console.served));
    answer.cookies.push(SESSION.set(console.served, &session));
    Ok(answer)
}

/// Signs somebody out, here and, by the page that they get, at the issuer.
pub(crate) async fn out(console: &Console, event: &Event, frame: &Frame<'_>) -> Answer {
    let back = base(event, console.served).map(|base| format!("{base}/signed-out"));
    let url = match &back {
        Some(back) => console.authenticator.sign_out_url(back, frame.now).await,
        None => None,
    };
    let mut answer = match url {
        // No redirect: `form-action 'self'` would hold it to this origin. A browser that is led on at once keeps no page to come back to.
        Some(url) => {
            let nobody = frame.of_nobody();
            html_answer(200, &nobody, &signed_out(&nobody), header(event, "accept-encoding"))
                .with("refresh", format!("0;url={url}"))
        }
        None => see("/signed-out".to_owned()),
    };
    answer.cookies.extend([SESSION, SOUGHT].map(|cookie| cookie.forget(console.served)));
    answer
}

/// The page of somebody who is signed out.
pub(crate) fn signed_out(frame: &Frame<'_>) -> Page {
    let w = frame.words;
    notice(frame, w.signed_out, w.sign_in, "/login")
}

/// The page of somebody whose session ended before they sent a form.
pub(crate) fn ended(frame: &Frame<'_>, back: &str) -> Page {
    let w = frame.words;
    notice(frame, w.session_ended, w.sign_in, &path_of(back))
}

/// The page of somebody who could not sign in.
pub(crate) fn failed(frame: &Frame<'_>, failure: &Failure) -> (u16, Page) {
    let w = frame.words;
    let told = match failure {
        Failure::NotSet(_) | Failure::Issuer(SignInError::NoClient) => w.no_sign_in,
        Failure::Issuer(error) if error.is_passing() => w.later,
        Failure::NotBegun | Failure::Issuer(_) => w.sign_in_failed,
    };
    (failure.status(), notice(frame, told, w.try_again, "/login"))
}

fn notice(frame: &Frame<'_>, told: &str, action: &str, path: &str) -> Page {
    Page {
        title: told.trim_end_matches(['.', '。']).to_owned(),
        place: Place::Elsewhere,
        data: Value::Null,
        body: html! {
            section.notice {
                h1 { (told) }
                p { a.button href=(path) { (action) } }
                @if frame.session.is_some() { p { a href="/" { (frame.words.back) } } }
            }
        },
        media: None,
    }
}

/// A parameter of the query, where it stands there once.
pub(crate) fn parameter(event: &Event, name: &str) -> Option<String> {
    let mut values = form_urlencoded::parse(event.raw_query_string.as_bytes())
        .filter(|(known, _)| known == name)
        .map(|(_, value)| value.into_owned());
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for own in ["/", "/calls?task=a%20b&day=2025-06-01", "/calls/alicom/1~5E2"] {
            assert_eq!(own_path(own), own);
        }
        for other in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/a\nb",
            "/a b",
            "calls",
            "/\u{202e}",
        ] {
            assert_eq!(own_path(other), "/", "{other}");
        }
        assert_eq!(path_of("/calls?a=b"), "/login?to=%2Fcalls%3Fa%3Db");
    }
}
