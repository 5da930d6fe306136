//! Which calls to list, as options.

use anyhow::ensure;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use shared::access::CalleeIds;
use shared::model::{HangupBy, Instant, Outcome, Provider};
use shared::reading::{CallFilter, CalleeSearch, DayRange, Order, Zone};

use crate::call_name;
use crate::span;

/// Which calls.
#[derive(Args, Clone, Debug)]
pub(super) struct FilterOptions {
    /// Of this platform: alicom, ai-voice, laaffic.
    #[arg(long, value_parser = provider)]
    provider: Option<Provider>,
    /// Of the task of this id.
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    task: Option<String>,
    /// To this number, in whichever form it is written.
    #[arg(long, value_name = "NUMBER", value_parser = callee)]
    callee: Option<CalleeSearch>,
    /// To the number of this id, as the API tells it. It takes the key: CALLEE_ID_KEY, or CALLEE_ID_SECRET_ARN.
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    callee_id: Option<String>,
    /// Of a day, `2025-06-01`, or of several, `2025-06-01..2025-06-07`.
    #[arg(long, value_name = "DAYS")]
    day: Option<DayRange>,
    /// Where the days are: a zone of the IANA database.
    #[arg(long, default_value = "Asia/Shanghai", value_parser = zone)]
    zone: Zone,
    /// With this outcome; again for others.
    #[arg(long, value_parser = outcome)]
    outcome: Vec<Outcome>,
    /// With this intent: its code or its name.
    #[arg(long)]
    intent: Option<String>,
    /// With this tag: `name:value`, or the name of one that has values.
    #[arg(long)]
    tag: Option<String>,
    /// That lasted so long at least.
    #[arg(long, value_name = "SECONDS")]
    min_duration_s: Option<u64>,
    /// That lasted so long at most.
    #[arg(long, value_name = "SECONDS")]
    max_duration_s: Option<u64>,
    /// That were ended by this side: callee, agent, system, unknown.
    #[arg(long, value_parser = hangup_by)]
    hangup_by: Option<HangupBy>,
    /// Of which a recording was announced, or none.
    #[arg(long)]
    has_recording: Option<bool>,
    /// That were reviewed, or not.
    #[arg(long)]
    reviewed: Option<bool>,
    /// Changed by a push that was received at that time or later, in UTC: `2025-06-01`, `2025-06-01T02`, `2025-06-01T02:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = span::since)]
    updated_since: Option<Instant>,
}

impl FilterOptions {
    /// The zone that times are shown in.
    pub(super) fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The filter.
    ///
    /// # Errors
    /// Where an id is asked for without the key by which ids are made.
    pub(super) fn filter(&self, order: Order, callee_ids: &CalleeIds) -> anyhow::Result<CallFilter> {
        /// Any number has an id, where there is a key.
        const SOMEBODY: &str = "13900000000";
        ensure!(
            self.callee_id.is_none() || callee_ids.id_of(SOMEBODY).is_some(),
            "--callee-id takes the key: set CALLEE_ID_KEY or CALLEE_ID_SECRET_ARN"
        );
        Ok(CallFilter {
            provider: self.provider,
            task: self.task.clone(),
            callee: self.callee.clone(),
            callee_id: self.callee_id.clone(),
            days: self.day,
            zone: self.zone.clone(),
            outcomes: self.outcome.clone(),
            intent: self.intent.clone(),
            tag: self.tag.clone(),
            min_duration_s: self.min_duration_s,
            max_duration_s: self.max_duration_s,
            hangup_by: self.hangup_by,
            has_recording: self.has_recording,
            reviewed: self.reviewed,
            updated_since: self.updated_since,
            // Whoever has the stores' credentials may see all.
            hides_numbers: false,
            order,
        })
    }
}

/// What is none of the words that there are.
fn none_of(what: &str, known: &[&str]) -> String {
    format!("no {what}; there are {}", known.join(", "))
}

fn provider(text: &str) -> Result<Provider, String> {
    Provider::named(text).ok_or_else(|| call_name::no_provider(text))
}

fn outcome(text: &str) -> Result<Outcome, String> {
    Outcome::named(text).ok_or_else(|| none_of("outcome", &Outcome::ALL.map(Outcome::as_str)))
}

fn hangup_by(text: &str) -> Result<HangupBy, String> {
    HangupBy::named(text).ok_or_else(|| none_of("side", &HangupBy::ALL.map(HangupBy::as_str)))
}

fn callee(text: &str) -> Result<CalleeSearch, String> {
    CalleeSearch::read(text).ok_or_else(|| "not a number that one callee alone has".to_owned())
}

fn zone(text: &str) -> Result<Zone, String> {
    Zone::named(text).ok_or_else(|| "not a zone of the IANA database, such as Asia/Shanghai".to_owned())
}

/// Descending, unless it is said otherwise.
pub(super) fn order(text: &str) -> Result<Order, String> {
    Order::named(text)
        .ok_or_else(|| none_of("order", &[Order::Descending.as_str(), Order::Ascending.as_str()]))
}
