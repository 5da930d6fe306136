//! The Lambda function's process: wiring only.

use lambda_http::{Error, run, service_fn};
use runtime::ingress::receive::Receiver;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::telemetry::init(std::io::stdout);
    let receiver = Receiver::from_environment(&ai_voice_call_record::PUSH).await?;
    run(service_fn(async |request| Ok::<_, Error>(ai_voice_call_record::handle(&receiver, request).await)))
        .await
}
