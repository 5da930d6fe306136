//! What a push is answered, and how the answer is logged: one enumeration, one mapping.

use std::sync::Arc;

use lambda_http::{Body, Response};
use serde_json::json;
use shared::normalize::body::NoElements;
use tracing::Level;

use crate::ingress::authorize::Denial;
use crate::store::StoreError;

/// How a push ended.
#[derive(Debug)]
pub enum Answer {
    /// Every element is durable: in the table, or kept as rejected.
    Kept {
        /// How many elements are in the table.
        stored: usize,
        /// How many were kept as rejected.
        rejected: usize,
        /// How many are of a call that was erased, and kept nowhere.
        erased: usize,
    },
    /// The body is not JSON; it was kept as rejected.
    NotJson {
        /// Where it stops being JSON: the line, counted from one.
        line: usize,
        /// The column, in bytes, counted from one.
        column: usize,
    },
    /// The body is JSON, but neither an object nor a list; it was kept as rejected.
    WrongShape,
    /// The path names no token that is accepted. Nothing was kept.
    UnknownToken,
    /// The sender's address may not push. Nothing was kept.
    AddressNotAllowed,
    /// The body is compressed, or otherwise encoded; it was kept as rejected.
    Encoded,
    /// The body is larger than allowed; it was kept as rejected.
    TooLarge {
        /// The largest body allowed, in bytes.
        limit: usize,
    },
    /// The body has more elements than are stored at once; it was kept whole, as rejected.
    TooManyElements,
    /// Something could not be stored. Pushing again is safe.
    NotStored(Arc<StoreError>),
}

impl From<Denial> for Answer {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Token => Self::UnknownToken,
            Denial::Address => Self::AddressNotAllowed,
        }
    }
}

impl From<NoElements> for Answer {
    fn from(what: NoElements) -> Self {
        match what {
            NoElements::NotJson { line, column } => Self::NotJson { line, column },
            NoElements::WrongShape => Self::WrongShape,
        }
    }
}

impl Answer {
    /// The HTTP status. Alibaba repeats a push unless it is 200.
    pub fn status(&self) -> u16 {
        match self {
            Self::Kept { .. } => 200,
            Self::NotJson { .. } | Self::WrongShape => 400,
            Self::UnknownToken => 401,
            Self::AddressNotAllowed => 403,
            Self::TooLarge { .. } | Self::TooManyElements => 413,
            Self::Encoded => 415,
            Self::NotStored(_) => 503,
        }
    }

    /// The answer's name in logs and metrics.
    pub fn tag(&self) -> &'static str {
        match self {
            Self::Kept { .. } => "kept",
            Self::NotJson { .. } => "not_json",
            Self::WrongShape => "wrong_shape",
            Self::UnknownToken => "unknown_token",
            Self::AddressNotAllowed => "address_not_allowed",
            Self::TooLarge { .. } => "too_large",
            Self::TooManyElements => "too_many_elements",
            Self::Encoded => "encoded",
            Self::NotStored(_) => "not_stored",
        }
    }

    /// How loudly it is logged.
    pub fn level(&self) -> Level {
        match self {
            Self::Kept { rejected: 0, .. } => Level::INFO,
            Self::Kept { .. }
            | Self::NotJson { .. }
            | Self::WrongShape
            | Self::UnknownToken
            | Self::AddressNotAllowed
            | Self::TooLarge { .. }
            | Self::TooManyElements
            | Self::Encoded => Level::WARN,
            Self::NotStored(_) => Level::ERROR,
        }
    }

    /// What the sender is told: what to mend, nothing of the inside.
    pub fn message(&self) -> String {
        match self {
            Self::Kept { stored, rejected, erased } => {
                let told = [(*rejected, "rejected"), (*erased, "of erased calls")];
                let told = told.into_iter().filter(|(count, _)| *count > 0);
                told.fold(format!("stored {stored}"), |told, (count, what)| format!("{told}, {what} {count}"))
            }
            Self::NotJson { line, column } => format!("the body is not JSON: line {line}, column {column}"),
            Self::WrongShape => "the body is neither an object nor an array".to_owned(),
            Self::UnknownToken => "unknown token".to_owned(),
            Self::AddressNotAllowed => "address not allowed".to_owned(),
            Self::TooLarge { limit } => format!("the body is larger than {limit} bytes"),
            Self::TooManyElements => {
                "more elements than are stored at once, the body is kept: send fewer".to_owned()
            }
            Self::Encoded => "send the body without a Content-Encoding".to_owned(),
            Self::NotStored(_) => "not stored, push again".to_owned(),
        }
    }

    /// The HTTP answer. Its body has a numeric `code`, 0 or the status, as Alibaba demands.
    pub fn into_response(self) -> Response<Body> {
        let status = self.status();
        let code = if status == 200 { 0 } else { status };
        let mut response =
            Response::new(Body::from(json!({"code": code, "msg": self.message()}).to_string()));
        *response.status_mut() = lambda_http::http::StatusCode::from_u16(status).unwrap_or_default();
        let json = lambda_http::http::HeaderValue::from_static("application/json");
        response.headers_mut().insert(lambda_http::http::header::CONTENT_TYPE, json);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::table::TableError;

    #[test]
    fn every_answer_has_its_status_code_and_level() {
        let not_stored = Arc::new(StoreError::Table(TableError::Contended));
        for (answer, status, code, level) in [
            (Answer::Kept { stored: 3, rejected: 0, erased: 0 }, 200, 0, Level::INFO),
            (Answer::Kept { stored: 3, rejected: 1, erased: 2 }, 200, 0, Level::WARN),
            (Answer::NotJson { line: 1, column: 2 }, 400, 400, Level::WARN),
            (Answer::WrongShape, 400, 400, Level::WARN),
            (Answer::UnknownToken, 401, 401, Level::WARN),
            (Answer::AddressNotAllowed, 403, 403, Level::WARN),
            (Answer::TooLarge { limit: 9 }, 413, 413, Level::WARN),
            (Answer::TooManyElements, 413, 413, Level::WARN),
            (Answer::Encoded, 415, 415, Level::WARN),
            (Answer::NotStored(not_stored), 503, 503, Level::ERROR),
        ] {
            assert_eq!(answer.level(), level, "{answer:?}");
            let response = answer.into_response();
            assert_eq!(response.status().as_u16(), status);
            let Body::Text(body) = response.body() else { panic!("an answer is text") };
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(body["code"], code);
            assert!(!body["msg"].as_str().unwrap().is_empty());
        }
    }
}
