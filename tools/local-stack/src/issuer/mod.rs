//! An OIDC issuer for this machine alone: anybody may sign in as anybody, with whatever permissions they choose.
//!
//! It is what the functions find at `OIDC_ISSUER` on the local stack: its description, its key, the authorization code flow with PKCE
//! for people, and client credentials for programs. It listens on loopback whatever the stack listens on, answers to no other name, and
//! sends nobody to another machine: a page somewhere that a browser shows can get no token here. Its key is made at each start.
//!
//! Each permission is a group of the same name ([`role_groups`]), so that every set of permissions can be had.

mod grants;
mod page;
mod signing;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, Request, State};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, LOCATION, REFERRER_POLICY};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::access::permission::PERMISSIONS;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

use grants::{AuthorizationRequest, Codes, Form, GrantError};
use signing::SigningKey;

/// The client that people sign in by.
pub const CONSOLE: &str = "callvault-console";
/// The client of programs. Its secret is its name.
pub const MACHINE: &str = "local-machine";
/// What tokens are for.
pub const AUDIENCE: &str = "callvault";
/// How long a token lives, in seconds.
const LIFETIME_S: i64 = 3600;
/// The largest form that is read, in bytes.
const MAX_FORM_BYTES: usize = 64 * 1024;

/// What the functions are told of the groups: each permission is a group of its name.
pub fn role_groups() -> String {
    PERMISSIONS.iter().map(|row| format!("{0}={0}", row.name)).collect::<Vec<_>>().join(",")
}

/// A running issuer. It ends when dropped.
pub struct Issuer {
    inside: Arc<Inside>,
    server: JoinHandle<()>,
}

struct Inside {
    url: String,
    port: u16,
    key: SigningKey,
    codes: Codes,
}

impl Issuer {
    /// Starts on a socket of loopback.
    ///
    /// # Errors
    /// When it is another socket, or there are no random numbers.
    pub fn start(listener: TcpListener) -> anyhow::Result<Self> {
        let address = listener.local_addr()?;
        anyhow::ensure!(address.ip().is_loopback(), "the issuer is for this machine alone");
        let url = format!("http://{address}");
        let inside = Inside { url, port: address.port(), key: SigningKey::new()?, codes: Codes::default() };
        let inside = Arc::new(inside);
        let app = router(Arc::clone(&inside));
        let server = tokio::spawn(async move {
            // It ends with the stack, and has nothing to lose.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { inside, server })
    }

    /// Its name: `iss` of its tokens.
    pub fn url(&self) -> &str {
        &self.inside.url
    }

    /// A program's token with these permissions, without a request.
    pub fn machine_token(&self, scope: &str) -> String {
        self.inside.machine_token(MACHINE, scope)
    }
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").field("url", &self.inside.url).finish_non_exhaustive()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Where it listens: on loopback, whatever the rest of the stack listens on.
pub fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn router(inside: Arc<Inside>) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(description))
        .route("/keys", get(keys))
        .route("/authorize", get(ask).post(sign_in))
        .route("/token", post(token))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(middleware::from_fn_with_state(Arc::clone(&inside), by_its_own_name))
        .with_state(inside)
}

/// Refuses requests by another name: somebody could point theirs at this machine, and have a page of theirs read the answers ("DNS
/// rebinding").
async fn by_its_own_name(State(inside): State<Arc<Inside>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_own = ["127.0.0.1", "localhost"].iter().any(|name| host == format!("{name}:{}", inside.port));
    match is_own {
        true => {
            let mut response = next.run(request).await;
            response.headers_mut().insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
            response
        }
        false => (StatusCode::FORBIDDEN, "this issuer is for this machine alone").into_response(),
    }
}

/// <https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata>
async fn description(State(inside): State<Arc<Inside>>) -> Response {
    let at = |path: &str| format!("{}{path}", inside.url);
    let ours = PERMISSIONS.iter().map(|row| row.name);
    let scopes: Vec<_> = ["openid", "profile"].into_iter().chain(ours).collect();
    json_response(
        StatusCode::OK,
        &json!({
            "issuer": inside.url,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "jwks_uri": at("/keys"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "client_credentials"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "scopes_supported": scopes,
        }),
    )
}

async fn keys(State(inside): State<Arc<Inside>>) -> Response {
    json_response(StatusCode::OK, &json!({"keys": [inside.key.jwk()]}))
}

/// The page that asks who somebody wants to be.
async fn ask(RawQuery(query): RawQuery) -> Response {
    let form = Form::read(query.unwrap_or_default().as_bytes());
    match AuthorizationRequest::of(&form) {
        Ok(request) => page_response(StatusCode::OK, page::sign_in(&request)),
        Err(error) => page_response(StatusCode::BAD_REQUEST, page::refused(&error)),
    }
}

/// Somebody has chosen: they are sent back with a code.
async fn sign_in(State(inside): State<Arc<Inside>>, body: Bytes) -> Response {
    let form = Form::read(&body);
    let request = match AuthorizationRequest::of(&form) {
        Ok(request) => request,
        Err(error) => return page_response(StatusCode::BAD_REQUEST, page::refused(&error)),
    };
    let (subject, permissions) = page::chosen(&form);
    let mut back = request.redirect_uri.clone();
    let state = request.state.clone();
    let code = inside.codes.issue(request, subject, permissions, Timestamp::now());
    back.query_pairs_mut().append_pair("code", &code);
    if let Some(state) = state {
        back.query_pairs_mut().append_pair("state", &state);
    }
    back.query_pairs_mut().append_pair("iss", &inside.url);
    (StatusCode::SEE_OTHER, [(LOCATION, String::from(back))]).into_response()
}

/// <https://www.rfc-editor.org/rfc/rfc6749#section-5>
async fn token(State(inside): State<Arc<Inside>>, headers: HeaderMap, body: Bytes) -> Response {
    let form = Form::read(&body);
    match granted(&inside, &headers, &form) {
        Ok(answer) => json_response(StatusCode::OK, &answer),
        Err(error) => {
            let status = if error.code == "invalid_client" {
                StatusCode::UNAUTHORIZED
            } else {
                StatusCode::BAD_REQUEST
            };
            json_response(status, &json!({"error": error.code, "error_description": error.description}))
        }
    }
}

impl Inside {
    /// What every token says, and `claims`.
    fn claims(&self, now: Timestamp, claims: &Value) -> Value {
        let mut all = json!({
            "iss": self.url,
            "aud": AUDIENCE,
            "iat": now.as_second(),
            "exp": now.as_second() + LIFETIME_S,
            "jti": runtime::random::name(),
        });
        for (name, value) in claims.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        all
    }

    fn machine_token(&self, client: &str, scope: &str) -> String {
        let claims = json!({"sub": client, "client_id": client, "scope": scope});
        self.key.sign("at+jwt", &self.claims(Timestamp::now(), &claims))
    }
}

fn granted(inside: &Inside, headers: &HeaderMap, form: &Form) -> Result<Value, GrantError> {
    let now = Timestamp::now();
    let with = |claims: Value| inside.claims(now, &claims);
    let mut answer = json!({"token_type": "Bearer", "expires_in": LIFETIME_S});
    match form.get("grant_type")? {
        Some("authorization_code") => {
            let signed_in = inside.codes.redeem(form, now)?;
            let claims = with(json!({
                "sub": signed_in.subject,
                "client_id": CONSOLE,
                "scope": signed_in.scope,
                "groups": signed_in.permissions.iter().map(|permission| permission.as_str()).collect::<Vec<_>>(),
            }));
            answer["access_token"] = inside.key.sign("at+jwt", &claims).into();
            answer["scope"] = signed_in.scope.clone().into();
            if signed_in.scope.split(' ').any(|scope| scope == "openid") {
                let mut claims = with(
                    json!({"aud": CONSOLE, "sub": signed_in.subject, "name": signed_in.subject, "auth_time": now.as_second()}),
                );
                if let Some(nonce) = signed_in.nonce {
                    claims["nonce"] = nonce.into();
                }
                answer["id_token"] = inside.key.sign("JWT", &claims).into();
            }
        }
        Some("client_credentials") => {
            let client = grants::machine(headers, form)?;
            let scope = grants::machine_scope(form)?;
            answer["access_token"] = inside.machine_token(client, &scope).into();
            answer["scope"] = scope.into();
        }
        _ => {
            return Err(GrantError::new(
                "unsupported_grant_type",
                "authorization_code or client_credentials",
            ));
        }
    }
    Ok(answer)
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn page_response(status: StatusCode, page: String) -> Response {
    // Where it sends somebody back to is another origin: `form-action` would hold redirects to its list, too.
    let headers = [
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
        ),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (status, headers, Html(page)).into_response()
}

/// Whether a URL leads back to this machine.
fn is_of_this_machine(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
}
