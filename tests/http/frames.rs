//! HTTP/2 frame by frame, by a client that may say whatever it likes (RFC 9113), HPACK without any compression (RFC 7541 section 6.2.2).

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::site::{PATIENCE, Secure};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;

/// One connection.
pub struct Wire(TlsStream<TcpStream>);

/// What became of a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// An answer began.
    pub began: bool,
    pub body: String,
    /// And came to its end.
    pub whole: bool,
    /// The stream was reset with this code.
    pub reset: Option<u32>,
    /// The connection was ended with this one.
    pub away: Option<u32>,
}

impl Wire {
    /// A connection over which both have said their settings: none of ours.
    pub async fn dial(secure: &Secure) -> Self {
        let mut wire = Self::silent(secure).await;
        wire.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        wire.send(SETTINGS, 0, 0, &[]).await;
        wire
    }

    /// One that has said nothing.
    pub async fn silent(secure: &Secure) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&secure.certificate).expect("a file")).expect("a certificate");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
        let mut config = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from("localhost").expect("a name");
        let socket = TcpStream::connect(secure.site.address).await.expect("a connection");
        Self(TlsConnector::from(Arc::new(config)).connect(name, socket).await.expect("TLS"))
    }

    /// Says these bytes; the proxy may have closed before.
    pub async fn raw(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
    }

    pub async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.raw(&frame(kind, flags, stream, payload)).await;
    }

    /// A whole request without a body.
    pub async fn ask(&mut self, stream: u32, fields: &[(&str, &str)]) {
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, &block(fields)).await;
    }

    /// The next frame: what it is, its flags and stream, and the rest; none where the proxy has closed.
    pub async fn frame(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        timeout(PATIENCE, self.0.read_exact(&mut head)).await.expect("a frame, or an end").ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)];
        timeout(PATIENCE, self.0.read_exact(&mut payload)).await.expect("a whole frame, or an end").ok()?;
        Some((kind, flags, u32::from_be_bytes(stream), payload))
    }

    /// What becomes of the request on this stream.
    pub async fn answer(&mut self, asked: u32) -> Answer {
        let mut answer = Answer::default();
        while let Some((kind, flags, stream, payload)) = self.frame().await {
            match kind {
                GOAWAY => {
                    answer.away = Some(number(&payload, 4));
                    return answer;
                }
                RST_STREAM if stream == asked => {
                    answer.reset = Some(number(&payload, 0));
                    return answer;
                }
                HEADERS | DATA if stream == asked => {
                    answer.began = true;
                    if kind == DATA {
                        answer.body += &String::from_utf8_lossy(&payload);
                    }
                    if flags & END_STREAM != 0 {
                        answer.whole = true;
                        return answer;
                    }
                }
                _ => {}
            }
        }
        answer
    }
}

fn number(payload: &[u8], at: usize) -> u32 {
    payload.get(at..at + 4).map_or(0, |bytes| u32::from_be_bytes(bytes.try_into().expect("four")))
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("no frame is that long").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A block of fields, each a literal that is not to be kept.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        for text in [name, value] {
            length(text.len(), &mut out);
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

/// An integer with a prefix of seven bits (RFC 7541 section 5.1).
fn length(number: usize, out: &mut Vec<u8>) {
    let low = |number: usize| u8::try_from(number & 0x7f).expect("seven bits");
    if number < 0x7f {
        return out.push(low(number));
    }
    out.push(0x7f);
    let mut rest = number - 0x7f;
    while rest > 0x7f {
        out.push(low(rest) | 0x80);
        rest >>= 7;
    }
    out.push(low(rest));
}
