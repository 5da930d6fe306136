//! The pages, one file each.

mod call;
mod calls;
mod named;
mod operations;
mod player;
mod push;
mod recording;
mod review;
mod task;
mod tasks;
mod today;
mod transcript;

use std::collections::HashMap;

use readers::filter::problem;
use readers::{Answer, Problem};
use runtime::store::reading::Bodies;
use shared::model::{CallId, CallKey, Provider};
use shared::view::Mask;
use shared::whole_call::WholeCall;

use crate::Asked;
use crate::route::Name;

/// All that is stored of a call, and its path. One whose id tells its callee's number is there for those alone who may see numbers.
async fn whole_call(asked: &Asked<'_>, key: &CallKey) -> Result<(WholeCall, String), Problem> {
    asked.visit.check_call(key).await?;
    let call = asked.visit.reader.store.whole_call(key, Bodies::Left).await.map_err(problem)?;
    let call = call.ok_or(Problem::NoSuchCall)?;
    let mask = Mask::of(call.callee_numbers());
    let path = asked.frame.call_path(key, &mask).ok_or(Problem::NoSuchCall)?;
    Ok((call, path))
}

/// The names that people gave to tasks; those that have none are left out.
async fn task_names(
    asked: &Asked<'_>,
    tasks: impl IntoIterator<Item = (Provider, String)>,
) -> Result<HashMap<(Provider, String), String>, Problem> {
    let names = asked.visit.reader.store.task_names(tasks).await;
    names.map_err(|error| Problem::unavailable("The table", &error))
}

/// The answer to a request of somebody who may make it.
pub(crate) async fn answer(asked: &Asked<'_>) -> Result<Answer, Problem> {
    match asked.found.route.name {
        Name::Today => today::answer(asked).await,
        Name::Calls => calls::answer(asked).await,
        Name::Search => Ok(calls::search(asked)),
        Name::Found => calls::found(asked).await,
        Name::NextCall => review::next(asked).await,
        Name::Call => call::answer(asked, &call_key(asked)?).await,
        Name::Reveal => call::reveal(asked, &call_key(asked)?).await,
        Name::Review => review::save(asked, &call_key(asked)?).await,
        Name::Recording => recording::answer(asked, &call_key(asked)?, &id(asked, "slot", 2)?).await,
        Name::Push => {
            push::answer(asked, &call_key(asked)?, &id(asked, "function", 2)?, &id(asked, "digest", 3)?).await
        }
        Name::Tasks => tasks::answer(asked).await,
        Name::Task => task::answer(asked, provider(asked)?, &id(asked, "task_id", 1)?).await,
        Name::Rename => task::name(asked, provider(asked)?, &id(asked, "task_id", 1)?).await,
        Name::Operations => operations::answer(asked).await,
        // They are answered before it is asked who somebody is.
        Name::Login | Name::Callback | Name::SignedOut | Name::Logout | Name::Choices => {
            Err(Problem::NoSuchPath)
        }
    }
}

/// The id that stands in the path.
fn id(asked: &Asked<'_>, name: &'static str, place: usize) -> Result<String, Problem> {
    asked.found.ids.get(place).and_then(|segment| asked.frame.id_of(segment)).ok_or(Problem::BadId(name))
}

fn provider(asked: &Asked<'_>) -> Result<Provider, Problem> {
    Provider::named(&id(asked, "provider", 0)?).ok_or(Problem::NoSuchPath)
}

fn call_key(asked: &Asked<'_>) -> Result<CallKey, Problem> {
    let provider = provider(asked)?;
    let call_id = CallId::new(id(asked, "call_id", 1)?).ok_or(Problem::NoSuchCall)?;
    Ok(CallKey { provider, call_id })
}
