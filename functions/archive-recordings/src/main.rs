//! The Lambda function's process: wiring only.

use archive_recordings::{Archiver, handle};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use runtime::clock;
use runtime::deadline::Deadline;
use serde::de::IgnoredAny;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::telemetry::init(std::io::stdout);
    let archiver = Archiver::from_environment().await?;
    run(service_fn(async |event: LambdaEvent<IgnoredAny>| {
        let deadline = Deadline::of_context(event.context.deadline);
        let ended = handle(&archiver, clock::now(), deadline).await;
        // The runtime would log it with all that is in it.
        ended.inspect_err(|error| tracing::error!(error = %error, "run failed")).map_err(Error::from)
    }))
    .await
}
