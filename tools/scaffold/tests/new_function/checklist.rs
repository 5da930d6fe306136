//! What has to be there for each function and for each platform, and what of it is missing.
//!
//! It reads files alone, so that it tells of all of them at once, where a compiler stops at the first crate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::template::{Template, list, references};

/// All that is missing in a checkout, a line each: `<function or platform>: <what>`.
pub(crate) fn missing(root: &Path) -> Vec<String> {
    let checkout = Checkout::read(root);
    let mut missing = Vec::new();
    for name in &checkout.functions {
        let has = |there: bool, what: &str| missing.extend((!there).then(|| format!("{name}: {what}")));
        checkout.check_function(name, has);
    }
    for platform in checkout.platforms.values() {
        let variant = &platform.variant;
        let has = |there: bool, what: &str| {
            missing.extend((!there).then(|| format!("Provider::{variant}: {what}")));
        };
        checkout.check_platform(platform, has);
    }
    checkout.check_that_nothing_is_left_over(|what| missing.push(what));
    missing
}

/// What `shared/src/model/platform.rs` says of a platform.
struct Platform {
    variant: String,
    /// Its row's constant, name in keys and variables; empty where it has no row.
    constant: String,
    name: String,
    zone_variables: Vec<String>,
}

struct Checkout {
    root: PathBuf,
    functions: BTreeSet<String>,
    template: Template,
    platforms: BTreeMap<String, Platform>,
    /// The functions' resources that alarms watch, and texts of the dashboard's widgets, by metric.
    alarms: BTreeMap<String, BTreeSet<String>>,
    dashboard: BTreeMap<String, BTreeSet<String>>,
}

impl Checkout {
    fn read(root: &Path) -> Self {
        let template = Template::read_from(root.join("template.yaml").to_str().unwrap());
        let platforms = platforms(&text(root, "shared/src/model/platform.rs"));
        let (alarms, dashboard) = (alarms(&template), dashboard(&template));
        let functions = folders(&root.join("functions"));
        Self { root: root.to_owned(), functions, template, platforms, alarms, dashboard }
    }

    fn text(&self, path: &str) -> String {
        text(&self.root, path)
    }

    fn has_line(&self, path: &str, start: &str) -> bool {
        self.text(path).lines().any(|line| line.trim_start().starts_with(start))
    }

    fn check_function(&self, name: &str, mut has: impl FnMut(bool, &str)) {
        let krate = name.replace('-', "_");
        let resource = camel_case(name);
        let manifest = self.text(&format!("functions/{name}/Cargo.toml"));
        has(manifest.contains(&format!("[[bin]]\nname = \"{name}\"\n")), "its binary in its own Cargo.toml");
        for path in ["src/main.rs", "src/lib.rs"] {
            let there = self.root.join(format!("functions/{name}/{path}")).exists();
            has(there, &format!("functions/{name}/{path}"));
        }
        let dependency = format!("{name} = {{ path = \"functions/{name}\"");
        has(
            self.has_line("Cargo.toml", &dependency),
            "its crate in the workspace's dependencies, Cargo.toml",
        );
        has(self.is_locked("Cargo.lock", name), "its crate in Cargo.lock");
        let heard = listed(&self.text("runtime/src/telemetry.rs"), "const OURS");
        has(heard.contains(&krate), "its crate in OURS, runtime/src/telemetry.rs");
        has(self.root.join(format!("events/{name}.json")).exists(), &format!("events/{name}.json"));
        let row = format!("| `{name}` |");
        has(self.has_line("README.md", &row), "its row in README.md");
        self.check_resource(name, &resource, &mut has);
        let lib = self.text(&format!("functions/{name}/src/lib.rs"));
        let is_read_by = self.integrations().any(|of| of.contains(&format!("{resource}.Arn")));
        let mappings = self.template.resources_of_type("AWS::Lambda::EventSourceMapping");
        let reads_stream = mappings.iter().any(|mapping| references(mapping.definition).contains(&resource));
        match (lib.contains("pub const PUSH: PushType"), is_read_by) {
            (true, _) => self.check_push_function(name, &krate, &resource, &lib, &mut has),
            (false, _) if reads_stream => self.check_stream_function(&krate, &resource, &mut has),
            (false, true) => self.check_readers_function(&krate, &resource, &mut has),
            (false, false) => self.check_scheduled_function(&krate, &resource, &mut has),
        }
    }

    /// What the template has of each function.
    fn check_resource(&self, name: &str, resource: &str, has: &mut impl FnMut(bool, &str)) {
        let properties = self.properties(resource);
        has(properties.is_object(), "its resource in template.yaml");
        has(
            properties["CodeUri"] == format!("functions/{name}"),
            "CodeUri, its folder, of its resource in template.yaml",
        );
        for metric in ["Errors", "Throttles"] {
            let watched = self.alarms.get(metric).is_some_and(|watched| watched.contains(resource));
            has(watched, &format!("its row in the alarm of {metric}, template.yaml"));
        }
        for metric in ["Errors", "Duration", "ConcurrentExecutions"] {
            let shown = self.dashboard.get(metric);
            let shown = shown.is_some_and(|shown| shown.contains(&format!("${{{resource}}}")));
            has(shown, &format!("its {metric} on the dashboard, template.yaml"));
        }
    }

    fn check_push_function(
        &self,
        name: &str,
        krate: &str,
        resource: &str,
        lib: &str,
        has: &mut impl FnMut(bool, &str),
    ) {
        for path in ["src/normalize.rs", "tests/normalize.rs", "test_data/sample.json"] {
            let there = self.root.join(format!("functions/{name}/{path}")).exists();
            has(there, &format!("functions/{name}/{path}"));
        }
        self.check_event(name, has);
        self.check_route(name, resource, has);
        let platform = lib.split_once("provider: Provider::").and_then(|(_, rest)| rest.split_once(','));
        let platform = platform.and_then(|(variant, _)| self.platforms.get(variant));
        has(platform.is_some(), "its platform, shared/src/model/platform.rs");
        for variable in platform.into_iter().flat_map(|platform| &platform.zone_variables) {
            let given = self.properties(resource)["Environment"]["Variables"].get(variable).is_some();
            has(given, &format!("the variable {variable} of its resource in template.yaml"));
        }
        // However it is broken into lines.
        let rows: String = self.text("tools/catalog/src/lib.rs").split_whitespace().collect();
        let row = format!("push_function!(\"{name}\",{krate},");
        has(rows.contains(&row), "its row in tools/catalog/src/lib.rs");
        let measured = self.text("tools/benches/src/lib.rs");
        has(
            measured.contains(&format!("&{krate}::PUSH"))
                && measured.contains(&format!("/functions/{name}/test_data/sample.json")),
            "its row in the benchmark, tools/benches/src/lib.rs",
        );
        let target = self.text(&format!("tools/fuzz/fuzz_targets/{krate}.rs"));
        has(
            target.contains(&format!("&{krate}::PUSH")),
            &format!("its fuzz target, tools/fuzz/fuzz_targets/{krate}.rs"),
        );
        let target = format!("[[bin]]\nname = \"{name}\"\npath = \"fuzz_targets/{krate}.rs\"\n");
        has(
            self.text("tools/fuzz/Cargo.toml").contains(&target),
            "the row of its fuzz target in tools/fuzz/Cargo.toml",
        );
        has(self.is_locked("tools/fuzz/Cargo.lock", name), "its crate in tools/fuzz/Cargo.lock");
        for (dependent, manifest, lock) in [
            ("catalog", "tools/catalog/Cargo.toml", "Cargo.lock"),
            ("benches", "tools/benches/Cargo.toml", "Cargo.lock"),
            ("callvault-fuzz", "tools/fuzz/Cargo.toml", "tools/fuzz/Cargo.lock"),
        ] {
            let depends = [format!("{name} = "), format!("{name}.workspace")]
                .iter()
                .any(|start| self.has_line(manifest, start));
            has(depends, &format!("its crate in the dependencies of {manifest}"));
            let locked = self.text(lock);
            let package = locked
                .split("[[package]]\n")
                .find(|package| package.starts_with(&format!("name = \"{dependent}\"\n")));
            let locked = package.is_some_and(|package| package.contains(&format!("\n \"{name}\",\n")));
            has(locked, &format!("its crate in the dependencies of {dependent}, {lock}"));
        }
        let url = format!("`{resource}Url` |");
        has(self.text("docs/deploying.md").contains(&url), "where its URL is told, docs/deploying.md");
    }

    /// The sample event: the document's sample, as it comes through the function's route.
    fn check_event(&self, name: &str, has: &mut impl FnMut(bool, &str)) {
        let event = self.text(&format!("events/{name}.json"));
        let event: Value = serde_json::from_str(&event).unwrap_or_default();
        let sample = self.text(&format!("functions/{name}/test_data/sample.json"));
        has(event["body"] == sample, &format!("test_data/sample.json, as it is, in events/{name}.json"));
        let length = sample.len().to_string();
        has(
            event["headers"]["content-length"] == length,
            &format!("the sample's length in events/{name}.json"),
        );
        let route = event["routeKey"] == format!("POST /push/{name}/{{token}}")
            && event["rawPath"] == format!("/push/{name}/local");
        has(route, &format!("its route in events/{name}.json"));
    }

    /// What the template has of what is pushed to.
    fn check_route(&self, name: &str, resource: &str, has: &mut impl FnMut(bool, &str)) {
        let properties = self.properties(resource);
        let triggers: Vec<_> =
            properties["Events"].as_object().into_iter().flat_map(|e| e.values()).collect();
        let is_route = |trigger: &&Value| {
            let route = &trigger["Properties"];
            trigger["Type"] == "HttpApi"
                && route["Method"] == "POST"
                && route["Path"] == format!("/push/{name}/{{token}}")
        };
        has(triggers.len() == 1 && triggers.iter().all(is_route), "its route in template.yaml");
        let outputs = self.template.section("Outputs");
        let url = &outputs[format!("{resource}Url")]["Value"]["Fn::Sub"];
        let is_url = url[0] == format!("${{Base}}/push/{name}/{{token}}")
            && url[1]["Base"] == outputs["ApiUrl"]["Value"];
        has(is_url, "its URL among the outputs of template.yaml");
        let parameter = format!("PushTokenSha256{resource}");
        let defined = self.template.parameters().contains_key(&parameter);
        has(defined, &format!("the parameter {parameter} in template.yaml"));
        has(self.grouped().contains(&parameter), &format!("{parameter} in its group, template.yaml"));
        let variable = format!("PUSH_TOKEN_SHA256_{}", name.replace('-', "_").to_uppercase());
        let given = &properties["Environment"]["Variables"][&variable];
        has(*given == json!({"Ref": parameter}), &format!("{variable} of its resource in template.yaml"));
        let asserted = &self.template.section("Rules")["EveryRouteHasAToken"]["Assertions"];
        let opened = json!({"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]});
        let ruled = list(asserted).iter().any(|assertion| assertion["Assert"] == opened);
        has(ruled, &format!("{parameter} in the rule EveryRouteHasAToken, template.yaml"));
        let shown = self.dashboard.get("Pushes").is_some_and(|shown| shown.contains(name));
        has(shown, "its pushes on the dashboard, template.yaml");
    }

    fn check_scheduled_function(&self, krate: &str, resource: &str, has: &mut impl FnMut(bool, &str)) {
        let missed = self.alarms.get("Invocations").is_some_and(|watched| watched.contains(resource));
        has(missed, "an alarm of runs that are missing, template.yaml");
        let row = format!("name: {krate}::FUNCTION,");
        has(
            self.has_line("tools/local-stack/src/functions.rs", &row),
            "its row in tools/local-stack/src/functions.rs, or PUSH in its lib.rs",
        );
    }

    /// What readers ask, by their own API.
    fn check_readers_function(&self, krate: &str, resource: &str, has: &mut impl FnMut(bool, &str)) {
        let permissions = self.template.resources_of_type("AWS::Lambda::Permission");
        let permitted = permissions.iter().any(|permission| {
            permission.definition["Properties"]["FunctionName"] == json!({"Ref": resource})
        });
        has(permitted, "the permission of its API to invoke it, template.yaml");
        let shown = self.dashboard.get("Reads").is_some_and(|shown| shown.contains(&krate.replace('_', "-")));
        has(shown, "its requests on the dashboard, template.yaml");
        let local = self.text("tools/local-stack/src/functions.rs");
        has(local.contains(&format!("{krate}::FUNCTION")), "its row in tools/local-stack/src/functions.rs");
    }

    /// What reads the table's stream.
    fn check_stream_function(&self, krate: &str, resource: &str, has: &mut impl FnMut(bool, &str)) {
        let late = self.alarms.get("IteratorAge").is_some_and(|watched| watched.contains(resource));
        has(late, "an alarm of its being late, template.yaml");
        let shown = self.dashboard.get("IteratorAge");
        let shown = shown.is_some_and(|shown| shown.contains(&format!("${{{resource}}}")));
        has(shown, "its IteratorAge on the dashboard, template.yaml");
        let local = self.text("tools/local-stack/src/functions.rs");
        has(local.contains(&format!("{krate}::FUNCTION")), "its row in tools/local-stack/src/functions.rs");
    }

    /// What the integrations of the readers' API refer to.
    fn integrations(&self) -> impl Iterator<Item = BTreeSet<String>> {
        let integrations = self.template.resources_of_type("AWS::ApiGatewayV2::Integration");
        integrations.into_iter().map(|integration| references(integration.definition))
    }

    fn check_platform(&self, platform: &Platform, mut has: impl FnMut(bool, &str)) {
        let Platform { variant, constant, name, zone_variables } = platform;
        let code = self.text("shared/src/model/platform.rs");
        has(!constant.is_empty(), "its row in shared/src/model/platform.rs");
        let all = code.split_once("pub const ALL").and_then(|(_, rest)| rest.split_once("];"));
        let all = all.is_some_and(|(all, _)| {
            let mut words = all.split(|byte: char| !byte.is_alphanumeric() && byte != '_' && byte != '.');
            words.any(|word| word == format!("{constant}.provider"))
        });
        has(all, "its row in Provider::ALL, shared/src/model/platform.rs");
        let arm = format!("            Self::{variant} => &{constant},\n");
        has(code.contains(&arm), "its arm in Provider::platform, shared/src/model/platform.rs");
        has(!zone_variables.is_empty(), "a variable of its zone, shared/src/model/platform.rs");
        for variable in zone_variables {
            let settings = self.text("README.md");
            let told = settings.lines().any(|line| {
                line.contains("| the zone of each platform's times")
                    && line.contains(&format!("`{variable}`"))
            });
            has(told, &format!("{variable} among the settings of README.md"));
        }
        // The first name is the one to use: a parameter gives it.
        if let Some(variable) = zone_variables.first() {
            let given: BTreeSet<_> = self
                .template
                .functions()
                .values()
                .filter_map(|function| {
                    function.definition["Properties"]["Environment"]["Variables"].get(variable)
                })
                .flat_map(references)
                .collect();
            has(!given.is_empty(), &format!("a function that is given {variable}, template.yaml"));
            for parameter in given {
                let defined = self.template.parameters().contains_key(&parameter);
                has(defined, &format!("the parameter {parameter} in template.yaml"));
                has(self.grouped().contains(&parameter), &format!("{parameter} in its group, template.yaml"));
            }
        }
        let in_keys = self.text("docs/glossary.md");
        let told =
            in_keys.lines().any(|line| line.contains("In keys: ") && line.contains(&format!("`{name}`")));
        has(told, "its name in keys, docs/glossary.md");
    }

    fn check_that_nothing_is_left_over(&self, mut report: impl FnMut(String)) {
        let events = folders(&self.root.join("events"));
        for event in events.iter().filter_map(|event| event.strip_suffix(".json")) {
            if event != "env" && !self.functions.contains(event) {
                report(format!("events/{event}.json: its function"));
            }
        }
        for name in self.template.functions().keys().filter(|name| !self.functions.contains(*name)) {
            report(format!("template.yaml: the folder of {name}"));
        }
        let logs = |manifest: &str| self.has_line(manifest, "tracing.");
        let tools = folders(&self.root.join("tools"));
        // They listen, and say nothing themselves.
        const LISTENERS: [&str; 2] = ["bench", "testkit"];
        let tools = tools
            .iter()
            .filter(|tool| !LISTENERS.contains(&tool.as_str()) && logs(&format!("tools/{tool}/Cargo.toml")));
        let beside = ["runtime", "readers"].into_iter().filter(|krate| logs(&format!("{krate}/Cargo.toml")));
        let expected: BTreeSet<_> = self
            .functions
            .iter()
            .chain(tools)
            .map(|name| name.replace('-', "_"))
            .chain(beside.map(str::to_owned))
            .collect();
        let heard = listed(&self.text("runtime/src/telemetry.rs"), "const OURS");
        for krate in heard.symmetric_difference(&expected) {
            match heard.contains(krate) {
                true => report(format!("OURS, runtime/src/telemetry.rs: what {krate} logs")),
                // It is told of already.
                false if self.functions.contains(&krate.replace('_', "-")) => {}
                false => report(format!("{krate}: its crate in OURS, runtime/src/telemetry.rs")),
            }
        }
    }

    fn properties(&self, resource: &str) -> &Value {
        &self.template.section("Resources")[resource]["Properties"]
    }

    /// The parameters that stand in a group.
    fn grouped(&self) -> BTreeSet<String> {
        let groups = &self.template.section("Metadata")["AWS::CloudFormation::Interface"]["ParameterGroups"];
        let names = list(groups).into_iter().flat_map(|group| list(&group["Parameters"]));
        names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }

    fn is_locked(&self, lock: &str, name: &str) -> bool {
        self.text(lock).contains(&format!("[[package]]\nname = \"{name}\"\n"))
    }
}

/// A file's text; none where it is missing, which then shows in all that is looked for in it.
fn text(root: &Path, path: &str) -> String {
    std::fs::read_to_string(root.join(path)).unwrap_or_default()
}

fn folders(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// `ai-voice-call-record` as `AiVoiceCallRecord`.
fn camel_case(name: &str) -> String {
    name.split('-').map(|word| format!("{}{}", word[..1].to_uppercase(), &word[1..])).collect()
}

/// The texts in quotes between a declaration and the end of its list.
fn listed(code: &str, declared: &str) -> BTreeSet<String> {
    let list = code.split_once(declared).and_then(|(_, rest)| rest.split_once("];"));
    quoted(list.unwrap_or_default().0)
}

fn quoted(code: &str) -> BTreeSet<String> {
    code.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

fn platforms(code: &str) -> BTreeMap<String, Platform> {
    let variants = code.split_once("pub enum Provider {").and_then(|(_, rest)| rest.split_once("\n}"));
    let variants = variants.unwrap_or_default().0.lines().map(str::trim);
    let variants = variants.filter(|line| !line.starts_with("//")).filter_map(|line| line.strip_suffix(','));
    let rows: Vec<_> = code.split("\nconst ").skip(1).collect();
    variants
        .map(|variant| {
            let row = rows.iter().find(|row| row.contains(&format!("provider: Provider::{variant},")));
            let row = row.and_then(|row| row.split_once("\n};")).unwrap_or_default().0;
            let field = |name: &str| {
                row.split_once(&format!("    {name}: ")).and_then(|(_, rest)| rest.split_once(",\n"))
            };
            let platform = Platform {
                variant: variant.to_owned(),
                constant: row.split(':').next().unwrap_or_default().to_owned(),
                name: field("name").map(|(name, _)| name.trim_matches('"').to_owned()).unwrap_or_default(),
                zone_variables: field("zone_variables")
                    .map(|(names, _)| names.split('"').skip(1).step_by(2).map(str::to_owned).collect())
                    .unwrap_or_default(),
            };
            (variant.to_owned(), platform)
        })
        .collect()
}

/// The functions that alarms watch, by Lambda's metric.
fn alarms(template: &Template) -> BTreeMap<String, BTreeSet<String>> {
    let mut watched = BTreeMap::<_, BTreeSet<_>>::new();
    for alarm in template.resources_of_type("AWS::CloudWatch::Alarm") {
        let properties = &alarm.definition["Properties"];
        let of_each = properties["Metrics"].as_array().into_iter().flatten();
        for metric in of_each.map(|metric| &metric["MetricStat"]["Metric"]).chain([properties]) {
            let name = metric["MetricName"].as_str().unwrap_or_default().to_owned();
            let functions = metric["Dimensions"].as_array().into_iter().flatten();
            let functions = functions.filter(|dimension| dimension["Name"] == "FunctionName");
            watched.entry(name).or_default().extend(functions.flat_map(references));
        }
    }
    watched
}

/// What the dashboard shows of functions, by metric.
fn dashboard(template: &Template) -> BTreeMap<String, BTreeSet<String>> {
    let body = &template.section("Resources")["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"];
    let body: Value = serde_json::from_str(body.as_str().unwrap()).unwrap();
    let mut shown = BTreeMap::<_, BTreeSet<_>>::new();
    for widget in body["widgets"].as_array().into_iter().flatten() {
        for metric in widget["properties"]["metrics"].as_array().into_iter().flatten() {
            let texts: Vec<_> =
                list(metric).iter().filter_map(|text| text.as_str().map(str::to_owned)).collect();
            if let [_, name, .., function] = &texts[..] {
                shown.entry(name.clone()).or_default().insert(function.clone());
            }
        }
    }
    shown
}
