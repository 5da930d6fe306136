//! The rows in the files that list functions or platforms, the template aside.

use std::path::Path;

use crate::anchor::{Lines, NoAnchor, at_end, before, into_sorted, one_more};
use crate::{Names, NewFunction, Refused, Step};

const PLATFORMS: &str = "shared/src/model/platform.rs";

fn read(root: &Path, path: &str) -> Result<String, Refused> {
    std::fs::read_to_string(root.join(path)).map_err(|source| Refused::File { path: path.to_owned(), source })
}

/// The folders' names under `functions/`.
fn functions(root: &Path) -> Result<Vec<String>, Refused> {
    let folder = std::fs::read_dir(root.join("functions"))
        .map_err(|source| Refused::File { path: "functions".to_owned(), source })?;
    Ok(folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

/// Fails where a function or a crate has one of these names, or where a word of another case would be mistaken for them.
pub(crate) fn refuse_what_exists(root: &Path, names: &Names) -> Result<(), Refused> {
    let exists =
        |name: &str, place: &str| Err(Refused::Exists { name: name.to_owned(), place: place.to_owned() });
    let Names { function, resource, .. } = names;
    if functions(root)?.contains(function) {
        return exists(function, "functions");
    }
    if read(root, "Cargo.lock")?.contains(&format!("\nname = \"{function}\"\n")) {
        return exists(function, "Cargo.lock");
    }
    if read(root, "template.yaml")?.lines().any(|line| line.trim_end() == format!("  {resource}:")) {
        return exists(resource, "template.yaml");
    }
    let known = platform_is_known(root, names)?;
    if !known && read(root, PLATFORMS)?.contains(&format!("    {},\n", names.platform_variant)) {
        return exists(&format!("Provider::{}", names.platform_variant), PLATFORMS);
    }
    Ok(())
}

/// Whether there is a row of the platform.
pub(crate) fn platform_is_known(root: &Path, names: &Names) -> Result<bool, Refused> {
    Ok(read(root, PLATFORMS)?.contains(&format!("    name: \"{}\",\n", names.platform)))
}

/// The other functions of the platform.
pub(crate) fn siblings(root: &Path, names: &Names) -> Result<Vec<String>, Refused> {
    let provider = format!("    provider: Provider::{},\n", names.platform_variant);
    let mut siblings = Vec::new();
    for name in functions(root)? {
        let path = format!("functions/{name}/src/lib.rs");
        if root.join(&path).exists() && read(root, &path)?.contains(&provider) {
            siblings.push(name);
        }
    }
    Ok(siblings)
}

/// A step for each row.
pub(crate) fn steps(function: &NewFunction) -> Vec<Step> {
    let mut steps = rows_of_crates(function);
    steps.extend(rows_in_code(function));
    if !function.platform_is_known {
        steps.extend(rows_of_a_platform(&function.names));
    }
    steps.extend(rows_in_documents(function));
    steps
}

fn rows_of_crates(function: &NewFunction) -> Vec<Step> {
    let Names { function: name, krate, .. } = function.names.clone();
    let depends = |path: &str, what: &'static str, line: String| {
        Step::edit(path, what, move |text| into_sorted(text, "[dependencies]", "", &line))
    };
    let in_workspace = format!("{name} = {{ path = \"functions/{name}\", default-features = false }}\n");
    let target = format!(
        "[[bin]]\nname = \"{name}\"\npath = \"fuzz_targets/{krate}.rs\"\ntest = false\ndoc = false\nbench = false\n\n"
    );
    let target_name = format!("name = \"{name}\"\n");
    let mut steps = vec![
        Step::edit("Cargo.toml", "the crate among the workspace's dependencies", move |text| {
            let lines = Lines::of(text);
            let is_push = |line: &&str| {
                line.contains("{ path = \"functions/") && line.contains("default-features = false")
            };
            let last = lines.all().iter().rposition(is_push);
            let last = last.ok_or_else(|| NoAnchor("the functions' crates".to_owned()))?;
            Ok(lines.with(last + 1, &in_workspace))
        }),
        depends(
            "tools/catalog/Cargo.toml",
            "the catalog's dependency",
            format!("{name} = {{ workspace = true, features = [\"runtime\"] }}\n"),
        ),
        depends(
            "tools/benches/Cargo.toml",
            "the benchmark's dependency",
            format!("{name}.workspace = true\n"),
        ),
        depends(
            "tools/fuzz/Cargo.toml",
            "the fuzz target's dependency",
            format!("{name} = {{ path = \"../../functions/{name}\", default-features = false }}\n"),
        ),
        Step::edit("tools/fuzz/Cargo.toml", "the fuzz target's row", move |text| {
            let lines = Lines::of(text);
            let request = lines.starting("name = \"request\"", 0)?;
            let of_functions = &lines.all()[..request];
            let later = of_functions.iter().enumerate().position(|(at, line)| {
                at > 0 && lines.all()[at - 1].trim_end() == "[[bin]]" && *line > target_name.as_str()
            });
            Ok(lines.with(later.unwrap_or(request) - 1, &target))
        }),
    ];
    for (path, package, what) in [
        ("Cargo.lock", "catalog", "the catalog's lock"),
        ("Cargo.lock", "benches", "the benchmark's lock"),
        ("tools/fuzz/Cargo.lock", "callvault-fuzz", "the fuzz targets' lock"),
    ] {
        let line = format!(" \"{name}\",\n");
        steps.push(Step::edit(path, what, move |text| {
            let lines = Lines::of(text);
            let package = lines.starting(&format!("name = \"{package}\"\n"), 0)?;
            let from = lines.starting("dependencies = [", package)? + 1;
            let end = lines.starting("]", from)?;
            Ok(lines.with(lines.sorted(from..end, &line), &line))
        }));
    }
    let locked: [(&str, &'static str, &[&str]); 2] = [
        (
            "Cargo.lock",
            "the crate's lock",
            &["lambda_http", "runtime", "serde_json", "shared", "testkit", "tokio"],
        ),
        ("tools/fuzz/Cargo.lock", "the crate's lock for fuzzing", &["serde_json", "shared"]),
    ];
    for (path, what, dependencies) in locked {
        let dependencies: String = dependencies.iter().map(|name| format!(" \"{name}\",\n")).collect();
        let package = format!(
            "[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\ndependencies = [\n{dependencies}]\n\n"
        );
        let line = format!("name = \"{name}\"\n");
        steps.push(Step::edit(path, what, move |text| {
            let lines = Lines::of(text);
            let later =
                lines.all().iter().position(|other| other.starts_with("name = ") && *other > line.as_str());
            let later = later.ok_or_else(|| NoAnchor("a package of a later name".to_owned()))?;
            Ok(lines.with(later - 1, &package))
        }));
    }
    steps
}

fn rows_in_code(function: &NewFunction) -> Vec<Step> {
    let Names { function: name, krate, .. } = function.names.clone();
    let in_catalog = format!("    push_function!(\"{name}\", {krate}, \"{}\"),\n", function.call_id);
    let heard = format!("    \"{krate}\",\n");
    let sample = format!("include_str!(\"../../../functions/{name}/test_data/sample.json\")");
    let measured = match format!("    (&{krate}::PUSH, {sample}),") {
        short if short.len() <= 110 => short + "\n",
        _ => format!("    (\n        &{krate}::PUSH,\n        {sample},\n    ),\n"),
    };
    vec![
        Step::edit("tools/catalog/src/lib.rs", "the catalog's row", move |text| {
            let declared = "pub const PUSH_FUNCTIONS: ";
            one_more(&at_end(text, declared, "];", &in_catalog)?, declared)
        }),
        Step::edit("runtime/src/telemetry.rs", "the crate in OURS, those that are heard", move |text| {
            one_more(&into_sorted(text, "const OURS: ", "];", &heard)?, "const OURS: ")
        }),
        Step::edit("tools/benches/src/lib.rs", "the benchmark's row", move |text| {
            one_more(&at_end(text, "const PUSHES: ", "];", &measured)?, "const PUSHES: ")
        }),
    ]
}

fn rows_of_a_platform(names: &Names) -> Vec<Step> {
    let Names { platform, platform_variant: variant, platform_constant: constant, .. } = names.clone();
    let documented = format!("    /// {}.\n    {variant},\n", names.platform_title);
    let row = format!(
        r#"const {constant}: Platform = Platform {{
    provider: Provider::{variant},
    name: "{platform}",
    zone_variables: &["{zone}"],
    is_asked: false,
    slots_were_ids: false,
}};

"#,
        zone = names.zone_variable
    );
    let arm = format!("            Self::{variant} => &{constant},\n");
    let zone = names.zone_variable.clone();
    let key = format!(", `{platform}` |");
    vec![
        Step::edit(PLATFORMS, "the platform's variant", move |text| {
            at_end(text, "pub enum Provider {", "}", &documented)
        }),
        Step::edit(PLATFORMS, "the platform's row", move |text| before(text, "impl Provider {", &row)),
        Step::edit(PLATFORMS, "the platform's arm", move |text| {
            let declared = "    pub fn platform(self)";
            at_end(text, declared, "        }", &arm)
        }),
        Step::edit(PLATFORMS, "the platform among ALL", move |text| {
            let declared = "    pub const ALL: ";
            let longer = one_more(text, declared.trim_start())?;
            let start = longer.find(declared).map(|at| at + declared.len());
            let end = start.and_then(|start| Some(start + longer[start..].find("];")?));
            let end = end.ok_or_else(|| NoAnchor("the list of all platforms".to_owned()))?;
            let separator = if longer[..end].trim_end().ends_with(',') { "    " } else { ", " };
            Ok(format!("{}{separator}{constant}.provider{}", &longer[..end], &longer[end..]))
        }),
        Step::edit("README.md", "the variable of the platform's zone", move |text| {
            let mark = " | the zone of each platform's times";
            let at = text.find(mark).ok_or_else(|| NoAnchor(format!("`{mark}`")))?;
            Ok(format!("{}, `{zone}`{}", &text[..at], &text[at..]))
        }),
        Step::edit("docs/glossary.md", "the platform's name in keys", move |text| {
            let none = || NoAnchor("`In keys: `, in the row of a platform".to_owned());
            let at = text.find("In keys: `").ok_or_else(none)?;
            let end = at + text[at..].find(" |\n").ok_or_else(none)?;
            Ok(format!("{}{key}{}", &text[..end], &text[end + 2..]))
        }),
    ]
}

fn rows_in_documents(function: &NewFunction) -> Vec<Step> {
    let Names { function: name, platform_title: title, push, resource, .. } = function.names.clone();
    let listed = format!("| `{name}` | {title}, {push} | the call's id; all else stays in `extra` |\n");
    let told = match &function.document {
        Some(url) => format!("as its [document]({url}) says"),
        None => "ask the platform".to_owned(),
    };
    let pushed = format!("   | {title} | {told} | {push} | `{resource}Url` |\n");
    vec![
        Step::edit("README.md", "the function's row", move |text| {
            at_end(text, "| function | document |", "", &listed)
        }),
        Step::edit("docs/deploying.md", "where its URL is told", move |text| {
            at_end(text, "   | platform | where it is told |", "", &pushed)
        }),
    ]
}
