//! What a form hands on to the page that it leads to: a number that is looked for, a call whose number is to be shown. A form is answered by
//! a redirect, so that a browser can go back to the page, and load it anew; and what is handed on must stand in no URL. So it is sealed
//! into a cookie, for the session that sent the form, and for minutes.

use readers::{Answer, Event};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cookie::{Cookie, Served};
use crate::frame::Frame;

#[derive(Serialize, Deserialize)]
struct Carried<T> {
    /// Whose it is.
    session: String,
    what: T,
    ends_ms: i64,
}

/// The answer, handing something on.
pub(crate) fn hand_on<T: Serialize>(
    answer: Answer,
    frame: &Frame<'_>,
    served: Served,
    cookie: &Cookie,
    what: &T,
) -> Answer {
    let (Some(sealer), Some(session)) = (frame.sealer, frame.session) else { return answer };
    let ends_ms = frame.now.plus_seconds(cookie.max_age_s).epoch_millis();
    let carried = Carried { session: session.mark(), what, ends_ms };
    // Texts and a number: it can't fail.
    let sealed = sealer.seal(cookie.name, &serde_json::to_vec(&carried).unwrap_or_default());
    with_cookie(answer, cookie.set(served, &sealed))
}

/// What was handed on to the page that is asked for; `None` where nothing was, to somebody else, or too long ago.
pub(crate) fn handed_on<T: DeserializeOwned>(
    event: &Event,
    frame: &Frame<'_>,
    served: Served,
    cookie: &Cookie,
) -> Option<T> {
    let sealed = cookie.of(event, served)?;
    let carried: Carried<T> = serde_json::from_slice(&frame.sealer?.open(cookie.name, sealed)?).ok()?;
    let is_good = carried.session == frame.session?.mark() && frame.now.epoch_millis() < carried.ends_ms;
    is_good.then_some(carried.what)
}

/// The answer, which has what was handed on forgotten.
pub(crate) fn forgotten(answer: Answer, served: Served, cookie: &Cookie) -> Answer {
    with_cookie(answer, cookie.forget(served))
}

fn with_cookie(mut answer: Answer, cookie: String) -> Answer {
    answer.cookies.push(cookie);
    answer
}
