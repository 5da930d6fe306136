//! The local stack: which parts there are, how they start, and how they end.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use archive_recordings::Archiver;
use catalog::{PUSH_FUNCTIONS, token};
use clap::Args;
use console::{Console, Served};
use export_calls::Exporter;
use fetch_conversations::Conversations;
use operator::LOCAL_CALLEE_ID_KEY;
use platforms::Provider;
use publish_changes::Publisher;
use query_calls::QueryCalls;
use runtime::aws::{Account, Patience};
use runtime::config::{Environment, StoreConfig, own_token};
use runtime::ingress::receive::Receiver;
use runtime::outbound::fetch::SystemResolver;
use runtime::store::Store;
use s3_emulator::S3;
use sweep_erased::Sweeper;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use crate::bus::{self, Bus, Webhook};
use crate::dynamodb::{self, DynamoDb};
use crate::functions::{Functions, SCHEDULED_FUNCTIONS, ScheduledFunction};
use crate::issuer::{self, Issuer};
use crate::stream::Stream;
use crate::{demo, gateway, schema};

/// The token of a stack on one's own machine.
const LOCAL_TOKEN: &str = "local";
/// The bus's name here.
const LOCAL_BUS: &str = "callvault";
/// The variable of the tokens' digests.
const TOKENS: &str = "PUSH_TOKEN_SHA256";

/// How to serve.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The address to listen on; 0.0.0.0 lets containers in.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// The API's port; 0 picks a free one, here and below.
    #[arg(long, default_value_t = 3000)]
    pub port: u16,
    /// The embedded DynamoDB's port.
    #[arg(long, default_value_t = 8000)]
    pub dynamodb_port: u16,
    /// The embedded S3's port.
    #[arg(long, default_value_t = 9000)]
    pub s3_port: u16,
    /// The provider simulator's port.
    #[arg(long, default_value_t = 4000)]
    pub provider_port: u16,
    /// The port of the issuer of readers' tokens, on this machine alone.
    #[arg(long, default_value_t = 3002)]
    pub issuer_port: u16,
    /// The bus's port.
    #[arg(long, default_value_t = 4010)]
    pub bus_port: u16,
    /// Post every event to this URL, as an API destination would.
    #[arg(long, value_name = "URL")]
    pub webhook: Option<url::Url>,
    /// A header to post it with: a token of the webhook's.
    #[arg(long, value_name = "NAME=VALUE", requires = "webhook", value_parser = operator::http::header)]
    pub webhook_header: Option<(String, String)>,
    /// Where data is kept across restarts.
    #[arg(long, value_name = "DIR", default_value = ".callvault")]
    pub data: PathBuf,
    /// Keep nothing across restarts. The table has a gigabyte at most then, unless no events are made.
    #[arg(long)]
    pub memory: bool,
    /// The token that pushes have to carry: it opens every function.
    #[arg(long, default_value = LOCAL_TOKEN, value_parser = token::parse)]
    pub token: String,
    /// A token that opens one function only; again for others.
    #[arg(long, value_name = "FUNCTION=TOKEN", value_parser = token::parse_own)]
    pub function_token: Vec<(String, String)>,
    /// How long a request may take to arrive, its head and then its body.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    pub read_timeout: u64,
    /// The table's name.
    #[arg(long, env = "TABLE_NAME", default_value = "callvault", hide_env_values = true)]
    pub table: String,
    /// The bucket's name.
    #[arg(long, env = "BUCKET_NAME", default_value = "callvault", hide_env_values = true)]
    pub bucket: String,
    /// The name of the bucket of analytics' files.
    #[arg(
        long,
        env = "ANALYTICS_BUCKET_NAME",
        default_value = "callvault-analytics",
        hide_env_values = true
    )]
    pub analytics_bucket: String,
    /// Don't run the scheduled functions.
    #[arg(long)]
    pub no_schedule: bool,
    /// Use this DynamoDB instead of the embedded one, whatever DYNAMODB_ENDPOINT says.
    #[arg(long, value_name = "URL")]
    pub dynamodb_endpoint: Option<String>,
    /// Use this S3 instead of the embedded one, whatever S3_ENDPOINT says.
    #[arg(long, value_name = "URL")]
    pub s3_endpoint: Option<String>,
    /// Begin with made-up calls, to see the console by.
    #[arg(long)]
    pub demo: bool,
    /// Fetch recordings from the simulator alone, whatever is set: nothing leaves this machine.
    #[arg(skip)]
    pub simulator_only: bool,
    /// Make no events.
    #[arg(long)]
    pub no_events: bool,
    /// How many of a hundred requests to the bus go wrong, on purpose.
    #[arg(long, value_name = "PERCENT", hide = true, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=90))]
    pub bus_faults: u32,
}

impl Options {
    /// Everything in memory, on free ports.
    pub fn in_memory() -> Self {
        Self {
            host: std::net::Ipv4Addr::LOCALHOST.into(),
            port: 0,
            dynamodb_port: 0,
            s3_port: 0,
            provider_port: 0,
            issuer_port: 0,
            bus_port: 0,
            webhook: None,
            webhook_header: None,
            data: PathBuf::new(),
            memory: true,
            token: LOCAL_TOKEN.to_owned(),
            function_token: Vec::new(),
            read_timeout: 30,
            table: "callvault".to_owned(),
            bucket: "callvault".to_owned(),
            analytics_bucket: "callvault-analytics".to_owned(),
            no_schedule: true,
            dynamodb_endpoint: None,
            s3_endpoint: None,
            demo: false,
            simulator_only: true,
            no_events: false,
            bus_faults: 0,
        }
    }
}

/// How to run the provider simulator alone.
#[derive(Args, Clone, Debug)]
pub struct ProviderOptions {
    /// The address to listen on; 0.0.0.0 lets containers in.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// The simulator's port; 0 picks a free one.
    #[arg(long, default_value_t = 4000)]
    pub port: u16,
}

/// A running stack.
pub struct Stack {
    api: SocketAddr,
    stores: StoreConfig,
    store: Store,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
    functions: Arc<Functions>,
    schedule: JoinSet<()>,
    provider: Provider,
    issuer: Issuer,
    bus: Bus,
    stream: Option<Stream>,
    dynamodb: Option<DynamoDb>,
    s3: Option<S3>,
}

impl Stack {
    /// Starts the stores (the embedded ones, unless others are named), makes table and bucket, and serves the functions.
    pub async fn start(options: &Options) -> anyhow::Result<Self> {
        let api = listen(options, options.port, "--port").await?;
        let data = (!options.memory).then_some(options.data.as_path());
        // S3 first: it holds the lock that keeps a second stack out of the folder.
        let s3 = match &options.s3_endpoint {
            Some(_) => None,
            None => {
                let listener = listen(options, options.s3_port, "--s3-port").await?;
                Some(s3_emulator::start(listener, data.map(|data| data.join("s3")).as_deref()).await?)
            }
        };
        let dynamodb_data = data.map(|data| data.join("dynamodb"));
        let dynamodb = match &options.dynamodb_endpoint {
            // Others' DynamoDB has a stream of its own, or none.
            Some(_) => None,
            None => {
                let listener = listen(options, options.dynamodb_port, "--dynamodb-port").await?;
                let data = dynamodb_data.as_deref();
                Some(match options.no_events {
                    true => dynamodb::start(listener, data).await?,
                    false => dynamodb::start_with_stream(listener, data).await?,
                })
            }
        };
        let webhook = options
            .webhook
            .as_ref()
            .map(|url| Webhook { url: url.to_string(), header: options.webhook_header.clone() });
        let bus_listener = listen(options, options.bus_port, "--bus-port").await?;
        let events = data.map(|data| data.join("events"));
        if let Some(events) = &events {
            Stream::remove_former(events);
        }
        let bus = Bus::start(
            bus_listener,
            events.as_deref(),
            webhook,
            bus::Faults { percent: options.bus_faults },
        )?;
        let bus_endpoint = format!("http://{}", reachable(bus.address()));
        let endpoint =
            |address: Option<SocketAddr>| address.map(|address| format!("http://{}", reachable(address)));
        let listener = listen(options, options.provider_port, "--provider-port").await?;
        let provider = platforms::start(listener, platforms::Settings::default())?;
        let simulator = reachable(provider.address());
        let loopback = issuer::address(options.issuer_port).ip();
        let issuer = Issuer::start(listen_on(loopback, options.issuer_port, "--issuer-port").await?)?;
        // Whoever names an issuer of their own has settings of their own for it.
        let own_issuer = set("OIDC_ISSUER");
        let session_key = [runtime::random::name(), runtime::random::name()].concat();
        let dynamodb_endpoint = endpoint(dynamodb.as_ref().map(DynamoDb::local_addr));
        let s3_endpoint = endpoint(s3.as_ref().map(S3::local_addr));

        // What is set goes on to the functions; what isn't has its local default.
        let look_up = |variable: &str| match variable {
            "DYNAMODB_ENDPOINT" => dynamodb_endpoint.clone().or_else(|| options.dynamodb_endpoint.clone()),
            "S3_ENDPOINT" => s3_endpoint.clone().or_else(|| options.s3_endpoint.clone()),
            "EVENTBRIDGE_ENDPOINT" => Some(bus_endpoint.clone()),
            "EVENT_BUS_NAME" => Some(LOCAL_BUS.to_owned()),
            "TABLE_NAME" => Some(options.table.clone()),
            "BUCKET_NAME" => Some(options.bucket.clone()),
            "ANALYTICS_BUCKET_NAME" => Some(options.analytics_bucket.clone()),
            TOKENS => Some(set(variable).unwrap_or_else(|| token::digest(&options.token))),
            own if own.starts_with("PUSH_TOKEN_SHA256_") => {
                let of_own = |(function, token): &(String, String)| {
                    (own_token(function) == own).then(|| token::digest(token))
                };
                let digests: Vec<_> = options.function_token.iter().filter_map(of_own).collect();
                set(variable).or_else(|| (!digests.is_empty()).then(|| digests.join(",")))
            }
            "OIDC_ISSUER" => own_issuer.clone().or_else(|| Some(issuer.url().to_owned())),
            "OIDC_CLIENT_ID" if own_issuer.is_none() => Some(issuer::CONSOLE.to_owned()),
            "OIDC_AUDIENCE" if own_issuer.is_none() => Some(issuer::AUDIENCE.to_owned()),
            "ROLE_GROUPS" if own_issuer.is_none() => Some(issuer::role_groups()),
            // Sessions end with the stack, as its issuer's key does.
            "SESSION_KEY" => Some(set(variable).unwrap_or_else(|| session_key.clone())),
            // Unless it comes from elsewhere.
            "CALLEE_ID_KEY" => Some(set(variable).unwrap_or_else(|| LOCAL_CALLEE_ID_KEY.to_owned())),
            "ALIBABA_ENDPOINT" | "LAAFFIC_ENDPOINT" => {
                Some(set(variable).unwrap_or_else(|| provider.base_url().to_owned()))
            }
            "RECORDING_HOSTS" if options.simulator_only => Some(simulator.to_string()),
            "RECORDING_HOSTS" => Some(
                set(variable).unwrap_or_else(|| format!("{},{simulator}", archive_recordings::DEFAULT_HOSTS)),
            ),
            // The simulator's, unless keys come from elsewhere.
            "ALIBABA_ACCESS_KEY_ID" | "ALIBABA_ACCESS_KEY_SECRET" => {
                key_of_pair(variable, ["ALIBABA_ACCESS_KEY_ID", "ALIBABA_ACCESS_KEY_SECRET"])
            }
            "LAAFFIC_API_KEY" | "LAAFFIC_API_SECRET" => {
                key_of_pair(variable, ["LAAFFIC_API_KEY", "LAAFFIC_API_SECRET"])
            }
            _ => set(variable),
        };
        check_token_names(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))?;
        let environment = Environment::new(&look_up);
        let stores = StoreConfig::read(&environment)?;
        let account = Account::of_function(&environment, &stores)?;
        schema::create_table(&account, &stores).await?;
        let store = Store::new(stores.clone(), account, Patience::Nobody)
            .with_analytics(Some(options.analytics_bucket.clone()));
        schema::create_bucket(store.bucket()).await?;
        schema::create_analytics_bucket(&store).await?;

        let archiver = Archiver::new(&environment, SystemResolver).await?;
        let conversations = Conversations::new(&environment)?;
        let credentials = conversations.credentials(&environment).await?;
        let receiver = Receiver::new(&environment, &catalog::pushes())?;
        let sweeper = Sweeper::new(&environment)?;
        let exporter = Exporter::new(&environment)?;
        // Who reads holds up no push.
        let readers_endpoint = endpoint(dynamodb.as_ref().map(DynamoDb::readers_addr));
        let look_up_of_readers = |variable: &str| match variable {
            "DYNAMODB_ENDPOINT" => readers_endpoint.clone().or_else(|| look_up(variable)),
            _ => look_up(variable),
        };
        let readers = Environment::new(&look_up_of_readers);
        let reader = QueryCalls::new(&readers)?;
        let console = Console::new(&readers, Served::OnLoopback)?;
        let publisher = Publisher::new(&environment)?;
        let functions = Functions {
            receiver,
            archiver,
            conversations,
            credentials,
            sweeper,
            exporter,
            reader,
            console,
            publisher,
        };
        let functions = Arc::new(functions);
        let stream = match dynamodb.as_ref().and_then(DynamoDb::database) {
            Some(database) if options.no_events => Stream::none(database, &options.table).map(|()| None)?,
            Some(database) => Some(Stream::start(database, &options.table, &functions)?),
            None => None,
        };
        let address = api.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let read_timeout = Duration::from_secs(options.read_timeout);
        let trusted = own_issuer.as_deref().unwrap_or(issuer.url()).to_owned();
        // By the address that recordings may be fetched from, wherever it listens.
        let of_stack = format!("http://{simulator}");
        let gateway = gateway::Gateway::new(Arc::clone(&functions), trusted, &of_stack, read_timeout);
        let server = tokio::spawn(gateway::serve(api, gateway, stopped));
        let mut schedule = JoinSet::new();
        if !options.no_schedule {
            for function in SCHEDULED_FUNCTIONS {
                schedule.spawn(run_at_intervals(function, Arc::clone(&functions)));
            }
        }
        Ok(Self {
            api: address,
            stores,
            store,
            stop,
            server,
            functions,
            schedule,
            provider,
            issuer,
            bus,
            stream,
            dynamodb,
            s3,
        })
    }

    /// The API's base URL.
    pub fn url(&self) -> String {
        format!("http://{}", reachable(self.api))
    }

    /// Where the stores are.
    pub fn stores(&self) -> &StoreConfig {
        &self.stores
    }

    /// What a function finds the stores by: the value of one of its variables; `None` of any other.
    pub fn variable(&self, name: &str) -> Option<String> {
        let StoreConfig { table_name, bucket_name, dynamodb_endpoint, s3_endpoint, .. } = &self.stores;
        match name {
            "TABLE_NAME" => Some(table_name.clone()),
            "BUCKET_NAME" => Some(bucket_name.clone()),
            "ANALYTICS_BUCKET_NAME" => self.store.analytics().map(|analytics| analytics.0.name.clone()),
            "DYNAMODB_ENDPOINT" => dynamodb_endpoint.clone(),
            "S3_ENDPOINT" => s3_endpoint.clone(),
            _ => None,
        }
    }

    /// The stores.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The functions.
    pub fn functions(&self) -> Arc<Functions> {
        Arc::clone(&self.functions)
    }

    /// The provider simulator.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// The bus.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The issuer of readers' tokens.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Ends the stack: no new requests, a little time for the running ones, then the stores.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.stop);
        self.server.await?;
        // A run that is broken off leaves claims that lapse, as it would in Lambda.
        self.schedule.shutdown().await;
        self.provider.stop().await;
        if let Some(stream) = self.stream {
            stream.stop();
        }
        self.bus.stop();
        if let Some(s3) = self.s3 {
            s3.stop().await?;
        }
        if let Some(dynamodb) = self.dynamodb {
            dynamodb.stop().await?;
        }
        Ok(())
    }
}

/// Refuses the tokens of a function that there is none of: a name that was mistyped opens nothing, and nobody is told.
fn check_token_names(variables: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let known: Vec<_> = PUSH_FUNCTIONS.iter().map(|known| own_token(known.push.function)).collect();
    for variable in variables.filter(|variable| variable.starts_with("PUSH_TOKEN_SHA256_")) {
        anyhow::ensure!(
            known.contains(&variable),
            "{variable} names no push function: there are {}",
            known.join(", ")
        );
    }
    Ok(())
}

/// What is set of a pair, or the simulator's where neither half is: half a pair is left to be refused.
fn key_of_pair(variable: &str, pair: [&str; 2]) -> Option<String> {
    let is_any_set = pair.into_iter().any(|variable| set(variable).is_some());
    set(variable).or_else(|| (!is_any_set).then(|| "local".to_owned()))
}

fn set(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.trim().is_empty())
}

/// An address to connect to, where one of ours listens on all.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => (std::net::Ipv4Addr::LOCALHOST, v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (std::net::Ipv6Addr::LOCALHOST, v6.port()).into(),
        other => other,
    }
}

async fn listen(options: &Options, port: u16, option: &str) -> anyhow::Result<TcpListener> {
    listen_on(options.host, port, option).await
}

async fn listen_on(host: IpAddr, port: u16, option: &str) -> anyhow::Result<TcpListener> {
    match TcpListener::bind((host, port)).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            bail!("port {port} is taken: choose another with {option}, or {option} 0 for any that is free")
        }
        Err(error) => Err(error).with_context(|| format!("can't listen on {host}:{port} ({option})")),
    }
}

/// Runs a function once its first interval has passed, and then at each.
async fn run_at_intervals(function: ScheduledFunction, functions: Arc<Functions>) {
    let mut ticks = tokio::time::interval(function.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if let Err(error) = Arc::clone(&functions).invoke(function.name, serde_json::json!({})).await {
            tracing::error!(function = function.name, error = %error, "invocation failed");
        }
    }
}

/// Serves until Ctrl-C or SIGTERM.
pub async fn serve(options: Options) -> anyhow::Result<()> {
    runtime::telemetry::init(std::io::stderr);
    // From here on a signal ends it cleanly, even while it starts.
    let (mut interrupted, mut terminated) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stack = Stack::start(&options).await?;
    if options.demo {
        demo::fill(&stack, &options.token).await?;
    }
    introduce(&stack, &options)?;
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    stack.stop().await
}

/// Runs the provider simulator alone until Ctrl-C or SIGTERM.
pub async fn serve_provider(options: ProviderOptions) -> anyhow::Result<()> {
    let (mut interrupted, mut terminated) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let listener = listen_on(options.host, options.port, "--port").await?;
    let provider = platforms::start(listener, platforms::Settings::default())?;
    {
        let mut out = std::io::stdout().lock();
        writeln!(out, "the provider simulator is ready")?;
        writeln!(out)?;
        writeln!(out, "  provider  {}", provider.base_url())?;
        writeln!(out)?;
        writeln!(out, "Try:")?;
        writeln!(out, "  curl -O {}", provider.recording_url("any-name.wav"))?;
        writeln!(out, "  curl -i '{}?fault=xml-200'", provider.recording_url("any-name.wav"))?;
        out.flush()?;
    }
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    provider.stop().await;
    Ok(())
}

fn introduce(stack: &Stack, options: &Options) -> anyhow::Result<()> {
    let url = stack.url();
    let stores = stack.stores();
    let endpoint = |endpoint: &Option<String>| endpoint.clone().unwrap_or_default();
    let first = PUSH_FUNCTIONS[0].push.function;
    let mut out = std::io::stdout().lock();
    writeln!(out, "callvault is ready: the console is at {url}/")?;
    writeln!(out)?;
    writeln!(out, "  API       {url}")?;
    for function in PUSH_FUNCTIONS {
        writeln!(out, "              POST /push/{}/{{token}}", function.push.function)?;
    }
    writeln!(out, "              GET /api/…, by {}", query_calls::FUNCTION)?;
    writeln!(out, "              GET /, by {}: sign in as whomever you like", console::FUNCTION)?;
    for function in SCHEDULED_FUNCTIONS {
        let minutes = function.every.as_secs() / 60;
        let when = match minutes {
            _ if options.no_schedule => "on invocation".to_owned(),
            1 => "every minute".to_owned(),
            _ => format!("every {minutes} minutes"),
        };
        writeln!(out, "              {} {when}", function.name)?;
    }
    writeln!(out, "  DynamoDB  {}  table {}", endpoint(&stores.dynamodb_endpoint), stores.table_name)?;
    writeln!(out, "  S3        {}  bucket {}", endpoint(&stores.s3_endpoint), stores.bucket_name)?;
    writeln!(out, "              bucket {}, of analytics' files", options.analytics_bucket)?;
    writeln!(out, "  provider  {}  simulated", stack.provider().base_url())?;
    writeln!(out, "  bus       http://{}  of events", reachable(stack.bus.address()))?;
    writeln!(out, "  issuer    {}  of readers' tokens", stack.issuer().url())?;
    match options.memory {
        true => writeln!(out, "  data      in memory")?,
        false => writeln!(out, "  data      {}", options.data.display())?,
    }
    for note in notes(options, |variable| set(variable).is_some()) {
        writeln!(out, "  note      {note}")?;
    }
    writeln!(out)?;
    let (when, token) = match options.token == LOCAL_TOKEN && set(TOKENS).is_none() {
        true => ("Try:", LOCAL_TOKEN),
        // A token of one's own is a secret.
        false => ("Try, after `export TOKEN=` with the token that pushes carry:", "$TOKEN"),
    };
    writeln!(out, "{when}")?;
    writeln!(
        out,
        "  curl \"{url}/push/{first}/{token}\" --data-binary @functions/{first}/test_data/sample.json"
    )?;
    out.flush()?;
    Ok(())
}

/// What is set and does not count.
fn notes(options: &Options, is_set: impl Fn(&str) -> bool) -> Vec<String> {
    let embedded = [
        ("DYNAMODB_ENDPOINT", "--dynamodb-endpoint", options.dynamodb_endpoint.is_none()),
        ("S3_ENDPOINT", "--s3-endpoint", options.s3_endpoint.is_none()),
    ];
    let mut notes = Vec::new();
    for (variable, option, is_embedded) in embedded {
        if is_embedded && is_set(variable) {
            notes.push(format!(
                "{variable} is set, and not used: the store is embedded unless {option} names another"
            ));
        }
    }
    if options.token != LOCAL_TOKEN && is_set(TOKENS) {
        notes.push(format!("--token opens nothing, since {TOKENS} is set"));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_and_does_not_count_is_told() {
        let embedded = Options::in_memory();
        let all = |_: &str| true;
        let told = notes(&embedded, all);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("DYNAMODB_ENDPOINT is set, and not used"), "{told:?}");
        assert!(told[1].starts_with("S3_ENDPOINT is set, and not used"), "{told:?}");
        assert_eq!(notes(&embedded, |_| false), [""; 0]);
        let others = Options {
            dynamodb_endpoint: Some("http://h".to_owned()),
            s3_endpoint: Some("http://h".to_owned()),
            token: "another".to_owned(),
            ..Options::in_memory()
        };
        assert_eq!(notes(&others, all), ["--token opens nothing, since PUSH_TOKEN_SHA256 is set"]);
    }
}
