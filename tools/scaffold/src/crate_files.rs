//! The files of the function's own: its crate, its event, its fuzz target.

use crate::{NewFunction, Step};

/// How wide `rustfmt.toml` lets a line of code be.
const WIDTH: usize = 110;

/// A step for each file.
pub(crate) fn steps(function: &NewFunction) -> Vec<Step> {
    let names = &function.names;
    let folder = format!("functions/{}", names.function);
    let own = |path: &str| format!("{folder}/{path}");
    vec![
        Step::create(own("Cargo.toml"), "its manifest", manifest(function)),
        Step::create(own("src/main.rs"), "its process", main(function)),
        Step::create(own("src/lib.rs"), "what it catches", lib(function)),
        Step::create(own("src/normalize.rs"), "its normalizer", normalize(function)),
        Step::create(own("tests/normalize.rs"), "its tests", tests(function)),
        Step::create(own("test_data/sample.json"), "the sample", function.sample.body()),
        Step::create(
            format!("events/{}.json", names.function),
            "its sample event",
            function.sample.event(names),
        ),
        Step::create(
            format!("tools/fuzz/fuzz_targets/{}.rs", names.krate),
            "its fuzz target",
            fuzz_target(function),
        ),
    ]
}

fn manifest(function: &NewFunction) -> String {
    let names = &function.names;
    format!(
        r#"[package]
name = "{name}"
description = "Catches {platform}'s {push} push."
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
publish.workspace = true

[lib]
doctest = false

[features]
default = ["runtime"]
runtime = ["dep:runtime", "dep:lambda_http", "dep:tokio"]

[[bin]]
name = "{name}"
path = "src/main.rs"
required-features = ["runtime"]
test = false

[dependencies]
lambda_http = {{ workspace = true, optional = true }}
runtime = {{ workspace = true, optional = true }}
serde_json.workspace = true
shared.workspace = true
tokio = {{ workspace = true, optional = true }}

[dev-dependencies]
testkit.workspace = true

[lints]
workspace = true
"#,
        name = names.function,
        platform = names.platform_title,
        push = names.push,
    )
}

fn main(function: &NewFunction) -> String {
    let krate = &function.names.krate;
    let served = format!(
        "    run(service_fn(async |request| Ok::<_, Error>({krate}::handle(&receiver, request).await)))"
    );
    let served = match served.len() + ".await".len() <= WIDTH {
        true => format!("{served}.await"),
        false => format!("{served}\n        .await"),
    };
    format!(
        r#"//! The Lambda function's process: wiring only.

use lambda_http::{{Error, run, service_fn}};
use runtime::ingress::receive::Receiver;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {{
    runtime::telemetry::init(std::io::stdout);
    let receiver = Receiver::from_environment(&{krate}::PUSH).await?;
{served}
}}
"#
    )
}

fn lib(function: &NewFunction) -> String {
    let names = &function.names;
    let document =
        function.document.as_ref().map(|url| format!("//!\n//! Document: <{url}>\n")).unwrap_or_default();
    let envelope = match &function.list {
        Some(list) => format!("Some(\"{list}\")"),
        None => "None".to_owned(),
    };
    format!(
        r#"//! Catches {platform}'s {push} push.
{document}
mod normalize;

use shared::model::Provider;
use shared::normalize::PushType;

/// The push that this function catches.
pub const PUSH: PushType = PushType {{
    function: "{name}",
    provider: Provider::{variant},
    envelope: {envelope},
    normalize: normalize::normalize,
    feeds: normalize::FEEDS,
}};

/// Receives a push.
#[cfg(feature = "runtime")]
pub async fn handle(
    receiver: &runtime::ingress::receive::Receiver,
    request: lambda_http::Request,
) -> lambda_http::Response<lambda_http::Body> {{
    receiver.receive(&PUSH, request).await
}}
"#,
        platform = names.platform_title,
        push = names.push,
        name = names.function,
        variant = names.platform_variant,
    )
}

fn normalize(function: &NewFunction) -> String {
    let (documented, read) = match function.call_id.split_once('.') {
        Some((record, field)) => (
            format!(
                "/// The record stands in the message's `{record}`; what stands beside it is kept with it. All but the call's id is left in\n/// `extra`."
            ),
            format!(
                r#"pub(crate) fn normalize(mut message: Fields, _: &Context) -> Result<Normalized, Rejection> {{
    let mut record = message.object("{record}").ok_or(Rejection::NoCallId {{ field: "{record}" }})?;
    let call_id = call_id(&mut record, "{field}")?;
    record.keep_beside(message, "{record}");
    Ok(Normalized::new(call_id, record))
}}"#
            ),
        ),
        None => (
            "/// All but the call's id is left in `extra`.".to_owned(),
            format!(
                r#"pub(crate) fn normalize(mut record: Fields, _: &Context) -> Result<Normalized, Rejection> {{
    let call_id = call_id(&mut record, "{field}")?;
    Ok(Normalized::new(call_id, record))
}}"#,
                field = function.call_id
            ),
        ),
    };
    format!(
        r#"//! The push in terms of the model.

use shared::normalize::fields::Fields;
use shared::normalize::{{Context, Normalized, Rejection, call_id}};
use shared::record::merge::Feeds;

/// Which field feeds which attribute, as [`normalize`] reads them.
pub(crate) const FEEDS: Feeds = Feeds {{ call: &[], conversation: &[] }};

/// Makes the model of an element.
///
{documented}
{read}
"#
    )
}

fn tests(function: &NewFunction) -> String {
    let nulls = match function.call_id.split_once('.') {
        Some((record, _)) => format!(
            "    let folder = concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/test_data\");\n    testkit::check_nulls_of_record(&PUSH, folder, \"{record}\");"
        ),
        None => "    testkit::check_nulls(&PUSH, concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/test_data\"));"
            .to_owned(),
    };
    format!(
        r#"//! What the push comes to.

use {krate}::PUSH;

const SAMPLE: &str = include_str!("../test_data/sample.json");

#[test]
fn every_fixture_gives_its_golden_output() {{
    testkit::check_golden_outputs(&PUSH, concat!(env!("CARGO_MANIFEST_DIR"), "/test_data"));
}}

#[test]
fn every_leaf_of_the_documents_sample_is_kept_outside_the_verbatim_push() {{
    testkit::check_leaves(&PUSH, SAMPLE);
}}

#[test]
fn a_null_takes_back_what_its_field_said_and_nothing_else() {{
{nulls}
}}

#[test]
fn nothing_a_push_can_hold_makes_it_panic() {{
    testkit::check_no_panic(&PUSH, SAMPLE);
}}
"#,
        krate = function.names.krate,
    )
}

fn fuzz_target(function: &NewFunction) -> String {
    format!(
        r#"//! A body of `{name}`: whatever it holds, the same is made of it each time, and it can be stored.

#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| testkit::check_body(&{krate}::PUSH, body));
"#,
        name = function.names.function,
        krate = function.names.krate,
    )
}
