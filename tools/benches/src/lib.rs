//! What is measured of each push: the functions' own code, from a body to the items of a table that holds nothing yet, and
//! the floor, which is reading the same body's JSON and nothing more.

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::tz::Offset;
use runtime::store::attributes::to_attributes;
use serde_json::{Map, Value};
use shared::model::{CallKey, Instant};
use shared::normalize::{Context, Normalized, PushType};
use shared::record::item::{self, Item, NewItem};
use shared::record::merge::{CALL_WRITERS, CONVERSATION_WRITERS};
use shared::record::missing::Waiting;

use shared::record::parts::{Element, MergeError, Parts, merged, parts, refreshed};

/// The pushes, and the sample that each one's document gives.
const PUSHES: [(&PushType, &str); 5] = [
    (&alicom_call_report::PUSH, include_str!("../../../functions/alicom-call-report/test_data/sample.json")),
    (&alicom_call_record::PUSH, include_str!("../../../functions/alicom-call-record/test_data/sample.json")),
    (&alicom_call_note::PUSH, include_str!("../../../functions/alicom-call-note/test_data/sample.json")),
    (
        &ai_voice_call_record::PUSH,
        include_str!("../../../functions/ai-voice-call-record/test_data/sample.json"),
    ),
    (
        &laaffic_status_report::PUSH,
        include_str!("../../../functions/laaffic-status-report/test_data/sample.json"),
    ),
];

/// How many records the bodies hold.
const BATCHES: [usize; 2] = [1, 100];

/// A body of one push.
#[derive(Debug)]
pub struct Case {
    /// The push.
    pub push: &'static PushType,
    /// How many records the body holds.
    pub records: usize,
    /// The body: the document's sample as often, without the white space that prints it well.
    pub body: Vec<u8>,
    shape: Shape,
    context: Context,
}

/// What a body is, by its outermost JSON.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Object,
    List,
    Envelope,
}

/// Every push, with a body of one record and one of a hundred.
///
/// # Panics
/// If a sample is not a body of its push.
pub fn cases() -> Vec<Case> {
    PUSHES.iter().flat_map(|(push, sample)| BATCHES.map(|records| Case::new(push, sample, records))).collect()
}

impl Case {
    #[expect(clippy::expect_used, reason = "the samples are part of the project")]
    fn new(push: &'static PushType, sample: &str, records: usize) -> Self {
        let sample = without_white_space(sample);
        let elements = push.elements(sample.as_bytes()).expect("the sample is a body");
        // The same again would be one element: each is written with blanks of its own, few of them.
        let blanks =
            |n: usize| (0..7).map(move |bit| if n >> bit & 1 == 1 { '\t' } else { ' ' }).collect::<String>();
        let nth = |n: usize| match n {
            0 => elements.texts[0].to_owned(),
            n => elements.texts[0].replacen('{', &format!("{{{}", blanks(n)), 1),
        };
        let list = (0..records).map(nth).collect::<Vec<_>>().join(",");
        let (body, shape) = match sample.as_bytes()[0] {
            b'{' => match push.envelope {
                Some(name) => (format!("{{\"{name}\":[{list}]}}"), Shape::Envelope),
                None if records == 1 => (list, Shape::Object),
                None => (format!("[{list}]"), Shape::List),
            },
            _ => (format!("[{list}]"), Shape::List),
        };
        let received_at = Instant::from_epoch_seconds(1_754_617_400).expect("a time in 2025");
        let context = Context { received_at, utc_offset: Offset::constant(8) };
        Self { push, records, body: body.into_bytes(), shape, context }
    }

    /// The push's function and how many records its body holds.
    pub fn name(&self) -> String {
        format!("{}/{}", self.push.function, self.records)
    }

    /// The floor: reads the body into what the normalizers take their fields from.
    ///
    /// # Errors
    /// If the body is not JSON of its shape.
    pub fn read(&self) -> serde_json::Result<Vec<Map<String, Value>>> {
        Ok(match self.shape {
            Shape::Object => vec![serde_json::from_slice(&self.body)?],
            Shape::List => serde_json::from_slice(&self.body)?,
            Shape::Envelope => {
                let lists: BTreeMap<String, Vec<_>> = serde_json::from_slice(&self.body)?;
                lists.into_values().next().unwrap_or_default()
            }
        })
    }

    /// Divides the body into its elements.
    ///
    /// # Panics
    /// If it has none.
    #[expect(clippy::expect_used, reason = "the samples are sound")]
    pub fn texts(&self) -> Vec<&str> {
        self.push.elements(&self.body).expect("the sample is a body").texts
    }

    /// Elements in terms of the model.
    ///
    /// # Panics
    /// If one is rejected.
    #[expect(clippy::expect_used, reason = "the samples are sound")]
    pub fn normalized(&self, texts: &[&str]) -> Vec<Normalized> {
        let normalized =
            |text: &&str| self.push.normalized(text, &self.context).expect("the sample is sound");
        texts.iter().map(normalized).collect()
    }

    /// The body as the attribute values of the items that it comes to where nothing is stored of its calls.
    ///
    /// # Errors
    /// Never: the samples can be stored.
    pub fn attributes(&self) -> Result<Vec<HashMap<String, AttributeValue>>, MergeError> {
        Ok(self.items()?.into_iter().map(to_attributes).collect())
    }

    /// The body as the items that it comes to where nothing is stored of its calls.
    ///
    /// # Errors
    /// Never: the samples can be stored.
    pub fn items(&self) -> Result<Vec<NewItem>, MergeError> {
        let mut items = Vec::with_capacity(4 * self.records);
        let texts = self.texts();
        for (text, normalized) in texts.iter().zip(self.normalized(&texts)) {
            let element = self.element(text, normalized);
            // What the store keeps for the case that a put is refused.
            let origin = element.origin();
            let Parts { push, call, conversation, recordings, .. } = parts(element);
            let to_item = |record| item::call_item(&push.key, record, Waiting::default());
            items.extend(merged(None, CALL_WRITERS, [call], to_item)?.item);
            items.extend(match conversation {
                Some(said) => {
                    let to_item = |record| Ok(item::conversation_item(&push.key, record));
                    merged(None, CONVERSATION_WRITERS, [said], to_item)?.item
                }
                None => None,
            });
            for source in &recordings {
                items.extend(refreshed(None, &push.key, source, self.context.received_at)?);
            }
            items.push(item::push_item(push));
            black_box(origin);
        }
        Ok(items)
    }

    /// What the body's first record comes to.
    pub fn first(&self) -> Parts {
        let texts = self.texts();
        parts(self.element(texts[0], self.normalized(&texts[..1]).swap_remove(0)))
    }

    /// A call's item with a record merged into what is stored of it.
    ///
    /// # Errors
    /// If what is stored is no item of a call.
    pub fn call_item(&self, said: &Parts, stored: Option<Item>) -> Result<Option<NewItem>, MergeError> {
        let to_item = |record| item::call_item(&said.push.key, record, Waiting::default());
        Ok(merged(stored, CALL_WRITERS, [said.call.clone()], to_item)?.item)
    }

    fn element(&self, text: &str, normalized: Normalized) -> Element {
        let key = CallKey { provider: self.push.provider, call_id: normalized.call_id.clone() };
        Element {
            key,
            push: *self.push,
            context: self.context,
            expires: None,
            text: text.to_owned(),
            envelope: None,
            asked: None,
            normalized,
        }
    }
}

/// JSON without the white space between its tokens, as a platform sends it.
fn without_white_space(json: &str) -> String {
    let (mut in_text, mut escaped) = (false, false);
    json.chars()
        .filter(|character| {
            let keep = in_text || !character.is_ascii_whitespace();
            in_text ^= *character == '"' && !escaped;
            escaped = *character == '\\' && !escaped;
            keep
        })
        .collect()
}
