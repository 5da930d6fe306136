//! The pages and forms that there are: one row each, with the permission that it takes.

use readers::path::ids;
use shared::access::Permission;

/// A page, or what a form asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Today,
    Calls,
    Search,
    Found,
    NextCall,
    Call,
    Review,
    Reveal,
    Recording,
    Push,
    Tasks,
    Task,
    Rename,
    Operations,
    Login,
    Callback,
    SignedOut,
    Logout,
    Choices,
}

/// What is known of it.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: Name,
    /// Whether it is what a form asks for.
    pub(crate) is_post: bool,
    /// Its path; what stands in braces is an id, written as `shared::path_id` has it.
    pub(crate) path: &'static str,
    /// The permission that it takes; none where being signed in does, or that is what it is for.
    pub(crate) permission: Option<Permission>,
    /// In which forms it is there beside HTML.
    forms: &'static [Form],
}

/// In which form a page is wanted: by the end of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Html,
    Json,
    Csv,
    Xlsx,
}

const JSON: &[Form] = &[Form::Json];
const TABLES: &[Form] = &[Form::Json, Form::Csv, Form::Xlsx];
const NONE: &[Form] = &[];

const fn page(name: Name, path: &'static str, permission: Permission, forms: &'static [Form]) -> Route {
    Route { name, is_post: false, path, permission: Some(permission), forms }
}

const fn form(name: Name, path: &'static str, permission: Option<Permission>) -> Route {
    Route { name, is_post: true, path, permission, forms: NONE }
}

const fn open(name: Name, path: &'static str) -> Route {
    Route { name, is_post: false, path, permission: None, forms: NONE }
}

/// Every page and form.
pub(crate) static ROUTES: [Route; 20] = [
    // Whoever may see no call still gets a start.
    Route { name: Name::Today, is_post: false, path: "/", permission: None, forms: NONE },
    page(Name::Today, "/today", Permission::ReadCalls, JSON),
    page(Name::Calls, "/calls", Permission::ReadCalls, TABLES),
    form(Name::Search, "/calls", Some(Permission::SeeNumbers)),
    page(Name::Found, "/calls/found", Permission::SeeNumbers, NONE),
    page(Name::NextCall, "/calls/next", Permission::ReadCalls, NONE),
    page(Name::Call, "/calls/{provider}/{call_id}", Permission::ReadCalls, JSON),
    form(Name::Review, "/calls/{provider}/{call_id}/review", Some(Permission::ReviewCalls)),
    form(Name::Reveal, "/calls/{provider}/{call_id}/reveal", Some(Permission::SeeNumbers)),
    page(
        Name::Recording,
        "/calls/{provider}/{call_id}/recordings/{slot}",
        Permission::ListenToRecordings,
        NONE,
    ),
    page(Name::Push, "/calls/{provider}/{call_id}/pushes/{function}/{digest}", Permission::SeeNumbers, NONE),
    page(Name::Tasks, "/tasks", Permission::ReadCalls, JSON),
    page(Name::Task, "/tasks/{provider}/{task_id}", Permission::ReadCalls, TABLES),
    form(Name::Rename, "/tasks/{provider}/{task_id}/name", Some(Permission::ReviewCalls)),
    page(Name::Operations, "/operations", Permission::ReadOperations, JSON),
    open(Name::Login, "/login"),
    open(Name::Callback, "/callback"),
    open(Name::SignedOut, "/signed-out"),
    form(Name::Logout, "/logout", None),
    form(Name::Choices, "/choices", None),
];

/// A row that was found.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) route: &'static Route,
    pub(crate) form: Form,
    /// What stands in the places of its ids, as it is written there.
    pub(crate) ids: Vec<&'a str>,
}

/// Why a method and a path ask for nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotFound {
    /// There is no such path.
    Path,
    /// The path takes other methods: these, as the header `Allow` has them.
    Method(String),
}

/// What a method and a path ask for.
pub(crate) fn find<'a>(method: &str, path: &'a str) -> Result<Found<'a>, NotFound> {
    let method = method.to_ascii_uppercase();
    let takes = |route: &Route| match method.as_str() {
        "GET" | "HEAD" => !route.is_post,
        "POST" => route.is_post,
        _ => false,
    };
    let (stem, form) = [(".json", Form::Json), (".csv", Form::Csv), (".xlsx", Form::Xlsx)]
        .into_iter()
        .find_map(|(end, form)| Some((path.strip_suffix(end)?, form)))
        .unwrap_or((path, Form::Html));
    let at_path = ROUTES.iter().filter_map(|route| {
        let ids = ids(route.path, stem)?;
        let is_there = form == Form::Html || route.forms.contains(&form);
        is_there.then_some(Found { route, form, ids })
    });
    let mut allowed = [false; 2];
    for found in at_path {
        if takes(found.route) {
            return Ok(found);
        }
        allowed[usize::from(found.route.is_post)] = true;
    }
    let allowed: Vec<_> =
        ["GET, HEAD", "POST"].into_iter().zip(allowed).filter_map(|(it, is)| is.then_some(it)).collect();
    Err(if allowed.is_empty() { NotFound::Path } else { NotFound::Method(allowed.join(", ")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_that_of_one_page_at_most() {
        for (method, path, expected) in [
            ("GET", "/", Some((Name::Today, Form::Html, vec![]))),
            ("GET", "/today.json", Some((Name::Today, Form::Json, vec![]))),
            ("GET", "/calls.xlsx", Some((Name::Calls, Form::Xlsx, vec![]))),
            ("POST", "/calls", Some((Name::Search, Form::Html, vec![]))),
            ("GET", "/calls/next", Some((Name::NextCall, Form::Html, vec![]))),
            ("GET", "/calls/alicom/1~5E2.json", Some((Name::Call, Form::Json, vec!["alicom", "1~5E2"]))),
            ("POST", "/calls/alicom/1/review", Some((Name::Review, Form::Html, vec!["alicom", "1"]))),
            ("HEAD", "/calls", Some((Name::Calls, Form::Html, vec![]))),
            ("GET", "/calls/", None),
            ("GET", "/operations.csv", None),
            ("GET", "/nowhere", None),
        ] {
            let found = find(method, path).ok().map(|found| (found.route.name, found.form, found.ids));
            assert_eq!(found, expected, "{method} {path}");
        }
    }

    #[test]
    fn another_method_is_told_which_there_are() {
        for (method, path, allowed) in [
            ("GET", "/calls/alicom/1/review", Some("POST")),
            ("DELETE", "/calls", Some("GET, HEAD, POST")),
            ("PUT", "/calls.json", Some("GET, HEAD")),
            ("OPTIONS", "/", Some("GET, HEAD")),
            ("PUT", "/nowhere", None),
        ] {
            let expected = allowed.map_or(NotFound::Path, |allowed| NotFound::Method(allowed.to_owned()));
            assert_eq!(find(method, path).unwrap_err(), expected, "{method} {path}");
        }
    }
}
