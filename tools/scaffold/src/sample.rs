//! The sample: a body of the push, which becomes a fixture, byte for byte, and the body of the sample event.

use serde_json::Value;
use shared::normalize::body::{self, NoElements};

use crate::{Names, Refused};

/// A body of which every element names its call.
#[derive(Clone, Debug)]
pub(crate) struct Sample(String);

impl Sample {
    /// Checks a body as a function would divide it.
    pub(crate) fn new(body: Vec<u8>, list: Option<&str>, call_id: &str) -> Result<Self, Refused> {
        let refused = |what: String| Refused::Sample(what);
        let text = String::from_utf8(body).map_err(|_| refused("it is not UTF-8".to_owned()))?;
        let elements = body::elements(text.as_bytes(), list, usize::MAX).map_err(|error| match error {
            NoElements::NotJson { line, column } => {
                refused(format!("it is not JSON, at line {line}, column {column}"))
            }
            NoElements::WrongShape => refused("it is neither an object nor a list".to_owned()),
        })?;
        if elements.texts.is_empty() {
            return Err(refused("it has no elements".to_owned()));
        }
        if let Some(list) = list {
            let body: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
                .map_err(|error| refused(error.to_string()))?;
            if !body.get(list).is_some_and(Value::is_array) {
                return Err(refused(format!("it has no list {list}")));
            }
        }
        for text in &elements.texts {
            let element: Value = serde_json::from_str(text).map_err(|error| refused(error.to_string()))?;
            let id = call_id.split('.').try_fold(&element, |value, name| value.get(name));
            let is_id = |id: &Value| id.is_number() || id.as_str().is_some_and(|id| !id.trim().is_empty());
            if !id.is_some_and(is_id) {
                return Err(refused(format!("an element has no text or number in {call_id}")));
            }
        }
        Ok(Self(text))
    }

    /// The body.
    pub(crate) fn body(&self) -> &str {
        &self.0
    }

    /// The sample event: the body, as API Gateway hands it to the function.
    ///
    /// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
    pub(crate) fn event(&self, names: &Names) -> String {
        let name = &names.function;
        format!(
            r#"{{
  "version": "2.0",
  "routeKey": "POST /push/{name}/{{token}}",
  "rawPath": "/push/{name}/local",
  "rawQueryString": "",
  "headers": {{
    "content-type": "application/json",
    "content-length": "{length}",
    "host": "localhost:3000",
    "user-agent": "{platform}"
  }},
  "requestContext": {{
    "accountId": "000000000000",
    "apiId": "callvault",
    "domainName": "localhost:3000",
    "domainPrefix": "callvault",
    "http": {{
      "method": "POST",
      "path": "/push/{name}/local",
      "protocol": "HTTP/1.1",
      "sourceIp": "127.0.0.1",
      "userAgent": "{platform}"
    }},
    "requestId": "{name}-sample",
    "routeKey": "POST /push/{name}/{{token}}",
    "stage": "$default",
    "time": "01/Jun/2025:02:05:33 +0000",
    "timeEpoch": 1748743533120
  }},
  "pathParameters": {{
    "token": "local"
  }},
  "isBase64Encoded": false,
  "body": {body}
}}
"#,
            length = self.0.len(),
            platform = names.platform,
            body = Value::from(self.0.as_str()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_whose_elements_name_no_call_is_refused() {
        let sample = |body: &str, list, id| Sample::new(body.as_bytes().to_vec(), list, id).is_ok();
        for (body, list, id) in [
            (r#"{"id": 1}"#, None, "id"),
            (r#"[{"id": "a"}, {"id": 2}]"#, None, "id"),
            (r#"{"all": [{"id": "a"}], "n": 1}"#, Some("all"), "id"),
            (r#"{"event": "e", "call": {"id": "a"}}"#, None, "call.id"),
        ] {
            assert!(sample(body, list, id), "{body}");
        }
        for (body, list, id) in [
            ("not JSON", None, "id"),
            ("1", None, "id"),
            ("[]", None, "id"),
            (r#"[{"id": "a"}, {"no": 2}]"#, None, "id"),
            (r#"{"all": [{"id": "a"}]}"#, None, "id"),
            (r#"{"all": [{"id": "a"}]}"#, Some("other"), "id"),
            (r#"{"id": "a"}"#, Some("other"), "id"),
            (r#"{"id": null}"#, None, "id"),
            (r#"{"id": " "}"#, None, "id"),
            (r#"{"call": {"id": "a"}}"#, None, "id"),
        ] {
            assert!(!sample(body, list, id), "{body}");
        }
    }
}
