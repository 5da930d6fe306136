//! The way of a push, from the HTTP request to the answer.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use lambda_http::{Body, Request, RequestExt, Response};
use serde_json::{Map, Value};
use tokio::time::Instant as Moment;

use crate::aws::{Account, Patience};
use crate::clock;
use crate::config::{ConfigError, Environment, PushConfig, StoreConfig, expiry, process_environment};
use crate::deadline::{Deadline, unless_silent};
use crate::ingress::answer::Answer;
use crate::ingress::authorize::{Authorized, authorize};
use crate::metrics::{Metrics, PushCounts};
use crate::store::table::TableError;
use crate::store::{Store, StoreError, Stored};
use shared::model::{CallKey, Instant, Provider};
use shared::normalize::body::{self, Elements};
use shared::normalize::{Context, PushType, Rejection};
use shared::record::erased_reject;
use shared::record::item::{Item, NewItem};
use shared::record::keys;
use shared::record::parts::Element;
use shared::record::rejected::Rejected;

/// How many rejected elements are being kept at once: each takes a connection, and a body can hold any number of them.
const MAX_REJECTIONS_AT_ONCE: usize = 16;
/// How many rejected elements of a body are kept each by itself. Where there are more, the body is kept whole.
const MAX_REJECTS: usize = 100;
/// How many different elements of a body a function stores. A body with more is kept whole.
const MAX_ELEMENTS: usize = 10_000;
/// How many elements are worked on at once, and how much memory they may take once they are read, in bytes: one at least.
const MAX_PORTION: usize = 100;
const MAX_PORTION_BYTES: usize = 16 * 1024 * 1024;
/// How much memory an element may take once a function has read it, in bytes: a dialogue of twenty thousand lines takes 34 MiB.
const MAX_ELEMENT_BYTES: usize = 48 * 1024 * 1024;
/// How long before Lambda ends the function no more portions are begun; of its 15 s that leaves 9.
const RESERVE: Duration = Duration::from_secs(6);
/// How long before that the sender is answered at the latest, whatever is not stored yet.
const TO_ANSWER: Duration = Duration::from_millis(500);
/// How long no store may answer anything: the sender is answered within 5 s then.
const SILENCE: Duration = Duration::from_millis(4_500);

/// Catches pushes: what a push function has at hand from its start on.
#[derive(Debug)]
pub struct Receiver {
    config: PushConfig,
    store: Store,
    metrics: Metrics,
    patience: Patience,
    /// How many rejects were kept so far.
    kept: AtomicU64,
}

/// How many elements are rejected for which reason, in words that hold nothing of them.
pub type Reasons = BTreeMap<Cow<'static, str>, usize>;

/// How a body was divided and stored.
#[derive(Default)]
struct Tally {
    elements: usize,
    rejections: BTreeMap<&'static str, usize>,
    /// Only where somebody asks why.
    reasons: Reasons,
    unknown_values: BTreeMap<&'static str, usize>,
    store_time: Option<Duration>,
}

/// What a body says, to be stored.
struct Divided<'a> {
    push: &'a PushType,
    /// The body itself.
    body: &'a [u8],
    elements: Elements<'a>,
    /// The digest of the envelope that the elements came in, as it is known from a reject.
    envelope: Option<String>,
    received_at: Instant,
    deadline: Deadline,
}

/// An element that can't be stored, by its place among the different ones.
type Unsound = (usize, Rejection);

/// What was not stored of some elements.
#[derive(Default)]
struct Portion {
    /// What can't be.
    unsound: Vec<Unsound>,
    /// How many are of calls that were erased.
    erased: usize,
}

impl Receiver {
    /// A receiver of one kind of push with the process's settings, its connections to DynamoDB already open: while a function starts, Lambda
    /// gives it a whole processor, and a part of one afterwards. Where they can't be opened yet, the first push opens them.
    pub async fn from_environment(push: &PushType) -> Result<Self, ConfigError> {
        let receiver = Self::new(&process_environment(), &[*push])?;
        if let Err(error) = receiver.store.table().connect_for_pushes().await {
            tracing::warn!(error = %error, "no connection to DynamoDB yet");
        }
        Ok(receiver)
    }

    /// A receiver of these pushes, with these settings.
    pub fn new(environment: &Environment<'_>, pushes: &[PushType]) -> Result<Self, ConfigError> {
        let stores = StoreConfig::read(environment)?;
        let account = Account::of_function(environment, &stores)?;
        Ok(Self {
            config: PushConfig::read(environment, pushes)?,
            store: Store::new(stores, account, Patience::Sender),
            metrics: Metrics::read(environment)?,
            patience: Patience::Sender,
            kept: AtomicU64::new(0),
        })
    }

    /// A receiver for an operator, who stores again what was received before. It lets nobody push.
    pub fn for_operator(environment: &Environment<'_>, account: Account) -> Result<Self, ConfigError> {
        let store = Store::new(StoreConfig::read(environment)?, account, Patience::Nobody);
        Ok(Self {
            config: PushConfig::for_operator(environment)?,
            store,
            metrics: Metrics::read(environment)?,
            patience: Patience::Nobody,
            kept: AtomicU64::new(0),
        })
    }

    /// The stores.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The zone of a platform's times that carry none.
    pub fn utc_offset(&self, provider: Provider) -> jiff::tz::Offset {
        self.config.zones.of(provider)
    }

    /// Receives again what was received before, and was authorized then: however much it is, and however long it takes.
    ///
    /// Where some of it is stored now, what is still rejected is kept anew, by itself; where nothing is, nothing is written.
    pub async fn receive_again(&self, push: &PushType, body: &[u8], received_at: Instant) -> Answer {
        self.receive_rejected(push, body, None, received_at).await.0
    }

    /// [`Receiver::receive_again`] of what was rejected: the answer, and how many elements are still rejected for which reason.
    /// `envelope` is the digest of the envelope that it came in, where it is known.
    pub async fn receive_rejected(
        &self,
        push: &PushType,
        body: &[u8],
        envelope: Option<String>,
        received_at: Instant,
    ) -> (Answer, Reasons) {
        match push.elements(body) {
            Ok(elements) => {
                // Nobody waits, however long it takes.
                let deadline = Deadline::of_context(0);
                let divided = Divided { push, body, elements, envelope, received_at, deadline };
                let mut tally = Tally::default();
                let answer = self.keep(divided, &mut tally).await;
                (answer, tally.reasons)
            }
            Err(what) => (what.into(), Reasons::new()),
        }
    }

    /// Receives a push: checks who sends it, stores what it says, answers. A 200 means that every element of it is durable.
    pub async fn receive(&self, push: &PushType, request: Request) -> Response<Body> {
        let received_at = clock::now();
        let request_id =
            request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default();
        let deadline = request.lambda_context_ref().map_or(0, |context| context.deadline);
        let deadline = Deadline::of_context(deadline);
        let mut tally = Tally::default();
        let answer = match authorize(request, push.function, &self.config) {
            Ok(authorized) => self.accept(push, &authorized, received_at, deadline, &mut tally).await,
            Err(denial) => denial.into(),
        };
        log(push, &answer, &tally, received_at, &request_id);
        self.metrics.push(&counts(push, &answer, &tally, received_at));
        answer.into_response()
    }

    async fn accept(
        &self,
        push: &PushType,
        request: &Authorized,
        received_at: Instant,
        deadline: Deadline,
        tally: &mut Tally,
    ) -> Answer {
        let body = request.body();
        let refusal = if request.content_encoding().is_some() {
            Answer::Encoded
        } else if body.len() > self.config.max_body_bytes {
            Answer::TooLarge { limit: self.config.max_body_bytes }
        } else {
            match push.elements_up_to(MAX_ELEMENTS, body) {
                Ok(elements) => {
                    let divided = Divided { push, body, elements, envelope: None, received_at, deadline };
                    return self.keep(divided, tally).await;
                }
                Err(what) => what.into(),
            }
        };
        let rejected = Rejected::new(push.function, received_at, refusal.message(), None, body);
        self.kept_whole(rejected, refusal, deadline, tally).await
    }

    /// Makes every element durable: as a call, or as rejected.
    async fn keep(&self, mut divided: Divided<'_>, tally: &mut Tally) -> Answer {
        let Divided { push, body, ref elements, received_at, deadline, .. } = divided;
        let total = elements.times.iter().sum();
        tally.elements = total;
        if elements.too_many {
            let reason = format!("more than {MAX_ELEMENTS} different elements");
            let rejected = Rejected::new(push.function, received_at, reason, None, body);
            return self.kept_whole(rejected, Answer::TooManyElements, deadline, tally).await;
        }
        if let Some(envelope) = &elements.envelope {
            match self.in_time(deadline, self.keep_envelope(&divided, envelope).boxed()).await {
                Ok(digest) => divided.envelope = digest,
                Err(error) => return Answer::NotStored(error),
            }
        }
        let texts = &divided.elements.texts;
        let (mut unsound, mut erased) = (Vec::new(), 0);
        let mut next = 0;
        while next < texts.len() {
            if self.patience == Patience::Sender && next > 0 && Moment::now() > deadline.less(RESERVE) {
                let reason = format!("not stored in time: elements {} to {}", next + 1, texts.len());
                let rejected = Rejected::new(push.function, received_at, reason, None, body);
                return self.kept_whole(rejected, Answer::TooManyElements, deadline, tally).await;
            }
            let end = next + portion(&texts[next..]);
            match self.in_time(deadline, self.keep_portion(&divided, next..end, tally).boxed()).await {
                Ok(portion) => {
                    unsound.extend(portion.unsound);
                    erased += portion.erased;
                }
                Err(error) => return Answer::NotStored(error),
            }
            next = end;
        }
        for (place, rejection) in &unsound {
            *tally.rejections.entry(rejection.tag()).or_default() += 1;
            if self.patience == Patience::Nobody {
                *tally.reasons.entry(rejection.summary()).or_default() += divided.elements.times[*place];
            }
        }
        let rejected = unsound.iter().map(|(place, _)| divided.elements.times[*place]).sum();
        match self.in_time(deadline, self.keep_unsound(&divided, &unsound).boxed()).await {
            Ok(()) => Answer::Kept { stored: total - rejected - erased, rejected, erased },
            Err(error) => Answer::NotStored(error),
        }
    }

    /// Waits for the stores as long as a sender would. What is waited for is large: on the stack it would be moved from hand to hand.
    async fn in_time<T>(
        &self,
        deadline: Deadline,
        storing: BoxFuture<'_, Result<T, Arc<StoreError>>>,
    ) -> Result<T, Arc<StoreError>> {
        if self.patience == Patience::Nobody {
            return storing.await;
        }
        let answers = || self.store.table().answers() + self.kept.load(Ordering::Relaxed);
        let stored = unless_silent(storing, answers, SILENCE, deadline.less(TO_ANSWER)).await;
        stored.unwrap_or_else(|| Err(StoreError::Late.into()))
    }

    /// Keeps what stands beside the elements, and gives back its digest.
    async fn keep_envelope(
        &self,
        divided: &Divided<'_>,
        envelope: &str,
    ) -> Result<Option<String>, Arc<StoreError>> {
        let (function, received_at) = (divided.push.function, divided.received_at);
        let expires = expiry(received_at, self.config.retention_days);
        match self.store.keep_envelope(function, envelope, received_at, expires).await {
            Ok(digest) => Ok(Some(digest)),
            // What is wrong with the envelope is not the elements' fault.
            Err(StoreError::Table(TableError::Refused(reason))) => {
                let reason = Rejection::Refused(reason).to_string();
                let rejected = Rejected::new(function, received_at, reason, None, envelope.as_bytes());
                self.keep_rejected(rejected).await?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Stores some of the elements, and gives back those that can't be. In the error case the sender has to repeat the push.
    async fn keep_portion(
        &self,
        divided: &Divided<'_>,
        places: std::ops::Range<usize>,
        tally: &mut Tally,
    ) -> Result<Portion, Arc<StoreError>> {
        let Divided { push, ref elements, ref envelope, received_at, .. } = *divided;
        let context = Context { received_at, utc_offset: self.utc_offset(push.provider) };
        let (mut sound, mut to_store) = (Vec::new(), Vec::new());
        let Portion { mut unsound, mut erased } = Portion::default();
        for place in places {
            let text = elements.texts[place];
            let readable = self.patience == Patience::Nobody || body::fits_memory(text, MAX_ELEMENT_BYTES);
            let normalized = match readable {
                true => push.normalized(text, &context),
                false => Err(Rejection::TooManyValues),
            };
            match normalized {
                Ok(normalized) => {
                    for field in &normalized.unknown_values {
                        *tally.unknown_values.entry(field).or_default() += 1;
                    }
                    sound.push(place);
                    to_store.push(Element {
                        key: CallKey { provider: push.provider, call_id: normalized.call_id.clone() },
                        push: *push,
                        context,
                        expires: expiry(received_at, self.config.retention_days),
                        text: text.to_owned(),
                        envelope: envelope.clone(),
                        asked: None,
                        normalized,
                    });
                }
                Err(rejection) => unsound.push((place, rejection)),
            }
        }
        if sound.is_empty() {
            return Ok(Portion { unsound, erased });
        }
        let storing = Moment::now();
        let results = self.store.store(to_store).await;
        *tally.store_time.get_or_insert_default() += storing.elapsed();
        for (place, result) in sound.into_iter().zip(results) {
            let error = match result {
                Ok(Stored::Kept) => continue,
                Ok(Stored::OfErasedCall) => {
                    erased += elements.times[place];
                    continue;
                }
                Err(error) => error,
            };
            match &*error {
                StoreError::Table(TableError::Full) => unsound.push((place, Rejection::TooManyBodies)),
                StoreError::Table(TableError::Refused(reason)) => {
                    unsound.push((place, Rejection::Refused(reason.clone())));
                }
                StoreError::Table(_) | StoreError::Bucket(_) | StoreError::Late => return Err(error),
            }
        }
        Ok(Portion { unsound, erased })
    }

    /// Keeps the elements that can't be stored: each by itself, or, where there are too many of them, in one object.
    async fn keep_unsound(&self, divided: &Divided<'_>, unsound: &[Unsound]) -> Result<(), Arc<StoreError>> {
        let Divided { push, body, ref elements, ref envelope, received_at, .. } = *divided;
        let again = self.patience == Patience::Nobody;
        // Received again, and nothing of it stored: it is kept already.
        if unsound.is_empty() || again && unsound.len() == elements.texts.len() {
            return Ok(());
        }
        let rejected = |reason: String, field: Option<&str>, bytes: &[u8]| Rejected {
            envelope: envelope.clone(),
            ..Rejected::new(push.function, received_at, reason, field, bytes)
        };
        if unsound.len() > MAX_REJECTS {
            let (first, why) = (unsound[0].0 + 1, &unsound[0].1);
            let reason =
                format!("{} elements rejected, the first of them element {first}: {why}", unsound.len());
            let rejected = if again {
                let rest: Vec<_> = unsound.iter().map(|(place, _)| elements.texts[*place]).collect();
                rejected(reason, None, format!("[{}]", rest.join(",")).as_bytes())
            } else {
                rejected(reason, None, body)
            };
            return Ok(self.keep_rejected(rejected).await?);
        }
        let each = unsound.iter().map(|(place, why)| {
            self.keep_rejected(rejected(why.to_string(), why.field(), elements.texts[*place].as_bytes()))
        });
        let each: Vec<_> = each.collect();
        let mut kept = stream::iter(each).buffer_unordered(MAX_REJECTIONS_AT_ONCE);
        while let Some(kept) = kept.next().await {
            kept?;
        }
        Ok(())
    }

    /// Keeps a body whole, and answers why.
    async fn kept_whole(
        &self,
        rejected: Rejected,
        answer: Answer,
        deadline: Deadline,
        tally: &mut Tally,
    ) -> Answer {
        *tally.rejections.entry(answer.tag()).or_default() += 1;
        let kept = async { Ok(self.keep_rejected(rejected).await?) };
        self.in_time(deadline, kept.boxed()).await.map_or_else(Answer::NotStored, |()| answer)
    }

    async fn keep_rejected(&self, rejected: Rejected) -> Result<(), StoreError> {
        // Text, times and names: there is nothing in it that could not be written as JSON.
        let json = serde_json::to_vec(&rejected).unwrap_or_default();
        let key = rejected.key();
        self.store.bucket().put_json_if_absent(&key, json).await?;
        self.kept.fetch_add(1, Ordering::Relaxed);
        // Afterwards: an erasure that is under way sees either the object, or to it that this sees the tombstone.
        if let Some((function, digest)) = keys::reject_of_key(&key) {
            let pk = keys::erased_reject_pk(function, digest);
            let arm = |stone: Option<Item>| {
                let armed = stone.map(|stone| erased_reject::armed(stone, &pk, &key, clock::now()));
                Ok((armed.map(NewItem::from), ()))
            };
            self.store.table().update(&pk, keys::ERASED, arm).await?;
        }
        Ok(())
    }
}

/// How many elements make the next portion: those that fit together, one at least.
fn portion(texts: &[&str]) -> usize {
    let mut bytes = 0_usize;
    let fit = texts.iter().take(MAX_PORTION).take_while(|text| {
        bytes = bytes.saturating_add(body::memory_bytes(text));
        bytes <= MAX_PORTION_BYTES
    });
    fit.count().max(1)
}

/// Nothing to count.
static NONE: BTreeMap<&'static str, usize> = BTreeMap::new();

/// What is counted of a push, beside what is logged of it.
fn counts<'a>(push: &PushType, answer: &Answer, tally: &'a Tally, received_at: Instant) -> PushCounts<'a> {
    let (stored, denied, kept) = match answer {
        Answer::Kept { stored, .. } => (*stored, None, true),
        Answer::UnknownToken | Answer::AddressNotAllowed => (0, Some(answer.tag()), true),
        Answer::NotJson { .. }
        | Answer::WrongShape
        | Answer::Encoded
        | Answer::TooLarge { .. }
        | Answer::TooManyElements => (0, None, true),
        // It will come again.
        Answer::NotStored(_) => (0, None, false),
    };
    PushCounts {
        function: push.function,
        received_at,
        denied,
        elements: tally.elements,
        stored,
        rejections: if kept { &tally.rejections } else { &NONE },
        unknown_values: if kept { &tally.unknown_values } else { &NONE },
        store_ms: tally.store_time.map(|time| time.as_secs_f64() * 1000.0),
    }
}

fn log(push: &PushType, answer: &Answer, tally: &Tally, received_at: Instant, request_id: &str) {
    let (stored, rejected, erased) = match answer {
        Answer::Kept { stored, rejected, erased } => (*stored, *rejected, *erased),
        _ => (0, 0, 0),
    };
    let error = match answer {
        Answer::NotStored(error) => Some(error.to_string()),
        _ => None,
    };
    let duration_ms = clock::now().epoch_millis() - received_at.epoch_millis();
    // What is nothing is left out: each byte that is logged is paid for.
    let some = |count: usize| (count > 0).then_some(count);
    // By kind: a list of names would be as long as the body.
    let counts = |counts: &BTreeMap<&'static str, usize>| {
        let told: Map<_, _> =
            counts.iter().map(|(name, count)| ((*name).to_owned(), (*count).into())).collect();
        (!told.is_empty()).then(|| Value::Object(told).to_string())
    };
    // `tracing` wants its level to be constant.
    macro_rules! log {
        ($level:ident) => {
            tracing::$level!(
                function = push.function,
                request_id,
                status = answer.status(),
                answer = answer.tag(),
                elements = tally.elements,
                stored,
                rejected = some(rejected),
                erased = some(erased),
                rejections = counts(&tally.rejections),
                unknown_values = counts(&tally.unknown_values),
                error,
                duration_ms,
                "push"
            )
        };
    }
    match answer.level() {
        tracing::Level::ERROR => log!(error),
        tracing::Level::WARN => log!(warn),
        _ => log!(info),
    }
}
