//! Every function is everywhere where functions are listed; and `callvault new-function` puts a new one there.

#![allow(clippy::unwrap_used, reason = "this is test code")]

mod checklist;
mod scratch;
// The one reader of the template. What the template is held to beside the list of functions is tested there.
#[allow(dead_code, reason = "the template's own tests use more of it")]
#[path = "../../../callvault/tests/template/template.rs"]
mod template;

/// The one test to ask after a function was added: it names all that is missing, at once.
#[test]
fn every_function_is_everywhere() {
    let missing = checklist::missing(&template::root());
    assert!(missing.is_empty(), "{} missing:\n{}", missing.len(), missing.join("\n"));
}
