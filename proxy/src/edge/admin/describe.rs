//! The API as OpenAPI describes it.

use utoipa::OpenApi;

use super::{acts, lists};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "browser-stream-server, for whoever runs it",
        description = "What there is at this moment, and what may be done about it. Who asks from this machine may read; else a token with the right admin=read is needed, and to act one with admin=act.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        lists::me,
        lists::overview,
        lists::sessions,
        lists::session,
        lists::names,
        lists::streams,
        lists::channels,
        lists::rooms,
        lists::members,
        lists::events,
        acts::reset,
        acts::close,
        acts::release,
        acts::reserve,
        acts::unreserve,
        acts::emit,
        acts::remove,
        acts::move_to,
        acts::drain
    )
)]
struct Api;

/// The description.
pub(super) fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}
