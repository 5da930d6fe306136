//! What is logged and counted of a request. Neither who asked nor for what is in it: that is the access log's.

use std::fmt::Debug;
use std::time::Instant as Moment;

use runtime::metrics::{Metrics, ReadCounts};
use shared::model::Instant;

use crate::event::{Answer, Event};

/// A request that was answered.
#[derive(Debug)]
pub struct Answered<'a, N> {
    /// The function that did.
    pub function: &'static str,
    /// Its event.
    pub event: &'a Event,
    /// Which of the function's routes it is; `None` for a path that there is not.
    pub route: Option<N>,
    /// What it was answered.
    pub answer: &'a Answer,
    /// The name of the problem, if there was one.
    pub problem: Option<&'static str>,
    /// What is wrong on this side.
    pub why: Option<&'a str>,
    /// Why the reader was turned away, where they were.
    pub denied: Option<&'static str>,
    /// When it came.
    pub at: Instant,
    /// The same, to measure by.
    pub began: Moment,
}

impl<N: Debug> Answered<'_, N> {
    /// Logs it, and counts it.
    pub fn tell(&self, metrics: &Metrics) {
        let duration_ms = self.began.elapsed().as_secs_f64() * 1000.0;
        let request_id = self.event.request_context.request_id.as_deref().unwrap_or_default();
        let route = self.route.as_ref().map(|route| format!("{route:?}"));
        let status = self.answer.status_code;
        let bytes = self.answer.body.len();
        // `tracing` wants its level to be constant.
        macro_rules! log {
            ($level:ident) => {
                tracing::$level!(
                    function = self.function,
                    request_id,
                    route,
                    status,
                    answer = self.problem.unwrap_or("answered"),
                    why = self.why,
                    bytes,
                    duration_ms,
                    "read"
                )
            };
        }
        match status {
            500.. => log!(error),
            _ => log!(info),
        }
        metrics.read_answered(&ReadCounts {
            function: self.function,
            at: self.at,
            denied: self.denied,
            failed: status >= 500,
            latency_ms: duration_ms,
        });
    }
}
