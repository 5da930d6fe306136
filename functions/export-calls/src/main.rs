//! The Lambda function's process: wiring only.

use export_calls::{Exporter, handle};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use runtime::clock;
use runtime::config::process_environment;
use runtime::deadline::Deadline;
use serde::de::IgnoredAny;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::telemetry::init(std::io::stdout);
    let exporter = Exporter::new(&process_environment())?;
    run(service_fn(async |event: LambdaEvent<IgnoredAny>| {
        let deadline = Deadline::of_context(event.context.deadline);
        handle(&exporter, clock::now(), deadline).await.map_err(Error::from)
    }))
    .await
}
