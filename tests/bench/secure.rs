//! Bulk over TLS: through the proxy, and through a relay of connections that speaks TLS.
//!
//! Peers say in plain what a third process wraps for them, so that their own part of TLS is not counted; it takes its share of the machine from both alike.

use std::{fs, net::Ipv4Addr, path::Path, process::Command, sync::Arc};

use anyhow::{Context, Result};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{
    io::copy_bidirectional_with_sizes,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{
    bulk::{self, Flow},
    measure::Process,
    proxy,
    way::Way,
};

/// One stream of 16 KiB frames through `bss`, and the same bytes through the relay.
pub fn bulk(bss: &Path, way: &Way) -> Result<[Flow; 2]> {
    let folder = tempfile::tempdir()?;
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    let (certificate, key) = (folder.path().join(CERTIFICATE), folder.path().join(KEY));
    fs::write(&certificate, made.cert.pem())?;
    fs::write(&key, made.signing_key.serialize_pem())?;
    let (folder, certificate, key) = (folder.path(), text(&certificate)?, text(&key)?);
    let ours = proxy::start_with(bss, Ipv4Addr::LOCALHOST.into(), &["--tls-cert", certificate, "--tls-key", key])?;
    let (ours, _wrap) = wrapped(ours, folder)?;
    let ours = bulk::on_streams(&ours, way, 1, UNIT, 1024 * 1024)?;
    let relay = Process::start(Command::new(std::env::current_exe()?).args(["relay", "one", "tls", BUFFER, text(folder)?]))?;
    let (relay, _wrap) = wrapped(relay, folder)?;
    Ok([ours, bulk::in_bytes(&relay, UNIT)?])
}

/// What is measured, at the address of a process that speaks TLS to it.
fn wrapped(mut relay: Process, folder: &Path) -> Result<(Process, Process)> {
    let target = relay.address.to_string();
    let wrap = Process::start(Command::new(std::env::current_exe()?).args(["relay", "all", "wrap", &target, text(folder)?]))?;
    relay.address = wrap.address;
    Ok((relay, wrap))
}

/// Joins each connection over TLS to the one after it, with `buffer` bytes per direction.
pub async fn relay(listener: TcpListener, buffer: usize, folder: &Path) -> Result<()> {
    let certificate = CertificateDer::from_pem_file(folder.join(CERTIFICATE))?;
    let key = PrivateKeyDer::from_pem_file(folder.join(KEY))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions()?;
    let acceptor = TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key)?));
    loop {
        let (one, _) = listener.accept().await?;
        let (other, _) = listener.accept().await?;
        one.set_nodelay(true)?;
        other.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        // A connection that breaks is that load's business; it reports it itself.
        tokio::spawn(async move {
            let (mut one, mut other) = tokio::try_join!(acceptor.accept(one), acceptor.accept(other))?;
            copy_bidirectional_with_sizes(&mut one, &mut other, buffer, buffer).await
        });
    }
}

/// Passes each connection on to `target` over TLS.
pub async fn wrap(listener: TcpListener, target: &str, folder: &Path) -> Result<()> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join(CERTIFICATE))?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions()?;
    let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
    let name = ServerName::try_from(NAME)?;
    loop {
        let (mut near, _) = listener.accept().await?;
        // In the order in which they came, for a relay joins them by that.
        let far = TcpStream::connect(target).await?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let (connector, name) = (connector.clone(), name.clone());
        tokio::spawn(async move {
            let mut far = connector.connect(name, far).await?;
            copy_bidirectional_with_sizes(&mut near, &mut far, WRAPPED, WRAPPED).await
        });
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

const NAME: &str = "localhost";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";
const UNIT: usize = 16 * 1024;
const BUFFER: &str = "262144";
const WRAPPED: usize = 256 * 1024;
