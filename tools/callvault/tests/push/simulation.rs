//! `callvault simulate`: it finds nothing wrong where nothing is, and everything that is; and nothing is lost under load while the
//! stack is killed and its stores fail.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use load::{Options, Simulation, Verification};
use platforms::Provider;
use runtime::store::Store;
use serde_json::Value;
use sha2::{Digest, Sha256};
use shared::record::item::Item;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::faults::{Fault, FaultyDynamoDb};
use crate::support::{Served, TOKEN, all_items_in, free_port, rejected_in};

/// A platform waits 700 ms: loads that compete for the same processor would only measure each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// The options as the command line has them.
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

fn simulation(arguments: &[&str]) -> Simulation {
    let cli = Cli::parse_from([&["simulate", "--token", TOKEN], arguments].concat());
    Simulation::new(&cli.options).unwrap()
}

/// A platform that serves the recordings.
pub(crate) async fn recordings() -> Provider {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    platforms::start(listener, platforms::Settings::default()).unwrap()
}

/// Where the functions fetch recordings, and ask for the URLs of those that are known by an id.
pub(crate) fn settings<'a>(hosts: &'a str, platform: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("RECORDING_HOSTS", hosts),
        ("LAAFFIC_ENDPOINT", platform),
        // The platform is this machine's: there is no need to spare it.
        ("LAAFFIC_REQUESTS_PER_SECOND", "100"),
    ]
}

fn today() -> String {
    jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_finds_everything_as_it_should_be_on_a_sound_stack() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let recordings = recordings().await;
    let hosts = recordings.address().to_string();
    let served = Served::start_with(&["--memory", "--no-schedule"], &settings(&hosts, recordings.base_url()));
    let (succeeded, said) = served.operate(&[
        "simulate",
        "--token",
        TOKEN,
        "--to",
        &served.url,
        "--recording-base",
        recordings.base_url(),
        "--calls",
        "200",
        "--rate",
        "12",
        "--time-scale",
        "0.01",
        "--verify",
        "--erase",
        "3",
    ]);
    assert!(succeeded, "{said}");
    assert!(said.contains("looked at 200 calls: ") && said.contains("3 of them erased"), "{said}");
    assert!(
        said.contains("0 differences: what was acknowledged is stored, what is stored was sent"),
        "{said}"
    );
    for kind in ["alicom-call-report", "alicom-call-record", "alicom-call-note", "laaffic-status-report"] {
        assert!(said.contains(kind), "{kind} in {said}");
    }
    crate::glossary::check(&all_items_in(&served.store()).await);
    assert!(
        said.contains("ai-voice-call-record  ") && said.contains("ai-voice-call-record, wrapped"),
        "{said}"
    );
}

/// At whatever ports the stack is: it tells where its own simulator is, which is where it may fetch recordings from.
#[tokio::test(flavor = "multi_thread")]
async fn recordings_are_at_the_simulator_of_the_stack_unless_another_place_is_named() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let served = Served::start(&["--memory", "--no-schedule"]);
    let (succeeded, said) = served.operate(&[
        "simulate",
        "--token",
        TOKEN,
        "--to",
        &served.url,
        "--calls",
        "30",
        "--rate",
        "12",
        "--time-scale",
        "0.01",
        "--verify",
    ]);
    assert!(succeeded && said.contains("looked at 30 calls: "), "{said}");
    let items = all_items_in(&served.store()).await;
    let archived = items.iter().filter(|item| item.get("state").is_some_and(|state| state == "archived"));
    assert!(archived.count() > 5, "{said}");
}

#[test]
fn whoever_hangs_up_is_reported_as_given_up_and_is_no_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("http://{}", listener.local_addr().unwrap());
    // Until the test's process ends.
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_callvault"))
        .args(["simulate", "--to", &nowhere, "--calls", "20", "--rate", "1000", "--time-scale", "0.00001"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("0.00 % acknowledged"), "{said}");
    assert!(said.contains("given up after 4 attempts, no connection: alicom-call-report"), "{said}");
    assert!(said.contains("given up after 11 attempts, no connection: ai-voice-call-record"), "{said}");
    assert!(said.contains("given up after 2 attempts, no connection: laaffic-status-report"), "{said}");
}

#[test]
fn where_the_first_answers_are_all_refusals_it_ends_at_once_and_says_what_to_mend() {
    let served = Served::start(&["--memory", "--no-schedule"]);
    let began = std::time::Instant::now();
    let simulate = ["simulate", "--calls", "500", "--rate", "200", "--no-recordings"];
    for (to, token, said) in [
        (
            served.url.clone(),
            "another",
            "callvault: the first 10 answers were all 401: the token is not accepted",
        ),
        (
            format!("{}/push", served.url),
            TOKEN,
            "callvault: the first 10 answers were all 404: there is no such path",
        ),
    ] {
        let (code, told) =
            served.operate_with_code(&[&simulate[..], &["--to", &to, "--token", token]].concat());
        assert!(code == Some(1) && told.contains(said), "{told}");
        assert!(!told.contains("another") && !told.contains(TOKEN), "{told}");
    }
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

/// What an earlier run left is not judged by what this one sent, and is told.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_run_of_the_same_seed_left_is_named_and_is_no_difference() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let recordings = recordings().await;
    let hosts = recordings.address().to_string();
    let served = Served::start_with(&["--memory", "--no-schedule"], &settings(&hosts, recordings.base_url()));
    let day = today();
    let simulate = |more: &[&str]| {
        let fixed = ["simulate", "--token", TOKEN, "--to", &served.url, "--seed", "3", "--day", &day];
        let pace = ["--rate", "20", "--time-scale", "0.01", "--verify"];
        let (succeeded, said) = served.operate(&[&fixed[..], &pace, more].concat());
        assert!(succeeded && said.contains("0 differences"), "{said}");
        said
    };
    let said = simulate(&["--calls", "60", "--no-recordings", "--erase", "2"]);
    assert!(said.contains("2 of them erased") && !said.contains("not judged"), "{said}");

    let said = simulate(&["--calls", "40", "--no-recordings"]);
    assert!(
        said.contains("calls more are of an earlier run of the same seed and day, and are not judged"),
        "{said}"
    );

    let said = simulate(&["--calls", "60", "--recording-base", recordings.base_url()]);
    assert!(said.contains("2 calls were erased before this run, and are not judged"), "{said}");
    assert!(
        said.contains("calls were told otherwise by an earlier run"),
        "no recording was announced: {said}"
    );
}

/// Everything found, as item and what is wrong with it.
fn found(verification: &Verification) -> Vec<(String, String)> {
    verification.differences().iter().map(|one| (one.sk.clone(), one.what.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_tampered_with_is_told_exactly_and_fails_the_command() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let recordings = recordings().await;
    let hosts = recordings.address().to_string();
    let served = Served::start_with(&["--memory", "--no-schedule"], &settings(&hosts, recordings.base_url()));
    let store = served.store();
    let day = today();
    let arguments = [
        "--to",
        &served.url,
        "--recording-base",
        recordings.base_url(),
        "--calls",
        "300",
        "--rate",
        "20",
        "--time-scale",
        "0.01",
        "--seed",
        "7",
        "--day",
        &day,
    ];
    let simulation = simulation(&arguments);
    let sent = simulation.send(None).await.unwrap();
    assert_eq!(sent.acknowledged_pushes(), sent.pushes(), "{sent}");
    let sound = simulation.verify(&store, &sent).await.unwrap();
    assert_eq!(found(&sound), [], "before anything is tampered with");

    let mut expected = tamper(&store).await;
    let mut found_now = found(&simulation.verify(&store, &sent).await.unwrap());
    expected.sort();
    found_now.sort();
    assert_eq!(found_now, expected);

    // Sending it all again mends what was deleted, and nothing else: what is stored already is no news.
    let mut again = vec!["simulate", "--token", TOKEN];
    again.extend(arguments);
    again.push("--verify");
    let (succeeded, said) = served.operate(&again);
    assert!(!succeeded, "{said}");
    assert!(said.contains("call  duration_s: expected "), "{said}");
    assert!(said.contains("callvault: the stores differ from the truth in 6 places"), "{said}");
}

/// Does to the stores what must not be, each to another call, and tells what has to be found.
async fn tamper(store: &Store) -> Vec<(String, String)> {
    let mut items = all_items_in(store).await;
    let mut touched: Vec<Value> = Vec::new();
    let mut take = |wanted: &dyn Fn(&Item) -> bool| -> Item {
        let at = items.iter().position(|item| wanted(item) && !touched.contains(&item["pk"])).unwrap();
        touched.push(items[at]["pk"].clone());
        items.swap_remove(at)
    };
    let sk = |item: &Item| item["sk"].as_str().unwrap().to_owned();
    let mut tampered = Vec::new();
    let mut expected = Vec::new();
    let mut expect = |sk: &str, what: String| expected.push((sk.to_owned(), what));

    let mut call = take(&|item| item["sk"] == "call" && item.contains_key("duration_s"));
    let was = call.insert("duration_s".to_owned(), 424_242.into()).unwrap();
    expect("call", format!("duration_s: expected {was}, stored 424242"));
    tampered.push(call);

    let mut call = take(&|item| item["sk"] == "call" && item.contains_key("outcome"));
    let was = call.remove("outcome").unwrap();
    expect("call", format!("outcome: expected {was}, stored nothing"));
    tampered.push(call);

    let mut call = take(&|item| item["sk"] == "call");
    call.insert("rumour".to_owned(), "heard".into());
    expect("call", "rumour: nothing was said, stored \"heard\"".to_owned());
    tampered.push(call);

    let mut conversation = take(&|item| item.contains_key("turns"));
    let was = std::mem::replace(&mut conversation["turns"][0]["text"], "never said".into());
    expect("conversation", format!("turns[0].text: expected {was}, stored \"never said\""));
    tampered.push(conversation);

    let alibabas = |item: &Item| item["pk"].as_str().unwrap().starts_with("call#alicom#");
    // Not one of Alibaba's: the age of its URL would make up for it when it is sent again.
    let mut recording = take(&|item| sk(item).starts_with("recording#") && !alibabas(item));
    let was = recording.insert("source_url".to_owned(), "http://elsewhere/".into()).unwrap();
    expect(&sk(&recording), format!("source_url: expected {}, stored \"http://elsewhere/\"", brief(&was)));
    tampered.push(recording);

    let mut stray = take(&|item| item["sk"] == "call" && item["provider"] == "laaffic");
    let pk = stray["pk"].as_str().unwrap().to_owned();
    // No call has such an id: one beyond this run's might be an earlier run's.
    stray["pk"] = format!("{}stray", &pk[..pk.len() - 5]).into();
    expect("call", "stored, but there was no such call".to_owned());
    tampered.push(stray);

    for item in tampered {
        store.table().put(item).await.unwrap();
    }

    let push = take(&|item| sk(item).starts_with("push#"));
    store.table().delete(push["pk"].as_str().unwrap(), &sk(&push)).await.unwrap();
    expect(&sk(&push), "acknowledged, but not stored".to_owned());

    let (key, reject) = rejected_in(store).await.remove(0);
    let bucket = store.bucket();
    bucket.client.delete_object().bucket(&bucket.name).key(key).send().await.unwrap();
    let digest = hex::encode(&Sha256::digest(reject["body"].as_str().unwrap())[..8]);
    expect(
        &format!("push#{}#{digest}", reject["function"].as_str().unwrap()),
        "acknowledged, but neither stored nor kept as rejected".to_owned(),
    );

    expected
}

/// A value as the report has it: no longer than a line.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 80 { format!("{}…", text.chars().take(80).collect::<String>()) } else { text }
}

/// Five of a hundred writes to DynamoDB go wrong, each in another way.
fn five_percent(number: u64, _: &str) -> Fault {
    const WAYS: [Fault; 5] =
        [Fault::ErrorBefore, Fault::ErrorAfter, Fault::Throttled, Fault::CutAfter, Fault::Late];
    // A sequence without a pattern that two requests in step could fall into.
    let chance = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    match chance % 100 {
        way @ 0..5 => WAYS[way as usize],
        _ => Fault::None,
    }
}

/// The stack as two processes, so that what fails can stand between the functions and the stores.
struct Killable {
    stores: Served,
    functions: Served,
}

impl Killable {
    fn start(stores: &[&str], functions: &[&str], hosts: &str, platform: &str) -> Self {
        let settings = settings(hosts, platform);
        let stores = Served::start_with(stores, &settings);
        Self { stores, functions: Served::start_with(functions, &settings) }
    }

    fn kill(self) {
        self.functions.end("-KILL");
        self.stores.end("-KILL");
    }
}

/// How long it stays down: long enough that pushes find nobody there.
const DOWN: Duration = Duration::from_secs(2);

/// `CALLVAULT_FULL=1`: twenty thousand calls (`CALLVAULT_FULL_CALLS`) and five kills, at `CALLVAULT_FULL_RATE` calls a second, which takes many
/// minutes; fewer where `CALLVAULT_TEST_PROGRAM` names a program that is optimized (`cargo build --profile measure --workspace --bin callvault`).
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_acknowledged_is_lost_while_the_stack_is_killed_and_its_stores_fail() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let full = std::env::var_os("CALLVAULT_FULL").is_some_and(|full| full == "1");
    let set =
        |variable: &str| std::env::var(variable).ok().filter(|_| full).map(|set| set.parse::<u64>().unwrap());
    let (calls, kills, erasures) = if full { (20_000, 5, 20) } else { (500, 1, 5) };
    let calls = set("CALLVAULT_FULL_CALLS").unwrap_or(calls);
    let rate = set("CALLVAULT_FULL_RATE").unwrap_or(8);
    let recordings = recordings().await;
    let hosts = recordings.address().to_string();
    let folder = tempfile::tempdir().unwrap();
    let [api, dynamodb, s3, bus] = [free_port(), free_port(), free_port(), free_port()];
    let endpoint = |port: &str| format!("http://127.0.0.1:{port}");
    let faulty = FaultyDynamoDb::start(&endpoint(&dynamodb), five_percent).await;
    let stores = [
        "--data",
        folder.path().to_str().unwrap(),
        "--no-schedule",
        "--dynamodb-port",
        &dynamodb,
        "--s3-port",
        &s3,
        "--bus-port",
        &bus,
        "--bus-faults",
        "5",
    ];
    let s3_endpoint = endpoint(&s3);
    let functions = [
        "--memory",
        "--no-schedule",
        "--port",
        &api,
        "--dynamodb-endpoint",
        &faulty.endpoint,
        "--s3-endpoint",
        &s3_endpoint,
    ];
    let start = || {
        tokio::task::block_in_place(|| Killable::start(&stores, &functions, &hosts, recordings.base_url()))
    };
    let mut stack = start();

    let simulation = Arc::new(simulation(&[
        "--to",
        &endpoint(&api),
        "--recording-base",
        recordings.base_url(),
        "--calls",
        &calls.to_string(),
        "--rate",
        &rate.to_string(),
        "--seed",
        "11",
        "--bus",
        &endpoint(&bus),
        "--verify",
        "--erase",
        &erasures.to_string(),
        "--time-scale",
        "0.05",
    ]));
    let sending = tokio::spawn({
        let simulation = Arc::clone(&simulation);
        let stores = Arc::new(stack.stores.receiver());
        async move { simulation.send(Some(&stores)).await.unwrap() }
    });
    let between = Duration::from_secs(calls / rate / (kills + 1));
    for _ in 0..kills {
        tokio::time::sleep(between).await;
        assert!(!sending.is_finished(), "it is killed under load");
        stack.kill();
        tokio::time::sleep(DOWN).await;
        stack = start();
    }
    let sent = sending.await.unwrap();
    assert!(sent.retried() > 0, "{sent}");
    assert_eq!(sent.erased(), erasures);
    assert!(sent.acknowledged_pushes() * 100 >= sent.pushes() * 99, "{sent}");
    let verification = simulation.verify(&stack.stores.store(), &sent).await.unwrap();
    assert_eq!(verification.calls(), calls);
    assert!(verification.differences().is_empty(), "{sent}{verification}");
    if full {
        writeln!(std::io::stdout(), "{sent}{verification}").unwrap();
    }
}
