//! The rows in `template.yaml`.

use crate::anchor::{Lines, NoAnchor, after_last, before};
use crate::{Names, NewFunction, Step};

const TEMPLATE: &str = "template.yaml";
/// The resource before which those of the push functions end.
const NEXT_FUNCTION: &str = "ArchiveRecordings";
/// Its id in the alarms.
const NEXT_METRIC: &str = "archiveRecordings";

/// A step for each row.
pub(crate) fn steps(function: &NewFunction) -> Vec<Step> {
    let mut steps = parameters(&function.names);
    if !function.platform_is_known {
        steps.extend(zone_parameter(&function.names));
    }
    steps.push(resource(function));
    steps.extend(watched(&function.names));
    let Names { function: name, resource, .. } = &function.names;
    let output = format!(
        "  {resource}Url:\n    Description: Where {name} is pushed to, with the token in the place of {{token}}.\n    Value: !Sub [\"${{Base}}/push/{name}/{{token}}\", *base]\n"
    );
    steps.push(Step::edit(TEMPLATE, "the output with its URL", move |text| {
        let lines = Lines::of(text);
        let outputs = lines.starting("Outputs:", 0)?;
        Ok(lines.with(lines.starting("  ApiUrl:", outputs)?, &output))
    }));
    steps
}

/// The parameter of the function's own tokens: in its group, defined, and in the rule that some token opens each route.
fn parameters(names: &Names) -> Vec<Step> {
    let Names { function, token_parameter: parameter, .. } = names;
    let grouped = format!("          - {parameter}\n");
    let defined = format!(
        r#"  {parameter}:
    Type: String
    Default: ""
    Description: The SHA-256 of each push token that opens {function} alone, separated by commas.
    AllowedPattern: *digests
    ConstraintDescription: *are-digests
"#
    );
    let ruled = format!(
        r#"      - Assert: !Not [!Equals [!Ref {parameter}, ""]]
        AssertDescription: Give PushTokenSha256, or {parameter} - no token would open {function}.
"#
    );
    vec![
        Step::edit(TEMPLATE, "the parameter of its own tokens, in its group", move |text| {
            after_last(text, "          - PushTokenSha256", &grouped)
        }),
        Step::edit(TEMPLATE, "the parameter of its own tokens", move |text| {
            before(text, "  AllowedSourceCidrs:", &defined)
        }),
        Step::edit(TEMPLATE, "the rule that some token opens its route", move |text| {
            before(text, "  LockingNeedsObjectLock:", &ruled)
        }),
    ]
}

/// The parameter of a new platform's zone.
fn zone_parameter(names: &Names) -> Vec<Step> {
    let Names { zone_parameter: parameter, platform_title: title, .. } = names;
    let grouped = format!("          - {parameter}\n");
    let defined = format!(
        r#"  {parameter}:
    Type: String
    Default: "+08:00"
    AllowedPattern: (Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])
    ConstraintDescription: an offset from UTC (+08:00), or Z
    Description: The zone of {title}'s times that carry none.
"#
    );
    vec![
        Step::edit(TEMPLATE, "the parameter of the platform's zone, in its group", move |text| {
            before(text, "          - PushRetentionDays", &grouped)
        }),
        Step::edit(TEMPLATE, "the parameter of the platform's zone", move |text| {
            before(text, "  PushRetentionDays:", &defined)
        }),
    ]
}

/// The function itself, with its route.
fn resource(function: &NewFunction) -> Step {
    let Names { function: name, resource, platform_title: title, push, .. } = function.names.clone();
    let Names { token_variable, token_parameter, zone_variable, zone_parameter, .. } = function.names.clone();
    let siblings = function.siblings.clone();
    let new_zone =
        (!function.platform_is_known).then(|| format!("          {zone_variable}: !Ref {zone_parameter}\n"));
    Step::edit(TEMPLATE, "its resource, with its route", move |text| {
        let zone = match &new_zone {
            Some(zone) => zone.clone(),
            None => zone_of(text, &siblings)?,
        };
        let resource = format!(
            r#"  {resource}:
    Type: AWS::Serverless::Function
    Metadata: {{ BuildMethod: rust-cargolambda, checkov: *function-checks }}
    Properties:
      Description: Catches {title}'s {push} push.
      CodeUri: functions/{name}
      Role: !GetAtt PushRole.Arn
      MemorySize: !Ref PushMemoryMb
      Timeout: 15
      ReservedConcurrentExecutions: *push-concurrency
      Environment:
        Variables:
          PUSH_TOKEN_SHA256: !Ref PushTokenSha256
          {token_variable}: !Ref {token_parameter}
          ALLOWED_SOURCE_CIDRS: !Ref AllowedSourceCidrs
          MAX_BODY_BYTES: !Ref MaxBodyBytes
{zone}          PUSH_RETENTION_DAYS: !Ref PushRetentionDays
      Events:
        Push:
          Type: HttpApi
          Properties: {{ ApiId: !Ref Api, Method: POST, Path: "/push/{name}/{{token}}" }}

"#
        );
        before(text, &format!("  {NEXT_FUNCTION}:\n"), &resource)
    })
}

/// The variables of a platform's zone, as another function of it has them.
fn zone_of(text: &str, siblings: &[String]) -> Result<String, NoAnchor> {
    let lines = Lines::of(text);
    let places = siblings.iter().map(|name| lines.starting(&format!("      CodeUri: functions/{name}\n"), 0));
    let Some(place) = places.flatten().next() else {
        return Err(NoAnchor("another function of the platform".to_owned()));
    };
    let end = lines.starting("      Events:", place)?;
    Ok(lines.all()[place..end].iter().filter(|line| line.contains("_UTC_OFFSET: ")).copied().collect())
}

/// The function in the alarms and on the dashboard.
fn watched(names: &Names) -> Vec<Step> {
    let Names { function, resource, metric_id, .. } = names.clone();
    let mut steps = Vec::new();
    for (metric, what) in
        [("Errors", "the alarm of errors"), ("Throttles", "the alarm of refused invocations")]
    {
        let row = format!(
            "        - Id: {metric_id}\n          ReturnData: false\n          MetricStat: {{ Stat: Sum, Period: 300, Metric: {{ Namespace: AWS/Lambda, MetricName: {metric}, Dimensions: [{{ Name: FunctionName, Value: !Ref {resource} }}] }} }}\n"
        );
        steps.push(Step::edit(TEMPLATE, what, move |text| {
            let lines = Lines::of(text);
            let first = format!("        - Id: {NEXT_METRIC}\n");
            let named = format!("MetricName: {metric},");
            let mut from = 0;
            loop {
                let at = lines.starting(&first, from)?;
                if lines.all().get(at + 2).is_some_and(|line| line.contains(&named)) {
                    return Ok(lines.with(at, &row));
                }
                from = at + 1;
            }
        }));
    }
    let pushes = r#"              ["${AWS::StackName}", "Pushes", "Function", "#;
    let row = format!("{pushes}\"{function}\"]\n");
    steps.push(Step::edit(TEMPLATE, "its pushes on the dashboard", move |text| {
        let lines = Lines::of(text);
        let last = lines.last_starting(pushes)?;
        let ended = lines.all()[last].trim_end();
        let text = [&lines.all()[..last].concat(), ended, ",\n", &lines.all()[last + 1..].concat()].concat();
        Ok(Lines::of(&text).with(last + 1, &row))
    }));
    for (metric, what) in [
        ("Errors", "its errors on the dashboard"),
        ("Duration", "its slowest invocation on the dashboard"),
        ("ConcurrentExecutions", "its invocations at the same time on the dashboard"),
    ] {
        let of = format!("              [\"AWS/Lambda\", \"{metric}\", \"FunctionName\", ");
        let row = format!("{of}\"${{{resource}}}\", {{\"label\": \"{function}\"}}],\n");
        steps.push(Step::edit(TEMPLATE, what, move |text| {
            before(text, &format!("{of}\"${{{NEXT_FUNCTION}}}\""), &row)
        }));
    }
    steps
}
