//! Structured logs: one JSON object a line. Metrics' lines go the same way.
//!
//! Nothing that a push holds is ever logged: no body, no token, no URL, no number.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::metrics;

/// Starts logging, to standard output in Lambda. Called once, at a process's start.
///
/// Libraries are heard from warnings on: at finer levels the SDK would log requests with what they carry. A panic is logged with
/// its place only, since its message may hold a value.
pub fn init(writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) {
    // A second start, as tests do it, keeps the first.
    let _ = subscriber(writer).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}

/// What [`init`] starts, for those who listen to one thread only.
pub fn subscriber(
    writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static,
) -> impl Subscriber + Send + Sync + 'static {
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
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .map_event_format(Lines)
        .with_writer(writer);
    tracing_subscriber::registry().with(lines).with(ours)
}

/// Events as JSON; metrics as the line that they are already, since CloudWatch looks for them at a line's top.
struct Lines(Format<Json>);

impl<S> FormatEvent<S, JsonFields> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.metadata().target() != metrics::TARGET {
            return self.0.format_event(context, writer, event);
        }
        let mut line = MetricsLine(String::new());
        event.record(&mut line);
        writeln!(writer, "{}", line.0)
    }
}

/// Takes the line out of an event of [`metrics`].
struct MetricsLine(String);

impl Visit for MetricsLine {
    fn record_str(&mut self, _: &Field, line: &str) {
        self.0.push_str(line);
    }

    // Its one field is text; anything else is shown rather than lost.
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, "{value:?}");
    }
}
