//! `callvault new-function`: writes a push function's crate, and adds its rows to every file that lists functions.
//!
//! All of it is planned first, in memory: [`NewFunction::steps`] gives one [`Step`] for each file to create and each row to add, and
//! [`applied`] makes the files of them. Only what was planned as a whole is written. A row is added beside the rows that are there
//! already; where they are not found, nothing is written, and the error names what is missing.

mod anchor;
mod crate_files;
mod names;
mod places;
mod sample;
mod step;
mod template;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

pub use self::names::Names;
use self::sample::Sample;
pub use self::step::{Step, applied, write};

/// What to write.
#[derive(Args, Clone, Debug)]
pub struct NewFunctionOptions {
    /// The platform's name in keys (`ai-voice`): a new one, or one that other functions have.
    platform: String,
    /// What the platform calls the push (`call-record`). The function is `<platform>-<push>`.
    push: String,
    /// A body as the platform pushes it: the sample of its document, unchanged.
    #[arg(long, value_name = "FILE")]
    sample: PathBuf,
    /// The field of an element that holds the call's id; `OBJECT.FIELD` where the element wraps its record in an object.
    #[arg(long, value_name = "FIELD")]
    call_id: String,
    /// The name of the list of elements in the body, where the body wraps one.
    #[arg(long, value_name = "NAME")]
    list: Option<String>,
    /// The document that describes the push.
    #[arg(long, value_name = "URL")]
    document: Option<String>,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The current directory is no checkout.
    #[error("no {0} here: run it from the root of a checkout")]
    NoCheckout(&'static str),
    /// A name that can't be that of a crate, a route, a resource and a variable at once.
    #[error("{0:?} is no kebab-case name: words of a-z and 0-9, each begins with a letter, joined by `-`")]
    NotKebabCase(String),
    /// A function, or a name that the new one would have, is there already.
    #[error("{name} exists already, in {place}")]
    Exists {
        /// The name.
        name: String,
        /// Where it stands.
        place: String,
    },
    /// The sample is not a body of such a push.
    #[error("the sample: {0}")]
    Sample(String),
    /// The name of a field or a list that can't stand in Rust code as it is.
    #[error(
        "{0:?} can't be the name of a field here: letters, digits, `_` and `-` alone; one `.` for an object's field"
    )]
    Field(String),
    /// The document's address is none.
    #[error("{0:?} is no http or https URL")]
    Document(String),
    /// Rows to add a new one beside are not where they were.
    #[error("no place for the new rows:\n{}", .0.join("\n"))]
    NoAnchor(Vec<String>),
    /// A file can't be read or written.
    #[error("{path}")]
    File {
        /// Which.
        path: String,
        /// What is wrong.
        source: std::io::Error,
    },
}

/// A push function that is to be written.
#[derive(Clone, Debug)]
pub struct NewFunction {
    /// All its names.
    pub names: Names,
    /// Whether its platform has a row already.
    pub platform_is_known: bool,
    /// Other functions of the platform.
    siblings: Vec<String>,
    call_id: String,
    list: Option<String>,
    document: Option<String>,
    sample: Sample,
}

impl NewFunction {
    /// Checks what is asked for, in the checkout at `root`.
    ///
    /// # Errors
    /// [`Refused`], where a name exists or is none, or the sample is no body that holds the call's id.
    pub fn new(root: &Path, options: &NewFunctionOptions) -> Result<Self, Refused> {
        for there in ["Cargo.toml", "functions", "template.yaml"] {
            if !root.join(there).exists() {
                return Err(Refused::NoCheckout(there));
            }
        }
        let names = Names::new(&options.platform, &options.push)?;
        for field in options.call_id.splitn(2, '.').chain(options.list.as_deref()) {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            if field.is_empty() || !field.bytes().all(plain) {
                return Err(Refused::Field(field.to_owned()));
            }
        }
        if let Some(url) = &options.document {
            let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"<>`|".contains(&byte);
            if rest.is_none_or(|rest| rest.is_empty() || !rest.bytes().all(is_plain)) {
                return Err(Refused::Document(url.clone()));
            }
        }
        places::refuse_what_exists(root, &names)?;
        let sample = std::fs::read(&options.sample)
            .map_err(|source| Refused::File { path: options.sample.display().to_string(), source })?;
        let sample = Sample::new(sample, options.list.as_deref(), &options.call_id)?;
        Ok(Self {
            platform_is_known: places::platform_is_known(root, &names)?,
            siblings: places::siblings(root, &names)?,
            call_id: options.call_id.clone(),
            list: options.list.clone(),
            document: options.document.clone(),
            names,
            sample,
        })
    }

    /// Every file to create and every row to add.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = crate_files::steps(self);
        steps.extend(places::steps(self));
        steps.extend(template::steps(self));
        steps
    }
}

/// Writes a function into the checkout in the current directory, and tells what is left to do.
///
/// # Errors
/// [`Refused`]; then nothing is written, unless it is a file that can't be.
pub fn new_function(options: NewFunctionOptions) -> anyhow::Result<()> {
    let root = Path::new(".");
    let function = NewFunction::new(root, &options)?;
    let steps = function.steps();
    write(root, &applied(root, &steps)?)?;
    let mut out = std::io::stdout().lock();
    for step in &steps {
        writeln!(out, "{}: {}", step.path, step.what)?;
    }
    writeln!(out, "\n{}", left_to_do(&function))?;
    Ok(())
}

/// What no program can write.
fn left_to_do(function: &NewFunction) -> String {
    let name = &function.names.function;
    let mut left = vec![
        format!(
            "functions/{name}/src/normalize.rs: take each field that the model has an attribute for, and list it in FEEDS. A fixture for each \
             trap of the document goes into test_data/."
        ),
        format!("INSTA_UPDATE=always cargo test -p {name}, then read the golden outputs, test_data/*.snap."),
    ];
    if !function.platform_is_known {
        left.push(format!(
            "shared/src/model/platform.rs: what the comment on Provider::{} says, and its row. Its zone is +08:00 unless {} is set.",
            function.names.platform_variant, function.names.zone_variable
        ));
        left.push(
            "RECORDING_HOSTS and the parameter RecordingHosts: the hosts of its recordings, where it has any."
                .to_owned(),
        );
    }
    if function.document.is_none() {
        left.push(format!("functions/{name}/src/lib.rs: the document's address."));
    }
    left.push("README.md (its row, the picture) and docs/deploying.md (its row): what the push adds, and where the platform is told.".to_owned());
    left.push("cargo fmt --all; cargo test -p scaffold, which names every row that is missing; cargo run -- demo, which shows the call.".to_owned());
    let lines = left.iter().map(|line| format!("- {line}")).collect::<Vec<_>>();
    format!("Left to do:\n{}", lines.join("\n"))
}
