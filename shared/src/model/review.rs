//! What people think of a call who have heard it.

use serde::{Deserialize, Serialize};

use super::Instant;

/// What is kept of a review. The last word counts: a review has no history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// When somebody marked the call as heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_at: Option<Instant>,
    /// Who did: the subject of their token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_by: Option<String>,
    /// Their verdict, in a word of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// What they noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When verdict or note were written last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noted_at: Option<Instant>,
    /// Who wrote them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noted_by: Option<String>,
}

impl Review {
    /// Whether it says anything: a call is reviewed that was heard, or of which something was noted.
    pub fn is_made(&self) -> bool {
        self.heard_at.is_some() || self.verdict.is_some() || self.note.is_some()
    }
}
