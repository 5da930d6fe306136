//! Lists of calls.

use readers::file::{name_of_list, sheet_problem, unless_small, whole_list};
use readers::filter::{self, filtered_by, problem};
use readers::format::{LANGUAGES, LIST_FORMATS, Readers, Sheet, Told};
use readers::parameter as of;
use readers::request::{accepted, language};
use readers::{Answer, Problem};
use shared::access::What;
use shared::reading::Cursor;
use shared::view;

use crate::Asked;

/// A page of calls, or all of them as a file.
pub(crate) async fn answer(asked: &Asked<'_>) -> Result<Answer, Problem> {
    let format = accepted(asked.header("accept"), &LIST_FORMATS)?;
    let visit = &asked.visit;
    let filter = filter::read(asked.query, visit.sees_numbers())?;
    let language = language(asked.header("accept-language"), &LANGUAGES);
    if asked.query.get(&of::DOWNLOAD)? == Some(true) {
        for other in [&of::LIMIT.described, &of::CURSOR.described] {
            if asked.query.has(other.name) {
                return Err(Problem::Together { name: of::DOWNLOAD.described.name, other: other.name });
            }
        }
        return whole_list(visit, &filter, format, language, None).await;
    }
    let cursor = visit.cursor(asked.query, |text| Cursor::decode(text, &filter)).await?;
    let limit = asked.query.get(&of::LIMIT)?.unwrap_or(of::DEFAULT_LIMIT);
    let callee_id = |number: &str| visit.callee_ids.id_of(number);
    let ties = visit.ties().await?;
    let page = visit.reader.store.list_calls(&filter, cursor.as_ref(), limit, &callee_id, &ties).await;
    let page = page.map_err(problem)?;
    let next = visit.next(page.next.as_ref()).await?;
    let shown = visit.shown(&callee_id);
    let mut sheet =
        Sheet::new(format, language, filter.zone.clone(), Readers::Programs).map_err(sheet_problem)?;
    for call in &page.calls {
        sheet.add(&view::listed(&call.key, &call.record, &shown)).map_err(sheet_problem)?;
    }
    let told = Told { next: next.as_deref(), scanned: page.scanned, unreadable: page.unreadable };
    let body = sheet.finish(&told).map_err(sheet_problem)?;
    if visit.sees_numbers() {
        let first = page.calls.first().map(|call| &call.record);
        visit.record(What::list(&filtered_by(visit, &filter, first)), None).await?;
    }
    let answer = told.beside(Answer::of(200, format.content_type(), body));
    let answer = match next {
        Some(next) => {
            let query = asked.query.going_on(&next);
            answer.with("link", format!("<{}?{query}>; rel=\"next\"", asked.route.path))
        }
        None => answer,
    };
    unless_small(visit, answer, &name_of_list(visit, format)).await
}
