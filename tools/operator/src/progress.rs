//! How far a command is, on standard error: a bar where somebody watches it, a line now and then where not.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often a bar is drawn.
const DRAWN_EVERY: Duration = Duration::from_millis(200);
/// How often a line is written where nobody watches.
const TOLD_EVERY: Duration = Duration::from_secs(10);
const BAR_WIDTH: usize = 30;

/// How far something is.
#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    total: Option<u64>,
    /// What stands before the total, where that is a guess.
    about: &'static str,
    is_watched: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    done: u64,
    told_at: Instant,
}

impl Progress {
    /// Nothing is done yet of `total`, where that is known.
    pub(crate) fn of(what: &'static str, total: Option<u64>) -> Self {
        Self::new(what, total, "")
    }

    /// Nothing is done yet of about `total`, where that is known.
    pub(crate) fn about(what: &'static str, total: Option<u64>) -> Self {
        Self::new(what, total, "about ")
    }

    fn new(what: &'static str, total: Option<u64>, about: &'static str) -> Self {
        let state = Mutex::new(State { done: 0, told_at: Instant::now() });
        Self {
            what,
            total: total.filter(|total| *total > 0),
            about,
            is_watched: std::io::stderr().is_terminal(),
            state,
        }
    }

    /// One more is done.
    pub(crate) fn step(&self) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.done += 1;
        let pause = if self.is_watched { DRAWN_EVERY } else { TOLD_EVERY };
        if state.told_at.elapsed() >= pause {
            state.told_at = Instant::now();
            self.tell(state.done);
        }
    }

    /// Makes room for a line of standard output, which may be on the same terminal.
    pub(crate) fn step_aside(&self) {
        if self.is_watched {
            // Where the terminal is gone, so is who watches.
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }

    /// How many are done; the bar is gone.
    pub(crate) fn end(self) -> u64 {
        self.step_aside();
        self.state.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).done
    }

    fn tell(&self, done: u64) {
        let line = line(self.what, done, self.total.map(|total| (self.about, total)), self.is_watched);
        let _ = match self.is_watched {
            true => write!(std::io::stderr(), "\r\x1b[K{line}"),
            false => writeln!(std::io::stderr(), "{line}"),
        };
    }
}

/// `items  [#####     ] 12345 of about 20000`
fn line(what: &str, done: u64, total: Option<(&str, u64)>, with_bar: bool) -> String {
    match total {
        Some((about, total)) if with_bar => {
            let share = usize::try_from(done.min(total) * 100 / total).unwrap_or(100);
            let filled = BAR_WIDTH * share / 100;
            format!("{what} [{:<BAR_WIDTH$}] {done} of {about}{total}", "#".repeat(filled))
        }
        Some((about, total)) => format!("{what}: {done} of {about}{total}"),
        None => format!("{what}: {done}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_and_never_overflows() {
        assert_eq!(line("items", 5, None, true), "items: 5");
        assert_eq!(line("items", 5, Some(("about ", 10)), false), "items: 5 of about 10");
        assert_eq!(line("hours", 5, Some(("", 10)), false), "hours: 5 of 10");
        let bar = |done| line("items", done, Some(("", 10)), true).matches('#').count();
        assert_eq!([bar(0), bar(5), bar(10), bar(11)], [0, 15, 30, 30]);
    }
}
