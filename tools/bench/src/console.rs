//! The console: its program under a Runtime API, with DynamoDB behind TLS. What the first page of a new process takes beside a warm one, what
//! a page of a list takes beside the API's answer about the same calls, and what the page of a call takes that is as long as any.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant as Moment};

use anyhow::{Context, ensure};
use axum::body::Body;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use catalog::PUSH_FUNCTIONS;
use http::header::{CONTENT_TYPE, LOCATION};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use local_stack::issuer::{self, Issuer};
use local_stack::lambda::{Lambda, Process};
use runtime::config::Environment;
use runtime::ingress::receive::Receiver;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use url::Url;
use url::form_urlencoded::Serializer;

use super::cold::{self, settled};
use super::pushes::Sample;
use super::reads;
use super::report::{Bound, Ratio, Section, Table};
use super::stats::Times;
use super::stores::{Stores, settings};
use super::tls::TlsFront;

const CONSOLE: &str = "console";
const API: &str = "query-calls";
const EVENT: &str = include_str!("../../../events/console.json");
/// What a browser takes.
const ENCODINGS: &str = "gzip, deflate, br";
/// The name that the console is asked by: somewhere to come back to from the issuer.
const HOST: &str = "127.0.0.1:3000";
/// The day whose calls are listed, and how many it has.
const DAY: &str = "2025-06-01";
const CALLS: usize = 1_000;
/// How many warm requests each process serves, of each kind.
const WARM: usize = 20;
/// How many turns the long call has.
const TURNS: u64 = 20_000;
/// How often its page is asked for.
const LONG_PAGES: usize = 10;
/// What the functions have by default, in MB.
const MEMORY_MB: u32 = 512;
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs it.
pub(super) async fn run(programs: &Path, rounds: usize) -> anyhow::Result<Section> {
    for function in [CONSOLE, API] {
        let program = programs.join(function);
        ensure!(
            program.is_file(),
            "{} is not there: (cd functions/{function} && cargo build --release)",
            program.display()
        );
    }
    let rig = Rig::start(programs).await?;
    let cookie = rig.sign_in().await?;
    let token = rig.issuer.machine_token("calls.read");
    let list = page("/calls", &format!("day={DAY}&zone=UTC"), std::slice::from_ref(&cookie))?;
    let of_api = reads::event(&format!("day={DAY}&zone=UTC&limit=50"), &token)?;
    let (mut init, mut first, mut warm, mut api) =
        (Times::default(), Times::default(), Times::default(), Times::default());
    let (mut bytes, mut long_bytes) = (0, 0);
    // In turns, so that whatever else happens on this machine happens to both. The first round warms the disk's cache.
    for round in 0..=rounds {
        let mut discarded = Times::default();
        let mut running = rig.program(CONSOLE, (round > 0).then_some(&mut init)).await?;
        let times = if round == 0 { &mut discarded } else { &mut first };
        bytes = shown(&running.ask(&list, times).await?, "<table class=\"calls\">")?;
        let times = if round == 0 { &mut discarded } else { &mut warm };
        for _ in 0..WARM {
            running.ask(&list, times).await?;
        }
        let mut running = rig.program(API, None).await?;
        // It fetches the issuer's keys.
        let answer = running.ask(&of_api, &mut discarded).await?;
        ensure!(answer["statusCode"] == 200, "no page of the API: {answer}");
        let times = if round == 0 { &mut Times::default() } else { &mut api };
        for _ in 0..WARM {
            running.ask(&of_api, times).await?;
        }
    }
    rig.push_long_call().await?;
    let call = page("/calls/ai-voice/long", "", &[cookie])?;
    let mut running = rig.program(CONSOLE, None).await?;
    let mut long = Times::default();
    running.ask(&call, &mut Times::default()).await?;
    for _ in 0..LONG_PAGES {
        long_bytes = shown(&running.ask(&call, &mut long).await?, "<ol class=\"turns\">")?;
    }
    let peak_bytes = running.process.peak_memory_bytes()?;

    let mut table = Table::new(
        format!("pages, {rounds} processes, medians in ms; {MEMORY_MB} MB"),
        &["wall", "CPU", "bytes of HTML"],
    );
    let mut row = |what: &str, times: &Times, bytes: Option<usize>| {
        let bytes = bytes.map(|bytes| bytes as f64);
        table.row(what, [Some(times.wall.median()), Some(times.cpu.median()), bytes]);
    };
    row("init", &init, None);
    row("a list's page, the first of a process", &first, Some(bytes));
    row("a list's page, warm", &warm, Some(bytes));
    row("the API's answer about the same calls, warm", &api, None);
    row("a call's page with 20,000 turns, warm", &long, Some(long_bytes));
    let ratio = |what: &str, value: f64, most: f64| Ratio {
        what: what.to_owned(),
        value,
        bound: Some(Bound::AtMost(most)),
    };
    let ratios = vec![
        ratio("CPU: first page of a process / warm", first.cpu.median() / warm.cpu.median(), 3.0),
        ratio("CPU: a list's page / the API's answer", warm.cpu.median() / api.cpu.median(), 1.5),
    ];
    let notes = vec![
        "pages are compressed, as browsers ask for them; the API's answers are not".to_owned(),
        format!("the process of the long call had {:.0} MiB at most", peak_bytes as f64 / (1024.0 * 1024.0)),
    ];
    Ok(Section { name: CONSOLE, tables: vec![table], ratios, notes })
}

/// What the programs run by.
struct Rig {
    programs: PathBuf,
    stores: Stores,
    issuer: Issuer,
    front: TlsFront,
    folder: TempDir,
}

impl Rig {
    async fn start(programs: &Path) -> anyhow::Result<Self> {
        let stores = Stores::start().await?;
        let record = reads::record(&stores).await?;
        reads::seed(&stores.store, &record, DAY, CALLS).await?;
        let issuer = Issuer::start(TcpListener::bind(issuer::address(0)).await?)?;
        let front = TlsFront::start(stores.dynamodb.local_addr()).await?;
        let folder = TempDir::new()?;
        front.write_roots(&folder.path().join("roots.pem"))?;
        Ok(Self { programs: programs.to_owned(), stores, issuer, front, folder })
    }

    /// Starts a program.
    async fn program(&self, function: &str, init: Option<&mut Times>) -> anyhow::Result<Running> {
        let mut lambda = Lambda::with_timeout(29).await?;
        let mut command = lambda.command(&self.programs.join(function), function, MEMORY_MB);
        cold::settings(&mut command, &self.front, &self.folder.path().join("roots.pem"))?;
        command
            .env("S3_ENDPOINT", self.stores.s3.endpoint())
            .env("OIDC_ISSUER", self.issuer.url())
            .env("OIDC_CLIENT_ID", issuer::CONSOLE)
            .env("OIDC_AUDIENCE", issuer::AUDIENCE)
            .env("ROLE_GROUPS", issuer::role_groups())
            .env("SESSION_KEY", "a session key for this machine alone of 32 characters and more")
            .env("CALLEE_ID_KEY", "a key for this machine alone, of 32 characters and more")
            .stdin(Stdio::null())
            .stdout(File::create("/dev/null")?)
            .stderr(Stdio::null());
        let begun = Moment::now();
        let process = Process::start(command)?;
        let ready = lambda.ready(PATIENCE).await?;
        if let Some(init) = init {
            init.add(ready - begun, settled(&process).await?);
        }
        Ok(Running { lambda, process })
    }

    /// Signs somebody in who may everything but see numbers; the cookie of the session.
    async fn sign_in(&self) -> anyhow::Result<String> {
        let mut running = self.program(CONSOLE, None).await?;
        let mut times = Times::default();
        let begun = running.ask(&page("/login", "", &[])?, &mut times).await?;
        let to_issuer = begun["headers"]["location"].as_str().context("no way to the issuer")?;
        let mut form = Serializer::new(String::new());
        form.extend_pairs(Url::parse(to_issuer)?.query_pairs());
        for permission in ["calls.read", "recordings.listen", "calls.review"] {
            form.append_pair("permission", permission);
        }
        let request = http::Request::post(format!("{}/authorize", self.issuer.url()))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.finish()))?;
        let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
        let answer = client.request(request).await?;
        let back = answer.headers().get(LOCATION).context("the issuer leads nowhere")?.to_str()?;
        let query = Url::parse(back)?.query().unwrap_or_default().to_owned();
        let ended = running.ask(&page("/callback", &query, &cookies(&begun))?, &mut times).await?;
        let cookie = cookies(&ended).into_iter().find(|cookie| cookie.starts_with("__Host-callvault="));
        cookie.with_context(|| format!("nobody is signed in: {ended}"))
    }

    /// Pushes a call with as many turns as any.
    async fn push_long_call(&self) -> anyhow::Result<()> {
        let turns = (0..TURNS).map(|turn| {
            let (kind, at) = if turn % 2 == 0 { ("ROBOT", turn * 1_000) } else { ("PERSON", turn * 1_000) };
            json!({"text": format!("好的，第{turn}句"), "type": kind, "startOffset": at, "endOffset": at + 900})
        });
        let call = json!({
            "callId": "long", "resultStatus": "ANSWERED", "chatDuration": TURNS, "callDetailList": turns.collect::<Vec<_>>(),
        });
        let look_up = settings(&self.stores.dynamodb.endpoint(), &self.stores.s3.endpoint());
        let receiver = Receiver::new(&Environment::new(&look_up), &catalog::pushes())?;
        let sample = Sample::of("ai-voice-call-record")?;
        let known = PUSH_FUNCTIONS.iter().find(|known| known.push.function == sample.function);
        let push = known.context("it is known")?.push;
        let request = lambda_http::request::from_str(&sample.event_of(&call.to_string()))?;
        let status = receiver.receive(&push, request).await.status();
        ensure!(status == 200, "the long call was not stored: {status}");
        Ok(())
    }
}

/// A program under a Lambda of its own.
struct Running {
    lambda: Lambda,
    process: Process,
}

impl Running {
    async fn ask(&mut self, event: &str, times: &mut Times) -> anyhow::Result<Value> {
        let cpu_before = settled(&self.process).await?;
        let begun = Moment::now();
        self.lambda.invoke(event);
        let (answered, answer) = self.lambda.answered(PATIENCE).await?;
        self.lambda.ready(PATIENCE).await?;
        times.add(answered - begun, settled(&self.process).await?.saturating_sub(cpu_before));
        Ok(answer)
    }
}

/// The event of API Gateway of somebody who asks the console for a page.
fn page(path: &str, query: &str, cookies: &[String]) -> anyhow::Result<String> {
    let mut event: Value = serde_json::from_str(EVENT)?;
    event["rawPath"] = json!(path);
    event["rawQueryString"] = json!(query);
    event["requestContext"]["http"]["path"] = json!(path);
    event["requestContext"]["domainName"] = json!(HOST);
    event["cookies"] = json!(cookies);
    event["headers"]["accept-encoding"] = json!(ENCODINGS);
    Ok(event.to_string())
}

/// The cookies that an answer sets, each as a browser sends it back.
fn cookies(answer: &Value) -> Vec<String> {
    let set = answer["cookies"].as_array().into_iter().flatten().filter_map(Value::as_str);
    set.filter_map(|cookie| Some(cookie.split_once(';')?.0.to_owned())).collect()
}

/// How many bytes of HTML an answer has, in which `words` have to stand.
fn shown(answer: &Value, words: &str) -> anyhow::Result<usize> {
    let body = answer["body"].as_str().unwrap_or_default();
    let compressed = BASE64_STANDARD.decode(body).unwrap_or_default();
    let mut html = String::new();
    flate2::read::GzDecoder::new(&compressed[..]).read_to_string(&mut html).context("a page, compressed")?;
    ensure!(answer["statusCode"] == 200 && html.contains(words), "no page: {html:.500}");
    Ok(html.len())
}
