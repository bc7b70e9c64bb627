//! The original's proxy program, line by line in Rust, over a real socket.

use browser_stream_client::StreamServer;
use browser_stream_server::{Event, StreamRouter, StreamServerProxy};
use futures::StreamExt;
use harness::{serve, within};

#[tokio::test]
async fn the_originals_proxy_program_has_its_equivalent() {
    // var router = …; router.addRoute("/browser-server/*", StreamServerProxy("/browser-server"))
    let proxy = StreamServerProxy::new("/browser-server");
    let router = StreamRouter::new().mount(proxy.clone());
    // proxy.on("server.created", …) and proxy.on("server.destroyed", …)
    let mut events = proxy.events();
    // sock.install(server, "/boot")
    let address = serve(axum::Router::new().route("/boot", browser_stream_server::mux(router))).await;

    let tab = StreamServer::dial(format!("ws://{address}/boot")).await.unwrap();
    let mut server = tab.listen("SERVER_NAME").await.unwrap();
    let Some(Event::ServerCreated { name, .. }) = within(events.next()).await else { panic!("server.created comes first") };

    // var stream = proxy.connect(serverName)
    let (stream, mut at_tab) = tokio::join!(proxy.connect(name.as_str()), async { server.next().await.unwrap().unwrap().accept() });
    let mut stream = stream.unwrap();
    stream.write_chunk("from client".into()).await.unwrap();
    at_tab.write_chunk("from server".into()).await.unwrap();
    assert_eq!(within(at_tab.read_chunk()).await.unwrap().unwrap(), "from client");
    assert_eq!(within(stream.read_chunk()).await.unwrap().unwrap(), "from server");

    server.end().await.unwrap();
    while !matches!(within(events.next()).await.unwrap(), Event::ServerDestroyed { name, .. } if name.as_str() == "SERVER_NAME") {}
}
