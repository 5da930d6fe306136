//! A body less the elements that hold a number. Pure.

use serde_json::value::RawValue;
use shared::normalize::body::RawFields;

use super::blackout::blacked_out_text;
use super::holds::Held;
use super::number::Numbers;

/// A body less the elements that hold a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rest {
    /// What is left, each element as it came.
    pub(crate) body: String,
    /// How many elements are gone.
    pub(crate) removed: usize,
    /// Whether a number was blacked out beside the elements.
    pub(crate) is_blacked_out: bool,
    /// How what is left holds a number.
    pub(crate) held: Held,
}

/// Takes the elements that hold a number as a whole value out of a body: those of a list, or of the list under `list_name` of an object.
/// An object without it is an element itself. `None` where it can't be divided.
pub(crate) fn rest(body: &str, list_name: Option<&str>, numbers: &Numbers) -> Option<Rest> {
    let body = body.strip_prefix('\u{feff}').unwrap_or(body);
    let mut rest = Rest::default();
    match body.trim_start().as_bytes().first() {
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(body).ok()?;
            rest.body = list(elements, numbers, &mut rest);
        }
        Some(b'{') => {
            let RawFields(fields) = serde_json::from_str(body).ok()?;
            let is_list = |name: &str, value: &str| {
                let name = serde_json::from_str::<String>(name).ok();
                value.starts_with('[') && name.is_some() && name.as_deref() == list_name
            };
            if fields.iter().any(|(name, value)| is_list(name, value)) {
                let mut kept = Vec::new();
                for (name, value) in &fields {
                    let value = match is_list(name, value) {
                        true => list(serde_json::from_str(value).ok()?, numbers, &mut rest),
                        false => beside(value, numbers, &mut rest),
                    };
                    kept.push(format!("{}:{value}", beside(name, numbers, &mut rest)));
                }
                rest.body = format!("{{{}}}", kept.join(","));
            } else {
                serde_json::from_str::<&RawValue>(body).ok()?;
                rest.body = single(body, numbers, &mut rest);
            }
        }
        _ => return None,
    }
    Some(rest)
}

/// What stands beside the list is of no element: its number is blacked out.
fn beside(text: &str, numbers: &Numbers, rest: &mut Rest) -> String {
    match blacked_out_text(text, numbers) {
        // Where the value is a number of JSON and nothing else.
        Some(black) if !black.starts_with(['"', '[', '{']) => {
            rest.is_blacked_out = true;
            format!("\"{black}\"")
        }
        Some(black) => {
            rest.is_blacked_out = true;
            black
        }
        None => text.to_owned(),
    }
}

fn list(elements: Vec<&RawValue>, numbers: &Numbers, rest: &mut Rest) -> String {
    let kept: Vec<_> = elements
        .into_iter()
        .map(RawValue::get)
        .filter(|element| {
            let held = Held::of_json(element, numbers);
            let stays = !held.as_person;
            rest.removed += usize::from(held.as_person);
            if stays {
                rest.held.add(held);
            }
            stays
        })
        .collect();
    format!("[{}]", kept.join(","))
}

fn single(element: &str, numbers: &Numbers, rest: &mut Rest) -> String {
    let held = Held::of_json(element, numbers);
    if held.as_person {
        rest.removed += 1;
        // A body of no element, which is as sound as any.
        return "[]".to_owned();
    }
    rest.held = held;
    element.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn divided(body: &str) -> Option<(String, usize)> {
        let numbers = Numbers::read(["13912345678"]).unwrap();
        rest(body, Some("array"), &numbers).map(|rest| (rest.body, rest.removed))
    }

    #[test]
    fn elements_that_hold_the_number_go_and_the_others_stay_as_they_came() {
        for (body, left, removed) in [
            (r#"[{"x":"13912345678"},{ "x" : "code 1" }]"#, r#"[{ "x" : "code 1" }]"#, 1),
            (r#"{"array":[{"x":13912345678},2],"n":1.10}"#, r#"{"array":[2],"n":1.10}"#, 1),
            (
                r#"{"array":["13912345678"],"array":[1],"to":"13912345678"}"#,
                r#"{"array":[],"array":[1],"to":"***********"}"#,
                1,
            ),
            (
                r#"{"\ud83d":"13912345678","a\u0072ray":["13912345678"]}"#,
                r#"{"\ud83d":"***********","a\u0072ray":[]}"#,
                1,
            ),
            (r#"{"array":[1],"to":13912345678}"#, r#"{"array":[1],"to":"***********"}"#, 0),
            (r#"{"array":"13912345678"}"#, "[]", 1),
            (r#"{"callee":"13912345678"}"#, "[]", 1),
            (r#"["x \ud83d",{"callee":"13912345678","y":"\ud83d"}]"#, r#"["x \ud83d"]"#, 1),
            (
                r#"[{"x":"13911112222345"},{"realCaller":"13912345678"},"tell 13912345678"]"#,
                r#"[{"x":"13911112222345"},{"realCaller":"13912345678"},"tell 13912345678"]"#,
                0,
            ),
        ] {
            assert_eq!(divided(body), Some((left.to_owned(), removed)), "{body}");
        }
        for body in ["callee=13912345678", r#"[{"callee":"13912345678""#, "13912345678", ""] {
            assert_eq!(divided(body), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn nothing_but_what_holds_the_number_is_ever_taken(
            others in prop::collection::vec(("[a-z]{1,4}", "\\PC{0,12}"), 0..6), places in prop::collection::vec(0_usize..6, 0..4),
        ) {
            let others: Vec<String> =
                others.iter().map(|(name, text)| serde_json::json!({name: text}).to_string()).collect();
            let mut elements = others.clone();
            for place in &places {
                elements.insert((*place).min(elements.len()), r#"{"callee":"139 1234 5678"}"#.to_owned());
            }
            let body = format!("[{}]", elements.join(" , "));
            prop_assert_eq!(divided(&body), Some((format!("[{}]", others.join(",")), places.len())));
        }
    }
}
