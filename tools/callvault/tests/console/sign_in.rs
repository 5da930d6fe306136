//! Signing in, and what is tampered with.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use console::{Console, Served};
use runtime::config::Environment;
use runtime::deadline::Deadline;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::browser::{Browser, authorize};
use crate::rig::{ALL, Rig};

const SESSION: &str = "callvault";

/// A callback is refused, and nobody is signed in.
async fn refused(browser: &mut Browser, callback: &str) {
    browser.cookies.remove(SESSION);
    let shown = browser.get(callback).await;
    assert_eq!(shown.status, 400, "{callback}: {shown:?}");
    shown.has("The sign-in did not work");
    assert!(!browser.cookies.contains_key(SESSION), "{callback}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_in_comes_back_and_signs_out() {
    let rig = Rig::new().await;
    let mut browser = Browser::of(&rig, ALL).await;
    browser.get("/calls").await.has("somebody").has("Sign out");
    // The cookie is nobody's to read by script, nor to be sent from elsewhere.
    let mut other = Browser::new(&rig);
    let shown = other.sign_in(&rig, ALL).await;
    let cookies: Vec<_> = shown.headers.get_all("set-cookie").iter().map(|it| it.to_str().unwrap()).collect();
    assert!(
        cookies.iter().all(|it| it.contains("; HttpOnly; SameSite=Lax") && it.contains("Path=/")),
        "{cookies:?}"
    );
    assert!(cookies.iter().all(|it| it.len() < 2_000), "{cookies:?}");
    assert_eq!(
        browser.get("/signed-out").await.location(),
        "/",
        "whoever is signed in is not told otherwise"
    );
    let shown = browser.submit_and_see("/calls", "/logout", &[]).await;
    shown.has("You are signed out");
    assert!(!browser.cookies.contains_key(SESSION));
    assert_eq!(browser.get("/calls").await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_was_tampered_with_signs_nobody_in() {
    let rig = Rig::empty().await;
    let mut browser = Browser::new(&rig);
    let begun = browser.get("/login").await;
    let back = authorize(&rig, begun.location(), ALL).await;
    let kept = browser.cookies.clone();
    let mut again = async |path: String| {
        browser.cookies = kept.clone();
        refused(&mut browser, &path).await;
    };
    // Another state, none, one twice.
    let state = back.split("state=").nth(1).unwrap().split('&').next().unwrap();
    again(back.replace(state, &"0".repeat(state.len()))).await;
    again(back.replace("state=", "other=")).await;
    again(format!("{back}&state={state}")).await;
    // Another issuer says so, or the issuer refused.
    again(back.replace("iss=http", "iss=https")).await;
    again(format!("/callback?state={state}&error=access_denied")).await;
    again(format!("/callback?state={state}")).await;
    // A code that nobody gave out; after it, the right one is still good, and once only.
    again(format!("/callback?state={state}&code=made-up")).await;
    let mut owner = Browser::new(&rig);
    owner.cookies = kept.clone();
    assert_eq!(owner.get(&back).await.status, 303);
    let mut again = Browser::new(&rig);
    again.cookies = kept.clone();
    refused(&mut again, &back).await;
    // What was begun is sealed: nothing of it is altered.
    let mut altered = Browser::new(&rig);
    altered.cookies = kept.into_iter().map(|(name, value)| (name, format!("{value}A"))).collect();
    refused(&mut altered, &back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_another_sign_in_signs_nobody_in() {
    let rig = Rig::empty().await;
    // Login CSRF: an attacker's callback in somebody else's browser, who has begun nothing, or a sign-in of their own.
    let mut attacker = Browser::new(&rig);
    let begun = attacker.get("/login").await;
    let back = authorize(&rig, begun.location(), ALL).await;
    let mut victim = Browser::new(&rig);
    refused(&mut victim, &back).await;
    victim.get("/login").await;
    refused(&mut victim, &back).await;
    // The attacker's code with the victim's state: the verifier is another.
    let own = victim.get("/login").await;
    let own_state = url::Url::parse(own.location()).unwrap();
    let own_state = own_state.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let code = back.split("code=").nth(1).unwrap().split('&').next().unwrap();
    refused(&mut victim, &format!("/callback?code={code}&state={own_state}")).await;
    // Another nonce.
    let begun = attacker.get("/login").await;
    let mut url = url::Url::parse(begun.location()).unwrap();
    let pairs: Vec<_> = url
        .query_pairs()
        .map(|(name, value)| if name == "nonce" { (name, "another".into()) } else { (name, value) })
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(pairs);
    let back = authorize(&rig, url.as_str(), ALL).await;
    refused(&mut attacker, &back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_led_elsewhere_by_signing_in() {
    let rig = Rig::empty().await;
    for to in
        ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a%0d%0ab: c"]
    {
        let mut browser = Browser::new(&rig);
        let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
        let begun = browser.get(&format!("/login?to={to}")).await;
        let back = authorize(&rig, begun.location(), ALL).await;
        assert_eq!(browser.get(&back).await.location(), "/", "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_another_console_or_an_altered_one_is_none() {
    let (rig, other) = (Rig::empty().await, Rig::empty().await);
    let elsewhere = Browser::of(&other, ALL).await;
    let mut browser = Browser::new(&rig);
    browser.cookies = elsewhere.cookies.clone();
    assert_eq!(browser.get("/calls").await.status, 303);
    let mut own = Browser::of(&rig, ALL).await;
    let sealed = own.cookies[SESSION].clone();
    own.cookies.insert(
        SESSION.to_owned(),
        sealed.replace(&sealed[20..21], if &sealed[20..21] == "A" { "B" } else { "A" }),
    );
    assert_eq!(own.get("/calls").await.status, 303);
    // A begun sign-in is no session, although it is sealed by the same key.
    own.get("/login").await;
    let begun = own.cookies["callvault-sign-in"].clone();
    own.cookies.insert(SESSION.to_owned(), begun);
    assert_eq!(own.get("/calls").await.status, 303);
    // Two cookies of the name: none is believed.
    own.cookies = [("callvault".to_owned(), format!("{sealed}; callvault={sealed}"))].into();
    assert_eq!(own.get("/calls").await.status, 303);
    own.cookies = [("callvault".to_owned(), sealed)].into();
    assert_eq!(own.get("/calls").await.status, 200);
}

/// An issuer that gives out whatever ID token it is told to.
async fn issuer(id_token: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let description = json!({
        "issuer": url, "jwks_uri": format!("{url}/keys"), "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
    });
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(async || Json(description)))
        .route(
            "/keys",
            get(async || {
                Json(json!({"keys": [{"kid": "1", "kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}]}))
            }),
        )
        .route("/token", post(async |State(token): State<Arc<str>>| Json(json!({"id_token": &*token}))))
        .with_state(Arc::from(id_token));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_algorithm_signs_nobody_in() {
    for algorithm in ["none", "HS256", "ES384"] {
        let [head, claims] = [
            json!({"alg": algorithm, "kid": "1"}),
            json!({"sub": "somebody", "aud": "console", "exp": 9_999_999_999_i64}),
        ]
        .map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string()));
        let issuer = issuer(format!("{head}.{claims}.")).await;
        let look_up = |name: &str| match name {
            "OIDC_ISSUER" => Some(issuer.clone()),
            "OIDC_CLIENT_ID" => Some("console".to_owned()),
            "SESSION_KEY" => Some("a key of thirty-two characters or more".to_owned()),
            "TABLE_NAME" | "BUCKET_NAME" => Some("callvault".to_owned()),
            "DYNAMODB_ENDPOINT" | "S3_ENDPOINT" => Some("http://127.0.0.1:1".to_owned()),
            _ => None,
        };
        let console = Console::new(&Environment::new(&look_up), Served::OverHttps).unwrap();
        let ask = async |path: &str, query: &str, cookies: &[String]| {
            let event = json!({
                "rawPath": path, "rawQueryString": query, "cookies": cookies,
                "requestContext": {"http": {"method": "GET"}, "domainName": "calls.example"},
            });
            let event = serde_json::from_value(event).unwrap();
            let answer = console::handle(&console, event, Deadline::after(Duration::from_secs(9))).await;
            serde_json::to_value(answer).unwrap()
        };
        let begun = ask("/login", "", &[]).await;
        let location = begun["headers"]["location"].as_str().unwrap();
        let url = url::Url::parse(location).unwrap();
        let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        assert!(location.contains("redirect_uri=https%3A%2F%2Fcalls.example%2Fcallback"), "{location}");
        let cookie = begun["cookies"][0].as_str().unwrap();
        assert!(cookie.starts_with("__Host-callvault-sign-in=") && cookie.ends_with("; Secure"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let ended = ask("/callback", &format!("code=c&state={state}"), &[cookie]).await;
        assert_eq!(ended["statusCode"], 400, "{algorithm}: {ended}");
        let cookies = ended["cookies"].as_array().cloned().unwrap_or_default();
        assert_eq!(cookies, Vec::<Value>::new(), "{algorithm}");
    }
}
