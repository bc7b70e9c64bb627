//! TLS between nodes: it keeps others from reading, and its exporter ties both ends to one connection. Who they are is proved over it; certificates say nothing.

use std::sync::Arc;

use rcgen::CertifiedKey;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime},
    version::TLS13,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::{LinkError, proof::Binding};

/// Both sides of it, with a certificate of this process's own.
pub(super) struct Tls {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl Tls {
    /// # Errors
    /// The system has no randomness.
    pub fn new() -> Result<Self, LinkError> {
        let provider = Arc::new(ring::default_provider());
        let made = |error: rcgen::Error| LinkError::Tls(Error::General(error.to_string()));
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([NAME.to_owned()]).map_err(made)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[&TLS13])?;
        let mut server = builder.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key)?;
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        // Each connection begins anew.
        server.send_tls13_tickets = 0;
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[&TLS13])?;
        let anybody = Arc::new(Anybody(provider));
        let mut client = builder.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth();
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        client.resumption = Resumption::disabled();
        client.enable_sni = false;
        Ok(Self { acceptor: Arc::new(server).into(), connector: Arc::new(client).into() })
    }

    pub async fn connect(&self, socket: TcpStream) -> Result<(TlsStream<TcpStream>, Binding), LinkError> {
        let name = ServerName::try_from(NAME).map_err(|error| LinkError::Tls(Error::General(error.to_string())))?;
        let stream = self.connector.connect(name, socket).await?;
        let (_, connection) = stream.get_ref();
        speaks(connection.alpn_protocol())?;
        let binding = connection.export_keying_material([0; 32], EXPORTED_FOR, None)?;
        Ok((stream.into(), binding))
    }

    pub async fn accept(&self, socket: TcpStream) -> Result<(TlsStream<TcpStream>, Binding), LinkError> {
        let stream = self.acceptor.accept(socket).await?;
        let (_, connection) = stream.get_ref();
        speaks(connection.alpn_protocol())?;
        let binding = connection.export_keying_material([0; 32], EXPORTED_FOR, None)?;
        Ok((stream.into(), binding))
    }
}

/// Whether the other side speaks this version, and nothing else over TLS.
fn speaks(agreed: Option<&[u8]>) -> Result<(), LinkError> {
    if agreed == Some(PROTOCOL) { Ok(()) } else { Err(LinkError::Protocol) }
}

/// Whoever has the key of the certificate that it shows.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// What is spoken, and its version (ALPN).
pub(super) const PROTOCOL: &[u8] = b"bss-link/1";
const EXPORTED_FOR: &[u8] = b"EXPORTER-bss-cluster-link";
/// No certificate is for anybody here.
const NAME: &str = "node.invalid";
