//! Why a visitor gets no answer of a server's: a status, and a page that says what is wrong and what to do.

use std::{fmt, sync::LazyLock};

use axum::response::{IntoResponse, Response};
use browser_stream_mux::Code;
use data_encoding::BASE64;
use http::{HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

use super::super::readiness::retry_after;
use crate::{
    counters::Refusal,
    error::{OpenError, RefusalCode},
};

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The request is none that a server could be asked: why, and its status.
    Request(StatusCode, &'static str),
    /// Nobody lets visitors in under this name.
    Missing,
    /// The server takes no more at this moment, or the proxy does.
    Busy,
    /// The visitor's address asks for too much at once.
    Crowded,
    /// The server's connection is gone, and may come back.
    Away,
    /// The proxy goes down.
    Draining,
    /// The server does not take this visitor.
    Refused,
    /// The server is there, and what it would ask for the visitor is not.
    Behind,
    /// The server does not take what is asked, and says so by a status.
    Said(StatusCode),
    /// The server went, or gave up, while it was asked.
    Gone,
    /// What the server answered is no answer.
    Nonsense,
    /// The server does not answer.
    Late,
}

impl Trouble {
    /// Of a server that did not take the stream.
    pub(super) fn of(error: &OpenError) -> Self {
        match error.code {
            RefusalCode::Known(Code::NotFound) => Self::Missing,
            RefusalCode::Known(Code::Busy | Code::Limit) => Self::Busy,
            RefusalCode::Known(Code::Unresponsive) => Self::Away,
            RefusalCode::Known(Code::Timeout) => Self::Late,
            RefusalCode::Known(Code::Draining) => Self::Draining,
            RefusalCode::Known(Code::Forbidden) => Self::Refused,
            RefusalCode::Known(_) => Self::Gone,
            RefusalCode::Application(number) => Self::of_number(number),
        }
    }

    /// Of a refusal with a number of the server's own: those that are statuses of errors are meant as such.
    fn of_number(number: u32) -> Self {
        let status = u16::try_from(number).ok().and_then(|number| StatusCode::from_u16(number).ok());
        match status.filter(|status| status.is_client_error() || status.is_server_error()) {
            Some(StatusCode::FORBIDDEN) => Self::Refused,
            Some(StatusCode::BAD_GATEWAY) => Self::Behind,
            Some(StatusCode::SERVICE_UNAVAILABLE) => Self::Busy,
            Some(StatusCode::GATEWAY_TIMEOUT) => Self::Late,
            Some(status) => Self::Said(status),
            None => Self::Gone,
        }
    }

    /// Of a request that has no place.
    pub(super) fn without_place(refusal: Refusal) -> Self {
        if refusal == Refusal::HttpRequestsPerAddress { Self::Crowded } else { Self::Busy }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Request(status, _) | Self::Said(status) => status,
            Self::Missing => StatusCode::NOT_FOUND,
            Self::Busy | Self::Away | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Self::Crowded => StatusCode::TOO_MANY_REQUESTS,
            Self::Refused => StatusCode::FORBIDDEN,
            Self::Behind | Self::Gone | Self::Nonsense => StatusCode::BAD_GATEWAY,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// A code for programs, a title, and what there is to do about it.
    fn said(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Request(_, why) => ("bad_request", "This cannot be asked", why),
            Self::Missing => (
                "not_found",
                "Nobody is here",
                "The page or program that serves this address is not open, or does not let visitors in. If it is yours: open it, then load this page again.",
            ),
            Self::Busy => {
                ("busy", "Too many at once", "Whoever serves this address has as many visitors as it takes. Try again in a few seconds.")
            }
            Self::Crowded => (
                "limit",
                "Too many at once",
                "Your network asks for too much at once here. Close some pages of this address, or try again in a few seconds.",
            ),
            Self::Away => (
                "unresponsive",
                "Away for a moment",
                "Whoever serves this address has lost its connection, and may come back within two minutes. Try again in a few seconds.",
            ),
            Self::Draining => ("draining", "Back in a moment", "This server is being restarted. Try again in a few seconds."),
            Self::Refused => ("forbidden", "Not for you", "Whoever serves this address did not let you in."),
            Self::Behind => (
                "bad_gateway",
                "The program is not answering",
                "Whoever serves this address is connected, but the program behind it takes no connection: it is not running, or still starting. If it is yours: start it, then load this page again.",
            ),
            Self::Said(status) => (
                "refused",
                status.canonical_reason().unwrap_or("Not taken"),
                "Whoever serves this address did not take what you asked for.",
            ),
            Self::Gone => (
                "gone",
                "It has just gone",
                "Whoever serves this address went away, or failed, before it had answered. If you have sent something, nobody knows whether it arrived. Load the page again to see.",
            ),
            Self::Nonsense => (
                "internal",
                "No answer that can be shown",
                "Whoever serves this address answered something that is no HTTP. If it is yours: look at its log.",
            ),
            Self::Late => ("timeout", "No answer", "Whoever serves this address did not answer in time. Try again, or ask whoever it is."),
        }
    }

    /// The answer: a page for who looks, a line for a program.
    pub(super) fn answer(self, accept: Option<&HeaderValue>) -> Response {
        let (code, title, text) = self.said();
        let wants_html = accept.and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("text/html"));
        let mut response = if wants_html {
            let policy = format!("default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'", *STYLE_HASH);
            let page = Page { status: self.status(), title, text }.to_string();
            ([(header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()), (header::CONTENT_SECURITY_POLICY, policy)], page)
                .into_response()
        } else {
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{code}: {text}\n")).into_response()
        };
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::VARY, HeaderValue::from_static("accept"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        if matches!(self, Self::Busy | Self::Crowded | Self::Away | Self::Draining) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after()));
        }
        response
    }
}

/// A page without a script: nothing of what a visitor wrote stands in it.
struct Page {
    status: StatusCode,
    title: &'static str,
    text: &'static str,
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, title, text } = self;
        let number = status.as_u16();
        write!(
            f,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"robots\" content=\"noindex\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<p class=\"status\">{number}</p>\n<h1>{title}</h1>\n<p>{text}</p>\n</main>\n</body>\n</html>\n"
        )
    }
}

const STYLE: &str = "\
:root{color-scheme:light dark;background:Canvas;color:CanvasText;font:1rem/1.6 system-ui,sans-serif}\
body{margin:0;min-height:100vh;display:grid;place-content:center}\
main{max-width:32rem;padding:2rem 1.25rem}\
h1{margin:.25rem 0 .75rem;font-size:1.75rem;line-height:1.2;text-wrap:balance}\
p{margin:0}\
.status{font-variant-numeric:tabular-nums;opacity:.65}";

static STYLE_HASH: LazyLock<String> = LazyLock::new(|| BASE64.encode(&Sha256::digest(STYLE)));

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(trouble: Trouble, accept: Option<&str>) -> (Response<()>, String) {
        let accept = accept.map(|accept| HeaderValue::from_str(accept).expect("a header"));
        let (head, body) = trouble.answer(accept.as_ref()).into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        (Response::from_parts(head, ()), String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn who_looks_gets_a_page_without_a_script_and_a_program_a_line() {
        let (page, text) = told(Trouble::Missing, Some("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")).await;
        assert_eq!(page.status(), StatusCode::NOT_FOUND);
        assert!(text.starts_with("<!doctype html>") && text.contains("<h1>Nobody is here</h1>") && !text.contains("<script"), "{text}");
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        for accept in [None, Some("*/*"), Some("application/json")] {
            let (line, text) = told(Trouble::Missing, accept).await;
            assert_eq!(line.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
            assert!(text.starts_with("not_found: ") && text.lines().count() == 1, "{text}");
        }
    }

    #[tokio::test]
    async fn what_time_may_lift_says_when_to_come_back() {
        for (trouble, status, again) in [
            (Trouble::Busy, 503, true),
            (Trouble::Away, 503, true),
            (Trouble::Draining, 503, true),
            (Trouble::Crowded, 429, true),
            (Trouble::Gone, 502, false),
            (Trouble::Behind, 502, false),
            (Trouble::Said(StatusCode::IM_A_TEAPOT), 418, false),
            (Trouble::Nonsense, 502, false),
            (Trouble::Late, 504, false),
            (Trouble::Refused, 403, false),
            (Trouble::Request(StatusCode::NOT_IMPLEMENTED, "no tunnels"), 501, false),
        ] {
            let (answer, text) = told(trouble, None).await;
            assert_eq!((answer.status().as_u16(), answer.headers().contains_key(header::RETRY_AFTER)), (status, again), "{trouble:?}");
            assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
            assert!(text.ends_with('\n'));
        }
    }

    #[test]
    fn a_server_that_does_not_take_the_stream_is_told_as_what_it_is() {
        for (code, trouble) in [
            (Code::NotFound, Trouble::Missing),
            (Code::Busy, Trouble::Busy),
            (Code::Unresponsive, Trouble::Away),
            (Code::Timeout, Trouble::Late),
            (Code::Draining, Trouble::Draining),
            (Code::Forbidden, Trouble::Refused),
            (Code::Gone, Trouble::Gone),
            (Code::Internal, Trouble::Gone),
        ] {
            assert_eq!(Trouble::of(&OpenError::new(code, "")), trouble);
        }
        for (number, trouble) in [
            (403, Trouble::Refused),
            (418, Trouble::Said(StatusCode::IM_A_TEAPOT)),
            (502, Trouble::Behind),
            (503, Trouble::Busy),
            (504, Trouble::Late),
            (256, Trouble::Gone),
            (302, Trouble::Gone),
            (600, Trouble::Gone),
            (4001, Trouble::Gone),
            (u32::MAX, Trouble::Gone),
        ] {
            let error = OpenError { code: RefusalCode::Application(number), message: String::new() };
            assert_eq!(Trouble::of(&error), trouble, "{number}");
        }
    }
}
