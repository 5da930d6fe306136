//! Which calls are asked for, by a query.

use runtime::store::reading::ReadError;
use runtime::store::table::TableError;
use shared::access::Permission;
use shared::masking::{Hidden, in_text, numbers_in_text};
use shared::reading::{CallFilter, CursorError, DayRange};

use crate::parameter as of;
use crate::problem::Problem;
use crate::request::Query;
use crate::visit::Visit;

/// What is asked for of calls.
///
/// # Errors
/// Where a value is none, or is one that only somebody may try who sees numbers.
pub fn read(query: &Query, may_see_numbers: bool) -> Result<CallFilter, Problem> {
    let filter = CallFilter {
        provider: query.get(&of::PROVIDER)?,
        task: query.get(&of::TASK)?,
        callee: query.get(&of::CALLEE)?,
        callee_id: query.get(&of::CALLEE_ID)?,
        days: query.get(&of::DAY)?,
        zone: query.get(&of::ZONE)?.unwrap_or_default(),
        outcomes: query.all(&of::OUTCOME)?,
        intent: query.get(&of::INTENT)?,
        tag: query.get(&of::TAG)?,
        min_duration_s: query.get(&of::AT_LEAST_S)?,
        max_duration_s: query.get(&of::AT_MOST_S)?,
        hangup_by: query.get(&of::HANGUP_BY)?,
        has_recording: query.get(&of::HAS_RECORDING)?,
        reviewed: query.get(&of::REVIEWED)?,
        updated_since: query.get(&of::UPDATED_SINCE)?,
        order: query.get(&of::ORDER)?.unwrap_or_default(),
        hides_numbers: !may_see_numbers,
    };
    if let (Some(least), Some(most)) = (filter.min_duration_s, filter.max_duration_s)
        && least > most
    {
        let name = of::AT_MOST_S.described.name;
        return Err(Problem::BelowLeast { name, came: most, least: of::AT_LEAST_S.described.name });
    }
    // Who may not see a number may not try one either, where texts and ids hold them.
    let is_hidden = |asked: &Option<String>| asked.as_ref().is_some_and(|asked| *in_text(asked) != **asked);
    let tried = [
        (of::INTENT.described.name, is_hidden(&filter.intent)),
        (of::TAG.described.name, is_hidden(&filter.tag)),
        (
            of::TASK.described.name,
            filter.task.as_ref().is_some_and(|task| Hidden::default().is_told_by(task)),
        ),
    ];
    for (name, tells) in tried {
        if tells && !may_see_numbers {
            return Err(Problem::ForbiddenValue { name, permission: Permission::SeeNumbers });
        }
    }
    Ok(filter)
}

/// What is wrong with a cursor.
pub fn cursor_problem(error: CursorError, came: &str) -> Problem {
    let expected = match error {
        CursorError::Altered => "`next` of the page before, as it is. Begin anew without it",
        CursorError::OtherFilters => "`next` of a page with the same filters. Begin anew without it",
    };
    let name = of::CURSOR.described.name;
    Problem::BadValue { name, came: came.to_owned(), expected: expected.to_owned() }
}

/// The most numbers of a filter's texts that are noted in the access log. Nobody's tag has more.
const MAX_NOTED: usize = 8;

/// Whether a list is filtered by a number: as such, or by a text that may be one. Who may not see numbers finds nobody by one.
pub fn is_by_number(filter: &CallFilter) -> bool {
    !filter.hides_numbers && (filter.callee.is_some() || !numbers_of_texts(filter).is_empty())
}

/// The `callee_id`s of the numbers that an id tells which is looked for, as [`filtered_by`] has them.
pub fn told_by_id(visit: &Visit<'_>, id: &str) -> Vec<String> {
    let ids = numbers_of(id).into_iter().map(|number| visit.callee_ids.id_of(&number).unwrap_or_default());
    ids.take(MAX_NOTED).collect()
}

/// What may be a number in the texts that a list is filtered by.
fn numbers_of_texts(filter: &CallFilter) -> Vec<String> {
    let texts = filter.intent.iter().chain(&filter.tag).chain(&filter.task);
    texts.flat_map(|text| numbers_of(text)).take(MAX_NOTED).collect()
}

/// What may be a number in a text, with anything but letters between its digits. Ids of tasks have many digits of their own: whether these are
/// somebody's number nobody can see, and so they are taken for one. Days alone are none.
fn numbers_of(text: &str) -> Vec<String> {
    if text.parse::<DayRange>().is_ok() {
        return Vec::new();
    }
    let mut numbers: Vec<_> = numbers_in_text(text).collect();
    let together: String = text
        .chars()
        .filter(|character| character.is_alphanumeric() || matches!(character, '*' | '＊'))
        .collect();
    // What was found already is no longer one for the digits that stand beside it.
    let apart = numbers_in_text(&together)
        .filter(|apart| !numbers.iter().any(|known| apart.contains(known.as_str())));
    let apart: Vec<_> = apart.collect();
    numbers.extend(apart);
    numbers
}

/// The `callee_id`s of the numbers that a list is filtered by, which stand in the access log for them. Of a number that has none, since there
/// is no key, only that there was one.
pub fn filtered_by(
    visit: &Visit<'_>,
    filter: &CallFilter,
    first: Option<&shared::record::merge::Record>,
) -> Vec<String> {
    let stored = || first.and_then(|call| call.facts.get("callee")?.as_str());
    let callee =
        filter.callee.as_ref().and_then(|callee| stored().or(callee.forms().first().map(String::as_str)));
    let texts = numbers_of_texts(filter);
    let numbers = callee.into_iter().chain(texts.iter().map(String::as_str));
    let of_numbers = numbers.map(|number| visit.callee_ids.id_of(number).unwrap_or_default());
    let mut ids: Vec<_> = filter.callee_id.iter().cloned().chain(of_numbers).collect();
    ids.dedup();
    ids
}

/// What is told where something can't be read.
pub fn problem(error: ReadError) -> Problem {
    match error {
        ReadError::Table(TableError::Unreadable(_) | TableError::UnreadableEntry { .. }) => {
            Problem::Unreadable { why: error.to_string() }
        }
        ReadError::Table(_) => Problem::unavailable("The table", &error),
        ReadError::Bucket(_) => Problem::unavailable("The bucket", &error),
        ReadError::Analytics(_) => Problem::unavailable("The bucket of what was counted", &error),
    }
}
