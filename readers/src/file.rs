//! Answers that are too large for an answer, and lists that are wanted whole: objects of the bucket that expire, and URLs of them that do.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use runtime::random;
use runtime::store::bucket::SignedGet;
use runtime::store::reading::ListedRecord;
use shared::access::What;
use shared::model::{CallKey, Provider};
use shared::reading::{CallFilter, Cursor};
use shared::record::keys;
use shared::view::field::TASK_NAME;
use shared::view::{self, Mask, Object};

use crate::event::Answer;
use crate::filter::{filtered_by, is_by_number, problem};
use crate::format::{Format, Readers, Sheet, SheetError, Told, UNREADABLE};
use crate::parameter::{DEFAULT_EXPIRY_S, MAX_LIMIT};
use crate::problem::Problem;
use crate::visit::Visit;

/// The largest answer that is given as it is, in bytes on its way: Lambda's largest payload has 6 MB.
const MAX_PAYLOAD_BYTES: usize = 5_000_000;
/// The largest file that is made of a filter, in bytes: it is held in memory until it is whole.
const MAX_FILE_BYTES: usize = 64 * 1024 * 1024;
/// For how long a file is made at most. API Gateway waits for 30 s.
const MAX_TIME: Duration = Duration::from_secs(22);
/// How long before the function's end nothing more is read.
const RESERVE: Duration = Duration::from_secs(5);

/// What a file has that is for people.
pub struct ForPeople<'a> {
    /// Whether it has what people think of the calls.
    pub reviews: bool,
    /// Where the page of a call is, whose mask is told beside it; `None` where there is none for whoever asks.
    pub page_of: &'a (dyn Fn(&CallKey, &Mask) -> Option<String> + Sync),
}

/// All calls of a filter as one file, by a redirect to it. What is more than one file takes, or takes longer than there is time, is
/// refused as a whole: no file is silently short. Where numbers are seen, it is recorded.
///
/// # Errors
/// [`Problem`].
pub async fn whole_list(
    visit: &Visit<'_>,
    filter: &CallFilter,
    format: Format,
    language: Option<&'static str>,
    people: Option<&ForPeople<'_>>,
) -> Result<Answer, Problem> {
    let callee_id = |number: &str| visit.callee_ids.id_of(number);
    let shown = visit.shown(&callee_id);
    let readers = people.map_or(Readers::Programs, |people| Readers::People { reviews: people.reviews });
    let mut sheet = Sheet::new(format, language, filter.zone.clone(), readers).map_err(sheet_problem)?;
    let mut names = TaskNames::default();
    let end = visit.deadline.less(RESERVE).min(tokio::time::Instant::now() + MAX_TIME);
    let mut told = Told::default();
    let mut calls = 0_u64;
    let mut cursor: Option<Cursor> = None;
    let mut noted = filtered_by(visit, filter, None);
    let ties = visit.ties().await?;
    loop {
        let page = visit.reader.store.list_calls(filter, cursor.as_ref(), MAX_LIMIT, &callee_id, &ties).await;
        let page = page.map_err(problem)?;
        told.scanned += page.scanned;
        told.unreadable += page.unreadable;
        let mut reviews = match people {
            Some(ForPeople { reviews: true, .. }) => {
                let keys: Vec<_> = page.calls.iter().map(|call| call.key.clone()).collect();
                visit.reader.store.reviews(&keys).await.map_err(problem)?
            }
            _ => HashMap::new(),
        };
        if people.is_some() {
            names.learn(visit, &page.calls).await?;
        }
        for call in &page.calls {
            if calls == 0 {
                noted = filtered_by(visit, filter, Some(&call.record));
            }
            let mut listed = view::listed(&call.key, &call.record, &shown);
            if let Some(ForPeople { page_of, .. }) = people {
                // Where the API has it is of no use to them.
                let page = page_of(&call.key, &Mask::of(call.record.callee_numbers()));
                listed.insert("href".to_owned(), page.into());
                names.tell(call, &mut listed);
            }
            if let Some(review) = reviews.remove(&call.key) {
                listed.extend(view::review(&review, &visit.mask(call.record.callee_numbers())));
            }
            let added = sheet.add(&listed);
            added.map_err(|error| match sheet_problem(error) {
                Problem::TooLarge(_) => Problem::TooLarge(calls),
                other => other,
            })?;
            calls += 1;
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
        if sheet.bytes() > MAX_FILE_BYTES || tokio::time::Instant::now() > end {
            return Err(Problem::TooLarge(calls));
        }
    }
    let body = sheet.finish(&told).map_err(sheet_problem)?;
    let location = stored(visit, format.content_type(), body, &name_of_list(visit, format)).await?;
    // A search by number is recorded whatever it shows.
    if visit.sees_numbers() || is_by_number(filter) {
        visit.record(What::download(&noted), None).await?;
    }
    Ok(told.beside(Answer::found(location)))
}

/// What people call the tasks of a list.
#[derive(Default)]
struct TaskNames {
    asked: HashSet<(Provider, String)>,
    names: HashMap<(Provider, String), String>,
}

impl TaskNames {
    /// Reads the names of those tasks that were not asked for yet.
    async fn learn(&mut self, visit: &Visit<'_>, calls: &[ListedRecord]) -> Result<(), Problem> {
        let tasks: Vec<_> = calls
            .iter()
            .filter_map(ListedRecord::task)
            .filter(|task| self.asked.insert(task.clone()))
            .collect();
        if !tasks.is_empty() {
            let names = visit.reader.store.task_names(tasks).await;
            self.names.extend(names.map_err(|error| Problem::unavailable("The table", &error))?);
        }
        Ok(())
    }

    fn tell(&self, call: &ListedRecord, listed: &mut Object) {
        let name = call.task().and_then(|task| self.names.get(&task));
        listed.extend(name.map(|name| (TASK_NAME.name.to_owned(), name.as_str().into())));
    }
}

/// An answer as it is, or a redirect to an object that has its body, where it is too large.
///
/// # Errors
/// [`Problem`], where the bucket fails.
pub async fn unless_small(visit: &Visit<'_>, answer: Answer, name: &str) -> Result<Answer, Problem> {
    if answer.payload_bytes() <= MAX_PAYLOAD_BYTES {
        return Ok(answer);
    }
    let media_type = answer.headers.get("content-type").cloned().unwrap_or_default();
    let Answer { headers, body, is_base64_encoded, .. } = answer;
    let body = match is_base64_encoded {
        true => base64::Engine::decode(&base64::prelude::BASE64_STANDARD, body).unwrap_or_default(),
        false => body.into_bytes(),
    };
    let mut found = Answer::found(stored(visit, &media_type, body, name).await?);
    // Where a list goes on is told all the same.
    found
        .headers
        .extend(headers.into_iter().filter(|(name, _)| matches!(*name, "link" | "etag" | UNREADABLE)));
    Ok(found)
}

/// The name of a file with calls: one with whole numbers says so.
pub fn name_of_list(visit: &Visit<'_>, format: Format) -> String {
    let numbers = if visit.sees_numbers() { "-with-numbers" } else { "" };
    format!("calls{numbers}.{}", format.extension())
}

/// What is told where a list can't be written.
pub fn sheet_problem(error: SheetError) -> Problem {
    match error {
        SheetError::Full => Problem::TooLarge(u64::from(u32::MAX)),
        SheetError::Spreadsheet(_) | SheetError::Table(_) => Problem::Unreadable { why: error.to_string() },
    }
}

/// Puts a file where it expires, and gives back a URL of it that does sooner.
async fn stored(visit: &Visit<'_>, media_type: &str, body: Vec<u8>, name: &str) -> Result<String, Problem> {
    let bucket = visit.reader.store.bucket();
    let key = keys::download_key(visit.now, &random::name(), name);
    let put = bucket.put(&key, media_type, body).await;
    put.map_err(|error| Problem::unavailable("The bucket", &error))?;
    let signed = SignedGet {
        key: &key,
        expires: Duration::from_secs(DEFAULT_EXPIRY_S),
        content_type: media_type,
        file_name: name,
    };
    bucket.signed_get(&signed).await.map_err(|error| Problem::unavailable("The bucket", &error))
}
