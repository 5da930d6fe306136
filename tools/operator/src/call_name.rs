//! How commands are told which call is meant: as lists, links, the access log and the doctor name it, or by its id as it is.

use runtime::store::table::{Table, TableError};
use shared::model::{CallId, CallKey, Provider};
use shared::path_id;
use shared::record::item::{Item, is_tombstone};
use shared::record::keys;
use url::Url;

/// Reads a call's name: `alicom/10000161~5E1000018`, with the id as it stands in paths; the same with the id as it is; or a link to the call,
/// `/api/calls/alicom/10000161~5E1000018`, with or without a host.
///
/// # Errors
/// Where it names no call: what is wrong with it.
pub(crate) fn call(text: &str) -> Result<CallKey, String> {
    let (provider, id) =
        parts(text).ok_or("it is PROVIDER/ID, alicom/10000161~5E1000018, or a link to the call")?;
    let provider = Provider::named(&provider).ok_or_else(|| no_provider(&provider))?;
    let id = match path_id::unescaped(&id) {
        Some(id) => id,
        // Nobody who writes an id as it is means an escape; where all else is a path's, somebody has mistyped one.
        None if id
            .bytes()
            .all(|byte| byte == b'~' || path_id::unescaped(&char::from(byte).to_string()).is_some()) =>
        {
            return Err(
                "a ~ in an id is followed by two hexadecimal digits; a ~ of the id itself is written ~7E"
                    .to_owned(),
            );
        }
        None => id,
    };
    let call_id = CallId::new(id).ok_or("not a call's id")?;
    Ok(CallKey { provider, call_id })
}

/// That there is no such provider, and which there are.
pub(crate) fn no_provider(text: &str) -> String {
    format!("there is no provider {text}, only {}", Provider::ALL.map(Provider::as_str).join(", "))
}

/// Provider and id, of a link or of a plain name.
fn parts(text: &str) -> Option<(String, String)> {
    const CALLS: &str = "/calls/";
    let path = match Url::parse(text) {
        Ok(url) if url.has_host() => url.path().to_owned(),
        _ => text.split(['?', '#']).next().filter(|_| text.starts_with('/')).unwrap_or(text).to_owned(),
    };
    // What follows the id in a link is a part of the call.
    let is_link = path.starts_with('/');
    let name = match path.split_once(CALLS) {
        Some((before, name)) if is_link && matches!(before, "" | "/api") => name,
        _ if is_link => return None,
        _ => path.as_str(),
    };
    let (provider, id) = name.split_once('/')?;
    let id = if is_link { id.split('/').next()? } else { id };
    (!provider.is_empty()).then(|| (provider.to_owned(), id.to_owned()))
}

/// All items of a call, unless there is none, or it was erased.
pub(crate) enum Found {
    /// There is none.
    Unknown,
    /// It was erased.
    Erased,
    /// These.
    Items(Vec<Item>),
}

/// Reads all that is stored of a call.
///
/// # Errors
/// [`TableError`], when the table fails.
pub(crate) async fn find(table: &Table, call: &CallKey) -> Result<Found, TableError> {
    let items = table.query(&keys::call_pk(call)).await?;
    Ok(match items.iter().any(is_tombstone) {
        true => Found::Erased,
        false if items.is_empty() => Found::Unknown,
        false => Found::Items(items),
    })
}

/// That there is no such call.
pub(crate) const UNKNOWN: &str =
    "there is no such call: `callvault calls list` has them by day, task and number";
/// That it was erased.
pub(crate) const ERASED: &str =
    "the call was erased: nothing of it is kept, and nothing of it is stored again";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_named_as_in_paths_or_as_it_is_or_by_a_link() {
        for (text, id) in [
            ("alicom/1~5E2", "1^2"),
            ("alicom/1^2", "1^2"),
            ("laaffic/a/b", "a/b"),
            ("ai-voice/~7E~7E", "~~"),
            ("alicom/a^~", "a^~"),
            ("/api/calls/alicom/1~5E2", "1^2"),
            ("/api/calls/alicom/1~5E2/recordings/main?download=1", "1^2"),
            ("https://calls.example/api/calls/alicom/1~5E2", "1^2"),
            ("https://calls.example/calls/alicom/1~5E2?lang=en", "1^2"),
        ] {
            assert_eq!(call(text).map(|key| key.call_id.as_str().to_owned()), Ok(id.to_owned()), "{text}");
        }
        for text in [
            "",
            "alicom",
            "alicom/",
            "other/1",
            "/1",
            "alicom/w~zz",
            "alicom/~",
            "/api/tasks/alicom/1",
            "https://a.example/",
        ] {
            assert!(call(text).is_err(), "{text}");
        }
        let error = call("other/1").unwrap_err();
        assert_eq!(error, "there is no provider other, only alicom, ai-voice, laaffic");
        assert!(call("alicom/w~zz").unwrap_err().contains("two hexadecimal digits"));
    }
}
