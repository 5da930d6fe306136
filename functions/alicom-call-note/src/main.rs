//! The Lambda function's process: wiring only.

use lambda_http::{Error, run, service_fn};
use runtime::ingress::receive::Receiver;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::telemetry::init(std::io::stdout);
    let receiver = Receiver::from_environment(&alicom_call_note::PUSH).await?;
    run(service_fn(async |request| Ok::<_, Error>(alicom_call_note::handle(&receiver, request).await))).await
}
