//! The recordings the simulator has, each with its counters.

use super::recording::Recording;
use super::traffic::{Counters, Traffic};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// All recordings by name.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    sources: RwLock<HashMap<String, Source>>,
}

/// What is known under a name.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// What is served; `None` when it was taken away.
    pub(super) recording: Option<Arc<Recording>>,
    /// What was asked for.
    pub(super) counters: Arc<Counters>,
}

impl Shelf {
    /// Puts a recording under its name. One that was there is replaced, its counters go on.
    pub(super) fn put(&self, recording: Recording) {
        self.set(recording.name().to_owned(), Some(Arc::new(recording)));
    }

    /// Takes a recording away for good: from now on there is no such object.
    pub(super) fn take_away(&self, name: &str) {
        self.set(name.to_owned(), None);
    }

    /// Returns what is under a name. What was never put there is made up, for anyone to fetch, if it is
    /// called like a sound file.
    pub(super) fn source(&self, name: &str) -> Source {
        if let Some(source) = self.known(name) {
            return source;
        }
        let mut sources = self.sources.write().unwrap_or_else(PoisonError::into_inner);
        let made_up = || {
            let is_sound = name.ends_with(".wav") || name.ends_with(".mp3");
            Source {
                recording: is_sound.then(|| Arc::new(Recording::new(name).public())),
                counters: Arc::default(),
            }
        };
        sources.entry(name.to_owned()).or_insert_with(made_up).clone()
    }

    /// Returns the recording that was put under a name, if it is still there.
    pub(super) fn recording(&self, name: &str) -> Option<Arc<Recording>> {
        self.known(name)?.recording
    }

    /// Returns what was asked of one name.
    pub(super) fn traffic(&self, name: &str) -> Traffic {
        self.known(name).map(|source| source.counters.snapshot()).unwrap_or_default()
    }

    /// Returns what was asked of all.
    pub(super) fn total_traffic(&self) -> Traffic {
        let sources = self.sources.read().unwrap_or_else(PoisonError::into_inner);
        sources.values().map(|source| source.counters.snapshot()).sum()
    }

    fn known(&self, name: &str) -> Option<Source> {
        self.sources.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn set(&self, name: String, recording: Option<Arc<Recording>>) {
        let mut sources = self.sources.write().unwrap_or_else(PoisonError::into_inner);
        let counters = sources.get(&name).map(|source| Arc::clone(&source.counters)).unwrap_or_default();
        sources.insert(name, Source { recording, counters });
    }
}
