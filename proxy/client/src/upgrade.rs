//! From a URL to a WebSocket: TCP, TLS, the upgrade.

use std::sync::Arc;

use http::{HeaderValue, Uri, header};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{Error, client::IntoClientRequest, handshake::client::Request},
};

use crate::{
    dial::{DialError, Io, Target, parse, retry_after},
    websocket::{Messages, config},
};

/// The version of the protocol that we speak (PROTOCOL.md, section 1).
const SUBPROTOCOL: HeaderValue = HeaderValue::from_static("bss.1");

/// One connection to the proxy, as the bytes of its messages.
pub(crate) async fn upgrade(target: Target) -> Result<Io, DialError> {
    let uri = parse(&target.url)?;
    let request = request(&uri, &target)?;
    let is_secure = uri.scheme_str() == Some("wss");
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let tcp = TcpStream::connect((host, uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 }))).await?;
    tcp.set_nodelay(true)?;
    if !is_secure {
        return websocket(request, tcp).await;
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|_| DialError::Url(target.url.clone()))?;
    let tls = target.tls.map_or_else(trusting_mozilla, Ok)?;
    websocket(request, TlsConnector::from(tls).connect(name, tcp).await.map_err(unsecured)?).await
}

/// A handshake of TLS that failed: most often the port speaks plain HTTP.
fn unsecured(error: std::io::Error) -> DialError {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    if matches!(cause, Some(rustls::Error::InvalidMessage(_))) {
        return DialError::NotAProxy("the port does not speak TLS: dial it with ws://, or the one that does with wss://".into());
    }
    error.into()
}

fn request(uri: &Uri, target: &Target) -> Result<Request, DialError> {
    let mut request = uri.into_client_request().map_err(|_| DialError::Url(target.url.clone()))?;
    request.headers_mut().extend(target.headers.clone());
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
    Ok(request)
}

async fn websocket<S>(request: Request, socket: S) -> Result<Io, DialError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    match client_async_with_config(request, socket, Some(config())).await {
        Ok((socket, _)) => Ok(Box::new(Messages::new(socket))),
        Err(Error::Io(error)) => Err(error.into()),
        Err(Error::Http(answer)) => {
            let message = answer.body().as_deref().map(|body| String::from_utf8_lossy(body).trim().to_owned());
            Err(DialError::Refused {
                status: answer.status().as_u16(),
                message: message.unwrap_or_default(),
                retry_after: retry_after(answer.headers()),
            })
        }
        Err(other) => Err(DialError::NotAProxy(other.to_string())),
    }
}

/// The certificates that browsers trust, and ring's cryptography whatever else the program has.
fn trusting_mozilla() -> Result<Arc<ClientConfig>, DialError> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    let builder = builder.map_err(std::io::Error::other)?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
