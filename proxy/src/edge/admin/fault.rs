//! Why the API does not do what it was asked for: a status, a code, and what to do.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use browser_stream_mux::Code;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::{super::gate, door::Shut};
use crate::error::{OpenError, RefusalCode};

/// What the API answers instead of what it was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Fault {
    #[serde(skip)]
    status: StatusCode,
    /// A stable code, such as `not_found`.
    code: String,
    /// What was wrong, and what to do.
    message: String,
}

impl Fault {
    fn new(status: StatusCode, code: impl ToString, message: impl Into<String>) -> Self {
        Self { status, code: code.to_string(), message: message.into() }
    }

    /// What was asked for cannot be.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::BadRequest, message)
    }

    /// There is no such thing, or not any more.
    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::NotFound, message)
    }

    /// It holds already, or is another's.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, Code::NameReserved, message)
    }

    /// There are as many as may be.
    pub(super) fn full(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, Code::Limit, message)
    }

    /// There is no such node.
    pub(super) fn no_node(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "node_unknown", message)
    }

    /// Other nodes would have to say it, and do not.
    #[cfg(feature = "cluster")]
    pub(super) fn silent(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "node_silent", message)
    }

    /// The body is not of the kind that makes a page of another origin ask first.
    pub(super) fn media() -> Self {
        let why = "what changes something is asked for with content-type: application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::Unsupported, why)
    }

    /// More than is taken.
    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Code::Limit, message)
    }
}

impl From<OpenError> for Fault {
    fn from(error: OpenError) -> Self {
        let status = match error.code {
            RefusalCode::Known(Code::BadRequest) => StatusCode::BAD_REQUEST,
            RefusalCode::Known(Code::NotFound) => StatusCode::NOT_FOUND,
            RefusalCode::Known(Code::Limit) => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::CONFLICT,
        };
        Self::new(status, error.code, error.message)
    }
}

impl From<gate::Refusal> for Fault {
    fn from(refusal: gate::Refusal) -> Self {
        let (said, status) = (refusal.to_string(), refusal.status());
        let (code, message) = said.split_once(": ").unwrap_or(("forbidden", &said));
        Self::new(status, code, message)
    }
}

impl From<Shut> for Fault {
    fn from(shut: Shut) -> Self {
        match shut {
            Shut::Gate(refusal) => refusal.into(),
            Shut::Refused(status, error) => Self::new(status, error.code, error.message),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = self.status;
        let mut response = (status, Json(self)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
