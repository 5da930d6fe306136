//! The Lambda function's process: wiring only.

use fetch_conversations::Conversations;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use runtime::clock;
use runtime::config::process_environment;
use runtime::deadline::Deadline;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::telemetry::init(std::io::stdout);
    let conversations = Conversations::new(&process_environment())?;
    run(service_fn(async |event: LambdaEvent<Value>| {
        // Read anew each time, so that a key that was replaced needs no restart.
        let run = async {
            let credentials = conversations.credentials(&process_environment()).await?;
            let deadline = Deadline::of_context(event.context.deadline);
            let now = clock::now();
            Ok::<_, Error>(fetch_conversations::handle(&conversations, &credentials, deadline, now).await?)
        };
        // The runtime would log it with all that is in it.
        run.await.inspect_err(|error| tracing::error!(error = %error, "run failed"))
    }))
    .await
}
