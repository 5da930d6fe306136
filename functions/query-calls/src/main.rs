//! The Lambda function's process: wiring only.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use query_calls::QueryCalls;
use readers::Event;
use runtime::config::process_environment;
use runtime::deadline::Deadline;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::telemetry::init(std::io::stdout);
    let reader = QueryCalls::new(&process_environment())?;
    let handle = async |event: LambdaEvent<Event>| {
        let deadline = Deadline::of_context(event.context.deadline);
        // On the heap: it is large, and would be moved from hand to hand.
        Ok::<_, Error>(Box::pin(query_calls::handle(&reader, event.payload, deadline)).await)
    };
    run(service_fn(handle)).await
}
