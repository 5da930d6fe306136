//! Calls that are made up, and what is asked for of them, twice: as a filter, and as a rule of a few lines.

use fastrand::Rng;
use local_stack::{Options, Stack};
use runtime::aws::{Account, Patience};
use runtime::config::{Environment, StoreConfig};
use runtime::store::Store;
use serde_json::{Map, Value, json};
use shared::model::{CallId, CallKey, HangupBy, Instant, Outcome, Provider, Review};
use shared::reading::{CallFilter, CalleeSearch, Order, Zone};
use shared::record::item::{self, Item};
use shared::record::keys;
use shared::record::merge::{Record, Source};
use shared::record::missing::Waiting;
use shared::record::tombstone::tombstone;

const TASKS: [&str; 3] = ["1", "2", "a#b/^"];
const CALLEES: [&str; 4] = ["13900000001", "+8613900000001", "13900000002", "139****0003"];
const OUTCOMES: [Outcome; 3] = [Outcome::Answered, Outcome::Busy, Outcome::NoAnswer];
const TAGS: [&str; 3] = ["a", "b", "c"];
/// A few hours before and behind midnight, of UTC and of China.
const TIMES: [&str; 7] = [
    "2025-05-31T15:59:59.999Z",
    "2025-05-31T16:00:00.000Z",
    "2025-05-31T23:59:59.000Z",
    "2025-06-01T00:00:00.000Z",
    "2025-06-01T02:00:00.000Z",
    "2025-06-01T16:00:00.000Z",
    "2025-06-02T02:00:00.000Z",
];

/// A stack in memory.
pub(crate) async fn stack() -> Stack {
    Stack::start(&Options { no_events: true, ..Options::in_memory() }).await.unwrap()
}

/// The stack's stores, by way of another endpoint.
pub(crate) fn store_by(stack: &Stack, endpoint: &str) -> Store {
    let look_up = |variable: &str| match variable {
        "DYNAMODB_ENDPOINT" => Some(endpoint.to_owned()),
        store => stack.variable(store),
    };
    let environment = Environment::new(&look_up);
    let stores = StoreConfig::read(&environment).unwrap();
    let account = Account::of_function(&environment, &stores).unwrap();
    Store::new(stores, account, Patience::Nobody)
}

/// A call that is made up.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) key: CallKey,
    pub(crate) call_at: Instant,
    pub(crate) updated_at: Instant,
    pub(crate) task: Option<&'static str>,
    pub(crate) callee: Option<&'static str>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) intent: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) duration_s: Option<u64>,
    pub(crate) hangup_by: HangupBy,
    pub(crate) has_recording: bool,
    pub(crate) reviewed: bool,
}

impl Call {
    /// One whose id has `number` in it.
    pub(crate) fn random(random: &mut Rng, number: usize) -> Self {
        let provider = Provider::ALL[random.usize(..Provider::ALL.len())];
        let id = ["", "^", "/", " 漢", "\u{1}"][random.usize(..5)];
        let key = CallKey { provider, call_id: CallId::new(format!("{number}{id}")).unwrap() };
        let some = |random: &mut Rng| random.u8(..4) > 0;
        Self {
            key,
            call_at: time(random),
            updated_at: time(random),
            task: some(random).then(|| TASKS[random.usize(..3)]),
            callee: some(random).then(|| CALLEES[random.usize(..4)]),
            outcome: some(random).then(|| OUTCOMES[random.usize(..3)]),
            intent: ["A", "B"][random.usize(..2)],
            tag: TAGS[random.usize(..3)],
            duration_s: some(random).then(|| random.u64(..100)),
            hangup_by: HangupBy::ALL[random.usize(..4)],
            has_recording: random.bool(),
            reviewed: random.u8(..3) == 0,
        }
    }

    pub(crate) fn pk(&self) -> String {
        keys::call_pk(&self.key)
    }

    /// Its item.
    pub(crate) fn item(&self) -> Item {
        let facts = json!({
            "originated_at": self.call_at, "task_id": self.task, "callee": self.callee, "outcome": self.outcome, "intent_code": self.intent,
            "tags": [self.tag], "duration_s": self.duration_s, "hangup_by": self.hangup_by,
            "has": self.has_recording.then(|| json!({"recording": true})), "status": {"code": "1"},
        });
        let Value::Object(mut facts) = facts else { unreachable!() };
        facts.retain(|_, value| !value.is_null());
        let source = Source {
            received_at: self.updated_at,
            bodies: vec!["0".repeat(16)],
            lacks: Vec::new(),
            apart: Map::new(),
        };
        let record = Record {
            facts: facts.into(),
            extra: [("alicom-call-report".to_owned(), Map::from_iter([("x".to_owned(), json!(1))]))].into(),
            sources: [("alicom-call-report".to_owned(), source)].into(),
            inquiry: Default::default(),
            first_received_at: self.updated_at,
            updated_at: self.updated_at,
            erased: false,
        };
        let mut item: Item = item::call_item(&self.key, record, Waiting::default()).unwrap().into();
        item.insert("version".to_owned(), 1.into());
        item
    }

    /// Stores it, with its review.
    pub(crate) async fn put(&self, store: &Store) {
        store.table().put(Item::from(self.item())).await.unwrap();
        if self.reviewed {
            put_review(store, &self.key).await;
        }
    }

    /// Erases it.
    pub(crate) async fn erase(&self, store: &Store) {
        let tombstone = tombstone(&self.key, self.call_at, [], None, 2);
        store.table().put(tombstone).await.unwrap();
    }

    /// Its place in a list.
    pub(crate) fn place(&self) -> (Instant, String) {
        (self.call_at, self.pk())
    }
}

/// Reviews a call.
pub(crate) async fn put_review(store: &Store, key: &CallKey) {
    let review = Review {
        heard_at: Some(TIMES[4].parse().unwrap()),
        heard_by: Some("u".to_owned()),
        ..Review::default()
    };
    let mut item = item::object(&review).unwrap();
    item.insert(keys::PK.to_owned(), keys::review_pk(key).into());
    item.insert(keys::SK.to_owned(), keys::REVIEW.into());
    store.table().put(item).await.unwrap();
}

/// Times that many calls share, some of them in the same millisecond.
pub(crate) fn time(random: &mut Rng) -> Instant {
    let time: Instant = TIMES[random.usize(..TIMES.len())].parse().unwrap();
    let later = if random.bool() { 0 } else { random.i64(..3_600) };
    time.plus_seconds(later)
}

/// How a number becomes an id in these tests.
pub(crate) fn callee_id(number: &str) -> Option<String> {
    (!number.contains('*')).then(|| format!("id-{}", number.trim_start_matches("+86")))
}

/// Whether a call is meant.
type Rule = Box<dyn Fn(&Call) -> bool + Send + Sync>;

/// What is asked for: the filter, and whether a call is meant.
pub(crate) struct Asked {
    pub(crate) filter: CallFilter,
    rules: Vec<Rule>,
}

impl Asked {
    pub(crate) fn means(&self, call: &Call) -> bool {
        self.rules.iter().all(|rule| rule(call))
    }

    fn and(&mut self, rule: impl Fn(&Call) -> bool + Send + Sync + 'static) {
        self.rules.push(Box::new(rule));
    }

    /// Days of a zone that is so many hours ahead of UTC.
    fn days(&mut self, first: &'static str, last: &'static str, zone: &str, ahead_h: i64) {
        self.filter.days = Some(format!("{first}..{last}").parse().unwrap());
        self.filter.zone = Zone::named(zone).unwrap();
        self.and(move |call| {
            let date = call.call_at.plus_seconds(ahead_h * 3_600).date();
            (first..=last).contains(&&*date)
        });
    }

    /// The calls of days, of a task, of a callee, or of several of these.
    pub(crate) fn random(random: &mut Rng) -> Self {
        let order = if random.bool() { Order::Descending } else { Order::Ascending };
        let mut asked = Self { filter: CallFilter { order, ..CallFilter::default() }, rules: Vec::new() };
        let where_to_look = random.u8(..6);
        if matches!(where_to_look, 0 | 1) || random.u8(..4) == 0 {
            match random.u8(..4) {
                0 => asked.days("2025-06-01", "2025-06-01", "Asia/Shanghai", 8),
                1 => asked.days("2025-05-31", "2025-06-02", "Asia/Shanghai", 8),
                2 => asked.days("2025-06-01", "2025-06-01", "UTC", 0),
                _ => asked.days("2025-05-20", "2025-06-10", "UTC", 0),
            }
        }
        if matches!(where_to_look, 2 | 3 | 5) {
            let task = TASKS[random.usize(..3)];
            asked.filter.task = Some(task.to_owned());
            asked.and(move |call| call.task == Some(task));
        }
        if matches!(where_to_look, 4 | 5) {
            asked.filter.callee = CalleeSearch::read("139 0000 0001");
            asked.and(|call| call.callee.is_some_and(|callee| callee.ends_with("13900000001")));
        }
        let mut looked_for: Vec<_> = (0..11).collect();
        random.shuffle(&mut looked_for);
        for what in looked_for.into_iter().take(random.usize(..3)) {
            asked.look_for(what, random);
        }
        asked
    }

    /// Something that is looked for in calls.
    fn look_for(&mut self, what: u8, random: &mut Rng) {
        let filter = &mut self.filter;
        match what {
            0 => {
                let provider = Provider::ALL[random.usize(..3)];
                filter.provider = Some(provider);
                self.and(move |call| call.key.provider == provider);
            }
            1 => {
                filter.callee_id = Some("id-13900000001".to_owned());
                self.and(|call| call.callee.and_then(callee_id).as_deref() == Some("id-13900000001"));
            }
            2 => {
                filter.outcomes = vec![Outcome::Busy, Outcome::Answered];
                self.and(|call| matches!(call.outcome, Some(Outcome::Busy | Outcome::Answered)));
            }
            3 => {
                filter.intent = Some("A".to_owned());
                self.and(|call| call.intent == "A");
            }
            4 => {
                filter.tag = Some("b".to_owned());
                self.and(|call| call.tag == "b");
            }
            5 => {
                filter.min_duration_s = Some(50);
                self.and(|call| call.duration_s.is_some_and(|seconds| seconds >= 50));
            }
            6 => {
                filter.max_duration_s = Some(50);
                self.and(|call| call.duration_s.is_some_and(|seconds| seconds <= 50));
            }
            7 => {
                filter.hangup_by = Some(HangupBy::Agent);
                self.and(|call| call.hangup_by == HangupBy::Agent);
            }
            8 => {
                let has = random.bool();
                filter.has_recording = Some(has);
                self.and(move |call| call.has_recording == has);
            }
            9 => {
                let reviewed = random.bool();
                filter.reviewed = Some(reviewed);
                self.and(move |call| call.reviewed == reviewed);
            }
            _ => {
                let since: Instant = TIMES[3].parse().unwrap();
                filter.updated_since = Some(since);
                self.and(move |call| call.updated_at >= since);
            }
        }
    }
}
