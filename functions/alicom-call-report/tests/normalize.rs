//! What call reports come to.

use alicom_call_report::PUSH;

const SAMPLE: &str = include_str!("../test_data/sample.json");

#[test]
fn every_fixture_gives_its_golden_output() {
    testkit::check_golden_outputs(&PUSH, concat!(env!("CARGO_MANIFEST_DIR"), "/test_data"));
}

#[test]
fn every_fixture_makes_its_golden_vcons() {
    testkit::vcon::check_golden_vcons(&PUSH, concat!(env!("CARGO_MANIFEST_DIR"), "/test_data"));
}

#[test]
fn every_leaf_of_the_documents_sample_is_kept_outside_the_verbatim_push() {
    testkit::check_leaves(&PUSH, SAMPLE);
}

#[test]
fn a_null_takes_back_what_its_field_said_and_nothing_else() {
    testkit::check_nulls(&PUSH, concat!(env!("CARGO_MANIFEST_DIR"), "/test_data"));
}

#[test]
fn nothing_a_push_can_hold_makes_it_panic() {
    testkit::check_no_panic(&PUSH, SAMPLE);
}
