//! Erasing a person out of generated populations, while everything else goes on.
//!
//! What is pushed is made up from a seed, with a note of each element: which call it is of, and whether it holds the person's number as a
//! whole value. Afterwards nothing of the number may be anywhere, and each element without it has to be where it was, or in a reject.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use catalog::pushes;
use catalog::token;
use fastrand::Rng;
use fetch_conversations::Conversations;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use local_stack::Stack;
use platforms::{Call as ProviderCall, Recording};
use runtime::clock;
use runtime::config::Environment;
use runtime::deadline::Deadline;
use runtime::ingress::receive::Receiver;
use runtime::store::Store;
use serde_json::{Value, json};
use shared::model::{CallKey, Provider};
use shared::record::item::Item;
use shared::record::item::is_tombstone;
use shared::record::keys;
use sweep_erased::Sweeper;
use testkit::leaks;

use crate::erase::all_versions;
use crate::support::{TOKEN, all_items_in, call, post_with, rejected_in, stack};

/// How many people are called.
const PEOPLE: usize = 4;
/// How many calls, batches and broken bodies a population has.
const EVENTS: usize = 26;

/// What was pushed about a call, or rejected.
#[derive(Clone, Debug)]
struct Element {
    function: &'static str,
    text: String,
    /// The call that it is of; `None` where it can't be told.
    call: Option<CallKey>,
    holds_person: bool,
}

/// A body, as it is pushed.
#[derive(Clone, Debug)]
struct Push {
    function: &'static str,
    body: Vec<u8>,
    headers: Vec<(&'static str, &'static str)>,
    /// Whether it is kept whole, as rejected, though its elements may be sound.
    is_kept_whole: bool,
}

/// All that is pushed, and what the platform tells if it is asked.
struct Population {
    rng: Rng,
    /// The first is to be erased.
    people: Vec<String>,
    pushes: Vec<Push>,
    elements: Vec<Element>,
    /// The calls of which the platform's API tells the person's number.
    asked: BTreeSet<CallKey>,
    calls: u32,
}

impl Population {
    fn of(seed: u64, stack: &Stack) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut people = BTreeSet::new();
        while people.len() < PEOPLE {
            people.insert(format!("1{}{}", rng.u8(3..=9), rng.u32(100_000_000..=999_999_999)));
        }
        let people = people.into_iter().collect();
        let (pushes, elements) = (Vec::new(), Vec::new());
        let mut population = Self { rng, people, pushes, elements, asked: BTreeSet::new(), calls: 0 };
        for _ in 0..EVENTS {
            population.something(stack);
        }
        population
    }

    fn something(&mut self, stack: &Stack) {
        match self.rng.u8(0..11) {
            0 => self.alibaba(stack),
            1 => self.masked(stack),
            2 => self.redialled(),
            3 => self.ai_voice(false),
            4 => self.ai_voice(true),
            5 | 6 => self.batch(),
            7 => self.partly_rejected(),
            8 => self.encoded(true),
            9 => self.encoded(false),
            _ => self.broken(),
        }
    }

    /// Somebody: the person that is erased as often as all others together.
    fn somebody(&mut self) -> usize {
        if self.rng.bool() { 0 } else { self.rng.usize(1..PEOPLE) }
    }

    /// A number, in one of the ways in which it may be written in JSON.
    fn spelled(&mut self, who: usize) -> String {
        let number = self.people[who].clone();
        match self.rng.u8(0..7) {
            0 => number,
            1 => format!("\"{}-{}-{}\"", &number[..3], &number[3..7], &number[7..]),
            2 => format!("\" {number}\\n\""),
            3 => {
                let digits = number.chars().map(|digit| match self.rng.bool() {
                    true => digit.to_string(),
                    false => format!("\\u{:04x}", u32::from(digit)),
                });
                format!("\"{}\"", digits.collect::<String>())
            }
            // As Java writes a large number.
            4 => format!("{}.{}E10", &number[..1], number[1..].trim_end_matches('0')),
            _ => format!("\"{number}\""),
        }
    }

    fn next_id(&mut self) -> String {
        self.calls += 1;
        format!("c{}^{:x}", self.calls, self.rng.u16(..))
    }

    fn element(
        &mut self,
        function: &'static str,
        key: Option<CallKey>,
        who: &[usize],
        text: String,
    ) -> String {
        let holds_person = who.contains(&0);
        self.elements.push(Element { function, text: text.clone(), call: key, holds_person });
        text
    }

    fn push(&mut self, function: &'static str, body: String) {
        let push = Push { function, body: body.into_bytes(), headers: Vec::new(), is_kept_whole: false };
        self.pushes.push(push);
    }

    /// Alibaba's three messages about a call, with a recording that can be had.
    fn alibaba(&mut self, stack: &Stack) {
        let (who, id) = (self.somebody(), self.next_id());
        let key = call(Provider::Alicom, &id);
        let callee = self.spelled(who);
        let report = format!(r#"{{"callId":"{id}","callee":{callee},"smartStatusCode":"ANSWERED"}}"#);
        let report = self.element("alicom-call-report", Some(key.clone()), &[who], report);
        self.push("alicom-call-report", format!("[{report}]"));
        let name = format!("{}.wav", id.replace('^', "-"));
        stack.provider().add_recording(Recording::new(&name).bytes(20_000).public());
        let url = stack.provider().recording_url(&name);
        let record = json!({"callId": id, "recordFile": url, "startTime": "2025-06-01 10:00:00"}).to_string();
        let record = self.element("alicom-call-record", Some(key.clone()), &[], record);
        self.push("alicom-call-record", format!("[{record}]"));
        let said = format!("my number is {}", self.people[who]);
        let turns = json!([{"role": "user", "content": said}, {"role": "assistant", "content": "thanks"}]);
        let note = json!({"callId": id, "conversationRecord": turns.to_string()}).to_string();
        // It holds the number in longer text only, but its call goes.
        let note = self.element("alicom-call-note", Some(key), &[], note);
        self.push("alicom-call-note", format!("[{note}]"));
    }

    /// A report whose callee is masked; the API tells the number.
    fn masked(&mut self, stack: &Stack) {
        let (who, id) = (self.somebody(), self.next_id());
        let key = call(Provider::Alicom, &id);
        let masked = format!("{}****{}", &self.people[who][..3], &self.people[who][7..]);
        let detail = format!("d{}", self.calls);
        let report =
            json!({"callId": id, "callee": masked, "taskId": "77", "batchId": "b", "detailId": detail});
        let report = self.element("alicom-call-report", Some(key.clone()), &[], report.to_string());
        self.push("alicom-call-report", format!("[{report}]"));
        let hour_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
        let callee = self.people[who].clone();
        let told = ProviderCall::answered("77", "b", &detail, &id, hour_ago);
        stack.provider().add_call(ProviderCall { callee, ..told });
        if who == 0 {
            self.asked.insert(key);
        }
    }

    /// A call whose report was corrected: somebody else was called than it said at first.
    fn redialled(&mut self) {
        let id = self.next_id();
        for _ in 0..2 {
            let who = self.somebody();
            let callee = self.spelled(who);
            let serial = self.rng.u32(..);
            let report = format!(r#"{{"callId":"{id}","callee":{callee},"serial":{serial}}}"#);
            let key = call(Provider::Alicom, &id);
            let report = self.element("alicom-call-report", Some(key), &[who], report);
            self.push("alicom-call-report", format!("[{report}]"));
        }
    }

    /// A call in one message, with the number in an unknown field of it, or nested in one that is too large for an item.
    fn ai_voice(&mut self, is_large: bool) {
        let (who, id) = (self.somebody(), self.next_id());
        let (callee, other) = (self.spelled(who), self.spelled(who));
        let filler = "x".repeat(if is_large { 70_000 } else { 10 });
        let text = format!(
            r#"{{"callId":"{id}","calledPhoneNumber":{callee},"notes":{{"filler":"{filler}","phones":[{other}]}}}}"#
        );
        let text = self.element("ai-voice-call-record", Some(call(Provider::AiVoice, &id)), &[who], text);
        self.push("ai-voice-call-record", text);
    }

    /// A batch of several people's calls, with a number beside the list at times.
    fn batch(&mut self) {
        let mut elements = Vec::new();
        for _ in 0..self.rng.usize(1..5) {
            let (who, id) = (self.somebody(), self.next_id());
            let callee = self.spelled(who);
            let text = format!(r#"{{"voiceId":"{id}","callee":{callee}}}"#);
            let key = Some(call(Provider::Laaffic, &id));
            elements.push(self.element("laaffic-status-report", key, &[who], text));
        }
        let envelope = match self.rng.u8(0..3) {
            0 => String::new(),
            1 => format!(r#","batch":"n{}""#, self.calls),
            _ => {
                let who = self.somebody();
                format!(r#","contact":{},"batch":{}"#, self.spelled(who), self.calls)
            }
        };
        self.push("laaffic-status-report", format!(r#"{{"array":[{}]{envelope}}}"#, elements.join(",")));
    }

    /// Several people's elements, of which some name no call.
    fn some_elements(&mut self) -> Vec<String> {
        let mut elements = Vec::new();
        for _ in 0..self.rng.usize(2..7) {
            let (who, serial) = (self.somebody(), self.rng.u32(..));
            let callee = self.spelled(who);
            let text = format!(r#"{{"callee":{callee},"statusMsg":"no id {serial}"}}"#);
            elements.push(self.element("alicom-call-report", None, &[who], text));
        }
        elements
    }

    fn partly_rejected(&mut self) {
        let mut elements = self.some_elements();
        let (who, id) = (self.somebody(), self.next_id());
        let callee = self.spelled(who);
        let sound = format!(r#"{{"callId":"{id}","callee":{callee}}}"#);
        let key = Some(call(Provider::Alicom, &id));
        elements.push(self.element("alicom-call-report", key, &[who], sound));
        self.push("alicom-call-report", format!("[{}]", elements.join(",")));
    }

    /// A body with a content encoding, which is kept whole: it is compressed, or it only says so.
    fn encoded(&mut self, is_compressed: bool) {
        let body = format!("[{}]", self.some_elements().join(" ,\n"));
        let body = match is_compressed {
            true => {
                let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
                gzip.write_all(body.as_bytes()).unwrap();
                gzip.finish().unwrap()
            }
            false => body.into_bytes(),
        };
        let headers = vec![("content-encoding", "gzip")];
        self.pushes.push(Push { function: "alicom-call-report", body, headers, is_kept_whole: true });
    }

    /// A body that breaks off, which can't be divided.
    fn broken(&mut self) {
        let (who, serial) = (self.somebody(), self.rng.u32(..));
        let callee = self.spelled(who);
        let before = format!(r#"[{{"statusMsg":"broken {serial}","callee":"#);
        // What is beside the number stays even if it holds the person's.
        self.element("alicom-call-report", None, &[], before.clone());
        let body = format!("{before}{callee},").into_bytes();
        let function = "alicom-call-report";
        self.pushes.push(Push { function, body, headers: Vec::new(), is_kept_whole: true });
    }

    /// The calls that are to be erased.
    fn erased(&self) -> BTreeSet<CallKey> {
        let of_elements = self.elements.iter().filter(|element| element.holds_person);
        of_elements.filter_map(|element| element.call.clone()).chain(self.asked.clone()).collect()
    }
}

/// A stack with a population, and the functions at work on it.
struct Town {
    stack: Stack,
    pushes: Vec<Push>,
}

impl Town {
    async fn deliver(&self, push: &Push) -> u16 {
        let url = format!("{}/push/{}/{TOKEN}", self.stack.url(), push.function);
        post_with(&url, push.body.clone(), &push.headers).await.0
    }

    /// Every push once, in any order; each is acknowledged, or kept whole.
    async fn deliver_all(&self, rng: &mut Rng) {
        let mut pushes: Vec<_> = self.pushes.iter().collect();
        rng.shuffle(&mut pushes);
        for push in pushes {
            let status = self.deliver(push).await;
            assert!(if push.is_kept_whole { matches!(status, 400 | 415) } else { status == 200 }, "{status}");
        }
    }

    async fn archive(&self) {
        self.stack.functions().invoke(archive_recordings::FUNCTION, json!({})).await.unwrap();
    }

    /// Asks the platform, at a time at which all calls are due.
    async fn ask(&self) {
        let setting = |variable: &str| self.setting(variable);
        let conversations = Conversations::new(&Environment::new(&setting)).unwrap();
        let credentials = conversations.credentials(&Environment::new(&setting)).await.unwrap();
        let (deadline, later) = (Deadline::after(Duration::from_secs(60)), clock::now().plus_seconds(400));
        fetch_conversations::handle(&conversations, &credentials, deadline, later).await.unwrap();
    }

    /// Sweeps, as the runs of the next minutes would.
    async fn sweep(&self) {
        let setting = |variable: &str| self.setting(variable);
        let sweeper = Sweeper::new(&Environment::new(&setting)).unwrap();
        for minutes in [5, 10] {
            let (deadline, then) =
                (Deadline::after(Duration::from_secs(60)), clock::now().plus_seconds(minutes * 60));
            sweep_erased::handle(&sweeper, then, deadline).await.unwrap();
        }
    }

    /// Receives what came at other times.
    fn receiver(&self) -> Receiver {
        let setting = |variable: &str| match variable {
            "PUSH_TOKEN_SHA256" => Some(token::digest(TOKEN)),
            store => self.setting(store),
        };
        Receiver::new(&Environment::new(&setting), &pushes()).unwrap()
    }

    fn setting(&self, variable: &str) -> Option<String> {
        match variable {
            "ALIBABA_ENDPOINT" => Some(self.stack.provider().base_url().to_owned()),
            "ALIBABA_ACCESS_KEY_ID" | "ALIBABA_ACCESS_KEY_SECRET" => Some("local".to_owned()),
            store => self.stack.variable(store),
        }
    }

    /// Erases a person, as an operator does. It is killed after some milliseconds, where that is wanted.
    async fn erase(&self, person: &str, killed_after_ms: Option<u64>) -> Output {
        self.operate(&["erase", "--callee", person], killed_after_ms).await
    }

    /// Runs one of the operator's commands. It is killed after some milliseconds, where that is wanted.
    async fn operate(&self, arguments: &[&str], killed_after_ms: Option<u64>) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callvault"));
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        for variable in ["TABLE_NAME", "BUCKET_NAME", "DYNAMODB_ENDPOINT", "S3_ENDPOINT"] {
            command.env(variable, self.setting(variable).unwrap());
        }
        let run = move || {
            let mut child = command.spawn().unwrap();
            if let Some(milliseconds) = killed_after_ms {
                std::thread::sleep(Duration::from_millis(milliseconds));
                child.kill().unwrap();
            }
            child.wait_with_output().unwrap()
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    }

    /// Pushes again and again, archives and asks, until it is told to stop.
    async fn be_busy(&self, seed: u64, stop: &AtomicBool) {
        let mut rng = Rng::with_seed(seed);
        while !stop.load(Ordering::Relaxed) {
            match rng.u8(0..12) {
                0 => self.archive().await,
                1 => self.ask().await,
                _ => drop(self.deliver(&self.pushes[rng.usize(..self.pushes.len())]).await),
            }
        }
    }
}

/// A text as it would be read: escapes of digits undone, however often, and what may stand between digits left out.
fn digits_of(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\u003") {
        plain.push_str(rest[..at].trim_end_matches('\\'));
        rest = &rest[at + "\\u003".len()..];
    }
    plain.push_str(rest);
    plain.retain(|letter| !" -().+".contains(letter));
    plain
}

/// All texts that an object holds: of a reject also what its body comes to.
fn texts_of(bytes: &[u8]) -> Vec<String> {
    let mut texts = vec![String::from_utf8_lossy(bytes).into_owned()];
    if let Ok(Value::Object(reject)) = serde_json::from_slice(bytes) {
        texts.extend(body_of(&reject));
    }
    texts
}

/// What the body of a reject says.
fn body_of(reject: &Item) -> Option<String> {
    if let Some(body) = reject.get("body").and_then(Value::as_str) {
        return Some(body.to_owned());
    }
    let bytes = STANDARD.decode(reject.get("body_base64")?.as_str()?).ok()?;
    let mut plain = String::new();
    GzDecoder::new(&bytes[..]).read_to_string(&mut plain).ok()?;
    Some(plain)
}

/// Fails unless nothing of the person is left, and everything of the others.
async fn check(store: &Store, population: &Population, seed: u64) {
    let (items, versions) = (all_items_in(store).await, all_versions(store).await);
    let person = &population.people[0];
    let as_large_number = format!("{}E10", person.trim_end_matches('0'));
    let holds_person = |text: &str| {
        let text = digits_of(text);
        text.contains(person) || text.contains(&as_large_number)
    };
    for item in &items {
        let text = Value::Object(item.clone()).to_string();
        assert!(!holds_person(&text), "seed {seed}: an item holds the person: {item:?}");
    }
    for (key, bytes) in &versions {
        for text in texts_of(bytes) {
            assert!(!holds_person(&text), "seed {seed}: {key} holds the person: {text:.300}");
        }
    }
    let mut by_call: BTreeMap<CallKey, Vec<&Item>> = BTreeMap::new();
    for item in &items {
        if let Some(key) = item["pk"].as_str().and_then(keys::call_of_pk) {
            by_call.entry(key).or_default().push(item);
        }
    }
    let erased = population.erased();
    for key in &erased {
        let left: Vec<_> = by_call.get(key).into_iter().flatten().collect();
        assert!(left.len() == 1 && is_tombstone(left[0]), "seed {seed}: {key:?} is not erased: {left:?}");
        let prefix = keys::large_prefix(key);
        let folder = format!("/{}/", prefix.trim_end_matches('/').rsplit('/').next().unwrap());
        let object = versions.iter().find(|(key, _)| key.contains(&folder));
        assert!(object.is_none(), "seed {seed}: of {key:?} there is still {:?}", object.unwrap().0);
    }
    let rejects: Vec<_> = versions
        .iter()
        .filter(|(key, _)| key.starts_with("rejected/"))
        .filter_map(|(_, bytes)| body_of(&serde_json::from_slice(bytes).ok()?))
        .collect();
    let objects: BTreeMap<_, _> = versions.iter().map(|(key, bytes)| (key.as_str(), bytes)).collect();
    for element in population.elements.iter().filter(|element| !element.holds_person) {
        let Element { function, text, call, .. } = element;
        match call {
            None => {
                let is_kept = rejects.iter().any(|body| body.contains(text.as_str()));
                assert!(is_kept, "seed {seed}: nowhere any more: {text}");
            }
            Some(key) if erased.contains(key) => {}
            Some(key) => {
                let sk = keys::push_sk(function, &keys::element_digest(text));
                let items = by_call.get(key).into_iter().flatten();
                let push = items.into_iter().find(|item| item["sk"] == sk.as_str());
                let push = push.unwrap_or_else(|| panic!("seed {seed}: no push any more: {text:.300}"));
                let body = match push.get("body_key").and_then(Value::as_str) {
                    Some(key) => String::from_utf8(objects[key].clone()).unwrap(),
                    None => push["body"].as_str().unwrap().to_owned(),
                };
                assert_eq!(&body, text, "seed {seed}");
            }
        }
    }
}

async fn erase_out_of_a_population(seed: u64) {
    leaks::watch();
    let stack = stack().await;
    let mut population = Population::of(seed, &stack);
    let person = population.people[0].clone();
    let town = Town { stack, pushes: population.pushes.clone() };
    town.deliver_all(&mut population.rng).await;
    town.ask().await;
    if population.rng.bool() {
        town.archive().await;
    }

    let stop = AtomicBool::new(false);
    let erasing = async {
        // One erasure breaks off.
        town.erase(&person, Some(population.rng.u64(20..400))).await;
        let output = town.erase(&person, None).await;
        stop.store(true, Ordering::Relaxed);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        leaks::check(&said);
        assert!(output.status.success(), "seed {seed}: {said}");
    };
    tokio::join!(erasing, town.be_busy(seed ^ 1, &stop), town.be_busy(seed ^ 2, &stop));
    // Rejects of which nothing is left go, and with them what a repeat would fall on.
    let redriven = town.operate(&["redrive"], None).await;
    assert!(redriven.status.success(), "seed {seed}: {}", String::from_utf8_lossy(&redriven.stderr));
    // All of it comes again, and the platform tells all of it again.
    town.deliver_all(&mut population.rng).await;
    town.ask().await;
    town.archive().await;
    town.sweep().await;
    check(town.stack.store(), &population, seed).await;
    town.stack.stop().await.unwrap();
}

/// Some populations, the same each time, and one that nobody has tried.
#[tokio::test(flavor = "multi_thread")]
async fn after_an_erasure_nothing_of_the_person_is_left_and_all_of_the_others() {
    for seed in [1, 2, 3, fastrand::u64(..)] {
        erase_out_of_a_population(seed).await;
    }
}

/// What was rejected has no call by which it could be known again: it is known by its bytes, on whatever day they come.
#[tokio::test(flavor = "multi_thread")]
async fn a_reject_that_a_person_was_erased_from_stays_erased_on_whatever_day_it_comes_again() {
    leaks::watch();
    let town = Town { stack: stack().await, pushes: Vec::new() };
    let store = town.stack.store();
    let receiver = town.receiver();
    let push = alicom_call_report::PUSH;
    let body = r#"[{"callId":"1"},{"x":"13912345678","y":1},{"x":"13912345679"}]"#;
    let came =
        |days: i64| receiver.receive_again(&push, body.as_bytes(), clock::now().plus_seconds(days * 86_400));
    came(0).await;
    came(1).await;
    assert_eq!(rejected_in(store).await.len(), 4, "two rejects on each of two days");
    assert!(town.erase("13912345678", None).await.status.success());
    for day in [0, 1, 2, 40] {
        came(day).await;
        town.sweep().await;
        let left = rejected_in(store).await;
        let (of_person, of_other): (Vec<_>, Vec<_>) = left
            .iter()
            .map(|(_, reject)| reject["body"].as_str().unwrap())
            .partition(|body| body.contains("5678"));
        assert!(of_person.is_empty(), "day {day}: {of_person:?}");
        assert!(of_other.iter().any(|body| body.contains("13912345679")), "day {day}");
    }
    town.stack.stop().await.unwrap();
}
