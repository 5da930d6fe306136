//! Merging what the pushes about one call say, in whatever order, however often they come.
//!
//! A record is a function of the *set* of its bodies: of what each says, and when it was first received. Two rules make it.
//!
//! Within one function, the last body wins, field by field, in order of the first receipt (and of the digest, where two were
//! received at once). A field that is `null` takes back what earlier bodies said by it. A field that is absent says nothing.
//!
//! Across functions, the table of writers ranks who is believed. For an attribute that several functions write, the strongest
//! writer's value stands in the record itself; a weaker writer's value, where it differs, stands under `extra.<function>` by the
//! name that the field has in its document.
//!
//! To fold bodies in any order, what each of them says has to be known when the next one comes. So a [`Record`] holds it
//! without loss: where a function has one body, that body says just what the function contributed; where it has several, each
//! stands in the record as its difference from that ([`Source::apart`]). No stored push has to be read to merge another.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::model::Instant;
use crate::normalize::fields::UNTRIMMED;
use crate::record::attribute_list::AttributeList;
use crate::record::inquiry::{HAS, Inquiry};
use crate::record::storable::json_fits;

/// AlicomAgentCallReport.
pub const REPORT: &str = "alicom-call-report";
/// AlicomAgentCallRecord.
pub const RECORD: &str = "alicom-call-record";
/// AlicomAgentCallNote.
pub const NOTE: &str = "alicom-call-note";
/// QueryConversationDetailInfo.
pub const QUERY: &str = "fetch-conversations";

/// A function that writes an attribute, and the name of the field in its document.
pub type Writer = (&'static str, &'static str);

/// Who writes an attribute, strongest first. An attribute that isn't listed has one writer only.
pub type Writers = &'static [(&'static str, &'static [Writer])];

/// Who writes what of a call. AI-voice and LAAFFIC have one writer each.
pub const CALL_WRITERS: Writers = &[
    ("task_id", &[(REPORT, "taskId"), (RECORD, "taskId"), (NOTE, "taskId"), (QUERY, "TaskId")]),
    ("batch_id", &[(REPORT, "batchId"), (RECORD, "batchId"), (NOTE, "batchId"), (QUERY, "BatchId")]),
    ("detail_id", &[(REPORT, "detailId"), (RECORD, "detailId"), (NOTE, "detailId"), (QUERY, "DetailId")]),
    ("out_id", &[(REPORT, "outId"), (RECORD, "outId"), (NOTE, "outId"), (QUERY, "OutId")]),
    ("caller", &[(REPORT, "caller"), (QUERY, "CallerPhone")]),
    ("display_number", &[(REPORT, "realCaller"), (NOTE, "realCaller")]),
    ("callee", &[(REPORT, "callee"), (QUERY, "CalledPhone")]),
    ("originated_at", &[(REPORT, "originateTime"), (QUERY, "StartCallTime"), (RECORD, "startTime")]),
    ("answered_at", &[(REPORT, "startTime"), (QUERY, "PickUpTime")]),
    ("ended_at", &[(REPORT, "endTime"), (QUERY, "ReleaseTime"), (RECORD, "endTime")]),
    ("duration_s", &[(REPORT, "duration"), (QUERY, "Duration"), (RECORD, "duration")]),
    ("outcome", &[(REPORT, "smartStatusCode"), (QUERY, "CallResult")]),
    ("hangup_by", &[(REPORT, "hangupDirection"), (QUERY, "HangupDirection")]),
    ("intent_code", &[(NOTE, "majorIntent"), (QUERY, "MajorIntent")]),
    ("tags", &[(NOTE, "outputTags"), (QUERY, "OutputTags")]),
];

/// Who writes what of a conversation.
pub const CONVERSATION_WRITERS: Writers = &[
    ("turns", &[(NOTE, "conversationRecord"), (QUERY, "ConversationRecord")]),
    ("intent_code", &[(NOTE, "majorIntent"), (QUERY, "MajorIntent")]),
    ("tags", &[(NOTE, "outputTags"), (QUERY, "OutputTags")]),
];

/// Which field of a function's document feeds which attribute: `(field, attribute)`. An attribute may have several fields, a field several
/// attributes. A code that is kept under its own name feeds `status`.
#[derive(Clone, Copy, Debug)]
pub struct Feeds {
    /// What feeds the call.
    pub call: &'static [(&'static str, &'static str)],
    /// What feeds its conversation.
    pub conversation: &'static [(&'static str, &'static str)],
}

impl Feeds {
    /// Of a document that feeds nothing.
    pub const NONE: Self = Self { call: &[], conversation: &[] };
}

/// What one body of one function says.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// The function that caught it.
    pub function: &'static str,
    /// The body's digest, which tells a repeat from news.
    pub body: String,
    /// When it was first received.
    pub received_at: Instant,
    /// The attributes that it gives a sound value for.
    pub facts: AttributeList,
    /// All else that it says, under the document's names.
    pub extra: Map<String, Value>,
    /// The document's fields that it says as `null`, of those that are known.
    pub nulls: BTreeSet<String>,
    /// Which field of the document feeds which attribute.
    pub feeds: &'static [(&'static str, &'static str)],
}

/// What a function has contributed to a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// When the last of its bodies was first received.
    pub received_at: Instant,
    /// The digests of its bodies, in order of their first receipt.
    pub bodies: Vec<String>,
    /// The attributes that it could have written and gave no sound value for.
    pub lacks: Vec<String>,
    /// What tells its bodies apart, by digest, as the item holds it: `at`, the first receipt (but of the last body, which has it
    /// in `received_at`); `says`, what the function contributed otherwise or not at all; `lacks`, what it contributed and this body
    /// does not say; `null`, the fields that the body says as null. A body that says just what the function contributed is not here.
    pub apart: Map<String, Value>,
}

/// How many different bodies of one function a call's record takes. A provider repeats a message at most ten times, and tells of a
/// call anew a few times; a thousand is somebody's fault.
pub const MAX_BODIES: usize = 1_000;
/// Marks a value that lies in the bucket: an object with this key alone.
pub const LARGE_KEY: &str = "large_key";
/// The field under `extra` that says what found a call of which no push told.
pub const FOUND_BY: &str = "found_by";

/// The longest value that is kept of a body after a later one said otherwise, in bytes of JSON. (It is kept in case the order turns out
/// to be another, and verbatim in any case.)
const MAX_OUTDONE_BYTES: usize = 4 * 1024;

/// How much is kept of what tells a function's bodies apart, in bytes of JSON: a call's item, which has 400 KB at most, has room for all
/// else. What is said of the oldest bodies goes first, but for when they were received.
const MAX_APART_BYTES: usize = 128 * 1024;

/// What all functions together say of a call, or of its conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The strongest writer's value of each attribute.
    pub facts: AttributeList,
    /// By function: what the model has no attribute for, and what a stronger writer says otherwise.
    pub extra: BTreeMap<String, Map<String, Value>>,
    /// By function: what it has contributed.
    pub sources: BTreeMap<String, Source>,
    /// How often a call was asked for. No push changes it, so merging leaves it as it is.
    pub inquiry: Inquiry,
    /// When the first push was received.
    pub first_received_at: Instant,
    /// When the last push was first received.
    pub updated_at: Instant,
    /// Whether the call was erased: then nothing is known of it, and nothing is to be asked.
    pub erased: bool,
}

impl Record {
    /// What one body says, of which nothing else is known: the usual case, and the cheapest. Nobody else has a word to take into account.
    fn of(writers: Writers, said: Contribution) -> Self {
        let Contribution { function, body, received_at, mut facts, mut extra, nulls, feeds: _ } = said;
        // What says nothing, and what is not said in the form that it has.
        let says_nothing = |facts: &AttributeList, name: &str| match facts.get(name) {
            Some(Value::Object(object)) => name == STATUS && object.is_empty(),
            Some(_) => name == HAS,
            None => false,
        };
        for name in [HAS, STATUS] {
            if says_nothing(&facts, name) {
                facts.remove(name);
            }
        }
        let mut lacks = Vec::new();
        let mut hidden = Map::new();
        for (attribute, field) in written_by(writers, function) {
            if facts.contains_key(attribute) {
                hide(&mut extra, field, &mut hidden);
            } else {
                lacks.push(attribute.to_owned());
            }
        }
        let source =
            Source { received_at, apart: first_apart(&body, hidden, nulls), bodies: vec![body], lacks };
        Self {
            facts,
            extra: Some(extra)
                .filter(|extra| !extra.is_empty())
                .map(|extra| (function.to_owned(), extra))
                .into_iter()
                .collect(),
            sources: BTreeMap::from([(function.to_owned(), source)]),
            inquiry: Inquiry::default(),
            first_received_at: received_at,
            updated_at: received_at,
            erased: false,
        }
    }

    /// When a body was first received, if it was merged.
    pub fn receipt(&self, function: &str, body: &str) -> Option<Instant> {
        let source = self.sources.get(function)?;
        let position = source.bodies.iter().position(|known| known == body)?;
        source.receipts().get(position).copied()
    }

    /// Every number of the callee that a call's record knows: today's, what weaker functions say otherwise, and what was said before.
    pub fn callee_numbers(&self) -> impl Iterator<Item = &str> {
        const CALLEE: &str = "callee";
        let writers = CALL_WRITERS.iter().filter(|(attribute, _)| *attribute == CALLEE);
        let fields = writers.flat_map(|(_, writers)| writers.iter());
        let otherwise = fields.filter_map(|(function, field)| self.extra.get(*function)?.get(*field));
        let apart = self.sources.values().flat_map(|source| source.apart.values());
        let before = apart.filter_map(|body| body.get(SAYS)?.get(CALLEE));
        self.facts.get(CALLEE).into_iter().chain(otherwise).chain(before).filter_map(Value::as_str)
    }

    /// Whether a record has as many bodies of a function as it takes, and this is another one.
    pub fn is_full_for(&self, contribution: &Contribution) -> bool {
        let source = self.sources.get(contribution.function);
        source.is_some_and(|source| {
            source.bodies.len() >= MAX_BODIES && !source.bodies.contains(&contribution.body)
        })
    }
}

impl Source {
    /// When each of the bodies was first received. Of a source that tells it of the last one only, and all but that by its order,
    /// they are taken to have come right before it.
    pub fn receipts(&self) -> Vec<Instant> {
        let told = self.told();
        let before_last = |position: usize| {
            let distance = i64::try_from(self.bodies.len() - 1 - position).unwrap_or(i64::MAX);
            Instant::from_epoch_millis(self.received_at.epoch_millis().saturating_sub(distance))
                .unwrap_or(self.received_at)
        };
        let receipt = |(position, body): (usize, &String)| match told {
            true => self.at(body).unwrap_or(self.received_at),
            false => before_last(position),
        };
        self.bodies.iter().enumerate().map(receipt).collect()
    }

    fn at(&self, body: &str) -> Option<Instant> {
        self.apart.get(body)?.get(AT)?.as_str()?.parse().ok()
    }

    /// What a body says otherwise than the function does altogether, or alone, as far as it is told apart.
    pub(crate) fn says_apart(&self, body: &str) -> Option<&Map<String, Value>> {
        self.apart.get(body)?.get(SAYS)?.as_object()
    }

    /// What the function says and a body does not.
    pub(crate) fn lacked_by(&self, body: &str) -> impl Iterator<Item = &str> {
        self.names_apart(body, LACKS)
    }

    /// The fields that a body says as null.
    pub(crate) fn nulls_of(&self, body: &str) -> impl Iterator<Item = &str> {
        self.names_apart(body, NULL)
    }

    fn names_apart(&self, body: &str, kind: &str) -> impl Iterator<Item = &str> {
        let names = self.apart.get(body).and_then(|apart| apart.get(kind)?.as_array());
        names.into_iter().flatten().filter_map(Value::as_str)
    }

    /// Whether it is told of each body what it says. Of several bodies that an earlier release merged it is not.
    fn told(&self) -> bool {
        let Some((last, others)) = self.bodies.split_last() else { return true };
        others.iter().all(|body| self.at(body).is_some())
            && self.at(last).is_none()
            && self.apart.keys().all(|body| self.bodies.contains(body))
    }
}

const AT: &str = "at";
const SAYS: &str = "says";
const LACKS: &str = "lacks";
const NULL: &str = "null";

/// The attribute that holds the provider's own codes by their names: each is a field by itself.
const STATUS: &str = "status";
/// Stand before the names of fields in a register's name.
const OF_STATUS: &str = "status.";
const OF_EXTRA: &str = "extra.";

/// What bodies say, by register: an attribute, `status.<field>`, or `extra.<field>`.
type Registers = BTreeMap<String, Value>;

/// What is known of one body of a function.
#[derive(Clone, Debug)]
struct Body {
    received_at: Instant,
    digest: String,
    says: Registers,
    nulls: BTreeSet<String>,
}

impl Body {
    fn of(contribution: Contribution) -> Self {
        let Contribution { body, received_at, facts, extra, nulls, .. } = contribution;
        let mut says = Registers::new();
        for (name, value) in facts {
            match (&*name, value) {
                (HAS, _) => {}
                (STATUS, Value::Object(status)) => {
                    says.extend(
                        status.into_iter().map(|(name, value)| (format!("{OF_STATUS}{name}"), value)),
                    );
                }
                (_, value) => {
                    says.insert(name.into_owned(), value);
                }
            }
        }
        says.extend(extra.into_iter().map(|(name, value)| (format!("{OF_EXTRA}{name}"), value)));
        Self { received_at, digest: body, says, nulls }
    }

    /// Whether a register is not read from the body, but told by whoever asked for it.
    fn is_beside(register: &str, function: &str, writers: Writers, feeds: &[(&str, &str)]) -> bool {
        register.strip_prefix(OF_EXTRA) == Some(FOUND_BY)
            || (writer(writers, register, function).is_some()
                && feeds.iter().all(|(_, attribute)| *attribute != register))
    }
}

/// What the bodies of one function say together: the last one's word on each field.
fn folded(bodies: &[Body], feeds: &[(&str, &str)]) -> Registers {
    let large = format!("{OF_EXTRA}{LARGE_KEY}");
    let mut folded = Registers::new();
    for body in bodies {
        for field in &body.nulls {
            folded.remove(&format!("{OF_EXTRA}{field}"));
            folded.remove(&format!("{OF_EXTRA}{field}{UNTRIMMED}"));
            folded.remove(&format!("{OF_STATUS}{field}"));
            for (_, attribute) in feeds.iter().filter(|(feeding, _)| feeding == field) {
                folded.remove(*attribute);
            }
        }
        for (register, value) in &body.says {
            let value = match folded.get(register) {
                // Each names an object of its own: one must not hide the other.
                Some(before) if *register == large => both(before, value),
                _ => value.clone(),
            };
            folded.insert(register.clone(), value);
        }
    }
    folded
}

/// Two names of objects, or lists of them, as one list.
fn both(before: &Value, value: &Value) -> Value {
    fn names(value: &Value) -> Vec<&Value> {
        match value {
            Value::Array(names) => names.iter().collect(),
            name => vec![name],
        }
    }
    let mut all = names(before);
    all.retain(|name| !names(value).contains(name));
    all.extend(names(value));
    match all[..] {
        [one] => one.clone(),
        _ => all.into_iter().cloned().collect(),
    }
}

/// Merges a contribution into a record, or makes a record of it where there is none yet. Gives back whether it was news: where the record
/// holds it already, nothing changes.
pub fn merge(writers: Writers, record: &mut Option<Record>, said: Contribution) -> bool {
    let Some(record) = record else {
        *record = Some(Record::of(writers, said));
        return true;
    };
    let Contribution { function, received_at, feeds, .. } = said;
    if record.receipt(function, &said.body).is_some_and(|known| known <= received_at) {
        return false;
    }
    let mut claims = Claims::of(writers, record);
    let mut said = said;
    let has = said.facts.remove(HAS);
    if record.sources.contains_key(function) {
        let mut bodies = bodies_of(record, &mut claims, writers, &said);
        match bodies.iter_mut().find(|known| known.digest == said.body) {
            // It was merged before, as one that was received later. It says what it said then.
            Some(known) => known.received_at = received_at,
            None => bodies.push(Body::of(said)),
        }
        put_back(record, &mut claims, writers, function, feeds, bodies);
    } else {
        put_first(record, &mut claims, writers, said);
    }
    add_has(record, has);
    claims.settle(writers, record);
    finish(record, received_at);
    true
}

/// The record that comes of `said` and of those bodies of `stored` that are not among them (they are not kept any more): a body's
/// first receipt is the one that `stored` tells, its words are those of `said`. How often the call was asked for stays as it is.
pub fn rebuilt(writers: Writers, stored: &Record, said: &[Contribution]) -> Record {
    let mut record = stored.clone();
    let is_said = |function: &str, body: &str| {
        said.iter().any(|contribution| contribution.function == function && contribution.body == body)
    };
    let mut all = stored
        .sources
        .iter()
        .flat_map(|(function, source)| source.bodies.iter().map(move |body| (function, body)));
    let has = record.facts.get(HAS).cloned();
    let nothing_is_gone = all.all(|(function, body)| is_said(function, body));
    let mut claims = Claims::of(writers, &mut record);
    let mut by_function: BTreeMap<&str, Vec<&Contribution>> = BTreeMap::new();
    for contribution in said {
        by_function.entry(contribution.function).or_default().push(contribution);
    }
    let mut first = stored.first_received_at;
    let mut rebuilt = Vec::new();
    for (function, said) in by_function {
        let told = record.sources.get(function).is_none_or(Source::told);
        let mut bodies = bodies_of(&mut record, &mut claims, writers, said[0]);
        if !told {
            // Nobody knows who of them said what. What is read anew is known better.
            let by_unknown = bodies.last_mut().map(|last| std::mem::take(&mut last.says)).unwrap_or_default();
            if let Some(gone) = bodies.iter_mut().find(|body| !is_said(function, &body.digest)) {
                gone.says = by_unknown;
            }
        }
        for contribution in &said {
            first = first.min(contribution.received_at);
            let read = Body::of((*contribution).clone());
            match bodies.iter_mut().find(|known| known.digest == read.digest) {
                Some(known) => {
                    let beside = std::mem::take(&mut known.says).into_iter().filter(|(register, _)| {
                        Body::is_beside(register, function, writers, contribution.feeds)
                    });
                    known.says = beside.chain(read.says).collect();
                    known.nulls = read.nulls;
                }
                None => bodies.push(read),
            }
        }
        rebuilt.push((said[0], bodies));
    }
    if nothing_is_gone {
        // What no function says any more was once made of its words by an earlier mapping.
        record.facts = AttributeList::new();
    }
    for (contribution, bodies) in rebuilt {
        put_back(&mut record, &mut claims, writers, contribution.function, contribution.feeds, bodies);
    }
    if let Some(has) = has {
        record.facts.insert(HAS, has);
    }
    said.iter().for_each(|contribution| add_has(&mut record, contribution.facts.get(HAS).cloned()));
    claims.settle(writers, &mut record);
    finish(&mut record, first);
    record
}

/// What a record says of when its pushes came, and nothing that is empty.
fn finish(record: &mut Record, first: Instant) {
    record.extra.retain(|_, extra| !extra.is_empty());
    if record.facts.get(STATUS).and_then(Value::as_object).is_some_and(Map::is_empty) {
        record.facts.remove(STATUS);
    }
    let last = record.sources.values().map(|source| source.received_at).max();
    record.first_received_at = record.first_received_at.min(first);
    record.updated_at = last.unwrap_or(record.updated_at);
}

/// Adds what else is stored of the call. That only grows.
fn add_has(record: &mut Record, said: Option<Value>) {
    let Some(Value::Object(said)) = said else { return };
    if let Some(has) = record.facts.object_mut(HAS) {
        has.extend(said);
    }
}

/// Takes what a function said out of a record, body by body.
fn bodies_of(
    record: &mut Record,
    claims: &mut Claims,
    writers: Writers,
    contribution: &Contribution,
) -> Vec<Body> {
    let Contribution { function, facts, feeds, .. } = contribution;
    let Some(source) = record.sources.get(*function) else { return Vec::new() };
    let mut together = Registers::new();
    together.extend(claims.0.remove(*function).unwrap_or_default());
    let sole = feeds.iter().map(|(_, attribute)| *attribute).chain(facts.keys());
    for attribute in sole.filter(|name| ![HAS, STATUS].contains(name)) {
        if writer(writers, attribute, function).is_none() {
            together.extend(record.facts.remove(attribute).map(|value| (attribute.to_owned(), value)));
        }
    }
    if let Some(Value::Object(status)) = record.facts.get_mut(STATUS) {
        let fed = feeds.iter().filter(|(_, attribute)| *attribute == STATUS).map(|(field, _)| *field);
        let said = facts.get(STATUS).and_then(Value::as_object).into_iter().flat_map(Map::keys);
        for field in fed.chain(said.map(String::as_str)) {
            together.extend(status.remove(field).map(|value| (format!("{OF_STATUS}{field}"), value)));
        }
    }
    let extra = record.extra.remove(*function).unwrap_or_default();
    together.extend(extra.into_iter().map(|(name, value)| (format!("{OF_EXTRA}{name}"), value)));

    let told = source.told();
    let last = source.bodies.last();
    let receipts = source.receipts();
    let body = |(digest, received_at): (&String, Instant)| {
        let mut says = Registers::new();
        if told || last == Some(digest) {
            let lacks: BTreeSet<_> = source.lacked_by(digest).filter(|_| told).collect();
            let own = together.iter().filter(|(register, _)| !lacks.contains(register.as_str()));
            says.extend(own.map(|(register, value)| (register.clone(), value.clone())));
        }
        let otherwise = source.says_apart(digest).filter(|_| told);
        says.extend(otherwise.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
        let nulls = source.nulls_of(digest).filter(|_| told).map(str::to_owned).collect();
        Body { received_at, digest: digest.clone(), says, nulls }
    };
    source.bodies.iter().zip(receipts).map(body).collect()
}

/// Puts what a function says back into a record: what its bodies say together, and what tells them apart from it.
fn put_back(
    record: &mut Record,
    claims: &mut Claims,
    writers: Writers,
    function: &str,
    feeds: &[(&str, &str)],
    mut bodies: Vec<Body>,
) {
    bodies.sort_by(|a, b| (a.received_at, &a.digest).cmp(&(b.received_at, &b.digest)));
    let mut together = folded(&bodies, feeds);
    for (attribute, field) in written_by(writers, function) {
        // Its place under `extra` belongs to the function's sound value, which may be outranked.
        if together.contains_key(attribute) {
            together.remove(&format!("{OF_EXTRA}{field}"));
        }
    }
    let Some(last) = bodies.last() else { return };
    let received_at = last.received_at;
    let mut apart = Map::new();
    let mut room = MAX_APART_BYTES;
    // The newest first: what is said of the oldest matters least.
    for (position, body) in bodies.iter().enumerate().rev() {
        let mut entry = difference(body, &together);
        room = room.saturating_sub(length(&entry));
        if room == 0 {
            entry.clear();
        }
        if position + 1 < bodies.len() {
            entry.insert(AT.to_owned(), body.received_at.to_string().into());
        }
        if !entry.is_empty() {
            apart.insert(body.digest.clone(), Value::Object(entry));
        }
    }
    let source = Source {
        received_at,
        bodies: bodies.into_iter().map(|body| body.digest).collect(),
        lacks: Vec::new(),
        apart,
    };
    record.sources.insert(function.to_owned(), source);

    let mut mine = Map::new();
    let mut extra = Map::new();
    for (register, value) in together {
        if let Some(field) = register.strip_prefix(OF_EXTRA) {
            extra.insert(field.to_owned(), value);
        } else if let Some(field) = register.strip_prefix(OF_STATUS) {
            if let Some(status) = record.facts.object_mut(STATUS) {
                status.insert(field.to_owned(), value);
            }
        } else if writer(writers, &register, function).is_some() {
            mine.insert(register, value);
        } else {
            record.facts.insert(register, value);
        }
    }
    claims.0.insert(function.to_owned(), mine);
    record.extra.insert(function.to_owned(), extra);
}

/// Puts what a function's first body says into a record: there is nothing yet that it could take back, or that it differs from.
fn put_first(record: &mut Record, claims: &mut Claims, writers: Writers, said: Contribution) {
    let Contribution { function, body, received_at, facts, mut extra, nulls, feeds: _ } = said;
    let (mut mine, mut hidden) = (Map::new(), Map::new());
    for (attribute, value) in facts {
        match value {
            Value::Object(codes) if attribute == STATUS => {
                if codes.is_empty() {
                    continue;
                }
                if let Some(status) = record.facts.object_mut(STATUS) {
                    status.extend(codes);
                }
            }
            value => match writer(writers, &attribute, function) {
                Some(field) => {
                    hide(&mut extra, field, &mut hidden);
                    mine.insert(attribute.into_owned(), value);
                }
                None => {
                    record.facts.insert(attribute, value);
                }
            },
        }
    }
    let apart = first_apart(&body, hidden, nulls);
    let source = Source { received_at, bodies: vec![body], lacks: Vec::new(), apart };
    record.sources.insert(function.to_owned(), source);
    claims.0.insert(function.to_owned(), mine);
    record.extra.insert(function.to_owned(), extra);
}

/// Takes what stands in the place under `extra` that belongs to a function's sound value, which may be outranked.
fn hide(extra: &mut Map<String, Value>, field: &str, hidden: &mut Map<String, Value>) {
    if let Some(value) = extra.remove(field).filter(|value| json_fits(value, MAX_OUTDONE_BYTES)) {
        hidden.insert(format!("{OF_EXTRA}{field}"), value);
    }
}

/// What tells a function's only body apart from what the function says: what stands hidden by it, and its nulls, which may have to take
/// back what another one says.
fn first_apart(body: &str, hidden: Map<String, Value>, nulls: BTreeSet<String>) -> Map<String, Value> {
    let mut entry = Map::new();
    if !hidden.is_empty() {
        entry.insert(SAYS.to_owned(), Value::Object(hidden));
    }
    if !nulls.is_empty() {
        entry.insert(NULL.to_owned(), Value::Array(nulls.into_iter().map(Value::String).collect()));
    }
    match entry.is_empty() {
        true => entry,
        false => Map::from_iter([(body.to_owned(), Value::Object(entry))]),
    }
}

/// The length of an entry as JSON, in bytes.
fn length(entry: &Map<String, Value>) -> usize {
    if entry.is_empty() { 0 } else { serde_json::to_vec(entry).map_or(usize::MAX, |json| json.len()) }
}

/// What tells a body apart from what its function says altogether.
fn difference(body: &Body, together: &Registers) -> Map<String, Value> {
    let mut says: Map<_, _> = body
        .says
        .iter()
        .filter(|(register, value)| together.get(*register) != Some(*value))
        .map(|(register, value)| (register.clone(), value.clone()))
        .collect();
    says.retain(|_, value| json_fits(value, MAX_OUTDONE_BYTES));
    let lacks: Vec<_> = together
        .iter()
        .filter(|(register, value)| !says.contains_key(*register) && body.says.get(*register) != Some(*value))
        .map(|(register, _)| Value::String(register.clone()))
        .collect();
    let mut entry = Map::new();
    if !says.is_empty() {
        entry.insert(SAYS.to_owned(), Value::Object(says));
    }
    if !lacks.is_empty() {
        entry.insert(LACKS.to_owned(), Value::Array(lacks));
    }
    if !body.nulls.is_empty() {
        entry.insert(NULL.to_owned(), body.nulls.iter().map(|field| Value::String(field.clone())).collect());
    }
    entry
}

/// By function: its values of the attributes that several functions write.
struct Claims(BTreeMap<String, Map<String, Value>>);

impl Claims {
    /// Takes the claims out of a record.
    fn of(writers: Writers, record: &mut Record) -> Self {
        let mut claims = BTreeMap::new();
        let mut claimed = BTreeSet::new();
        for (function, source) in &record.sources {
            let mut mine = Map::new();
            for (attribute, field) in written_by(writers, function) {
                if source.lacks.iter().any(|lacking| lacking == attribute) {
                    continue;
                }
                let outranked = record.extra.get_mut(function).and_then(|extra| extra.remove(field));
                if let Some(value) = outranked.or_else(|| record.facts.get(attribute).cloned()) {
                    mine.insert(attribute.to_owned(), value);
                    claimed.insert(attribute);
                }
            }
            claims.insert(function.clone(), mine);
        }
        for attribute in claimed {
            record.facts.remove(attribute);
        }
        Self(claims)
    }

    /// Puts the claims back: the strongest into the record, those that differ from it under `extra`.
    fn settle(self, writers: Writers, record: &mut Record) {
        for (attribute, ranking) in writers {
            let strongest = ranking.iter().find_map(|(function, _)| self.0.get(*function)?.get(*attribute));
            match strongest {
                Some(value) => record.facts.insert(*attribute, value.clone()),
                None => continue,
            };
            for (function, field) in *ranking {
                if let Some(claim) = self.0.get(*function).and_then(|mine| mine.get(*attribute))
                    && Some(claim) != strongest
                {
                    let extra = record.extra.entry((*function).to_owned()).or_default();
                    extra.insert((*field).to_owned(), claim.clone());
                }
            }
        }
        for (function, source) in &mut record.sources {
            let mine = self.0.get(function);
            source.lacks = written_by(writers, function)
                .filter(|(attribute, _)| !mine.is_some_and(|mine| mine.contains_key(*attribute)))
                .map(|(attribute, _)| attribute.to_owned())
                .collect();
        }
    }
}

/// The name of the field by which a function writes an attribute, if it does and is not the only one.
pub(crate) fn writer(writers: Writers, attribute: &str, function: &str) -> Option<&'static str> {
    let (_, ranking) = writers.iter().find(|(name, _)| *name == attribute)?;
    ranking.iter().find(|(name, _)| *name == function).map(|(_, field)| *field)
}

/// The attributes that a function writes and others write too, and the names of the fields by which it does.
pub(crate) fn written_by(
    writers: Writers,
    function: &str,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    writers.iter().filter_map(move |(attribute, ranking)| {
        ranking.iter().find(|(name, _)| *name == function).map(|(_, field)| (*attribute, *field))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// What feeds what in these tests, whichever function it is: each attribute that it shares with others, one of its own, a code.
    const FEEDS: [(&str, &[(&str, &str)]); 4] = [
        (
            REPORT,
            &[
                ("taskId", "task_id"),
                ("originateTime", "originated_at"),
                ("callee", "callee"),
                ("smartStatusCode", "outcome"),
                ("smartStatusCode", "status"),
                ("ringTime", "ringing_at"),
                ("duration", "duration_s"),
            ],
        ),
        (RECORD, &[("taskId", "task_id"), ("startTime", "originated_at"), ("duration", "duration_s")]),
        (NOTE, &[("taskId", "task_id"), ("outputTags", "tags"), ("call_times", "attempt")]),
        (
            QUERY,
            &[
                ("CalledPhone", "callee"),
                ("StartCallTime", "originated_at"),
                ("CallResult", "outcome"),
                ("CallResult", "status"),
                ("OutputTags", "tags"),
                ("Duration", "duration_s"),
            ],
        ),
    ];

    fn feeds(function: &str) -> &'static [(&'static str, &'static str)] {
        FEEDS.iter().find(|(name, _)| *name == function).unwrap().1
    }

    fn at(second: i64) -> Instant {
        Instant::from_epoch_seconds(1_748_743_200 + second).unwrap()
    }

    fn contribution(function: &'static str, second: i64, facts: Value, extra: Value) -> Contribution {
        let object = |value: Value| value.as_object().unwrap().clone();
        Contribution {
            function,
            body: format!("{function}@{second}"),
            received_at: at(second),
            facts: object(facts).into(),
            extra: object(extra),
            nulls: BTreeSet::new(),
            feeds: feeds(function),
        }
    }

    fn null(fields: &[&str], contribution: Contribution) -> Contribution {
        Contribution { nulls: fields.iter().map(|field| (*field).to_owned()).collect(), ..contribution }
    }

    fn merged(contributions: &[Contribution]) -> Record {
        let mut record = None;
        for contribution in contributions {
            merge(CALL_WRITERS, &mut record, contribution.clone());
        }
        record.unwrap()
    }

    /// The record with a contribution merged in; `None` where that is no news.
    fn with(record: &Record, said: &Contribution) -> Option<Record> {
        let mut merged = Some(record.clone());
        match merge(CALL_WRITERS, &mut merged, said.clone()) {
            true => merged,
            false => {
                assert_eq!(merged.as_ref(), Some(record), "what is no news changes nothing");
                None
            }
        }
    }

    fn permutations<T: Clone>(list: &[T]) -> Vec<Vec<T>> {
        if list.is_empty() {
            return vec![Vec::new()];
        }
        let mut all = Vec::new();
        for position in 0..list.len() {
            let mut rest = list.to_vec();
            let first = rest.remove(position);
            all.extend(permutations(&rest).into_iter().map(|rest| [vec![first.clone()], rest].concat()));
        }
        all
    }

    #[test]
    fn the_strongest_writer_wins_whenever_it_came_and_the_weaker_value_stays_in_extra() {
        let report =
            contribution(REPORT, 1, json!({"originated_at": "R", "duration_s": 5}), json!({"bDuration": 4}));
        let record = contribution(
            RECORD,
            2,
            json!({"originated_at": "C", "duration_s": 5, "task_id": "1"}),
            json!({}),
        );
        for order in [[&report, &record], [&record, &report]] {
            let merged = merged(&order.map(Clone::clone));
            assert_eq!(
                Value::from(merged.facts),
                json!({"originated_at": "R", "duration_s": 5, "task_id": "1"})
            );
            assert_eq!(
                serde_json::to_value(merged.extra).unwrap(),
                json!({"alicom-call-report": {"bDuration": 4}, "alicom-call-record": {"startTime": "C"}})
            );
        }
    }

    #[test]
    fn the_last_received_body_wins_and_what_is_absent_says_nothing() {
        let bodies = [
            contribution(REPORT, 1, json!({"callee": "1", "ringing_at": "a"}), json!({})),
            contribution(REPORT, 2, json!({"callee": "2"}), json!({"new": 1})),
            contribution(REPORT, 3, json!({"task_id": "7"}), json!({})),
        ];
        let expected = merged(&bodies);
        assert_eq!(
            Value::from(expected.facts.clone()),
            json!({"callee": "2", "ringing_at": "a", "task_id": "7"})
        );
        for order in permutations(&bodies) {
            assert_eq!(merged(&order), expected);
        }
    }

    #[test]
    fn a_null_takes_back_what_earlier_bodies_said_and_nothing_of_later_ones() {
        let bodies = [
            contribution(
                REPORT,
                1,
                json!({"outcome": "answered", "status": {"smartStatusCode": "ANSWERED"}, "ringing_at": "a"}),
                json!({"duration": "unsound"}),
            ),
            null(&["smartStatusCode", "ringTime", "duration"], contribution(REPORT, 2, json!({}), json!({}))),
            contribution(REPORT, 3, json!({"ringing_at": "b"}), json!({})),
            contribution(QUERY, 4, json!({"outcome": "busy"}), json!({})),
        ];
        for order in permutations(&bodies) {
            let merged = merged(&order);
            assert_eq!(Value::from(merged.facts), json!({"outcome": "busy", "ringing_at": "b"}));
            assert!(merged.extra.is_empty(), "{:?}", merged.extra);
        }
    }

    #[test]
    fn a_repeat_of_an_older_body_is_no_news() {
        let first = contribution(REPORT, 1, json!({"callee": "1"}), json!({}));
        let second = contribution(REPORT, 2, json!({"callee": "2"}), json!({}));
        let record = merged(&[first.clone(), second]);
        let repeated = Contribution { received_at: at(9), ..first };
        assert_eq!(with(&record, &repeated), None);
    }

    #[test]
    fn a_body_counts_from_its_first_receipt_even_if_a_repeat_was_merged_before() {
        let first = contribution(REPORT, 1, json!({"callee": "1"}), json!({"a": 1}));
        let second = contribution(REPORT, 2, json!({"callee": "2"}), json!({"b": 1}));
        let repeated = Contribution { received_at: at(9), ..first.clone() };
        let expected = merged(&[first.clone(), second.clone()]);
        let late = merged(&[repeated, second]);
        assert_eq!(late.facts["callee"], "1");
        assert_eq!(with(&late, &first), Some(expected));
    }

    #[test]
    fn one_body_without_nulls_is_told_by_its_digest_alone() {
        let record = merged(&[contribution(REPORT, 1, json!({"callee": "1"}), json!({"a": null}))]);
        assert!(record.sources[REPORT].apart.is_empty());
    }

    #[test]
    fn a_value_that_a_newer_body_displaced_is_still_the_weaker_writers() {
        let first = contribution(REPORT, 1, json!({"callee": "1"}), json!({}));
        let query = contribution(QUERY, 2, json!({"callee": "1"}), json!({}));
        let second = contribution(REPORT, 3, json!({"callee": "2"}), json!({}));
        let merged = merged(&[first, query, second]);
        assert_eq!(merged.extra[QUERY]["CalledPhone"], "1");
    }

    #[test]
    fn an_unsound_value_is_never_taken_for_a_sound_one() {
        let unsound = contribution(REPORT, 1, json!({}), json!({"originateTime": "yesterday"}));
        let record = contribution(RECORD, 2, json!({"originated_at": "C"}), json!({}));
        let merged = merged(&[unsound, record]);
        assert_eq!(merged.facts["originated_at"], "C");
        assert_eq!(merged.extra[REPORT]["originateTime"], "yesterday");
    }

    #[test]
    fn an_unsound_value_behind_a_sound_one_is_there_once_the_sound_one_is_taken_back() {
        let bodies = [
            contribution(REPORT, 1, json!({"originated_at": "R"}), json!({})),
            null(&["originateTime"], contribution(REPORT, 2, json!({}), json!({}))),
            contribution(REPORT, 3, json!({}), json!({"originateTime": "yesterday"})),
        ];
        for order in permutations(&bodies) {
            let merged = merged(&order);
            assert!(merged.facts.is_empty(), "{:?}", merged.facts);
            assert_eq!(merged.extra[REPORT]["originateTime"], "yesterday");
        }
    }

    #[test]
    fn objects_that_hold_what_is_too_large_do_not_hide_each_other() {
        let large =
            |second: i64, name: &str| contribution(REPORT, second, json!({}), json!({LARGE_KEY: name}));
        let bodies = [large(1, "large/a"), large(2, "large/b"), large(3, "large/a")];
        for order in permutations(&bodies) {
            assert_eq!(merged(&order).extra[REPORT][LARGE_KEY], json!(["large/b", "large/a"]));
        }
        assert_eq!(merged(&bodies[..1]).extra[REPORT][LARGE_KEY], "large/a");
    }

    #[test]
    fn a_thousand_bodies_are_told_apart_and_no_more_are_taken() {
        let body =
            |second: i64| contribution(REPORT, second, json!({"callee": format!("{second}")}), json!({}));
        let bodies: Vec<_> = (0..40).map(body).collect();
        let record = merged(&bodies);
        assert_eq!(record.sources[REPORT].bodies.len(), 40);
        assert!(bodies.iter().all(|body| with(&record, body).is_none()));
        assert!(!record.is_full_for(&body(99)));

        let mut full = record;
        let source = full.sources.get_mut(REPORT).unwrap();
        source.bodies = (0..i64::try_from(MAX_BODIES).unwrap()).map(|second| body(second).body).collect();
        assert!(full.is_full_for(&body(-1)));
        assert!(!full.is_full_for(&body(0)), "a repeat is none too many");
    }

    #[test]
    fn what_tells_bodies_apart_has_a_bound_and_the_record_is_the_same_in_any_order() {
        let long = |second: i64, field: i64| format!("{second:04}{field}").repeat(600);
        let body = |second: i64| {
            let extra: Map<_, _> =
                (0..4).map(|field| (format!("f{field}"), long(second, field).into())).collect();
            contribution(REPORT, second, json!({"callee": format!("{second}")}), Value::Object(extra))
        };
        let bodies: Vec<_> = (0..50).map(body).collect();
        let expected = merged(&bodies);
        let source = &expected.sources[REPORT];
        let apart = serde_json::to_vec(&source.apart).unwrap().len();
        assert!(apart < MAX_APART_BYTES + 50 * 60, "{apart}");
        assert_eq!(source.bodies.len(), 50);
        assert_eq!(expected.facts["callee"], "49");
        assert_eq!(expected.extra[REPORT]["f3"], long(49, 3));
        for stride in [7, 49] {
            let order: Vec<_> = (0..50).map(|step| bodies[step * stride % 50].clone()).collect();
            assert_eq!(merged(&order), expected, "each {stride}th");
        }
        assert_eq!(rebuilt(CALL_WRITERS, &expected, &bodies), expected);
        assert_eq!(rebuilt(CALL_WRITERS, &expected, &bodies[..25]), expected, "the others are forgotten");
        assert_eq!(rebuilt(CALL_WRITERS, &expected, &bodies[25..]), expected, "the others are forgotten");
    }

    /// As releases before this one stored it: of several bodies only the last one's receipt, and nothing that tells them apart.
    fn of_an_earlier_release(mut record: Record) -> Record {
        for source in record.sources.values_mut() {
            source.apart.clear();
        }
        record
    }

    #[test]
    fn what_an_earlier_release_merged_is_as_of_its_last_body() {
        let first = contribution(REPORT, 3, json!({"callee": "1", "ringing_at": "a"}), json!({}));
        let second = contribution(REPORT, 5, json!({"callee": "2"}), json!({}));
        let stored = of_an_earlier_release(merged(&[first.clone(), second.clone()]));
        for repeat in [&first, &second] {
            assert_eq!(with(&stored, &Contribution { received_at: at(9), ..repeat.clone() }), None);
        }
        for (second, callee) in [(1, "2"), (4, "2"), (7, "3")] {
            let other = contribution(REPORT, second, json!({"callee": "3", "task_id": "7"}), json!({}));
            let merged = with(&stored, &other).unwrap();
            assert_eq!(
                Value::from(merged.facts.clone()),
                json!({"callee": callee, "ringing_at": "a", "task_id": "7"}),
                "{second}"
            );
            assert_eq!(merged.sources[REPORT].bodies.len(), 3);
            assert_eq!(with(&merged, &other), None);
        }
        // Read anew, each says what it says; what only a body said that is gone stays.
        assert_eq!(rebuilt(CALL_WRITERS, &stored, &[first, second.clone()]).facts, stored.facts);
        assert_eq!(rebuilt(CALL_WRITERS, &stored, &[second]).facts, stored.facts);
    }

    #[test]
    fn what_an_earlier_release_added_to_a_record_does_not_make_it_unreadable() {
        let bodies = [1, 2].map(|second| contribution(REPORT, second, json!({"callee": second}), json!({})));
        let mut stored = merged(&bodies);
        // It knows nothing of what sets bodies apart, and appends its digest.
        let source = stored.sources.get_mut(REPORT).unwrap();
        source.bodies.push("other".to_owned());
        source.received_at = at(4);
        stored.facts.insert("callee", 4);
        let between = contribution(REPORT, 3, json!({"callee": 3}), json!({"new": 1}));
        let merged = with(&stored, &between).unwrap();
        assert_eq!((&merged.facts["callee"], &merged.extra[REPORT]["new"]), (&json!(4), &json!(1)));
    }

    /// A body of a function: values of the attributes by number (0 is an unsound one, 1 a null), and of fields that nobody knows.
    fn any_contribution() -> impl Strategy<Value = Contribution> {
        let functions = prop_oneof![Just(REPORT), Just(RECORD), Just(NOTE), Just(QUERY)];
        let said = proptest::collection::vec((any::<proptest::sample::Index>(), 0..5), 0..10);
        let unknown = proptest::collection::btree_map(
            "[a-c]",
            prop_oneof![Just(Value::Null), (0..4).prop_map(Value::from)],
            0..3,
        );
        // Five bodies, some of which are received at once.
        (functions, 0..5_i64, said, unknown).prop_map(|(function, number, said, unknown)| {
            let mut contribution = contribution(function, number / 2 * 2, json!({}), json!({}));
            contribution.body = format!("{function} {number}");
            contribution.facts.insert(HAS, json!({function: true, format!("{number}"): true}));
            contribution.extra.extend(unknown);
            let fed: BTreeSet<_> = feeds(function).iter().map(|(field, _)| *field).collect();
            let fed: Vec<_> = fed.into_iter().collect();
            let said: BTreeMap<_, _> =
                said.into_iter().map(|(field, value)| (fed[field.index(fed.len())], value)).collect();
            for (field, value) in said {
                match value {
                    0 => {
                        contribution.extra.insert(field.to_owned(), json!(format!("unsound {number}")));
                    }
                    1 => {
                        contribution.nulls.insert(field.to_owned());
                    }
                    value => {
                        for (_, attribute) in feeds(function).iter().filter(|(name, _)| *name == field) {
                            let fact =
                                if *attribute == "status" { json!({field: value}) } else { json!(value) };
                            contribution.facts.insert(*attribute, fact);
                        }
                    }
                }
            }
            contribution
        })
    }

    /// What the rules say of a set of bodies, worked out from them all at once.
    fn by_the_rules(contributions: &[Contribution]) -> (Value, Value) {
        let mut sorted: Vec<_> = contributions.iter().collect();
        sorted.sort_by_key(|one| (one.received_at, one.body.clone()));
        let mut sound: BTreeMap<(&str, String), Value> = BTreeMap::new();
        let mut extra: BTreeMap<(&str, String), Value> = BTreeMap::new();
        let mut has = Map::new();
        for one in sorted {
            has.extend(one.facts[HAS].as_object().unwrap().clone());
            for field in &one.nulls {
                extra.remove(&(one.function, field.clone()));
                for (_, attribute) in one.feeds.iter().filter(|(name, _)| name == field) {
                    let name = if *attribute == "status" {
                        format!("status {field}")
                    } else {
                        (*attribute).to_owned()
                    };
                    sound.remove(&(one.function, name));
                }
            }
            for (name, value) in one.facts.iter().filter(|(name, _)| *name != HAS) {
                match name {
                    "status" => {
                        sound.extend(
                            value.as_object().unwrap().iter().map(|(code, value)| {
                                ((one.function, format!("status {code}")), value.clone())
                            }),
                        )
                    }
                    name => {
                        sound.insert((one.function, name.to_owned()), value.clone());
                    }
                }
            }
            extra.extend(one.extra.iter().map(|(name, value)| ((one.function, name.clone()), value.clone())));
        }
        let mut facts = json!({HAS: has});
        for ((function, name), value) in &sound {
            let ranking =
                CALL_WRITERS.iter().find(|(attribute, _)| attribute == name).map(|(_, ranking)| *ranking);
            let Some(ranking) = ranking else {
                match name.strip_prefix("status ") {
                    Some(code) => facts["status"][code] = value.clone(),
                    None => facts[name.as_str()] = value.clone(),
                }
                continue;
            };
            let strongest =
                ranking.iter().find_map(|(writer, _)| sound.get(&(*writer, name.clone()))).unwrap();
            facts[name.as_str()] = strongest.clone();
            let field = ranking.iter().find(|(writer, _)| writer == function).unwrap().1;
            extra.remove(&(*function, field.to_owned()));
            if value != strongest {
                extra.insert((*function, field.to_owned()), value.clone());
            }
        }
        let mut by_function = json!({});
        for ((function, name), value) in extra {
            by_function[function][name.as_str()] = value;
        }
        (facts, by_function)
    }

    /// Different bodies, and each of them some more times: as received later, all shuffled.
    fn deliveries() -> impl Strategy<Value = (Vec<Contribution>, Vec<Contribution>)> {
        proptest::collection::vec(any_contribution(), 1..14).prop_flat_map(|list| {
            // A body is what it is: the same digest never stands for two contents.
            let mut seen = BTreeSet::new();
            let list: Vec<_> = list.into_iter().filter(|one| seen.insert(one.body.clone())).collect();
            let repeats = proptest::collection::vec((0..list.len(), 0..6_i64), 0..6);
            (Just(list), repeats).prop_flat_map(|(list, repeats)| {
                let repeats = repeats.into_iter().map(|(which, later)| {
                    let repeated = &list[which];
                    Contribution { received_at: repeated.received_at.plus_seconds(later), ..repeated.clone() }
                });
                let all: Vec<_> = list.iter().cloned().chain(repeats).collect();
                (Just(list), Just(all).prop_shuffle())
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

        /// Whatever the order, however often each comes, and whichever of its receipts is merged first.
        #[test]
        fn a_record_is_a_function_of_the_set_of_its_bodies_and_their_first_receipts((set, delivered) in deliveries()) {
            let record = merged(&delivered);
            prop_assert_eq!(&record, &merged(&set));
            let (facts, extra) = by_the_rules(&set);
            prop_assert_eq!(&Value::from(record.facts.clone()), &facts);
            prop_assert_eq!(&serde_json::to_value(&record.extra).unwrap(), &extra);
            prop_assert_eq!(Some(record.first_received_at), set.iter().map(|one| one.received_at).min());
            prop_assert_eq!(Some(record.updated_at), set.iter().map(|one| one.received_at).max());
            for contribution in &set {
                prop_assert_eq!(record.receipt(contribution.function, &contribution.body), Some(contribution.received_at));
                prop_assert_eq!(with(&record, contribution), None);
            }
        }

        /// Whichever of its bodies are kept.
        #[test]
        fn what_is_read_as_before_comes_to_the_same((set, kept) in deliveries(), gone in any::<u64>()) {
            let record = merged(&set);
            let mut seen = BTreeSet::new();
            let kept: Vec<_> = kept.into_iter().enumerate().filter(|(number, _)| gone >> number & 1 == 0).map(|(_, one)| one)
                .filter(|one| seen.insert(one.body.clone())).collect();
            prop_assert_eq!(&rebuilt(CALL_WRITERS, &record, &kept), &record);
            // What was never merged is merged now.
            let without = set.iter().filter(|one| !seen.contains(&one.body)).cloned().collect::<Vec<_>>();
            if !without.is_empty() {
                let added: Vec<_> = set.iter().filter(|one| seen.contains(&one.body)).cloned().collect();
                prop_assert_eq!(&rebuilt(CALL_WRITERS, &merged(&without), &added), &record);
            }
        }

        /// What an earlier release merged, of whatever bodies: nothing panics, and no fact goes where a body is read anew or added.
        #[test]
        fn no_fact_of_an_earlier_releases_record_is_lost((set, _) in deliveries(), later in any_contribution()) {
            let stored = of_an_earlier_release(merged(&set));
            let later = Contribution { body: "later".to_owned(), received_at: at(-9), nulls: BTreeSet::new(), ..later };
            let added = with(&stored, &later).unwrap();
            for (name, value) in stored.facts.iter().filter(|(name, _)| ![HAS, "status"].contains(name)) {
                let ranked = CALL_WRITERS.iter().any(|(attribute, _)| *attribute == name);
                prop_assert!(added.facts.contains_key(name));
                prop_assert!(ranked || added.facts[name] == *value);
            }
        }
    }
}
