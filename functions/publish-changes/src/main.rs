//! The Lambda function's process: wiring only.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use publish_changes::{Batch, Publisher, handle};
use runtime::config::process_environment;
use runtime::deadline::Deadline;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::telemetry::init(std::io::stdout);
    let publisher = Publisher::new(&process_environment())?;
    run(service_fn(async |event: LambdaEvent<Batch>| {
        let deadline = Deadline::of_context(event.context.deadline);
        Ok::<_, Error>(handle(&publisher, event.payload, deadline).await)
    }))
    .await
}
