//! The bus: putting events in batches, and again what it did not take.

use std::collections::VecDeque;
use std::time::Duration;

use aws_sdk_eventbridge::config::retry::RetryConfig;
use aws_sdk_eventbridge::config::timeout::TimeoutConfig;
use aws_sdk_eventbridge::config::{BehaviorVersion, Region};
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use runtime::aws::{self, Account};
use runtime::backoff::Backoff;
use runtime::deadline::Deadline;
use shared::events::{Event, SOURCE};
use shared::model::CallKey;

use crate::config::PublishConfig;

/// The most entries that one request takes.
const MAX_ENTRIES: usize = 10;
/// The most bytes that one request's entries have together, with some room for what is counted beside their details.
const MAX_BYTES: usize = 250 * 1_024;
/// What an entry counts beside its detail: source, type and time.
const ENTRY_BYTES: usize = 64;
/// How often what the bus did not take is put again, in one invocation.
const MAX_ROUNDS: u32 = 6;
/// The pauses before that.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
/// How long before the deadline nothing more is put.
const RESERVE: Duration = Duration::from_secs(3);

/// A bus of EventBridge's.
#[derive(Clone, Debug)]
pub struct Bus {
    client: aws_sdk_eventbridge::Client,
    name: String,
}

/// An event that is to be put, and the position of what it was made of.
#[derive(Debug)]
pub struct Entry {
    /// Where the change stands in its batch.
    pub position: usize,
    /// The event.
    pub event: Event,
}

impl Bus {
    /// The bus that the settings name.
    pub fn new(account: &Account, config: &PublishConfig) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(Duration::from_secs(5))
            .build();
        let mut builder = aws_sdk_eventbridge::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(account.region.clone()))
            .credentials_provider(account.credentials.clone())
            .http_client(aws::http_client())
            .timeout_config(timeouts)
            .retry_config(
                RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50)),
            );
        if let Some(endpoint) = &config.endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        let client = aws_sdk_eventbridge::Client::from_conf(builder.build());
        Self { client, name: config.bus_name.clone() }
    }

    /// Puts events, each call's in the order in which they stand, and gives back those that the bus did not take.
    ///
    /// A request takes events of one call only where they show the same revision: of a request, the bus may take some and refuse others,
    /// and an older one must not follow a newer one. What follows an event that is not taken is not put.
    pub async fn put(&self, events: Vec<Entry>, deadline: Deadline) -> Put {
        let mut waiting: VecDeque<Entry> = events.into();
        let mut taken = Vec::new();
        let mut cause = None;
        let mut round = 0;
        while !waiting.is_empty() && round < MAX_ROUNDS && deadline.left() > RESERVE {
            BACKOFF.pause(round).await;
            let batch = next_batch(&mut waiting);
            let (done, refused, error) = self.put_batch(batch).await;
            // A refusal costs a round; as long as all goes well, there are as many as it takes.
            match refused.is_empty() {
                true => round = 0,
                false => round += 1,
            }
            cause = error.or(cause);
            taken.extend(done);
            for entry in refused.into_iter().rev() {
                waiting.push_front(entry);
            }
        }
        Put { taken, left: waiting.into(), cause }
    }

    async fn put_batch(&self, batch: Vec<Entry>) -> (Vec<Entry>, Vec<Entry>, Option<String>) {
        let entries = batch.iter().map(|Entry { event, .. }| {
            let detail = serde_json::to_string(&event.detail).unwrap_or_default();
            PutEventsRequestEntry::builder()
                .event_bus_name(&self.name)
                .source(SOURCE)
                .detail_type(event.event_type.as_str())
                .time(DateTime::from_millis(event.time.epoch_millis()))
                .detail(detail)
                .build()
        });
        let answer = self.client.put_events().set_entries(Some(entries.collect())).send().await;
        let results = match answer {
            Ok(answer) => answer.entries.unwrap_or_default(),
            Err(error) => return (Vec::new(), batch, Some(aws::brief(&error))),
        };
        let mut codes = results.into_iter().map(|result| match result.event_id {
            Some(_) => None,
            None => Some(result.error_code.unwrap_or_else(|| "an error without a code".to_owned())),
        });
        let (mut taken, mut refused, mut cause) = (Vec::new(), Vec::new(), None);
        for entry in batch {
            match codes.next() {
                Some(None) => taken.push(entry),
                Some(Some(code)) => {
                    cause = Some(code);
                    refused.push(entry);
                }
                None => refused.push(entry),
            }
        }
        (taken, refused, cause)
    }
}

/// What became of events.
#[derive(Debug)]
pub struct Put {
    /// Those that the bus took, in this order.
    pub taken: Vec<Entry>,
    /// Those that it did not take.
    pub left: Vec<Entry>,
    /// Why, by the bus's own code.
    pub cause: Option<String>,
}

/// Takes the next request's events out of those that wait, in their order: at most one revision of each call.
fn next_batch(waiting: &mut VecDeque<Entry>) -> Vec<Entry> {
    let mut batch: Vec<Entry> = Vec::new();
    let mut bytes = 0;
    let mut passed_over: Vec<CallKey> = Vec::new();
    let mut position = 0;
    while batch.len() < MAX_ENTRIES && position < waiting.len() {
        let Entry { event, .. } = &waiting[position];
        let is_next = !passed_over.contains(&event.key)
            && batch
                .iter()
                .all(|other| other.event.key != event.key || other.event.revision == event.revision);
        if !is_next {
            passed_over.push(event.key.clone());
            position += 1;
            continue;
        }
        let length = ENTRY_BYTES + serde_json::to_string(&event.detail).map_or(0, |detail| detail.len());
        if bytes + length > MAX_BYTES && !batch.is_empty() {
            break;
        }
        bytes += length;
        batch.extend(waiting.remove(position));
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shared::events::EventType;
    use shared::model::{CallId, Instant, Provider};

    fn entry(position: usize, call: u8, revision: u64, bytes: usize) -> Entry {
        let key = CallKey { provider: Provider::Alicom, call_id: CallId::new(call.to_string()).unwrap() };
        let detail = [("text".to_owned(), "x".repeat(bytes).into())].into_iter().collect();
        let time = Instant::from_epoch_seconds(1_748_743_200).unwrap();
        let event_type = EventType::CallUpdated;
        Entry { position, event: Event { event_type, id: String::new(), time, key, revision, detail } }
    }

    proptest! {
        #[test]
        fn a_request_is_within_its_bounds_and_has_one_revision_of_a_call_and_no_call_is_overtaken(
            events in proptest::collection::vec((0_u8..4, 0_usize..60_000), 1..40)
        ) {
            let mut revisions = [0_u64; 4];
            let mut waiting: VecDeque<_> = events.iter().enumerate().map(|(position, (call, bytes))| {
                let revision = &mut revisions[usize::from(*call)];
                *revision += u64::from(position % 3 != 0);
                entry(position, *call, *revision, *bytes)
            }).collect();
            let mut last = [0_u64; 4];
            let mut total = 0;
            while !waiting.is_empty() {
                let batch = next_batch(&mut waiting);
                prop_assert!(!batch.is_empty() && batch.len() <= MAX_ENTRIES);
                let bytes: usize = batch.iter().map(|entry| serde_json::to_string(&entry.event.detail).unwrap().len()).sum();
                prop_assert!(bytes <= 256 * 1_024);
                for entry in &batch {
                    let call: usize = entry.event.key.call_id.as_str().parse().unwrap();
                    prop_assert!(entry.event.revision >= last[call]);
                    prop_assert!(batch.iter().all(|other| other.event.key != entry.event.key || other.event.revision == entry.event.revision));
                    last[call] = entry.event.revision;
                }
                total += batch.len();
            }
            prop_assert_eq!(total, events.len());
        }
    }
}
