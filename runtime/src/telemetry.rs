//! Structured logs: one JSON object a line. Metrics' lines go the same way.
//!
//! Nothing that a push holds is ever logged: no body, no token, no URL, no number.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::metrics;

/// The crates that are heard, from information on. One that is not named is silent: what a dependency logs, nobody here has read. The
/// checklist of functions (`tools/scaffold/tests`) names whoever is missing.
const OURS: [&str; 17] = [
    "ai_voice_call_record",
    "alicom_call_note",
    "alicom_call_record",
    "alicom_call_report",
    "archive_recordings",
    "callvault",
    "console",
    "export_calls",
    "fetch_conversations",
    "laaffic_status_report",
    "local_stack",
    "publish_changes",
    "query_calls",
    "readers",
    "runtime",
    "s3_emulator",
    "sweep_erased",
];

/// Starts logging, to standard output in Lambda. Called once, at a process's start.
///
/// A panic is logged with its place only, since its message may hold a value.
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
    let heard = FilterFn::new(|metadata| *metadata.level() <= loudest(metadata.target()))
        .with_max_level_hint(LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .map_event_format(Lines)
        .with_writer(writer);
    tracing_subscriber::registry().with(lines).with(heard)
}

/// Down to which level a target is heard.
fn loudest(target: &str) -> LevelFilter {
    let (crate_, module) = target.split_once("::").unwrap_or((target, ""));
    match crate_ {
        _ if target == metrics::TARGET || OURS.contains(&crate_) => LevelFilter::INFO,
        // Its layers log a handler's error with all that is in it, which the handlers log themselves, in brief.
        "lambda_runtime" if !module.starts_with("layers") => LevelFilter::WARN,
        // The embedded DynamoDB warns of every refused condition, which is how a record's stored state is learnt.
        "dynoxide" => LevelFilter::ERROR,
        _ => LevelFilter::OFF,
    }
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(events: impl FnOnce()) -> String {
        let log = Log::default();
        let writer = log.clone();
        tracing::subscriber::with_default(subscriber(move || writer.clone()), events);
        String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_dependency_is_silent_unless_it_is_let_speak() {
        let log = logged(|| {
            tracing::error!(target: "added_later", "canary");
            tracing::error!(target: "aws_smithy_runtime::client", "canary");
            // Names that begin like ours.
            tracing::error!(target: "shared_memory", "canary");
            tracing::error!(target: "metrics_util", "canary");
            tracing::error!(target: "lambda_runtime::layers::panic", "canary");
            tracing::info!(target: "lambda_runtime", "canary");
            tracing::debug!("canary");
        });
        assert_eq!(log, "");
    }

    #[test]
    fn ours_and_the_runtimes_warnings_are_heard() {
        let log = logged(|| {
            tracing::info!("of this crate");
            tracing::info!(target: "fetch_conversations::run", "of a function");
            tracing::warn!(target: "lambda_runtime", "of the runtime");
            tracing::info!(target: metrics::TARGET, line = "{\"metric\":1}");
        });
        let lines: Vec<_> = log.lines().collect();
        assert_eq!(lines.len(), 4, "{log}");
        assert_eq!(lines[3], "{\"metric\":1}");
    }
}
