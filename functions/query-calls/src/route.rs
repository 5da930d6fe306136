//! The requests that there are: one row each, with the permission that it takes and what of it goes into the access log.

use readers::path::ids;
use shared::access::Permission;

use readers::format::LIST_FORMATS;
use readers::parameter::{self, Described};

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    OpenApi,
    Calls,
    Call,
    Recording,
    Push,
    Vcon,
    Access,
    Recordings,
    Tasks,
    Task,
}

impl Name {
    /// Whether its answer, or what is recorded of it, has callees' ids, or cursors, for which the key of these ids is needed.
    pub(crate) fn shows_callees(self) -> bool {
        matches!(self, Self::Calls | Self::Call | Self::Recordings | Self::Task)
    }
}

/// What is known of a request.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: Name,
    /// Its path; what stands in braces is an id, written as `shared::path_id` has it.
    pub(crate) path: &'static str,
    pub(crate) summary: &'static str,
    /// The permission that it takes; `None` where it takes no token either.
    pub(crate) permission: Option<Permission>,
    /// What of it goes into the access log, before the answer goes out.
    pub(crate) recorded: &'static str,
    pub(crate) parameters: &'static [&'static Described],
    /// The media types of its answer, the usual one first; none where it is a redirect alone.
    pub(crate) media_types: &'static [&'static str],
    /// The name of its answer's schema in the API's description.
    pub(crate) schema: Option<&'static str>,
    /// The statuses of its answers, beside those that every request may have.
    pub(crate) statuses: &'static [u16],
}

const JSON: &str = "application/json";
pub(crate) const VCON: &str = "application/vcon+json";

/// The parameters of a list of calls.
static OF_CALLS: [&Described; 19] = [
    &parameter::PROVIDER.described,
    &parameter::TASK.described,
    &parameter::CALLEE.described,
    &parameter::CALLEE_ID.described,
    &parameter::DAY.described,
    &parameter::ZONE.described,
    &parameter::OUTCOME.described,
    &parameter::INTENT.described,
    &parameter::TAG.described,
    &parameter::AT_LEAST_S.described,
    &parameter::AT_MOST_S.described,
    &parameter::HANGUP_BY.described,
    &parameter::HAS_RECORDING.described,
    &parameter::REVIEWED.described,
    &parameter::UPDATED_SINCE.described,
    &parameter::ORDER.described,
    &parameter::LIMIT.described,
    &parameter::CURSOR.described,
    &parameter::DOWNLOAD.described,
];

/// The media types of a list, in the order of [`LIST_FORMATS`].
const LIST_MEDIA_TYPES: [&str; LIST_FORMATS.len()] = {
    let mut names = [""; LIST_FORMATS.len()];
    let mut place = 0;
    while place < names.len() {
        names[place] = LIST_FORMATS[place].0;
        place += 1;
    }
    names
};

/// Every request.
pub(crate) static ROUTES: [Route; 10] = [
    Route {
        name: Name::OpenApi,
        path: "/api/openapi.json",
        summary: "This description",
        permission: None,
        recorded: "nothing",
        parameters: &[],
        media_types: &[JSON],
        schema: None,
        statuses: &[200],
    },
    Route {
        name: Name::Calls,
        path: "/api/calls",
        summary: "Calls, newest first",
        permission: Some(Permission::ReadCalls),
        recorded: "a list or a download with numbers",
        parameters: &OF_CALLS,
        media_types: &LIST_MEDIA_TYPES,
        schema: Some("CallPage"),
        statuses: &[200, 302, 422],
    },
    Route {
        name: Name::Call,
        path: "/api/calls/{provider}/{call_id}",
        summary: "One call with all that is stored of it",
        permission: Some(Permission::ReadCalls),
        recorded: "the call",
        parameters: &[],
        media_types: &[JSON],
        schema: Some("WholeCall"),
        statuses: &[200, 302, 304, 404],
    },
    Route {
        name: Name::Recording,
        path: "/api/calls/{provider}/{call_id}/recordings/{slot}",
        summary: "A recording, by a redirect to a URL that is good for minutes",
        permission: Some(Permission::ListenToRecordings),
        recorded: "the recording",
        parameters: &[&parameter::EXPIRES.described],
        media_types: &[],
        schema: None,
        statuses: &[302, 404],
    },
    Route {
        name: Name::Push,
        path: "/api/calls/{provider}/{call_id}/pushes/{function}/{digest}",
        summary: "A push as it came",
        permission: Some(Permission::SeeNumbers),
        recorded: "the push",
        parameters: &[],
        media_types: &[JSON],
        schema: Some("PushBody"),
        statuses: &[200, 302, 404],
    },
    Route {
        name: Name::Vcon,
        path: "/api/calls/{provider}/{call_id}/vcon",
        summary: "One call as a vCon (draft-ietf-vcon-vcon-core, 0.4.0)",
        permission: Some(Permission::ReadCalls),
        recorded: "the call",
        parameters: &[],
        media_types: &[VCON],
        schema: Some("Vcon"),
        statuses: &[200, 302, 304, 404],
    },
    Route {
        name: Name::Access,
        path: "/api/calls/{provider}/{call_id}/access",
        summary: "Who looked at a call",
        permission: Some(Permission::ReadOperations),
        recorded: "nothing",
        parameters: &[],
        media_types: &[JSON],
        schema: Some("AccessLog"),
        statuses: &[200, 302, 404],
    },
    Route {
        name: Name::Recordings,
        path: "/api/recordings",
        summary: "Recordings that wait to be archived, or were lost",
        permission: Some(Permission::ReadOperations),
        recorded: "a list with numbers",
        parameters: &[&parameter::STATE.described, &parameter::LIMIT.described, &parameter::CURSOR.described],
        media_types: &[JSON],
        schema: Some("RecordingPage"),
        statuses: &[200, 302],
    },
    Route {
        name: Name::Tasks,
        path: "/api/tasks",
        summary: "The tasks of a day, with counts of its calls",
        permission: Some(Permission::ReadCalls),
        recorded: "counts with numbers",
        parameters: &[
            &parameter::PROVIDER.described,
            &parameter::ONE_DAY.described,
            &parameter::ZONE.described,
        ],
        media_types: &[JSON],
        schema: Some("TaskList"),
        statuses: &[200, 302],
    },
    Route {
        name: Name::Task,
        path: "/api/tasks/{provider}/{task_id}",
        summary: "Counts of all calls of a task",
        permission: Some(Permission::ReadCalls),
        recorded: "counts with numbers",
        parameters: &[&parameter::ZONE.described],
        media_types: &[JSON],
        schema: Some("TaskCounts"),
        statuses: &[200, 302, 404],
    },
];

/// The request that has a path, and what stands in the places of its ids, as it is written there.
pub(crate) fn find(path: &str) -> Option<(&'static Route, Vec<&str>)> {
    ROUTES.iter().find_map(|route| Some((route, ids(route.path, path)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_that_of_one_request_at_most() {
        for (path, found) in [
            ("/api/calls", Some((Name::Calls, vec![]))),
            ("/api/calls/alicom/1~5E2", Some((Name::Call, vec!["alicom", "1~5E2"]))),
            ("/api/calls/alicom/vcon", Some((Name::Call, vec!["alicom", "vcon"]))),
            ("/api/calls/alicom/1/vcon", Some((Name::Vcon, vec!["alicom", "1"]))),
            ("/api/calls/alicom/a~2Fvcon/vcon", Some((Name::Vcon, vec!["alicom", "a~2Fvcon"]))),
            ("/api/calls/alicom/1/recordings/main", Some((Name::Recording, vec!["alicom", "1", "main"]))),
            ("/api/tasks/laaffic/7", Some((Name::Task, vec!["laaffic", "7"]))),
            ("/api/calls/", None),
            ("/api/calls/alicom", None),
            ("/api/calls/alicom/", None),
            ("/api/calls//1", None),
            ("/api/calls/alicom/1/", None),
            ("/API/calls", None),
            ("//api/calls", None),
            ("/api/calls/alicom/1/recordings", None),
            ("/", None),
            ("", None),
        ] {
            let name = find(path).map(|(route, ids)| (route.name, ids));
            assert_eq!(name, found, "{path}");
        }
    }
}
