//! Lists of calls.

use runtime::store::reading::ReadError;
use runtime::store::table::TableError;
use shared::access::{Permission, What};
use shared::masking::Hidden;
use shared::reading::{CallFilter, Cursor, CursorError};
use shared::view;

use crate::event::Answer;
use crate::format::{Format, LANGUAGES, LIST_FORMATS, Sheet, SheetError, Told};
use crate::parameter as of;
use crate::problem::Problem;
use crate::request::{Query, accepted, language};
use crate::{Asked, download};

/// A page of calls, or all of them as a file.
pub(crate) async fn answer(asked: &Asked<'_>) -> Result<Answer, Problem> {
    let format = accepted(asked.header("accept"), &LIST_FORMATS)?;
    let filter = filter(asked)?;
    if asked.query.get(&of::DOWNLOAD)? == Some(true) {
        for other in [&of::LIMIT.described, &of::CURSOR.described] {
            if asked.query.has(other.name) {
                return Err(Problem::Together { name: of::DOWNLOAD.described.name, other: other.name });
            }
        }
        return download::answer(asked, &filter, format).await;
    }
    let cursor = cursor(asked.query, &filter)?;
    let limit = asked.query.get(&of::LIMIT)?.unwrap_or(of::DEFAULT_LIMIT);
    let callee_id = |number: &str| asked.callee_ids.id_of(number);
    let page = asked.reader.store.list_calls(&filter, cursor.as_ref(), limit, &callee_id).await;
    let page = page.map_err(problem)?;
    let next = page.next.as_ref().map(Cursor::encode);
    let shown = asked.shown(&callee_id);
    let mut sheet = new_sheet(asked, &filter, format)?;
    for call in &page.calls {
        sheet.add(&view::listed(&call.key, &call.record, &shown)).map_err(sheet_problem)?;
    }
    let told = Told { next: next.as_deref(), scanned: page.scanned, unreadable: page.unreadable };
    let body = sheet.finish(&told).map_err(sheet_problem)?;
    if asked.sees_numbers() {
        let first = page.calls.first().map(|call| &call.record);
        asked.record(What::list(filtered_by(asked, &filter, first).as_deref()), None).await?;
    }
    let answer = Answer::of(200, format.content_type(), body);
    let answer = match next {
        Some(next) => {
            let query = asked.query.going_on(&next);
            answer.with("link", format!("<{}?{query}>; rel=\"next\"", asked.route.path))
        }
        None => answer,
    };
    download::unless_small(asked, answer, &file_name(format)).await
}

/// What is asked for of calls.
fn filter(asked: &Asked<'_>) -> Result<CallFilter, Problem> {
    let query = asked.query;
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
    };
    // Who may not see a number may not try one either, where texts hold them.
    let tried = [(of::INTENT.described.name, &filter.intent), (of::TAG.described.name, &filter.tag)];
    for (name, text) in tried {
        let tells = text.as_ref().is_some_and(|text| *Hidden::default().in_text(text) != **text);
        if tells && !asked.sees_numbers() {
            return Err(Problem::ForbiddenValue { name, permission: Permission::SeeNumbers });
        }
    }
    Ok(filter)
}

fn cursor(query: &Query, filter: &CallFilter) -> Result<Option<Cursor>, Problem> {
    let cursor = query.get(&of::CURSOR)?.map(|text| Cursor::decode(&text, filter)).transpose();
    cursor.map_err(cursor_problem)
}

/// What is wrong with a cursor.
pub(crate) fn cursor_problem(error: CursorError) -> Problem {
    let expected = match error {
        CursorError::Altered => "`next` of the page before, as it is. Begin anew without it",
        CursorError::OtherFilters => "`next` of a page with the same filters. Begin anew without it",
    };
    Problem::BadValue { name: of::CURSOR.described.name, expected: expected.to_owned() }
}

/// A list that begins, as the reader wants it.
pub(crate) fn new_sheet(asked: &Asked<'_>, filter: &CallFilter, format: Format) -> Result<Sheet, Problem> {
    let language = language(asked.header("accept-language"), &LANGUAGES);
    Sheet::new(format, language, filter.zone.clone()).map_err(sheet_problem)
}

/// The `callee_id` of the number that a list is filtered by, which stands in the access log for it. Of a number that none has, since there is
/// no key, only that there was one.
pub(crate) fn filtered_by(
    asked: &Asked<'_>,
    filter: &CallFilter,
    first: Option<&shared::record::merge::Record>,
) -> Option<String> {
    let Some(callee) = &filter.callee else { return filter.callee_id.clone() };
    let stored = first.and_then(|call| call.facts.get("callee")?.as_str());
    let number = stored.or(callee.forms().first().map(String::as_str))?;
    Some(asked.callee_ids.id_of(number).unwrap_or_default())
}

/// The name of a file with calls.
pub(crate) fn file_name(format: Format) -> String {
    format!("calls.{}", format.extension())
}

/// What a list that can't be read is answered with.
pub(crate) fn problem(error: ReadError) -> Problem {
    match error {
        ReadError::Table(TableError::Unreadable(_)) => Problem::Unreadable { why: error.to_string() },
        ReadError::Table(_) => Problem::unavailable("The table", &error),
        ReadError::Bucket(_) => Problem::unavailable("The bucket", &error),
        ReadError::Analytics(_) => Problem::unavailable("The bucket of what was counted", &error),
    }
}

pub(crate) fn sheet_problem(error: SheetError) -> Problem {
    match error {
        SheetError::Full => Problem::TooLarge(u64::from(u32::MAX)),
        SheetError::Spreadsheet(_) | SheetError::Table(_) => Problem::Unreadable { why: error.to_string() },
    }
}
