//! The API over calls: `GET /api/…`.
//!
//! A request goes one way: `route` tells which it is, the token who asks, the route's row which permission that takes, and `parameter`
//! what is asked for. What is read is shown by `shared::view`, which hides what the reader may not see. What was seen is written into the
//! access log before the answer goes out: where that fails, there is no answer.
//!
//! The push functions have nothing of this: another function, another role, another API.

mod call;
mod list;
mod openapi;
mod recording;
mod route;
mod task;

use std::time::Instant as Moment;

use readers::answered::Answered;
use readers::request::{self, Query};
use readers::{Answer, Event, Problem, Reader, Visit};
use runtime::auth::Authenticator;
use runtime::clock;
use runtime::config::{ConfigError, Environment};
use runtime::deadline::Deadline;
use shared::access::{CalleeIds, Via};
use shared::model::{CallId, CallKey, Instant, Provider};
use shared::path_id::unescaped;
use shared::view::Mask;
use shared::whole_call::WholeCall;

pub use openapi::description;
use route::{Name, Route};

/// The function's name.
pub const FUNCTION: &str = "query-calls";

/// What the function has at hand from its start on.
#[derive(Debug)]
pub struct QueryCalls {
    reader: Reader,
    authenticator: Authenticator,
}

impl QueryCalls {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn new(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let (reader, _) = Reader::new(environment)?;
        Ok(Self { reader, authenticator: Authenticator::new(environment)? })
    }
}

/// Answers a request. Whatever it holds, there is an answer.
pub async fn handle(reader: &QueryCalls, event: Event, deadline: Deadline) -> Answer {
    let (now, began) = (clock::now(), Moment::now());
    let head = event.request_context.http.method.eq_ignore_ascii_case("HEAD");
    let (route, answered) = match read(&event) {
        Ok((route, ids)) => (Some(route.name), answer(reader, &event, route, &ids, now, deadline).await),
        Err(problem) => (None, Err(problem)),
    };
    let (mut answer, problem) = match answered {
        Ok(answer) => (answer, None),
        Err(problem) => (problem.answer(), Some(problem)),
    };
    let denied = match &problem {
        Some(Problem::Unauthenticated(refusal)) => Some(refusal.tag()),
        _ if answer.status_code == 403 => Some("permission"),
        _ => None,
    };
    let answered = Answered {
        function: FUNCTION,
        event: &event,
        route,
        answer: &answer,
        problem: problem.as_ref().map(Problem::tag),
        why: problem.as_ref().and_then(Problem::why),
        denied,
        at: now,
        began,
    };
    answered.tell(&reader.reader.metrics);
    if head {
        answer.body.clear();
        answer.is_base64_encoded = false;
    }
    answer
}

/// Which request it is.
fn read(event: &Event) -> Result<(&'static Route, Vec<&str>), Problem> {
    if !matches!(event.request_context.http.method.to_ascii_uppercase().as_str(), "GET" | "HEAD") {
        return Err(Problem::Method);
    }
    route::find(request::path(event)).ok_or(Problem::NoSuchPath)
}

async fn answer(
    reader: &QueryCalls,
    event: &Event,
    route: &'static Route,
    ids: &[&str],
    now: Instant,
    deadline: Deadline,
) -> Result<Answer, Problem> {
    let Some(permission) = route.permission else {
        Query::read(&event.raw_query_string)?.check(route.parameters, None)?;
        return Ok(Answer::of(200, "application/json", request::json_bytes(&description())));
    };
    let authorization = request::header(event, "authorization");
    let actor = reader.authenticator.authenticate(authorization, now).await?;
    if !actor.may(permission) {
        return Err(Problem::Forbidden(permission));
    }
    let query = Query::read(&event.raw_query_string)?;
    query.check(route.parameters, Some(&actor))?;
    let none = CalleeIds::none();
    let callee_ids = match route.name.shows_callees() {
        true => reader.reader.callee_ids().await?,
        false => &none,
    };
    let visit = Visit {
        reader: &reader.reader,
        actor: &actor,
        callee_ids,
        via: &Via::API,
        numbers: true,
        now,
        deadline,
    };
    let asked = Asked { visit, event, route, query: &query };
    match route.name {
        // It takes no permission, and is answered above.
        Name::OpenApi => Err(Problem::NoSuchPath),
        Name::Calls => list::answer(&asked).await,
        Name::Call => call::answer(&asked, &call_key(ids)?).await,
        Name::Vcon => call::vcon(&asked, &call_key(ids)?).await,
        Name::Push => {
            call::push(&asked, &call_key(ids)?, &id("function", ids, 2)?, &id("digest", ids, 3)?).await
        }
        Name::Access => call::access(&asked, &call_key(ids)?).await,
        Name::Recording => recording::answer(&asked, &call_key(ids)?, &id("slot", ids, 2)?).await,
        Name::Recordings => recording::waiting(&asked).await,
        Name::Tasks => task::of_day(&asked).await,
        Name::Task => {
            task::answer(&asked, provider(ids).map_err(|_| Problem::NoSuchTask)?, &id("task_id", ids, 1)?)
                .await
        }
    }
}

/// A request of somebody who may make it.
struct Asked<'a> {
    visit: Visit<'a>,
    event: &'a Event,
    route: &'static Route,
    query: &'a Query,
}

impl Asked<'_> {
    /// A header of the request.
    fn header(&self, name: &str) -> Option<&str> {
        request::header(self.event, name)
    }

    /// Holds the request to the media types that there are of its answer.
    fn check_accept(&self) -> Result<(), Problem> {
        let offers: Vec<_> = self.route.media_types.iter().map(|name| (*name, ())).collect();
        request::accepted(self.header("accept"), &offers)
    }

    /// What may be seen of a call's texts. A call whose id tells a number that is hidden is not there for who would try it.
    fn mask_of(&self, call: &WholeCall) -> Result<Mask, Problem> {
        let mask = self.visit.mask(call.callee_numbers());
        if mask.may_show(call.key.call_id.as_str()) { Ok(mask) } else { Err(Problem::NoSuchCall) }
    }
}

/// The id that stands in a path.
fn id(name: &'static str, ids: &[&str], place: usize) -> Result<String, Problem> {
    ids.get(place).and_then(|segment| unescaped(segment)).ok_or(Problem::BadId(name))
}

fn provider(ids: &[&str]) -> Result<Provider, Problem> {
    let name = id("provider", ids, 0)?;
    Provider::named(&name).ok_or(Problem::NoSuchCall)
}

fn call_key(ids: &[&str]) -> Result<CallKey, Problem> {
    let provider = provider(ids)?;
    let call_id = CallId::new(id("call_id", ids, 1)?).ok_or(Problem::NoSuchCall)?;
    Ok(CallKey { provider, call_id })
}
