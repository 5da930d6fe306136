//! Where calls and tasks have their pages. Some platforms' ids hold the callee's number, which must stand in no URL: such an id is sealed in
//! it, for those alone who may see numbers, and for as long as the session key is good.

use shared::access::Permission;
use shared::model::{CallKey, Provider};
use shared::path_id::{escaped, unescaped};
use shared::view::Mask;

use crate::frame::Frame;

/// Stands before a sealed id: no other id is written so.
const SEALED: &str = "~~";
/// For what ids are sealed.
const PURPOSE: &str = "id";

impl Frame<'_> {
    /// An id as one segment of a path; `None` where it tells a number, to somebody who may not see it.
    pub(crate) fn segment(&self, id: &str, tells_a_number: bool) -> Option<String> {
        if !tells_a_number {
            return Some(escaped(id));
        }
        let sealer = self.sealer.filter(|_| self.may(Permission::SeeNumbers))?;
        Some(format!("{SEALED}{}", sealer.seal(PURPOSE, id.as_bytes())))
    }

    /// The id that a segment of a path stands for; `None` where it stands for none.
    pub(crate) fn id_of(&self, segment: &str) -> Option<String> {
        match segment.strip_prefix(SEALED) {
            Some(sealed) => String::from_utf8(self.sealer?.open(PURPOSE, sealed)?).ok(),
            None => unescaped(segment),
        }
    }

    /// The path of a call of which `mask` tells what may be seen without numbers; `None` where there is none for whoever asks.
    pub(crate) fn call_path(&self, key: &CallKey, mask: &Mask) -> Option<String> {
        let id = key.call_id.as_str();
        Some(format!("/calls/{}/{}", key.provider, self.segment(id, !mask.may_show(id))?))
    }

    /// The path of a task; `None` where there is none for whoever asks.
    pub(crate) fn task_path(&self, provider: Provider, task: &str, tells_a_number: bool) -> Option<String> {
        Some(format!("/tasks/{provider}/{}", self.segment(task, tells_a_number)?))
    }
}
