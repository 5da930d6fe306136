//! Somebody's browser: it keeps cookies, and follows no redirect by itself.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::rig::Rig;

/// A page, or what came in its place.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Shown {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Where it leads.
    pub(crate) fn location(&self) -> &str {
        self.header("location")
    }

    /// What its first form carries.
    #[track_caller]
    pub(crate) fn form_token(&self) -> String {
        let (_, rest) = self.text.split_once("name=\"form\" value=\"").expect("a form");
        rest.split('"').next().unwrap().to_owned()
    }

    /// Every address that it links to.
    pub(crate) fn links(&self) -> Vec<String> {
        let parts = self.text.split("href=\"").skip(1).map(|part| part.split('"').next().unwrap());
        parts.filter(|link| link.starts_with('/')).map(|link| link.replace("&amp;", "&")).collect()
    }

    #[track_caller]
    pub(crate) fn has(&self, text: &str) -> &Self {
        assert!(self.text.contains(text), "{text:?} is not on the page ({}): {}", self.status, self.text);
        self
    }

    #[track_caller]
    pub(crate) fn lacks(&self, text: &str) -> &Self {
        assert!(!self.text.contains(text), "{text:?} is on the page: {}", self.text);
        self
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Browser {
    base: String,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Browser {
    pub(crate) fn new(rig: &Rig) -> Self {
        Self { base: rig.stack.url(), cookies: BTreeMap::new(), headers: Vec::new() }
    }

    /// Somebody's, who is signed in with these permissions.
    pub(crate) async fn of(rig: &Rig, permissions: &str) -> Self {
        let mut browser = Self::new(rig);
        let shown = browser.sign_in(rig, permissions).await;
        assert_eq!((shown.status, shown.location()), (303, "/calls"), "{shown:?}");
        browser
    }

    /// Goes to the issuer and back.
    pub(crate) async fn sign_in(&mut self, rig: &Rig, permissions: &str) -> Shown {
        let to_issuer = self.get("/login?to=%2Fcalls").await;
        let back = authorize(rig, to_issuer.location(), permissions).await;
        self.get(&back).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Shown {
        let request = http::Request::get(self.url(path));
        self.send(request, String::new()).await
    }

    /// Sends a form, as it stands on a page.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Shown {
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = http::Request::post(self.url(path));
        self.send(request.header("content-type", "application/x-www-form-urlencoded"), body).await
    }

    /// The same with what a form of ours carries.
    pub(crate) async fn submit(&mut self, page: &str, path: &str, fields: &[(&str, &str)]) -> Shown {
        let token = self.get(page).await.form_token();
        let mut all = vec![("form", token.as_str()), ("here", page)];
        all.extend(fields);
        self.post(path, &all).await
    }

    /// The same, and goes where it leads.
    pub(crate) async fn submit_and_see(&mut self, page: &str, path: &str, fields: &[(&str, &str)]) -> Shown {
        let sent = self.submit(page, path, fields).await;
        assert_eq!(sent.status, 303, "{path}: {sent:?}");
        assert_eq!(sent.text, "", "{path}");
        self.get(sent.location()).await
    }

    /// Asks by another method.
    pub(crate) async fn ask(&mut self, method: &str, path: &str) -> Shown {
        let request = http::Request::builder().method(method).uri(self.url(path));
        self.send(request, String::new()).await
    }

    fn url(&self, path: &str) -> String {
        if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) }
    }

    async fn send(&mut self, mut request: http::request::Builder, body: String) -> Shown {
        if !self.cookies.is_empty() {
            let cookies: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", cookies.join("; "));
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let shown = send(request.body(Bytes::from(body)).unwrap()).await;
        for cookie in shown.headers.get_all("set-cookie") {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            match rest.contains("Max-Age=0") {
                true => self.cookies.remove(name),
                false => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        shown
    }
}

/// Chooses who to be at the issuer's page; the path, and query, by which it sends somebody back.
pub(crate) async fn authorize(rig: &Rig, to_issuer: &str, permissions: &str) -> String {
    let url = Url::parse(to_issuer).unwrap();
    assert!(to_issuer.starts_with(rig.stack.issuer().url()), "{to_issuer}");
    let mut form = Serializer::new(String::new());
    form.extend_pairs(url.query_pairs());
    for permission in permissions.split_whitespace() {
        form.append_pair("permission", permission);
    }
    if permissions.is_empty() {
        form.append_pair("persona", "nobody");
    }
    let request = http::Request::post(format!("{}/authorize", rig.stack.issuer().url()))
        .header("content-type", "application/x-www-form-urlencoded");
    let shown = send(request.body(Bytes::from(form.finish())).unwrap()).await;
    assert_eq!(shown.status, 303, "{shown:?}");
    let back = Url::parse(shown.location()).unwrap();
    format!("{}?{}", back.path(), back.query().unwrap())
}

pub(crate) async fn send(request: http::Request<Bytes>) -> Shown {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let (parts, body) = client.request(request.map(Full::new)).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Shown {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8_lossy(&body).into_owned(),
    }
}
