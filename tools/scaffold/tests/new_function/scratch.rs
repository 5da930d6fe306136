//! `callvault new-function` in a scratch copy of the checkout.

use std::path::{Path, PathBuf};
use std::process::Command;

use scaffold::{NewFunction, NewFunctionOptions, Refused, Step, applied, write};
use tempfile::TempDir;

use crate::checklist::missing;
use crate::template::root;

/// A copy of the files that git knows.
struct Scratch(TempDir);

/// The options, as the command line gives them.
#[derive(clap::Parser)]
struct Arguments {
    #[command(flatten)]
    options: NewFunctionOptions,
}

impl Scratch {
    fn new() -> Self {
        let scratch = Self(TempDir::new().unwrap());
        for path in tracked() {
            scratch.restore(&path);
        }
        scratch
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// A file as it is in the checkout, or not there.
    fn restore(&self, path: &str) {
        let (from, to) = (root().join(path), self.path().join(path));
        if !from.is_file() {
            let _ = std::fs::remove_file(to);
            return;
        }
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    }

    /// What the command makes of these arguments, beside a sample.
    fn plan(&self, arguments: &[&str], sample: &str) -> Result<NewFunction, Refused> {
        let file = self.path().join("scratch-sample.json");
        std::fs::write(&file, sample).unwrap();
        let command = ["new-function"].iter().chain(arguments).copied();
        let command = command.chain(["--sample", file.to_str().unwrap()]);
        let options = <Arguments as clap::Parser>::try_parse_from(command).unwrap().options;
        let function = NewFunction::new(self.path(), &options);
        std::fs::remove_file(file).unwrap();
        function
    }

    /// Runs the command, and gives back its steps.
    fn run(&self, arguments: &[&str], sample: &str) -> Result<Vec<Step>, Refused> {
        let steps = self.plan(arguments, sample)?.steps();
        write(self.path(), &applied(self.path(), &steps)?)?;
        Ok(steps)
    }

    /// The files that differ from the checkout's.
    fn changed(&self) -> Vec<String> {
        let differs = |path: &String| {
            std::fs::read(root().join(path)).ok() != std::fs::read(self.path().join(path)).ok()
        };
        tracked().into_iter().filter(differs).collect()
    }
}

fn tracked() -> Vec<String> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().unwrap();
    assert!(listed.status.success(), "git lists the files of the checkout");
    let paths = String::from_utf8(listed.stdout).unwrap();
    paths.split_terminator('\0').map(str::to_owned).collect()
}

const NESTED: [&str; 6] =
    ["acme-voice", "call-ended", "--call-id", "call.id", "--document", "https://acme.example/push"];
const NESTED_SAMPLE: &str =
    "{ \"event\": \"ended\",\r\n  \"call\": {\"id\": \"ä-1\", \"to\": \"+49301234\", \"cost\": 0.10}}\n";

#[test]
fn a_new_platforms_function_is_everywhere_and_its_sample_is_kept_byte_for_byte() {
    let scratch = Scratch::new();
    scratch.run(&NESTED, NESTED_SAMPLE).unwrap();
    assert_eq!(missing(scratch.path()), [""; 0]);
    let own = |path: &str| scratch.read(&format!("functions/acme-voice-call-ended/{path}"));
    assert_eq!(own("test_data/sample.json"), NESTED_SAMPLE);
    assert!(own("src/normalize.rs").contains("message.object(\"call\")"));
    assert!(own("src/normalize.rs").contains("call_id(&mut record, \"id\")"));
    assert!(own("src/lib.rs").contains("provider: Provider::AcmeVoice,\n    envelope: None,"));
    assert!(own("src/lib.rs").contains("<https://acme.example/push>"));
    assert!(own("tests/normalize.rs").contains("check_nulls_of_record(&PUSH, folder, \"call\")"));
    let catalog = scratch.read("tools/catalog/src/lib.rs");
    assert!(
        catalog.contains("push_function!(\"acme-voice-call-ended\", acme_voice_call_ended, \"call.id\"),\n")
    );
    let platforms = scratch.read("shared/src/model/platform.rs");
    assert!(platforms.contains("zone_variables: &[\"ACME_VOICE_UTC_OFFSET\"],"));
}

#[test]
fn a_known_platforms_function_gets_no_second_row_of_it_and_the_zone_that_the_others_have() {
    let scratch = Scratch::new();
    let arguments = ["alicom", "call-ended", "--call-id", "callId", "--list", "calls"];
    scratch.run(&arguments, r#"{"calls": [{"callId": 1}]}"#).unwrap();
    assert_eq!(missing(scratch.path()), [""; 0]);
    assert!(!scratch.changed().contains(&"shared/src/model/platform.rs".to_owned()));
    let template = scratch.read("template.yaml");
    let resource = template.split_once("\n  AlicomCallEnded:\n").unwrap().1;
    let resource = resource.split_once("\n\n").unwrap().0;
    assert!(resource.contains("\n          ALICOM_UTC_OFFSET: !Ref AlibabaUtcOffset\n"), "{resource}");
    let lib = scratch.read("functions/alicom-call-ended/src/lib.rs");
    assert!(lib.contains("provider: Provider::Alicom,\n    envelope: Some(\"calls\"),"));
}

/// The checklist holds whoever adds a function by hand: of all that the command writes, it misses each.
#[test]
fn whatever_is_left_out_is_named() {
    let scratch = Scratch::new();
    let steps = scratch.plan(&NESTED, NESTED_SAMPLE).unwrap().steps();
    assert!(steps.len() > 40, "{steps:?}");
    let pristine = root();
    let all = applied(&pristine, &steps).unwrap();
    for left_out in 0..steps.len() {
        for path in all.keys() {
            scratch.restore(path);
        }
        let others = steps.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, step)| step);
        write(scratch.path(), &applied(&pristine, others).unwrap()).unwrap();
        let named = missing(scratch.path());
        let ours = ["acme-voice-call-ended: ", "Provider::AcmeVoice: "];
        assert!(!named.is_empty(), "nobody misses {:?}", steps[left_out]);
        for line in &named {
            let is_ours = ours.iter().any(|name| line.starts_with(name));
            assert!(is_ours, "{line}: {:?}", steps[left_out]);
        }
    }
}

#[test]
fn what_is_refused_changes_nothing_and_is_named() {
    let scratch = Scratch::new();
    let id = ["--call-id", "id"];
    let sample = r#"{"id": 1}"#;
    for (platform, push, said) in [
        ("laaffic", "status-report", "laaffic-status-report exists already, in functions"),
        ("archive", "recordings", "archive-recordings exists already, in functions"),
        ("lambda", "http-x_y", "\"http-x_y\" is no kebab-case name"),
        ("local", "stack", "local-stack exists already, in Cargo.lock"),
        ("Acme", "push", "\"Acme\" is no kebab-case name"),
        ("../acme", "push", "\"../acme\" is no kebab-case name"),
    ] {
        let refused = scratch.run(&[platform, push, id[0], id[1]], sample).unwrap_err().to_string();
        assert!(refused.starts_with(said), "{refused}");
    }
    for arguments in [
        ["acme", "push", "--call-id", "a.b.c", "--list", "x"],
        ["acme", "push", "--call-id", "a\"b", "--list", "x"],
        ["acme", "push", "--call-id", "id", "--list", "x\\"],
        ["acme", "push", "--call-id", "id", "--list", "x"],
        ["acme", "push", "--call-id", "id", "--document", "javascript:x"],
        ["acme", "push", "--call-id", "id", "--document", "https://a.example/> x"],
    ] {
        assert!(scratch.run(&arguments, sample).is_err(), "{arguments:?}");
    }
    assert_eq!(scratch.changed(), [""; 0]);
}

#[test]
fn every_place_that_is_not_found_is_named_and_nothing_is_written() {
    let scratch = Scratch::new();
    for (path, anchor) in [("template.yaml", "\n  ApiUrl:"), ("runtime/src/telemetry.rs", "const OURS:")] {
        let without = scratch.read(path).replace(anchor, &anchor.replace([':', 'O'], ""));
        std::fs::write(scratch.path().join(path), without).unwrap();
    }
    let before = scratch.changed();
    let refused = scratch.run(&NESTED, NESTED_SAMPLE).unwrap_err().to_string();
    for named in
        ["template.yaml: the output with its URL", "`ApiUrl:`", "runtime/src/telemetry.rs: ", "`const OURS:`"]
    {
        assert!(refused.contains(named), "{named} is not in {refused}");
    }
    assert_eq!(scratch.changed(), before);
    let folder: PathBuf = scratch.path().join("functions/acme-voice-call-ended");
    assert!(!folder.exists());
}
