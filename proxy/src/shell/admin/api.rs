//! Asking the API: one connection, one request after the other.

use std::{collections::BTreeSet, io, net::IpAddr, path::Path, sync::Arc, time::Duration};

use axum::body::{Body, to_bytes};
use browser_stream_client::Code;
use http::{Method, Request, StatusCode, Uri, header, uri::Authority};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::super::{
    Failure,
    escape::escaped,
    failure::{line, status},
    shown::Shown,
    trust::{Fingerprint, trusting},
};

/// The API of one proxy.
pub(super) struct Api {
    requests: SendRequest<Body>,
    authority: String,
    token: Option<String>,
    /// Of which node of its cluster all is, where that was said.
    node: Option<String>,
    /// Nodes whose rows were not told.
    pub missing: BTreeSet<String>,
}

/// Nobody waits longer for a connection, or for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// No answer is longer.
const ANSWER_MAX: usize = 64 << 20;

/// So many rows are asked for at once.
const ROWS: usize = 10_000;

impl Api {
    /// Connects to the port, and shows the token with each request.
    pub async fn dial(
        url: &str,
        token: Option<&Shown>,
        trust: (Option<&Path>, Option<Fingerprint>),
        node: Option<String>,
    ) -> Result<Self, Failure> {
        let bad = || Failure::exchange(2, &format!("bad_request: {url:?} is no address: write it as 127.0.0.1:9090 or https://host:9090"));
        let token = match token {
            Some(shown) => shown.read()?,
            None => None,
        };
        let (authority, is_secure) = place(url, token.is_some()).ok_or_else(bad)?;
        let host = authority.host().trim_matches(['[', ']']);
        let port = authority.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let none = |error: &dyn std::fmt::Display| {
            let advice = "start `bss serve --admin ADDRESS:PORT` there, or say where it is";
            Failure::exchange(69, &format!("no_proxy: nobody answers at {url}: {error}; {advice}"))
        };
        let connecting = async {
            let socket = TcpStream::connect((host, port)).await.map_err(|error| none(&error))?;
            if is_secure {
                let name = ServerName::try_from(host.to_owned()).map_err(|_| bad())?;
                let connector = TlsConnector::from(believing(trust)?);
                speak(connector.connect(name, socket).await.map_err(|error| none(&error))?).await.map_err(|error| none(&error))
            } else {
                speak(socket).await.map_err(|error| none(&error))
            }
        };
        let requests = timeout(PATIENCE, connecting).await.unwrap_or_else(|_| Err(none(&"no answer in time")))?;
        Ok(Self { requests, authority: authority.to_string(), token, node, missing: BTreeSet::new() })
    }

    /// What is at this path below the API.
    pub async fn get(&mut self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, None).await
    }

    /// All rows of a list in which this is found.
    pub async fn list(&mut self, path: &str, search: Option<&str>) -> Result<Vec<Value>, Failure> {
        let (mut rows, mut after) = (Vec::new(), None::<String>);
        loop {
            let search = search.map(|search| format!("&search={}", segment(search))).unwrap_or_default();
            let behind = after.map(|after| format!("&after={}", segment(&after))).unwrap_or_default();
            let mut part = self.get(&format!("{path}?limit={ROWS}{search}{behind}")).await?;
            if let Some(more) = part["rows"].as_array_mut() {
                rows.append(more);
            }
            self.missing.extend(part["missing"].as_array().into_iter().flatten().filter_map(|node| Some(node.as_str()?.to_owned())));
            after = part["next"].as_str().map(str::to_owned);
            if after.is_none() {
                return Ok(rows);
            }
        }
    }

    /// Does something.
    pub async fn act(&mut self, method: &str, path: &str, body: &Value) -> Result<(), Failure> {
        let method = method.parse().unwrap_or(Method::POST);
        self.ask(method, path, Some(body)).await.map(|_| ())
    }

    async fn ask(&mut self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let broke = |error: &dyn std::fmt::Display| Failure::exchange(76, &format!("lost: the proxy gave no answer: {error}"));
        let joint = if path.contains('?') { '&' } else { '?' };
        let node = self.node.as_ref().map(|node| format!("{joint}node={}", segment(node))).unwrap_or_default();
        let mut request = Request::builder().method(method).uri(format!("/admin/api/{path}{node}")).header(header::HOST, &self.authority);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map(|body| Body::from(body.to_string())).unwrap_or_default();
        let request =
            request.body(body).map_err(|error| Failure::exchange(2, &format!("bad_request: that cannot be asked for: {error}")))?;
        let answering = async {
            self.requests.ready().await.map_err(|error| broke(&error))?;
            let answer = self.requests.send_request(request).await;
            let answer = answer.map_err(|error| if error.is_parse() { no_http(&self.authority) } else { broke(&error) })?;
            let status = answer.status();
            let body = to_bytes(Body::new(answer.into_body()), ANSWER_MAX).await.map_err(|error| broke(&error))?;
            Ok((status, body))
        };
        let (status, body) = timeout(PATIENCE, answering).await.unwrap_or_else(|_| Err(broke(&"not in time")))?;
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        said(status, &body)
    }
}

/// The host and port of an address, and whether TLS is spoken there; `None` for what is no address. Without a scheme no token goes beyond this machine in the clear.
fn place(url: &str, shows_token: bool) -> Option<(Authority, bool)> {
    if let Some((scheme, _)) = url.split_once("://") {
        let is_secure = match scheme {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        return Some((url.parse::<Uri>().ok()?.authority()?.clone(), is_secure));
    }
    let uri: Uri = format!("http://{url}").parse().ok()?;
    let authority = uri.authority()?.clone();
    let host = authority.host().trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback());
    Some((authority, shows_token && !is_here))
}

/// What an answer says.
fn said(status: StatusCode, body: &[u8]) -> Result<Value, Failure> {
    let said: Option<Value> = serde_json::from_slice(body).ok();
    match said {
        Some(said) if status.is_success() => return Ok(said),
        Some(said) => {
            if let Some(code) = said["code"].as_str() {
                return Err(refused(status, code, said["message"].as_str().unwrap_or_default()));
            }
        }
        // The port itself, where it has no room, says `code: text`. A path that nobody knows is no API.
        None if status != StatusCode::NOT_FOUND => {
            let text = str::from_utf8(body).unwrap_or_default().trim();
            let is_code = |code: &str| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            if let Some((code, message)) = text.split_once(": ").filter(|(code, _)| is_code(code)) {
                return Err(refused(status, code, message));
            }
        }
        None => {}
    }
    Err(Failure::exchange(70, &format!("unsupported: what answers there is not the API of a proxy (status {status})")))
}

/// Something else listens there.
fn no_http(authority: &str) -> Failure {
    let other = format!("write https://{authority} if it is the one of --admin with TLS");
    let said = format!(
        "unsupported: what answers at {authority} speaks no HTTP: {other}; the port of --cluster-listen is for nodes alone, and that of --admin for you"
    );
    Failure::exchange(70, &said)
}

/// HTTP over a connection, which a task of its own carries.
async fn speak(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> hyper::Result<SendRequest<Body>> {
    let (requests, connection) = http1::handshake(TokioIo::new(io)).await?;
    // How it ended is told to who asks over it.
    tokio::spawn(async move { drop(connection.await) });
    Ok(requests)
}

fn believing((ca, fingerprint): (Option<&Path>, Option<Fingerprint>)) -> Result<Arc<ClientConfig>, Failure> {
    if let Some(file) = ca {
        return trusting(file);
    }
    if let Some(fingerprint) = fingerprint {
        return fingerprint.trusting();
    }
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Failure::local("TLS", &io::Error::other(error)))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// A refusal, with the status of the code that it has; one without is as its HTTP status.
fn refused(answered: StatusCode, code: &str, message: &str) -> Failure {
    let status = match code.parse() {
        Ok(code) => status(browser_stream_client::RefusalCode::Known(code)),
        // Of a cluster: as for a name that nobody has, and as for a server that does not answer.
        Err(_) if code == "node_unknown" => status(browser_stream_client::RefusalCode::Known(Code::NotFound)),
        Err(_) if code == "node_silent" => status(browser_stream_client::RefusalCode::Known(Code::Timeout)),
        Err(_) if answered.is_client_error() => 77,
        Err(_) => 70,
    };
    Failure::exchange(status, &escaped(&line(&format!("{code}: {message}"))))
}

/// A text as it stands in a path or a query.
pub(super) fn segment(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => (byte as char).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_14_no_token_goes_beyond_this_machine_in_the_clear_unless_that_is_said() {
        for (url, shows_token, is_secure) in [
            ("127.0.0.1:9090", true, Some(false)),
            ("localhost:9090", true, Some(false)),
            ("[::1]:9090", true, Some(false)),
            ("bss.example:9090", true, Some(true)),
            ("10.0.0.1:9090", true, Some(true)),
            ("10.0.0.1:9090", false, Some(false)),
            ("http://10.0.0.1:9090", true, Some(false)),
            ("https://127.0.0.1:9090", false, Some(true)),
            ("ftp://127.0.0.1:9090", false, None),
            ("no address", true, None),
        ] {
            assert_eq!(place(url, shows_token).map(|(_, is_secure)| is_secure), is_secure, "{url}");
        }
    }

    #[test]
    fn what_the_port_says_itself_is_told_with_the_status_of_its_code() {
        let ended = |status: u16, body: &str| {
            let failure = said(StatusCode::from_u16(status).expect("a status"), body.as_bytes()).expect_err("a refusal");
            (failure.status(), failure.to_string())
        };
        let limit = "limit: too many connections to this port from this address; close some";
        assert_eq!(ended(429, &format!("{limit}\n")), (75, limit.to_owned()));
        assert_eq!(ended(403, r#"{"code":"forbidden","message":"no\u202e"}"#), (77, "forbidden: no\\u202e".to_owned()));
        assert_eq!(ended(404, r#"{"code":"node_unknown","message":"none"}"#).0, ended(404, r#"{"code":"not_found","message":"none"}"#).0);
        assert_eq!(ended(504, r#"{"code":"node_silent","message":"none"}"#).0, ended(504, r#"{"code":"timeout","message":"none"}"#).0);
        for (status, body) in [(404, "not_found: nothing is here\n"), (200, "<!doctype html>"), (502, "Bad Gateway: no"), (500, "{}")] {
            assert_eq!(ended(status, body).0, 70, "{body}");
        }
    }
}
