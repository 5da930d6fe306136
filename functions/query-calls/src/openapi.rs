//! The API's description: OpenAPI 3.1, made of the rows that requests are read by.
//!
//! <https://spec.openapis.org/oas/v3.1.1.html>

mod schema;

use readers::parameter::Described;
use serde_json::{Map, Value, json};
use shared::access::permission::PERMISSIONS;

use crate::route::{Name, ROUTES, Route};

/// The description of the API.
pub fn description() -> Value {
    let mut paths = Map::new();
    for route in &ROUTES {
        paths.insert(route.path.to_owned(), json!({"get": operation(route)}));
    }
    let scopes: Map<_, _> =
        PERMISSIONS.iter().map(|row| (row.name.to_owned(), Value::from(row.lets))).collect();
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "callvault: calls",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Phone calls that AI agents made, whatever platform they were made on.",
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "tags": [{"name": "calls"}, {"name": "recordings"}, {"name": "tasks"}, {"name": "description"}],
        "paths": paths,
        "components": {
            "schemas": schema::schemas(),
            "responses": problems(),
            "securitySchemes": {
                "token": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "An access token of the OIDC issuer. A machine's permissions are its token's scopes, a person's those of their groups.",
                    "x-permissions": scopes,
                },
            },
        },
    })
}

const ABOUT: &str = "Times are UTC, RFC 3339 with milliseconds. Money is exact: a string of digits, and its currency. Attributes that are \
unknown are absent. Ids in paths have `~XX` in the place of each byte outside `A-Za-z0-9_-` (`10000161~5E1000018` is `10000161^1000018`); \
each record's `href` has it right. Without the permission `calls.pii` phone numbers are masked, and what looks like one in texts is blacked \
out. Errors are problem details (RFC 9457), whose `title` says what to do. Clients pass over attributes that they don't know: there will be \
more.";

fn operation(route: &Route) -> Value {
    let path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters = path.map(path_parameter).chain(route.parameters.iter().map(|it| query_parameter(it)));
    let mut responses = Map::new();
    for status in route.statuses {
        responses.insert(status.to_string(), response(route, *status));
    }
    let usual: &[u16] = match route.permission {
        Some(_) => &[400, 401, 403, 406, 414, 500, 503],
        None => &[400, 414],
    };
    for status in usual {
        let reference = json!({"$ref": format!("#/components/responses/{status}")});
        responses.entry(status.to_string()).or_insert(reference);
    }
    let needs = route.permission.map_or("no token", |permission| permission.as_str());
    let mut operation = json!({
        "operationId": operation_id(route.name),
        "summary": route.summary,
        "description": format!("Permission: `{needs}`. Goes into the access log: {}.", route.recorded),
        "tags": [tag(route.name)],
        "parameters": parameters.collect::<Vec<_>>(),
        "responses": responses,
        "x-permission": route.permission.map(|permission| permission.as_str()),
    });
    if route.permission.is_none() {
        operation["security"] = json!([]);
    }
    operation
}

fn operation_id(name: Name) -> &'static str {
    match name {
        Name::OpenApi => "describe",
        Name::Calls => "listCalls",
        Name::Call => "getCall",
        Name::Recording => "getRecording",
        Name::Push => "getPush",
        Name::Vcon => "getVcon",
        Name::Access => "listAccess",
        Name::Recordings => "listRecordings",
        Name::Tasks => "listTasks",
        Name::Task => "getTask",
    }
}

fn tag(name: Name) -> &'static str {
    match name {
        Name::OpenApi => "description",
        Name::Calls | Name::Call | Name::Push | Name::Vcon | Name::Access => "calls",
        Name::Recording | Name::Recordings => "recordings",
        Name::Tasks | Name::Task => "tasks",
    }
}

fn path_parameter(name: &str) -> Value {
    json!({
        "name": name, "in": "path", "required": true,
        "schema": {"type": "string", "pattern": "^([A-Za-z0-9_-]|~[0-9A-Fa-f]{2})+$"},
    })
}

fn query_parameter(parameter: &Described) -> Value {
    let one = (parameter.schema)();
    let (schema, explode) = match parameter.repeatable {
        true => (json!({"type": "array", "items": one}), Some(true)),
        false => (one, None),
    };
    let about = match parameter.permission {
        Some(permission) => format!("{} Needs the permission `{permission}`.", parameter.about),
        None => parameter.about.to_owned(),
    };
    let mut shown = json!({"name": parameter.name, "in": "query", "description": about, "schema": schema});
    if let Some(explode) = explode {
        shown["explode"] = explode.into();
    }
    shown
}

fn response(route: &Route, status: u16) -> Value {
    let problem = || json!({"$ref": format!("#/components/responses/{status}")});
    let etag = json!({"description": "Changes with the answer.", "schema": {"type": "string"}});
    match status {
        200 => {
            let content = route.media_types.iter().map(|media_type| {
                let schema = match (route.schema, *media_type) {
                    (Some(schema), "application/json" | crate::route::VCON) => {
                        json!({"$ref": format!("#/components/schemas/{schema}")})
                    }
                    (Some("CallPage"), "application/x-ndjson") => {
                        json!({"type": "string", "description": "A `ListedCall` a line."})
                    }
                    (None, _) => json!({"type": "object"}),
                    (Some(_), _) => json!({"type": "string"}),
                };
                ((*media_type).to_owned(), json!({"schema": schema}))
            });
            let mut answer = json!({"description": route.summary, "content": content.collect::<Map<_, _>>()});
            if route.name == Name::Calls {
                let about = "`<…>; rel=\"next\"`: the next page, where there is one.";
                let unreadable = "How many calls can't be read, and are missing: where there are any.";
                answer["headers"] = json!({
                    "Link": {"description": about, "schema": {"type": "string"}},
                    "Callvault-Unreadable": {"description": unreadable, "schema": {"type": "integer"}},
                });
            }
            if route.statuses.contains(&304) {
                answer["headers"] = json!({"ETag": etag});
            }
            answer
        }
        302 => json!({
            "description": "To be had at `Location`, for minutes: a recording, a download, or an answer that is too large for one.",
            "headers": {"Location": {"description": "A presigned URL.", "schema": {"type": "string", "format": "uri"}}},
        }),
        304 => {
            json!({"description": "Nothing has changed since the answer with the tag in `If-None-Match`.", "headers": {"ETag": etag}})
        }
        _ => problem(),
    }
}

/// What is answered where there is no answer, by status.
fn problems() -> Map<String, Value> {
    let told = [
        (
            400,
            "The request has something that is none: `title` says what; `parameter` names it, `value` is what came, and `expected` what would do.",
        ),
        (401, "There is no access token, or it opens nothing."),
        (403, "The reader lacks a permission: `permission` names it."),
        (
            404,
            "There is no such thing, or the recording is not archived: then `state` says what became of it.",
        ),
        (406, "None of the media types that the reader accepts can be made."),
        (
            414,
            "The query is too long. API Gateway takes 10,240 bytes of a request's line and headers, and answers larger ones by itself, in its own words.",
        ),
        (422, "The whole filter is too much for one file."),
        (500, "What is stored of this can't be read."),
        (503, "A store, the access log or the issuer of tokens does not answer. Nothing was shown."),
    ];
    let response = |about: &str| {
        json!({
            "description": about,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        })
    };
    told.into_iter().map(|(status, about)| (status.to_string(), response(about))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

    /// With `INSTA_UPDATE=always` it writes the file anew, as other golden outputs are.
    #[test]
    fn the_description_is_the_one_in_the_documents() {
        let described = serde_json::to_string_pretty(&description()).unwrap() + "\n";
        if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
            std::fs::write(GOLDEN, &described).unwrap();
        }
        let golden = std::fs::read_to_string(GOLDEN).unwrap_or_default();
        let differs = golden.lines().zip(described.lines()).find(|(was, is)| was != is);
        assert!(golden == described, "docs/openapi.json is another: {differs:?}");
    }

    #[test]
    fn whatever_is_referred_to_is_there() {
        let description = description();
        let text = description.to_string();
        let mut references = 0;
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(description.pointer(pointer).is_some(), "{pointer}");
            references += 1;
        }
        assert!(references > 40);
        for route in &ROUTES {
            let operation = &description["paths"][route.path]["get"];
            let schema = &operation["responses"]["200"]["content"];
            assert!(schema.is_object() || route.media_types.is_empty(), "{}", route.path);
            assert_eq!(
                operation["parameters"].as_array().unwrap().len(),
                route.parameters.len() + route.path.matches('{').count()
            );
        }
    }
}
