//! The files for the browser: the library, the start page and the examples, in the binary itself.
//!
//! A debug build reads them from the disk at each request, so that a page can be changed while the proxy runs.

use std::{borrow::Cow, sync::Arc};

use axum::{
    body::{Body, HttpBody},
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest, Sha256};

use super::gate::Page;
use crate::config::{Config, RoutePath};

/// What `npm run build` in `browser-lib` made; empty if nobody ran it. Unit tests have a few files of their own.
#[derive(RustEmbed)]
#[cfg_attr(not(test), folder = "assets/")]
#[cfg_attr(test, folder = "tests/assets/")]
#[allow_missing = true]
struct Assets;

/// What pages are told of where the proxy is: they stand in the first lines of each, and most pages need none of it.
#[derive(Clone, Debug)]
pub(super) struct Places {
    mux: RoutePath,
    prefix: RoutePath,
}

impl Places {
    pub(super) fn new(config: &Config) -> Self {
        // Without a prefix nobody serves anything, wherever pages look for it.
        let prefix = config.prefix.first().cloned().unwrap_or_else(|| RoutePath::literal(PREFIX));
        Self { mux: config.path.clone(), prefix }
    }

    /// A page as it is served: `data-mux` and `data-prefix` of its `<html>` say where the WebSocket is, and under what names are served.
    fn fill(&self, page: Cow<'static, [u8]>) -> Cow<'static, [u8]> {
        let Self { mux, prefix } = self;
        match std::str::from_utf8(&page) {
            Ok(text) if (mux.as_str(), prefix.as_str()) != (MUX, PREFIX) => {
                let text = text.replacen(&format!(r#"data-mux="{MUX}""#), &format!(r#"data-mux="{mux}""#), 1);
                let text = text.replacen(&format!(r#"data-prefix="{PREFIX}""#), &format!(r#"data-prefix="{prefix}""#), 1);
                text.into_bytes().into()
            }
            _ => page,
        }
    }
}

/// What the pages say as they are built: the defaults of [`Config`].
const MUX: &str = "/mux";
const PREFIX: &str = "/browser-server";

/// Answers any path that is no other route's.
pub(super) async fn serve(State(places): State<Arc<Places>>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let allow = [(header::ALLOW, "GET, HEAD")];
        return (StatusCode::METHOD_NOT_ALLOWED, allow, "unsupported: files are read with GET\n").into_response();
    }
    let path = request.uri().path();
    let mut response = match find(path) {
        Found::File(name, file) => file_response(&name, file, request.headers(), &places),
        Found::Folder => redirect(request.uri()),
        Found::Nothing => missing(path),
    };
    if is_library(path) {
        let page = request.extensions().get::<Page>().map(|Page(origin)| origin.clone());
        share(response.headers_mut(), page);
    }
    if *request.method() == Method::HEAD { headers_only(response) } else { response }
}

enum Found {
    File(String, EmbeddedFile),
    /// A folder with a page of its own, named without the slash that its page needs to find its files.
    Folder,
    Nothing,
}

fn find(path: &str) -> Found {
    let name = path.trim_start_matches('/');
    if !name.split('/').all(is_plain) {
        return Found::Nothing;
    }
    // That is on a port of its own.
    if name == ADMIN || name.starts_with("admin/") {
        return Found::Nothing;
    }
    let name = if name.is_empty() || name.ends_with('/') { format!("{name}index.html") } else { name.to_owned() };
    match Assets::get(&name) {
        Some(file) => Found::File(name, file),
        None if Assets::get(&format!("{name}/index.html")).is_some() => Found::Folder,
        None => Found::Nothing,
    }
}

/// Names of files here are plain; the disk of a debug build shall see nothing else.
fn is_plain(part: &str) -> bool {
    !part.starts_with('.') && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The folder of the page for whoever runs the proxy.
const ADMIN: &str = "admin";

/// A file of the page for whoever runs the proxy, under this policy; `None` where there is none.
#[cfg(feature = "admin")]
pub(super) fn of_admin(name: &str, asked: &HeaderMap, policy: &'static str) -> Option<Response> {
    let file = Assets::get(&format!("{ADMIN}/{name}")).filter(|_| is_plain(name))?;
    let mut response = file_response(name, file, asked, &Places::new(&Config::default()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Some(response)
}

fn file_response(name: &str, file: EmbeddedFile, asked: &HeaderMap, places: &Places) -> Response {
    let is_page = name.ends_with(".html");
    let (data, hash) = if is_page {
        let data = places.fill(file.data);
        let hash = Sha256::digest(&data).into();
        (data, hash)
    } else {
        (file.data, file.metadata.sha256_hash())
    };
    let etag = etag(hash);
    let mut response = if knows(asked, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(Body::from(data));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
        response
    };
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    // The browser asks each time and gets 304 as a rule: no release is ever mixed with the one before.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_page {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
    response
}

/// A strong validator: the first 128 bits of the content's SHA-256.
fn etag(hash: [u8; 32]) -> String {
    let digits: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

/// Whether the asker has this very content (RFC 9110 section 13.1.2, which compares weakly).
fn knows(asked: &HeaderMap, etag: &str) -> bool {
    let values = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == etag)
}

/// To the same path with a slash; relative, so that it holds where the proxy is nested below another path too.
fn redirect(uri: &Uri) -> Response {
    let last = uri.path().rsplit('/').next().unwrap_or_default();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, format!("{last}/{query}"))]).into_response()
}

fn missing(path: &str) -> Response {
    let text = if Assets::get("index.html").is_none() {
        "not_found: this proxy was built without the files for the browser; run `npm ci && npm run build` in browser-lib, then build it again\n"
    } else if path.starts_with("/examples/") {
        "not_found: there is no such example; the start page lists them\n"
    } else {
        "not_found: there is nothing here; the library is at /browser-stream-server.js, the start page at /\n"
    };
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (StatusCode::NOT_FOUND, headers, text).into_response()
}

/// The files that pages of other origins load.
fn is_library(path: &str) -> bool {
    let part = path.strip_prefix("/browser-stream-server-").and_then(|part| part.strip_suffix(".js"));
    path.starts_with("/browser-stream-server.js")
        || part.is_some_and(|part| {
            ["carriers", "channel", "direct", "http", "msgpack", "negotiation", "noble", "room", "seal", "swarm"].contains(&part)
        })
}

/// Lets the page that was let in read the answer, and keeps caches from handing it to another.
pub(super) fn share(headers: &mut HeaderMap, page: Option<HeaderValue>) {
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = page {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
}

fn headers_only(mut response: Response) -> Response {
    let length = response.body().size_hint().exact();
    if let (Some(length), StatusCode::OK) = (length, response.status()) {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    *response.body_mut() = Body::empty();
    response
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// Pages run their own files only, and are nobody's frame. They may show and save what they made themselves (`blob:`), and connect to a
/// proxy elsewhere.
const PAGE_POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' blob: data:; media-src 'self' blob:; \
    worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(method: Method, uri: &'static str, headers: &[(http::HeaderName, &str)], page: Option<&'static str>) -> Response {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from_static(uri);
        for (name, value) in headers {
            request.headers_mut().insert(name, value.parse().expect("a header"));
        }
        if let Some(origin) = page {
            request.extensions_mut().insert(Page(HeaderValue::from_static(origin)));
        }
        serve(State(Arc::new(Places::new(&Config::default()))), request).await
    }

    async fn got(uri: &'static str) -> Response {
        asked(Method::GET, uri, &[], None).await
    }

    fn said(response: &Response, name: http::HeaderName) -> &str {
        response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    #[tokio::test]
    async fn pages_are_served_under_a_strict_policy() {
        for uri in ["/", "/index.html", "/examples/echo/"] {
            let page = got(uri).await;
            assert_eq!(page.status(), StatusCode::OK, "{uri}");
            assert_eq!(said(&page, header::CONTENT_TYPE), "text/html; charset=utf-8");
            assert!(said(&page, header::CONTENT_SECURITY_POLICY).starts_with("default-src 'self'; "));
            assert!(!said(&page, header::CONTENT_SECURITY_POLICY).contains("unsafe"));
            assert_eq!(said(&page, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        }
        let library = got("/browser-stream-server.js").await;
        assert_eq!(said(&library, header::CONTENT_TYPE), "text/javascript; charset=utf-8");
        assert_eq!(said(&library, header::CONTENT_SECURITY_POLICY), "");
    }

    #[tokio::test]
    async fn content_that_is_known_is_not_sent_again() {
        let etag = said(&got("/").await, header::ETAG).to_owned();
        assert_eq!(etag.len(), 34);
        let weak = format!("W/{etag}");
        for known in [etag.as_str(), &weak, &format!("\"x\", {etag}"), "*"] {
            let answer = asked(Method::GET, "/", &[(header::IF_NONE_MATCH, known)], None).await;
            assert_eq!(answer.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!((said(&answer, header::ETAG), said(&answer, header::CACHE_CONTROL)), (etag.as_str(), "no-cache"));
        }
        for other in ["\"abc\"", etag.trim_matches('"'), ""] {
            let answer = asked(Method::GET, "/", &[(header::IF_NONE_MATCH, other)], None).await;
            assert_eq!(answer.status(), StatusCode::OK, "{other}");
        }
    }

    #[tokio::test]
    async fn a_folder_is_its_page_with_the_slash_and_a_redirect_without() {
        let answer = got("/examples/echo?name=a").await;
        assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(said(&answer, header::LOCATION), "echo/?name=a");
        assert_eq!(said(&got("/examples/echo").await, header::LOCATION), "echo/");
    }

    #[tokio::test]
    async fn pages_are_told_where_the_websocket_and_the_names_are() {
        let text = async |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            let request = Request::get("/").body(Body::empty()).expect("a request");
            let page = serve(State(Arc::new(Places::new(&config))), request).await;
            let etag = said(&page, header::ETAG).to_owned();
            let body = axum::body::to_bytes(page.into_body(), usize::MAX).await.expect("a page");
            (String::from_utf8(body.to_vec()).expect("text"), etag)
        };
        let (usual, etag) = text(|_| {}).await;
        assert!(usual.contains(r#"<html lang="en" data-mux="/mux" data-prefix="/browser-server">"#), "{usual}");
        let (other, changed) = text(|config| {
            config.path = RoutePath::literal("/ws");
            config.prefix = vec![RoutePath::literal("/team"), RoutePath::literal("/browser-server")];
        })
        .await;
        assert!(other.contains(r#"<html lang="en" data-mux="/ws" data-prefix="/team">"#), "{other}");
        assert_ne!(etag, changed, "what a browser keeps is not that of another configuration");
    }

    #[test]
    fn a_websocket_can_hide_no_file() {
        for file in Assets::iter() {
            let path: RoutePath = format!("/{file}").parse().expect("a path");
            assert!(path.is_ours(), "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_no_file_is_not_found() {
        for uri in ["/no-such-file", "/../Cargo.toml", "/examples/../index.html", "/.hidden", "/index%2ehtml", "//etc/passwd", "/examples/"]
        {
            let answer = got(uri).await;
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{uri}");
        }
    }

    #[tokio::test]
    async fn a_page_of_another_origin_may_read_the_library_once_it_was_let_in() {
        let alone = got("/browser-stream-server.js").await;
        assert_eq!((said(&alone, header::VARY), said(&alone, header::ACCESS_CONTROL_ALLOW_ORIGIN)), ("origin", ""));
        let page = asked(Method::GET, "/browser-stream-server.js", &[], Some("https://app.example")).await;
        assert_eq!(said(&page, header::ACCESS_CONTROL_ALLOW_ORIGIN), "https://app.example");
        let other = asked(Method::GET, "/", &[], Some("https://app.example")).await;
        assert_eq!(said(&other, header::ACCESS_CONTROL_ALLOW_ORIGIN), "");
    }

    #[tokio::test]
    async fn a_question_for_the_headers_gets_them_alone() {
        let (whole, head) = (got("/").await, asked(Method::HEAD, "/", &[], None).await);
        assert_eq!(said(&head, header::CONTENT_LENGTH), whole.body().size_hint().exact().expect("a length").to_string());
        assert_eq!(said(&head, header::ETAG), said(&whole, header::ETAG));
        assert!(head.body().is_end_stream());
    }
}
