//! The page for whoever runs the proxy. Nothing in it is secret: it asks the API for all that it shows.

use axum::{
    extract::Path,
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, StatusCode, header};

use super::super::assets;

/// The page runs its own files only, asks nobody but this port, and is nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// From the port itself to the page.
pub(super) async fn home() -> Redirect {
    Redirect::temporary("/admin")
}

/// The page.
pub(super) async fn index(headers: HeaderMap) -> Response {
    answer("index.html", &headers)
}

/// A file of the page's.
pub(super) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    answer(&name, &headers)
}

fn answer(name: &str, headers: &HeaderMap) -> Response {
    assets::of_admin(name, headers, POLICY).unwrap_or_else(|| {
        let text = match name {
            "index.html" => {
                "not_found: this proxy was built without its page; the API is below /admin/api, and described at /admin/api/openapi.json\n"
            }
            _ => "not_found: there is nothing here; the page is at /admin, what the API has at /admin/api/openapi.json\n",
        };
        let headers = [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
        (StatusCode::NOT_FOUND, headers, text).into_response()
    })
}
