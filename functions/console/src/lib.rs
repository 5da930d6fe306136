//! The console: calls to see and hear, for people. Rendered here, whole; the script only makes players and forms handier.
//!
//! A request goes one way: `route` tells which page it is, the session who asks, the route's row which permission that takes. A page is
//! made of what it tells (`Page::data`, which is also had as JSON) and how that looks. Numbers are masked on every page, for whoever may see
//! them too: to reveal one is an act, and recorded. What was seen of a call is written into the access log before the page goes out.
//!
//! The push functions have nothing of this: another function, another role, another API.

mod address;
mod asset;
mod carried;
mod chart;
mod cookie;
mod dead_letters;
mod findings;
mod frame;
mod link;
mod pages;
mod problem_page;
mod reasons;
mod route;
mod session;
mod sign_in;
mod words;
mod zones;

use std::borrow::Cow;
use std::io::Write;
use std::time::Instant as Moment;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use readers::answered::Answered;
use readers::request::{self, Query, header, json_bytes};
use readers::{Answer, Event, Problem, Reader, Visit};
use runtime::auth::Authenticator;
use runtime::auth::session::{ClientSecret, Sealer, SessionKeys};
use runtime::clock;
use runtime::config::{ConfigError, Environment};
use runtime::deadline::Deadline;
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::access::{Permission, Via};
use shared::model::Instant;
use shared::path_id::{escaped, unescaped};
use shared::reading::Zone;
use url::form_urlencoded;

pub use cookie::Served;
use cookie::{CHOICE, Cookie, SESSION};
use dead_letters::DeadLetters;
use frame::{Frame, Page};
use link::Filters;
use route::{Form, Name, NotFound, Route};
use session::Session;
use sign_in::Failure;
use words::Language;

/// The function's name.
pub const FUNCTION: &str = "console";

/// The longest form that is read, in bytes.
const MAX_FORM_BYTES: usize = 64 * 1024;
/// A smaller page is not compressed.
const MIN_COMPRESSED_BYTES: usize = 1024;

/// What the function has at hand from its start on.
#[derive(Debug)]
pub struct Console {
    reader: Reader,
    authenticator: Authenticator,
    session_keys: SessionKeys,
    client_secret: ClientSecret,
    /// What is asked of the issuer at a sign-in.
    scope: String,
    dead_letters: DeadLetters,
    served: Served,
}

impl Console {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn new(environment: &Environment<'_>, served: Served) -> Result<Self, ConfigError> {
        let (reader, account) = Reader::new(environment)?;
        Ok(Self {
            reader,
            authenticator: Authenticator::new(environment)?,
            session_keys: SessionKeys::read(environment, &account)?,
            client_secret: ClientSecret::read(environment, &account)?,
            scope: scope(environment)?,
            dead_letters: DeadLetters::read(environment, &account)?,
            served,
        })
    }
}

/// What is asked of the issuer at a sign-in: `OIDC_SCOPE`, words with a space between, `openid` among them.
///
/// # Errors
/// [`ConfigError`], which names the variable.
pub fn scope(environment: &Environment<'_>) -> Result<String, ConfigError> {
    environment.parse("OIDC_SCOPE", "openid".to_owned(), |scope| {
        let is_of_word = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        let words: Vec<_> = scope.split_ascii_whitespace().collect();
        match words.contains(&"openid") && words.iter().all(|word| word.bytes().all(is_of_word)) {
            true => Ok(words.join(" ")),
            false => Err("not a list of scopes with openid among them".to_owned()),
        }
    })
}

/// Answers a request. Whatever it holds, there is an answer.
pub async fn handle(console: &Console, event: Event, deadline: Deadline) -> Answer {
    let (now, began) = (clock::now(), Moment::now());
    let is_head = event.request_context.http.method.eq_ignore_ascii_case("HEAD");
    let mut told = Told::default();
    let mut answer = Box::pin(answer(console, &event, deadline, now, &mut told)).await;
    if is_head {
        answer.body.clear();
        answer.is_base64_encoded = false;
    }
    let denied = match answer.status_code {
        403 => Some("permission"),
        400 if told.route == Some(Name::Callback) => told.tag,
        _ => None,
    };
    let answered = Answered {
        function: FUNCTION,
        event: &event,
        route: told.route,
        answer: &answer,
        problem: told.tag,
        why: told.why.as_deref(),
        denied,
        at: now,
        began,
    };
    answered.tell(&console.reader.metrics);
    answer
}

/// What the log is told of a request.
#[derive(Default)]
struct Told {
    route: Option<Name>,
    tag: Option<&'static str>,
    why: Option<String>,
}

async fn answer(
    console: &Console,
    event: &Event,
    deadline: Deadline,
    now: Instant,
    told: &mut Told,
) -> Answer {
    let path = request::path(event);
    if let Some(asset) = asset::at(path) {
        return asset;
    }
    let sealer = console.session_keys.sealer(now).await;
    // Why there is none is for the log.
    let sealer = sealer.map_err(|error| error.to_string());
    let session = sealer.as_ref().ok().and_then(|sealer| {
        let sealed = SESSION.of(event, console.served)?;
        Session::open(sealer, console.authenticator.config(), sealed, now)
    });
    let frame = frame_of(console, event, session.as_ref(), sealer.as_ref().ok(), now);
    let found = route::find(&event.request_context.http.method, path);
    told.route = found.as_ref().ok().map(|found| found.route.name);
    // What the API has no route for comes here, and is its readers' all the same.
    let is_of_api = path == "/api" || path.starts_with("/api/");
    // Files are asked for by people, on a page: what is wrong is told on one.
    let is_json = is_of_api || found.as_ref().is_ok_and(|found| found.form == Form::Json);
    let (result, allowed) = match found {
        Ok(found) => {
            (with_route(console, event, deadline, &frame, &found, sealer.as_ref(), told).await, None)
        }
        // The API has routes of its own for what it takes.
        Err(_) if is_of_api && !event.request_context.http.method.eq_ignore_ascii_case("GET") => {
            (Err(Problem::Method), Some("GET".to_owned()))
        }
        Err(NotFound::Path) => (Err(Problem::NoSuchPath), None),
        Err(NotFound::Method(allowed)) => (Err(Problem::Method), Some(allowed)),
    };
    let answer = match result {
        Ok(answer) => return answer,
        Err(problem) => {
            told.tag = Some(problem.tag());
            told.why = problem.why().map(str::to_owned);
            match is_json {
                true => problem.answer(),
                false => {
                    let page = problem_page::page(&frame, &problem);
                    html_answer(problem.status(), &frame, &page, header(event, "accept-encoding"))
                }
            }
        }
    };
    match allowed {
        Some(allowed) => answer.with("allow", allowed),
        None => answer,
    }
}

async fn with_route(
    console: &Console,
    event: &Event,
    deadline: Deadline,
    frame: &Frame<'_>,
    found: &route::Found<'_>,
    sealer: Result<&Sealer, &String>,
    told: &mut Told,
) -> Result<Answer, Problem> {
    let encoding = header(event, "accept-encoding");
    let fields = form_fields(event)?;
    let sealer = sealer.map_err(|why| Failure::NotSet(why.clone()));
    let ended = match found.route.name {
        Name::Login => match sealer {
            Ok(sealer) => sign_in::begin(console, event, sealer, frame.now).await,
            Err(failure) => Err(failure),
        },
        Name::Callback => match sealer {
            Ok(sealer) => sign_in::end(console, event, sealer, frame.now).await,
            Err(failure) => Err(failure),
        },
        // Whoever is signed in (again) is not told that they are not.
        Name::SignedOut if frame.session.is_some() => return Ok(see("/".to_owned())),
        Name::SignedOut => {
            return Ok(html_answer(200, frame, &sign_in::signed_out(frame), encoding));
        }
        _ => {
            let Some(session) = frame.session else {
                let sent_from = field(&fields, "here").map_or(&*frame.here, sign_in::own_path);
                return Ok(not_signed_in(found, frame, sent_from, sealer.err(), told, encoding));
            };
            if found.route.is_post {
                check_form(console, event, session, &fields)?;
            }
            return for_somebody(console, event, deadline, frame, found, &fields, session).await;
        }
    };
    match ended {
        Ok(answer) => Ok(answer),
        Err(failure) => Ok(sign_in_failed(frame, &failure, told, encoding)),
    }
}

fn sign_in_failed(frame: &Frame<'_>, failure: &Failure, told: &mut Told, encoding: Option<&str>) -> Answer {
    told.tag = Some(failure.tag());
    told.why = match failure {
        Failure::NotSet(why) => Some(why.clone()),
        Failure::NotBegun => None,
        Failure::Issuer(error) => Some(error.to_string()),
    };
    let (status, page) = sign_in::failed(frame, failure);
    html_answer(status, frame, &page, encoding)
}

/// What somebody gets who is not signed in: the way there, and back to where they are. `sent_from` is the page of a form.
fn not_signed_in(
    found: &route::Found<'_>,
    frame: &Frame<'_>,
    sent_from: &str,
    failure: Option<Failure>,
    told: &mut Told,
    encoding: Option<&str>,
) -> Answer {
    told.tag = Some("not_signed_in");
    if let Some(failure) = failure {
        return sign_in_failed(frame, &failure, told, encoding);
    }
    match found.form {
        Form::Html | Form::Csv | Form::Xlsx
            if !found.route.is_post && found.route.name != Name::Recording =>
        {
            see(sign_in::path_of(&frame.here))
        }
        // What a form wanted is not done. No redirect to the issuer: `form-action 'self'` would have the browser stay where it is, and say nothing.
        Form::Html if found.route.is_post => {
            html_answer(401, frame, &sign_in::ended(frame, sent_from), encoding)
        }
        _ => Problem::Unauthenticated(runtime::auth::Refusal::NoToken).answer(),
    }
}

/// The page that a form stands on, by the path that it is sent to.
fn parent_of(path: &str) -> &str {
    let parent = ["/review", "/reveal", "/name"].into_iter().find_map(|end| path.strip_suffix(end));
    parent.unwrap_or(if path == "/calls" { "/calls" } else { "/" })
}

/// Fails unless a form was sent by a page of ours to this somebody.
fn check_form(
    console: &Console,
    event: &Event,
    session: &Session,
    fields: &[(String, String)],
) -> Result<(), Problem> {
    // Pages have no referrer, so that their forms' origin may be `null`.
    let own = sign_in::base(event, console.served);
    let is_own = |origin: &str| origin == "null" || own.as_deref() == Some(origin);
    let from_elsewhere = header(event, "origin").is_some_and(|origin| !is_own(origin))
        || header(event, "sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let token = field(fields, "form").unwrap_or_default();
    match !from_elsewhere && session.is_form_token(token) {
        true => Ok(()),
        false => Err(Problem::StaleForm),
    }
}

async fn for_somebody(
    console: &Console,
    event: &Event,
    deadline: Deadline,
    frame: &Frame<'_>,
    found: &route::Found<'_>,
    fields: &[(String, String)],
    session: &Session,
) -> Result<Answer, Problem> {
    match found.route.name {
        Name::Logout => return Ok(sign_in::out(console, event, frame).await),
        Name::Choices => return Ok(choose(console, frame, fields)),
        _ => {}
    }
    check_permission(found.route, session)?;
    // What can't be read of a query is a problem; of what can, blanks are left out.
    Query::read(&event.raw_query_string)?;
    let filters = Filters::of(&event.raw_query_string);
    let asked = Asked {
        frame,
        served: console.served,
        dead_letters: &console.dead_letters,
        event,
        found,
        fields,
        query: Query::read(&filters.query())?,
        filters,
        visit: Visit {
            reader: &console.reader,
            actor: &session.actor,
            callee_ids: console.reader.callee_ids().await?,
            via: &Via::CONSOLE,
            numbers: false,
            now: frame.now,
            deadline,
        },
    };
    pages::answer(&asked).await
}

fn check_permission(route: &'static Route, session: &Session) -> Result<(), Problem> {
    // A form about calls shows some of them, or tells that they are there.
    let of_calls = (route.is_post || route.name == Name::Found).then_some(Permission::ReadCalls);
    match of_calls.into_iter().chain(route.permission).find(|permission| !session.actor.may(*permission)) {
        Some(permission) => Err(Problem::Forbidden(permission)),
        None => Ok(()),
    }
}

/// A request of somebody who may make it.
struct Asked<'a> {
    frame: &'a Frame<'a>,
    served: Served,
    dead_letters: &'a DeadLetters,
    event: &'a Event,
    found: &'a route::Found<'a>,
    /// What a form brought.
    fields: &'a [(String, String)],
    query: Query,
    /// The same, for links.
    filters: Filters,
    visit: Visit<'a>,
}

impl Asked<'_> {
    /// The page, in the form in which it is wanted.
    fn page(&self, page: &Page) -> Answer {
        let encoding = header(self.event, "accept-encoding");
        match self.found.form {
            Form::Html => html_answer(200, self.frame, page, encoding),
            _ => compressed(Answer::of(200, "application/json", json_bytes(&page.data)), encoding),
        }
    }

    fn may(&self, permission: Permission) -> bool {
        self.visit.actor.may(permission)
    }

    /// What a form handed on to this page.
    fn handed_on<T: DeserializeOwned>(&self, cookie: &Cookie) -> Option<T> {
        carried::handed_on(self.event, self.frame, self.served, cookie)
    }

    /// The way to a page, to which something is handed on.
    fn hand_on<T: Serialize>(&self, path: String, cookie: &Cookie, what: &T) -> Answer {
        carried::hand_on(see(path), self.frame, self.served, cookie, what)
    }

    /// The answer, which has what was handed on forgotten.
    fn forgotten(&self, answer: Answer, cookie: &Cookie) -> Answer {
        carried::forgotten(answer, self.served, cookie)
    }

    /// The page that a form stood on: its path and its query.
    fn here(&self) -> (&str, &str) {
        let here = self.field("here").map_or("/", sign_in::own_path);
        here.split_once('?').unwrap_or((here, ""))
    }

    /// A field of the form.
    fn field(&self, name: &str) -> Option<&str> {
        field(self.fields, name)
    }
}

/// The way from a form to a page: a browser asks for that by GET, and can come back to it.
fn see(path: String) -> Answer {
    Answer { status_code: 303, ..Answer::found(path) }
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The fields of a form, each as it was sent.
fn form_fields(event: &Event) -> Result<Vec<(String, String)>, Problem> {
    let Some(body) = &event.body else { return Ok(Vec::new()) };
    let body: Cow<'_, [u8]> = match event.is_base64_encoded {
        true => BASE64_STANDARD.decode(body).unwrap_or_default().into(),
        false => body.as_bytes().into(),
    };
    match body.len() <= MAX_FORM_BYTES {
        true => Ok(form_urlencoded::parse(&body).into_owned().collect()),
        false => Err(Problem::LongQuery(MAX_FORM_BYTES)),
    }
}

/// How pages are shown to whoever sent a request.
fn frame_of<'a>(
    console: &Console,
    event: &Event,
    session: Option<&'a Session>,
    sealer: Option<&'a Sealer>,
    now: Instant,
) -> Frame<'a> {
    let chosen = CHOICE.of(event, console.served).and_then(|choice| choice.split_once('.'));
    let (language, zone) = chosen.unwrap_or_default();
    let language = Language::tagged(language).or_else(|| {
        let offers = Language::ALL.map(Language::tag);
        request::language(header(event, "accept-language"), &offers).and_then(Language::tagged)
    });
    let language = language.unwrap_or(Language::English);
    // A page's own zone stands in its URL.
    let own = sign_in::parameter(event, "zone").and_then(|zone| Zone::named(&zone));
    let zone = own.or_else(|| unescaped(zone).and_then(|zone| Zone::named(&zone))).unwrap_or_default();
    let query = &event.raw_query_string;
    let mark = if query.is_empty() { "" } else { "?" };
    let path = request::path(event);
    // What is told of a form is told on no page that could be come back to: that on which it stands can.
    let is_form = event.request_context.http.method.eq_ignore_ascii_case("POST");
    let here = if is_form { parent_of(path).to_owned() } else { format!("{path}{mark}{query}") };
    Frame {
        words: language.words(),
        language,
        zone,
        now,
        session,
        sealer,
        form_token: session.map(Session::form_token).unwrap_or_default(),
        here: sign_in::own_path(&here).to_owned(),
    }
}

/// Keeps a language and a zone, and goes back to the page where they were chosen.
fn choose(console: &Console, frame: &Frame<'_>, fields: &[(String, String)]) -> Answer {
    let language = field(fields, "language").and_then(Language::tagged).unwrap_or(frame.language);
    let zone = field(fields, "zone").and_then(Zone::named);
    let zone = zone.as_ref().map_or(frame.zone.name(), Zone::name);
    let here = field(fields, "here").map_or("/", sign_in::own_path);
    // The page's own zone goes: another was chosen.
    let (path, query) = here.split_once('?').unwrap_or((here, ""));
    let kept: Vec<_> =
        query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("zone=")).collect();
    let mark = if kept.is_empty() { "" } else { "?" };
    let mut answer = see(format!("{path}{mark}{}", kept.join("&")));
    let choice = format!("{}.{}", language.tag(), escaped(zone));
    answer.cookies.push(CHOICE.set(console.served, &choice));
    answer
}

/// A page as an answer.
fn html_answer(status: u16, frame: &Frame<'_>, page: &Page, encoding: Option<&str>) -> Answer {
    let body = frame.around(page).into_string().into_bytes();
    let media = page.media.as_deref().unwrap_or_default();
    let answer = Answer::of(status, "text/html; charset=utf-8", body)
        .with(
            "content-security-policy",
            format!(
                "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; media-src 'self' {media}; \
                 form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
            ),
        )
        .with("cross-origin-opener-policy", "same-origin")
        .with("permissions-policy", "camera=(), microphone=(), geolocation=()")
        .with("vary", "cookie, accept-language, accept-encoding")
        .with("content-language", frame.language.html());
    compressed(answer, encoding)
}

/// An answer, compressed where its reader takes that.
fn compressed(answer: Answer, encoding: Option<&str>) -> Answer {
    let takes_gzip = encoding.is_some_and(|accepted| {
        accepted.split(',').any(|one| {
            let (name, weight) = one.split_once(';').unwrap_or((one, ""));
            name.trim().eq_ignore_ascii_case("gzip") && weight.trim() != "q=0"
        })
    });
    if !takes_gzip || answer.is_base64_encoded || answer.body.len() < MIN_COMPRESSED_BYTES {
        return answer;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    match encoder.write_all(answer.body.as_bytes()).and_then(|()| encoder.finish()) {
        Ok(bytes) => Answer { body: BASE64_STANDARD.encode(bytes), is_base64_encoded: true, ..answer }
            .with("content-encoding", "gzip"),
        // Writing into memory does not fail.
        Err(_) => answer,
    }
}
