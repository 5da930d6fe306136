//! Structured logs: one JSON object a line.
//!
//! Nothing that a push holds is ever logged: no body, no token, no URL, no number.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging, to standard output in Lambda. Called once, at a process's start.
///
/// Libraries are heard from warnings on: at finer levels the SDK would log requests with what they carry. A panic is logged with
/// its place only, since its message may hold a value.
pub fn init(writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) {
    let libraries = [
        "aws_config",
        "aws_runtime",
        "aws_sdk_dynamodb",
        "aws_sdk_s3",
        "aws_smithy_http_client",
        "aws_smithy_runtime",
        "aws_smithy_runtime_api",
        "h2",
        "hyper",
        "hyper_util",
        "lambda_runtime",
        "rustls",
    ];
    let ours = Targets::new()
        .with_default(LevelFilter::INFO)
        .with_targets(libraries.map(|library| (library, LevelFilter::WARN)))
        // The embedded stores: one warns of every refused condition, which is how a record's stored state is learnt; the other
        // logs requests it refuses with what they carry.
        .with_target("dynoxide", LevelFilter::ERROR)
        .with_target("s3s", LevelFilter::OFF);
    let json = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_writer(writer);
    // A second start, as tests do it, keeps the first.
    let _ = tracing_subscriber::registry().with(json).with(ours).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}
