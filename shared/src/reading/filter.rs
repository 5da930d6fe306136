//! What is asked for of calls.

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::terms::{is_announced, outcome};
use super::{CalleeSearch, DayRange, Order, Zone};
use crate::model::{CallKey, HangupBy, Instant, Outcome, Provider, Tags};
use crate::record::merge::Record;
use crate::view::Mask;

/// How a number becomes a `callee_id`; `None` where it has none, as every number has without a key.
pub type CalleeIdOf<'a> = &'a (dyn Fn(&str) -> Option<String> + Send + Sync);

/// Stands between the name of a tag and its value.
const OF_TAG: char = ':';

/// Which calls to list, and in what order. What is `None` or empty asks for nothing.
///
/// One of `task`, `callee`, `callee_id`, `days` chooses where to look; without any of them it is today, in `zone`. The others are looked at
/// in each call that is found there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallFilter {
    /// Of this platform.
    pub provider: Option<Provider>,
    /// Of the task of this id.
    pub task: Option<String>,
    /// To this number.
    pub callee: Option<CalleeSearch>,
    /// To the number of this id.
    pub callee_id: Option<String>,
    /// Whose `call_at` is in these days.
    pub days: Option<DayRange>,
    /// Where the days are.
    pub zone: Zone,
    /// With one of these outcomes.
    pub outcomes: Vec<Outcome>,
    /// With this intent: its code or its name.
    pub intent: Option<String>,
    /// With this tag: as [`tags_of`] writes it, or the name alone of one that has values.
    pub tag: Option<String>,
    /// That lasted so many seconds at least. A call whose duration is unknown did not.
    pub min_duration_s: Option<u64>,
    /// That lasted so many seconds at most. A call whose duration is unknown did not.
    pub max_duration_s: Option<u64>,
    /// That was ended by this side.
    pub hangup_by: Option<HangupBy>,
    /// Of which a recording was announced, or none, whatever became of it.
    pub has_recording: Option<bool>,
    /// That was reviewed, or not.
    pub reviewed: Option<bool>,
    /// Whose record was changed by a push that was received at this time or later: `updated_at`.
    pub updated_since: Option<Instant>,
    /// In which order.
    pub order: Order,
    /// For whoever may not see numbers: a call is found by what is shown of it, so that nobody tries what is hidden.
    pub hides_numbers: bool,
}

impl CallFilter {
    /// Whether a call is asked for, as far as its record tells: all but `days` and `reviewed`.
    pub fn matches(&self, key: &CallKey, record: &Record, callee_ids: CalleeIdOf<'_>) -> bool {
        let text = |name: &str| record.facts.get(name).and_then(|value| value.as_str());
        let looks_at_texts = self.task.is_some() || self.intent.is_some() || self.tag.is_some();
        let mask = match self.hides_numbers && looks_at_texts {
            true => Mask::of(record.callee_numbers()),
            false => Mask::none(),
        };
        let intent = |asked: &str| {
            ["intent_code", "intent_name"].into_iter().filter_map(text).any(|it| mask.text(it) == asked)
        };
        let duration = || record.facts.get("duration_s").and_then(|seconds| seconds.as_u64());
        let callee_id = || text("callee").and_then(callee_ids);
        self.provider.is_none_or(|provider| provider == key.provider)
            && self
                .task
                .as_deref()
                .is_none_or(|asked| text("task_id").is_some_and(|it| mask.shared_id(it) == asked))
            && self
                .callee
                .as_ref()
                .is_none_or(|callee| text("callee").is_some_and(|stored| callee.is(stored)))
            && (self.callee_id.is_none() || self.callee_id == callee_id())
            && (self.outcomes.is_empty()
                || outcome(record).is_some_and(|outcome| self.outcomes.contains(&outcome)))
            && self.intent.as_deref().is_none_or(intent)
            && self.tag.as_deref().is_none_or(|tag| has_tag(record, tag, &mask))
            && self.min_duration_s.is_none_or(|min| duration().is_some_and(|duration| duration >= min))
            && self.max_duration_s.is_none_or(|max| duration().is_some_and(|duration| duration <= max))
            && self.hangup_by.is_none_or(|by| text("hangup_by") == Some(by.as_str()))
            && self.has_recording.is_none_or(|has| has == is_announced(record))
            && self.updated_since.is_none_or(|since| record.updated_at >= since)
    }

    /// Whether there may be calls of which who asks may not know that they are where they are looked for.
    pub fn may_hide(&self) -> bool {
        self.hides_numbers && self.task.is_some()
    }

    /// Whether who asks may not know that a call is where it was looked for: its task's id tells its callee. A tag and an intent choose no
    /// place: whatever they tell, the calls that are looked at are the same.
    pub fn hides(&self, record: &Record) -> bool {
        let task = || record.facts.get("task_id").and_then(|task| task.as_str());
        self.may_hide() && task().is_some_and(|task| !Mask::of(record.callee_numbers()).may_show_shared(task))
    }

    /// Whether more than the index has to be looked at to know whether a call is asked for.
    pub fn looks_into_calls(&self) -> bool {
        let Self { provider: _, days: _, zone: _, order: _, task, callee, .. } = self;
        let by_index = Self {
            provider: self.provider,
            days: self.days,
            zone: self.zone.clone(),
            order: self.order,
            hides_numbers: self.hides_numbers,
            // Where both are asked for, one is looked for in the calls of the other.
            task: task.clone().filter(|_| callee.is_none()),
            callee: callee.clone(),
            ..Self::default()
        };
        by_index != *self
    }

    /// By what a cursor knows its filter, the order included.
    pub(super) fn digest(&self) -> [u8; 8] {
        let Self {
            provider,
            task,
            callee,
            callee_id,
            days,
            zone,
            outcomes,
            intent,
            tag,
            min_duration_s,
            max_duration_s,
            hangup_by,
            has_recording,
            reviewed,
            updated_since,
            order,
            hides_numbers,
        } = self;
        let mut names: Vec<_> = outcomes.iter().map(|outcome| outcome.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let mut digest = Sha256::new();
        let mut say = |said: Option<String>| {
            // Each with its length, so that no two filters say the same.
            let said = said.map_or_else(|| "-".to_owned(), |said| format!("{}:{said}", said.len()));
            digest.update(said);
        };
        say(provider.map(|provider| provider.to_string()));
        say(task.clone());
        say(callee.as_ref().map(|callee| callee.forms().concat()));
        say(callee_id.clone());
        say(days.map(|days| days.to_string()));
        say(Some(zone.name().to_owned()));
        say(Some(names.join(",")));
        say(intent.clone());
        say(tag.clone());
        say(min_duration_s.map(|seconds| seconds.to_string()));
        say(max_duration_s.map(|seconds| seconds.to_string()));
        say(hangup_by.map(|by| by.as_str().to_owned()));
        say(has_recording.map(|has| has.to_string()));
        say(reviewed.map(|reviewed| reviewed.to_string()));
        say(updated_since.map(|since| since.to_text()));
        say(Some(order.as_str().to_owned()));
        say(Some(hides_numbers.to_string()));
        let mut short = [0; 8];
        short.copy_from_slice(&digest.finalize()[..8]);
        short
    }
}

/// The tags of a call, each as a text, as `mask` shows it: as it is, `name:value` where it has values, and the name alone where it has none.
pub fn tags_of(record: &Record, mask: &Mask) -> Vec<String> {
    let shown = |text: &str| mask.text(text).into_owned();
    match tags(record) {
        None => Vec::new(),
        Some(Tags::List(tags)) => tags.iter().map(|tag| shown(tag)).collect(),
        Some(Tags::Named(tags)) => tags
            .iter()
            .flat_map(|(name, values)| match values.is_empty() {
                true => vec![shown(name)],
                false => {
                    values.iter().map(|value| format!("{}{OF_TAG}{}", shown(name), shown(value))).collect()
                }
            })
            .collect(),
    }
}

fn tags(record: &Record) -> Option<Tags> {
    record.facts.get("tags").and_then(|tags| Tags::deserialize(tags).ok())
}

fn has_tag(record: &Record, tag: &str, mask: &Mask) -> bool {
    let is_name =
        || matches!(tags(record), Some(Tags::Named(tags)) if tags.keys().any(|name| mask.text(name) == tag));
    // A call shows name and value each by itself, counts show them as one text, in which digits of both may make a number.
    let is_shown = |known: &String| known == tag || mask.text(known) == tag;
    is_name() || tags_of(record, mask).iter().any(is_shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CallId;
    use crate::reading::{is_answered, is_complete, is_connected};
    use serde_json::{Value, json};

    fn record(facts: &Value) -> Record {
        let at: Instant = "2025-06-01T02:00:00.000Z".parse().unwrap();
        Record {
            facts: facts.as_object().unwrap().clone().into(),
            extra: Default::default(),
            sources: Default::default(),
            inquiry: Default::default(),
            first_received_at: at,
            updated_at: at,
            erased: false,
        }
    }

    fn key(provider: Provider) -> CallKey {
        CallKey { provider, call_id: CallId::new("1".to_owned()).unwrap() }
    }

    #[test]
    fn what_is_hidden_is_not_found_by_trying() {
        let call = record(&json!({
            "callee": "8613712349876", "task_id": "T-13712349876", "intent_code": "9876", "tags": {"tel": ["137，1234，9876", "ends in 9876", "A"]},
        }));
        let finds = |filter: CallFilter| filter.matches(&key(Provider::Alicom), &call, &|_| None);
        let asked = |text: &str| Some(text.to_owned());
        for hides_numbers in [false, true] {
            let of = || CallFilter { hides_numbers, ..CallFilter::default() };
            let sees = !hides_numbers;
            assert_eq!(finds(CallFilter { task: asked("T-13712349876"), ..of() }), sees);
            assert_eq!(CallFilter { task: asked("T-13712349876"), ..of() }.hides(&call), hides_numbers);
            assert!(!CallFilter { tag: asked("tel:137，1234，9876"), ..of() }.hides(&call));
            assert_eq!(finds(CallFilter { intent: asked("9876"), ..of() }), sees);
            assert_eq!(finds(CallFilter { tag: asked("tel:137，1234，9876"), ..of() }), sees);
            assert_eq!(finds(CallFilter { tag: asked("tel:ends in 9876"), ..of() }), sees);
            // By what is shown.
            assert_eq!(finds(CallFilter { intent: asked("****"), ..of() }), hides_numbers);
            assert!(
                finds(CallFilter { tag: asked("tel:A"), ..of() })
                    && finds(CallFilter { tag: asked("tel"), ..of() })
            );
        }
    }

    #[test]
    fn a_tag_is_found_as_a_call_shows_it_and_as_counts_do() {
        let call =
            record(&json!({"callee": "8613712349876", "tags": {"-12.5": ["-12.5"], "15:30": ["15:30"]}}));
        let mask = Mask::of(call.callee_numbers());
        for tag in tags_of(&call, &mask) {
            let counted = mask.text(&tag).into_owned();
            assert_ne!(tag, counted, "digits of both may make a number");
            for asked in [tag, counted] {
                let filter =
                    CallFilter { tag: Some(asked.clone()), hides_numbers: true, ..CallFilter::default() };
                assert!(filter.matches(&key(Provider::Alicom), &call, &|_| None), "{asked}");
            }
        }
    }

    /// Filters that ask for one thing each.
    fn filters() -> Vec<CallFilter> {
        let none = CallFilter::default;
        vec![
            CallFilter { provider: Some(Provider::Alicom), ..none() },
            CallFilter { task: Some("7".to_owned()), ..none() },
            CallFilter { callee: CalleeSearch::read("13900000001"), ..none() },
            CallFilter { callee_id: Some("id of 13900000001".to_owned()), ..none() },
            CallFilter { outcomes: vec![Outcome::Busy, Outcome::Answered], ..none() },
            CallFilter { intent: Some("A".to_owned()), ..none() },
            CallFilter { intent: Some("willing".to_owned()), ..none() },
            CallFilter { tag: Some("interest".to_owned()), ..none() },
            CallFilter { tag: Some("interest:price".to_owned()), ..none() },
            CallFilter { min_duration_s: Some(60), ..none() },
            CallFilter { max_duration_s: Some(60), ..none() },
            CallFilter { hangup_by: Some(HangupBy::Callee), ..none() },
            CallFilter { has_recording: Some(true), ..none() },
            CallFilter { updated_since: Some("2025-06-01T02:00:00Z".parse().unwrap()), ..none() },
        ]
    }

    #[test]
    fn each_filter_asks_for_what_it_says() {
        let all = json!({
            "task_id": "7", "callee": "+8613900000001", "outcome": "busy", "intent_code": "A", "intent_name": "willing",
            "tags": {"interest": ["price", "range"], "name": []}, "duration_s": 60, "hangup_by": "callee", "has": {"recording": true},
        });
        let ids = |number: &str| Some(format!("id of {}", number.trim_start_matches("+86")));
        let matches =
            |filter: &CallFilter, facts: &Value| filter.matches(&key(Provider::Alicom), &record(facts), &ids);
        for filter in filters() {
            assert!(matches(&filter, &all), "{filter:?}");
            let asks_for_facts = filter.provider.is_none() && filter.updated_since.is_none();
            assert_eq!(matches(&filter, &json!({})), !asks_for_facts, "{filter:?}");
        }
        let none = CallFilter::default;
        for filter in [
            CallFilter { provider: Some(Provider::Laaffic), ..none() },
            CallFilter { task: Some("8".to_owned()), ..none() },
            CallFilter { callee_id: Some("id of 13900000002".to_owned()), ..none() },
            CallFilter { outcomes: vec![Outcome::Answered], ..none() },
            CallFilter { intent: Some("B".to_owned()), ..none() },
            CallFilter { tag: Some("price".to_owned()), ..none() },
            CallFilter { min_duration_s: Some(61), ..none() },
            CallFilter { max_duration_s: Some(59), ..none() },
            CallFilter { hangup_by: Some(HangupBy::Agent), ..none() },
            CallFilter { has_recording: Some(false), ..none() },
            CallFilter { updated_since: Some("2025-06-01T02:00:00.001Z".parse().unwrap()), ..none() },
        ] {
            assert!(!matches(&filter, &all), "{filter:?}");
        }
        assert!(matches(&CallFilter { has_recording: Some(false), ..none() }, &json!({})));
        assert!(matches(&CallFilter { tag: Some("b".to_owned()), ..none() }, &json!({"tags": ["a", "b"]})));
        assert!(matches(&CallFilter { tag: Some("name".to_owned()), ..none() }, &all));
        assert_eq!(tags_of(&record(&all), &Mask::none()), ["interest:price", "interest:range", "name"]);
        // Without a key nobody has an id.
        let by_id = CallFilter { callee_id: Some(String::new()), ..none() };
        assert!(!by_id.matches(&key(Provider::Alicom), &record(&all), &|_| None));
    }

    #[test]
    fn no_two_filters_have_the_same_digest() {
        let mut filters = filters();
        filters.push(CallFilter::default());
        filters.push(CallFilter { order: Order::Ascending, ..CallFilter::default() });
        filters.push(CallFilter { zone: Zone::named("UTC").unwrap(), ..CallFilter::default() });
        filters.push(CallFilter { days: "2025-06-01".parse().ok(), ..CallFilter::default() });
        filters.push(CallFilter { reviewed: Some(true), ..CallFilter::default() });
        filters.push(CallFilter { reviewed: Some(false), ..CallFilter::default() });
        filters.push(CallFilter { tag: Some("A".to_owned()), ..CallFilter::default() });
        let digests: std::collections::BTreeSet<_> = filters.iter().map(CallFilter::digest).collect();
        assert_eq!(digests.len(), filters.len());
        let outcomes =
            |outcomes: &[Outcome]| CallFilter { outcomes: outcomes.to_vec(), ..CallFilter::default() };
        assert_eq!(
            outcomes(&[Outcome::Busy, Outcome::Other]).digest(),
            outcomes(&[Outcome::Other, Outcome::Busy, Outcome::Busy]).digest(),
            "their order says nothing"
        );
    }

    #[test]
    fn what_the_index_knows_is_not_looked_for_in_calls() {
        let looks = |filter: &CallFilter| filter.looks_into_calls();
        let task = CallFilter { task: Some("7".to_owned()), ..CallFilter::default() };
        assert!(!looks(&CallFilter::default()) && !looks(&task));
        assert!(!looks(&CallFilter {
            provider: Some(Provider::Alicom),
            days: "2025-06-01".parse().ok(),
            ..task.clone()
        }));
        assert!(looks(&CallFilter { callee: CalleeSearch::read("13900000001"), ..task }));
        assert!(looks(&CallFilter { reviewed: Some(false), ..CallFilter::default() }));
    }

    #[test]
    fn the_terms_mean_what_the_glossary_says() {
        let terms = |provider, facts: Value| {
            let record = record(&facts);
            [is_answered(&record), is_connected(&record), is_complete(provider, &record)]
        };
        for (provider, facts, expected) in [
            (Provider::Laaffic, json!({}), [false, false, false]),
            (Provider::Laaffic, json!({"outcome": "answered"}), [true, true, true]),
            (Provider::AiVoice, json!({"outcome": "voicemail"}), [false, true, true]),
            (Provider::Alicom, json!({"outcome": "answered"}), [true, true, false]),
            (
                Provider::Alicom,
                json!({"outcome": "answered", "has": {"conversation": true, "recording": true}}),
                [true, true, true],
            ),
            (
                Provider::Alicom,
                json!({"outcome": "other", "answered_at": "2025-06-01T02:00:00.000Z"}),
                [false, true, false],
            ),
            (Provider::Alicom, json!({"outcome": "what the next release stores"}), [false, false, false]),
        ] {
            assert_eq!(terms(provider, facts.clone()), expected, "{provider} {facts}");
        }
    }
}
