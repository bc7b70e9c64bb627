//! A proxy behind TLS.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::program::{Proxy, bss, run, serving};

/// TLS in front of a proxy: its port, and the certificate that vouches for it.
async fn tls(target: SocketAddr) -> (u16, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    let config = builder.expect("versions").with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).expect("they fit");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((near, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(
                async move { copy_bidirectional(&mut acceptor.accept(near).await?, &mut TcpStream::connect(target).await?).await },
            );
        }
    });
    (port, made.cert.pem())
}

#[tokio::test]
async fn a_certificate_of_ones_own_is_believed_if_it_is_named() {
    let proxy = Proxy::start().await;
    let (port, certificate) = tls(proxy.address).await;
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-ca.pem", std::process::id()));
    std::fs::write(&file, certificate).expect("written");
    let (url, path) = (format!("https://localhost:{port}/"), file.to_str().expect("text"));
    let _server = serving(&mut bss(&["listen", "echo", "--exec", "cat", "--url", &url, "--ca", path])).await;
    let client = run(bss(&["connect", "echo"]).env("BSS_URL", &url).env("BSS_CA", path), b"hello").await;
    assert_eq!(client.stdout(), "hello");
    let ended = run(&mut bss(&["ls", "--url", &url]), b"").await;
    ended.failed(69, "no_proxy: ");
    assert!(ended.stderr.contains("certificate"), "{ended:?}");
    std::fs::write(&file, "nothing").expect("written");
    let ended = run(&mut bss(&["ls", "--url", &url, "--ca", path]), b"").await;
    std::fs::remove_file(&file).expect("removed");
    ended.failed(74, "cannot trust ");
}
