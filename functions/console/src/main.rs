//! The Lambda function's process: wiring only.

use console::{Console, Served};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use readers::Event;
use runtime::config::process_environment;
use runtime::deadline::Deadline;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::telemetry::init(std::io::stdout);
    let console = Console::new(&process_environment(), Served::OverHttps)?;
    let handle = async |event: LambdaEvent<Event>| {
        let deadline = Deadline::of_context(event.context.deadline);
        // On the heap: it is large, and would be moved from hand to hand.
        Ok::<_, Error>(Box::pin(console::handle(&console, event.payload, deadline)).await)
    };
    run(service_fn(handle)).await
}
