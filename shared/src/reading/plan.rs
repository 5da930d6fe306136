//! Where the calls of a filter are: the partitions of an index, and in what order they are read.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::{CallFilter, DayRange, Order, Span, Zone};
use crate::model::{Hour, Instant, Provider};
use crate::record::keys::{self, CALLEE_INDEX, DAY_INDEX, Index, TASK_INDEX};

/// How far back the calls of a `callee_id` are looked for where neither a day nor a task is told: the platforms have no older ones. (An
/// earlier day can be asked for.)
const FIRST_YEAR: i16 = 2020;
/// How far a platform's clock may be ahead, in seconds.
const AHEAD_S: i64 = 24 * 60 * 60;

/// Where the calls of a filter are.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    index: Index,
    partitions: Partitions,
    /// The time that is asked for; `None` where there is none.
    span: Option<Span>,
    order: Order,
    /// The day that "today" is, where no day was asked for.
    today: Option<Date>,
}

#[derive(Clone, Debug, PartialEq)]
enum Partitions {
    /// These.
    Of(Vec<String>),
    /// Those of each day.
    OfDays,
}

/// Partitions that are read at the same time, since what is in them is mixed. Stages follow one another in the order of the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The index.
    pub index: Index,
    /// Its partitions.
    pub partitions: Vec<String>,
    /// The time that is asked for.
    pub span: Span,
}

impl Plan {
    /// Where the calls of a filter are at `now`. `today` is the day that it meant when the walk began.
    pub fn of(filter: &CallFilter, now: Instant, today: Option<Date>) -> Self {
        let CallFilter { provider, task, callee, callee_id, days, zone, order, .. } = filter;
        let asked = match days {
            Some(days) => days.span(zone),
            None => Some(Span::all()),
        };
        let plan = |index, partitions, span, today| Self { index, partitions, span, order: *order, today };
        if let Some(callee) = callee {
            return plan(CALLEE_INDEX, Partitions::Of(callee.forms().to_vec()), asked, None);
        }
        if let Some(task) = task {
            let providers = provider.map_or_else(|| Provider::ALL.to_vec(), |provider| vec![provider]);
            let keys = providers.into_iter().map(|provider| keys::task_key(provider, task));
            return plan(TASK_INDEX, Partitions::Of(keys.collect()), asked, None);
        }
        match (days, callee_id) {
            (Some(_), _) => plan(DAY_INDEX, Partitions::OfDays, asked, None),
            (None, Some(_)) => {
                let first = Date::constant(FIRST_YEAR, 1, 1);
                let span = DayRange::new(first, first).ok().and_then(|day| day.span(&Zone::default()));
                let last = now.plus_seconds(AHEAD_S);
                let span = span.and_then(|day| Span::new(day.first(), last.max(day.first())));
                plan(DAY_INDEX, Partitions::OfDays, span, None)
            }
            (None, None) => {
                let today = today.unwrap_or_else(|| zone.date(now));
                let span = DayRange::new(today, today).ok().and_then(|day| day.span(zone));
                plan(DAY_INDEX, Partitions::OfDays, span, Some(today))
            }
        }
    }

    /// All partitions of an index that a list is spread over, in the order of its sort key.
    pub fn over(index: Index, partitions: impl IntoIterator<Item = String>, order: Order) -> Self {
        let partitions = Partitions::Of(partitions.into_iter().collect());
        Self { index, partitions, span: Some(Span::all()), order, today: None }
    }

    /// All calls of an hour, the oldest first.
    pub fn of_hour(hour: Hour) -> Self {
        let span = Span::new(hour.start(), hour.last());
        Self { index: DAY_INDEX, partitions: Partitions::OfDays, span, order: Order::Ascending, today: None }
    }

    /// The same, but for what is outside of a time.
    pub fn within(self, span: Span) -> Self {
        Self { span: self.span.and_then(|asked| asked.and(span)), ..self }
    }

    /// The time that is asked for; `None` where there is none.
    pub fn span(&self) -> Option<Span> {
        self.span
    }

    /// The day that "today" is, where no day was asked for.
    pub fn today(&self) -> Option<Date> {
        self.today
    }

    /// The index that is read.
    pub fn index(&self) -> Index {
        self.index
    }

    /// The order of the list.
    pub fn order(&self) -> Order {
        self.order
    }

    /// The stages from a time on, that included; all of them without one.
    pub fn stages(&self, from: Option<Instant>) -> impl Iterator<Item = Stage> + use<> {
        let order = self.order;
        let mut rest = match from {
            Some(at) => self.span.and_then(|span| span.from(at, order)),
            None => self.span,
        };
        let (index, partitions) = (self.index, self.partitions.clone());
        std::iter::from_fn(move || {
            let span = rest?;
            match &partitions {
                Partitions::Of(partitions) => {
                    rest = None;
                    // One twice would list its calls twice.
                    let partitions: BTreeSet<_> = partitions.iter().cloned().collect();
                    Some(Stage { index, partitions: partitions.into_iter().collect(), span })
                }
                Partitions::OfDays => {
                    let day = span.first_day(order);
                    rest = match order {
                        Order::Ascending => span.behind(day.last(), order),
                        Order::Descending => span.behind(day.first(), order),
                    };
                    let partitions = keys::day_keys(&day.first().date()).collect();
                    Some(Stage { index, partitions, span: day })
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::CalleeSearch;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn stages(filter: &CallFilter, from: Option<&str>) -> Vec<(String, usize, String, String)> {
        let plan = Plan::of(filter, at("2025-06-01T17:00:00Z"), None);
        plan.stages(from.map(at))
            .map(|Stage { partitions, span, .. }| {
                (partitions[0].clone(), partitions.len(), span.first().to_string(), span.last().to_string())
            })
            .collect()
    }

    fn stage(first: &str, count: usize, from: &str, to: &str) -> (String, usize, String, String) {
        (first.to_owned(), count, from.to_owned(), to.to_owned())
    }

    #[test]
    fn a_day_of_chinas_is_in_two_days_of_utc() {
        let newest = [
            stage("2025-06-02#0", 8, "2025-06-02T00:00:00.000Z", "2025-06-02T15:59:59.999Z"),
            stage("2025-06-01#0", 8, "2025-06-01T16:00:00.000Z", "2025-06-01T23:59:59.999Z"),
        ];
        let day = CallFilter { days: "2025-06-02".parse().ok(), ..CallFilter::default() };
        assert_eq!(stages(&day, None), newest);
        // None is told: today, which it is there already.
        assert_eq!(stages(&CallFilter::default(), None), newest);
        let mut oldest = newest.clone();
        oldest.reverse();
        let ascending = CallFilter { order: Order::Ascending, ..day.clone() };
        assert_eq!(stages(&ascending, None), oldest);
        assert_eq!(
            stages(&day, Some("2025-06-01T20:00:00Z")),
            [stage("2025-06-01#0", 8, "2025-06-01T16:00:00.000Z", "2025-06-01T20:00:00.000Z")]
        );
        assert_eq!(
            stages(&ascending, Some("2025-06-02T02:00:00Z")),
            [stage("2025-06-02#0", 8, "2025-06-02T02:00:00.000Z", "2025-06-02T15:59:59.999Z")]
        );
        assert_eq!(stages(&day, Some("2025-05-01T00:00:00Z")), []);
        let utc = CallFilter { zone: Zone::named("UTC").unwrap(), ..day };
        assert_eq!(stages(&utc, None).len(), 1);
    }

    #[test]
    fn an_hour_is_in_one_day() {
        let hour = |hour: &str| {
            let plan = Plan::of_hour(hour.parse().unwrap());
            let stages: Vec<_> = plan.stages(None).collect();
            assert_eq!((stages.len(), stages[0].partitions.len(), plan.order()), (1, 8, Order::Ascending));
            (
                stages[0].partitions[0].clone(),
                stages[0].span.first().to_string(),
                stages[0].span.last().to_string(),
            )
        };
        let of = |day: &str, first: &str, last: &str| (day.to_owned(), first.to_owned(), last.to_owned());
        assert_eq!(
            hour("2025-06-01T23"),
            of("2025-06-01#0", "2025-06-01T23:00:00.000Z", "2025-06-01T23:59:59.999Z")
        );
        let day = CallFilter { days: "2025-06-02".parse().ok(), ..CallFilter::default() };
        let day = Plan::of(&day, at("2025-06-01T17:00:00Z"), None);
        let part = Span::new(at("2025-06-01T15:00:00Z"), at("2025-06-01T17:00:00Z")).unwrap();
        let part = day.within(part).span().unwrap();
        assert_eq!(part.first(), at("2025-06-01T16:00:00Z"));
        assert_eq!(part.last(), at("2025-06-01T17:00:00Z"));
    }

    #[test]
    fn the_day_that_a_walk_began_on_stays() {
        let filter = CallFilter::default();
        let began = Plan::of(&filter, at("2025-06-01T15:59:59Z"), None);
        assert_eq!(began.today().map(|day| day.to_string()).as_deref(), Some("2025-06-01"));
        let later = Plan::of(&filter, at("2025-06-01T16:00:00Z"), began.today());
        assert_eq!(later, began);
    }

    #[test]
    fn a_task_or_a_callee_chooses_its_index() {
        let task = CallFilter { task: Some("7".to_owned()), ..CallFilter::default() };
        let (all, first) = (Span::all(), "2000-01-01T00:00:00.000Z");
        let last = all.last().to_string();
        assert_eq!(stages(&task, None), [stage("ai-voice#7", 3, first, &last)]);
        let of_one = CallFilter { provider: Some(Provider::Laaffic), ..task.clone() };
        assert_eq!(stages(&of_one, None), [stage("laaffic#7", 1, first, &last)]);
        let of_day = CallFilter { days: "2025-06-02".parse().ok(), ..of_one };
        assert_eq!(
            stages(&of_day, None),
            [stage("laaffic#7", 1, "2025-06-01T16:00:00.000Z", "2025-06-02T15:59:59.999Z")]
        );
        let callee = CallFilter { callee: CalleeSearch::read("13900000001"), ..task };
        assert_eq!(stages(&callee, None), [stage("+13900000001", 5, first, &last)]);
        assert_eq!(Plan::of(&callee, at("2025-06-01T00:00:00Z"), None).index, CALLEE_INDEX);
    }

    #[test]
    fn an_id_of_a_callee_alone_is_looked_for_day_by_day() {
        let filter = CallFilter { callee_id: Some("id".to_owned()), ..CallFilter::default() };
        let stages = stages(&filter, None);
        assert_eq!(stages[0].0, "2025-06-02#0", "a platform's clock may be ahead");
        assert_eq!(stages[1].0, "2025-06-01#0");
        assert_eq!(stages.last().unwrap().2, "2019-12-31T16:00:00.000Z");
        assert_eq!(stages.len(), 366 + 4 * 365 + 31 + 28 + 31 + 30 + 31 + 2 + 1 + 1);
    }
}
