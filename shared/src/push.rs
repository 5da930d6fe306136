//! The way of a push, from the HTTP request to the answer.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use lambda_http::{Body, Request, RequestExt, Response};
use serde_json::Value;

use crate::answer::Answer;
use crate::aws::{Account, Patience};
use crate::body::{Elements, NoElements};
use crate::config::{ConfigError, Environment, PushConfig, StoreConfig, expiry, process_environment};
use crate::metrics::{Metrics, PushCounts};
use crate::model::{CallKey, Instant, Provider};
use crate::normalized::{Context, PushType, Rejection};
use crate::parts::Element;
use crate::rejected::Rejected;
use crate::request::{Authorized, authorize};
use crate::store::{Store, StoreError, Stored};
use crate::table::TableError;

/// How many rejected elements are being kept at once: each takes a connection, and a body can hold any number of them.
const MAX_REJECTIONS_AT_ONCE: usize = 16;

/// Catches pushes: what a push function has at hand from its start on.
#[derive(Debug)]
pub struct Receiver {
    config: PushConfig,
    store: Store,
    metrics: Metrics,
}

/// How a body was divided and stored.
#[derive(Default)]
struct Tally {
    elements: usize,
    rejections: Vec<&'static str>,
    unknown_values: Vec<&'static str>,
    store_time: Option<Duration>,
}

impl Receiver {
    /// A receiver of one kind of push with the process's settings, its connection to DynamoDB already open. Where it can't be opened yet, the first
    /// push opens it.
    pub async fn from_environment(push: &PushType) -> Result<Self, ConfigError> {
        let receiver = Self::new(&process_environment(), &[*push])?;
        if let Err(error) = receiver.store.table().connect().await {
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
        })
    }

    /// A receiver for an operator, who stores again what was received before. It lets nobody push.
    pub fn for_operator(environment: &Environment<'_>, account: Account) -> Result<Self, ConfigError> {
        let store = Store::new(StoreConfig::read(environment)?, account, Patience::Nobody);
        Ok(Self {
            config: PushConfig::for_operator(environment)?,
            store,
            metrics: Metrics::read(environment)?,
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

    /// Receives again what was received before, and was authorized then.
    pub async fn receive_again(&self, push: &PushType, body: &[u8], received_at: Instant) -> Answer {
        match push.elements(body) {
            Ok(elements) => self.keep(push, elements, received_at, &mut Tally::default()).await,
            Err(NoElements::NotJson { line, column }) => Answer::NotJson { line, column },
            Err(NoElements::WrongShape) => Answer::WrongShape,
        }
    }

    /// Receives a push: checks who sends it, stores what it says, answers. A 200 means that every element of it is durable.
    pub async fn receive(&self, push: &PushType, request: Request) -> Response<Body> {
        let received_at = Instant::now();
        let request_id =
            request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default();
        let mut tally = Tally::default();
        let answer = match authorize(request, push.function, &self.config) {
            Ok(authorized) => self.accept(push, &authorized, received_at, &mut tally).await,
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
        tally: &mut Tally,
    ) -> Answer {
        let body = request.body();
        let refusal = if request.content_encoding().is_some() {
            Answer::Encoded
        } else if body.len() > self.config.max_body_bytes {
            Answer::TooLarge { limit: self.config.max_body_bytes }
        } else {
            match push.elements(body) {
                Ok(elements) => return self.keep(push, elements, received_at, tally).await,
                Err(NoElements::NotJson { line, column }) => Answer::NotJson { line, column },
                Err(NoElements::WrongShape) => Answer::WrongShape,
            }
        };
        tally.rejections.push(refusal.tag());
        let rejected = Rejected::new(push.function, received_at, refusal.message(), None, body);
        match self.keep_rejected(rejected).await {
            Ok(()) => refusal,
            Err(error) => Answer::NotStored(error.into()),
        }
    }

    /// Makes every element durable: as a call, or as rejected.
    async fn keep(
        &self,
        push: &PushType,
        elements: Elements<'_>,
        received_at: Instant,
        tally: &mut Tally,
    ) -> Answer {
        let context = Context { received_at, utc_offset: self.utc_offset(push.provider) };
        tally.elements = elements.texts.len();
        let mut sound = Vec::new();
        let mut to_store = Vec::new();
        let mut rejected = Vec::new();
        // The same element again is the same item: a body of a million of them is no more work than one.
        let mut repeats: HashMap<&str, usize> = HashMap::new();
        let mut distinct = elements.texts.clone();
        distinct.retain(|text| {
            let times = repeats.entry(text).or_default();
            *times += 1;
            *times == 1
        });
        for text in &distinct {
            match push.normalized(text, &context) {
                Ok(normalized) => {
                    tally.unknown_values.extend(&normalized.unknown_values);
                    sound.push(*text);
                    to_store.push(Element {
                        key: CallKey { provider: push.provider, call_id: normalized.call_id.clone() },
                        push: *push,
                        received_at,
                        expires: expiry(received_at, self.config.retention_days),
                        text: (*text).to_owned(),
                        envelope: elements.envelope.clone(),
                        asked: None,
                        normalized,
                    });
                }
                Err(rejection) => rejected.push((*text, rejection)),
            }
        }
        let storing = std::time::Instant::now();
        let results = self.store.store(to_store).await;
        tally.store_time = (!sound.is_empty()).then(|| storing.elapsed());
        let mut erased = 0;
        for (text, result) in sound.iter().zip(results) {
            match result {
                Ok(Stored::Kept) => {}
                Ok(Stored::OfErasedCall) => erased += repeats.get(text).copied().unwrap_or_default(),
                Err(error) => match &*error {
                    StoreError::Table(TableError::Full) => rejected.push((*text, Rejection::TooManyBodies)),
                    StoreError::Table(TableError::Refused(reason)) => {
                        rejected.push((*text, Rejection::Refused(reason.clone())))
                    }
                    StoreError::Table(_) | StoreError::Bucket(_) => return Answer::NotStored(error),
                },
            }
        }
        tally.rejections.extend(rejected.iter().map(|(_, rejection)| rejection.tag()));
        let to_keep: Vec<_> = rejected
            .iter()
            .map(|(text, rejection)| {
                let (reason, field) = (rejection.to_string(), rejection.field());
                Rejected::new(push.function, received_at, reason, field, text.as_bytes())
            })
            .collect();
        let keeping = stream::iter(to_keep).map(|rejected| self.keep_rejected(rejected));
        let kept: Vec<_> = keeping.buffer_unordered(MAX_REJECTIONS_AT_ONCE).collect().await;
        let times: usize =
            rejected.iter().map(|(text, _)| repeats.get(text).copied().unwrap_or_default()).sum();
        match kept.into_iter().find_map(Result::err) {
            Some(error) => Answer::NotStored(error.into()),
            None => Answer::Kept { stored: elements.texts.len() - times - erased, rejected: times, erased },
        }
    }

    async fn keep_rejected(&self, rejected: Rejected) -> Result<(), StoreError> {
        // Text, times and names: there is nothing in it that could not be written as JSON.
        let json = serde_json::to_vec(&rejected).unwrap_or_default();
        Ok(self.store.bucket().put_json_if_absent(&rejected.key(), json).await?)
    }
}

/// What is counted of a push, beside what is logged of it.
fn counts<'a>(push: &PushType, answer: &Answer, tally: &'a Tally, received_at: Instant) -> PushCounts<'a> {
    let (stored, denied, kept) = match answer {
        Answer::Kept { stored, .. } => (*stored, None, true),
        Answer::UnknownToken | Answer::AddressNotAllowed => (0, Some(answer.tag()), true),
        Answer::NotJson { .. } | Answer::WrongShape | Answer::Encoded | Answer::TooLarge { .. } => {
            (0, None, true)
        }
        // It will come again.
        Answer::NotStored(_) => (0, None, false),
    };
    PushCounts {
        function: push.function,
        received_at,
        denied,
        elements: tally.elements,
        stored,
        rejections: if kept { &tally.rejections } else { &[] },
        unknown_values: if kept { &tally.unknown_values } else { &[] },
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
    let duration_ms = Instant::now().epoch_millis() - received_at.epoch_millis();
    let names = |names: &[&'static str]| Value::from(names.to_vec()).to_string();
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
                rejected,
                erased,
                rejections = names(&tally.rejections),
                unknown_values = names(&tally.unknown_values),
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
