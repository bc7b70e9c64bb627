//! `bss ls`.

use rustix::process::Signal;

use crate::program::Proxy;

#[tokio::test]
async fn names_are_listed_in_order_with_what_becomes_of_them() {
    let proxy = Proxy::start().await;
    assert_eq!(proxy.run(&["ls"], b"").await.stdout(), "");
    assert_eq!(proxy.run(&["ls", "--json"], b"").await.stdout(), "[]\n");
    let mut watch = proxy.start_peer(&["ls", "--watch"]);
    let b = proxy.listen(&["listen", "b"]).await;
    assert_eq!(watch.line().await, "up\tb");
    let a = proxy.listen(&["listen", "a b \"日本\""]).await;
    assert_eq!(watch.line().await, "up\ta b \"日本\"");
    assert_eq!(proxy.run(&["ls"], b"").await.stdout(), "a b \"日本\"\nb\n");
    // Killed, its name is kept; told to end, it gives the name back.
    b.signal(Signal::KILL);
    assert_eq!(watch.line().await, "suspended\tb");
    a.signal(Signal::INT);
    assert_eq!(watch.line().await, "gone\ta b \"日本\"");
    assert_eq!(proxy.run(&["ls", "--long"], b"").await.stdout(), "suspended\tb\n");
    assert_eq!(proxy.run(&["ls", "--json"], b"").await.stdout(), "[{\"name\":\"b\",\"state\":\"suspended\"}]\n");
    watch.signal(Signal::INT);
    assert_eq!(watch.ended().await.code, Some(130));
}

#[tokio::test]
async fn a_proxy_that_tells_nobody_its_names_says_so() {
    for args in [&["--list-names=no"][..], &["--open"], &["--public-url", "http://bss.example"]] {
        let proxy = Proxy::with(args).await;
        proxy.run(&["ls"], b"").await.failed(77, "forbidden: ls: this proxy tells nobody its names");
    }
    let proxy = Proxy::with(&["--open", "--list-names"]).await;
    assert_eq!(proxy.run(&["ls", "--json"], b"").await.stdout(), "[]\n");
}

#[tokio::test]
async fn thousands_of_names_are_listed_as_far_as_the_limit() {
    use browser_stream_client::Peer;
    let file = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-ls.toml", std::process::id()));
    std::fs::write(&file, "[limits]\nnames_per_session_max = 1000\nlisted_names_max = 500\n").expect("written");
    let proxy = Proxy::with(&["--config", file.to_str().expect("text")]).await;
    std::fs::remove_file(&file).expect("read by now");
    let peer = Peer::dial(format!("ws://{}/mux", proxy.address)).await.expect("it runs");
    let mut listeners = Vec::new();
    for number in 0..500 {
        listeners.push(peer.server().listen(format!("{number:03}")).await.expect("free"));
    }
    let all = proxy.run(&["ls"], b"").await.stdout();
    assert!(all.lines().eq((0..500).map(|number| format!("{number:03}"))));
    listeners.push(peer.server().listen("one too many").await.expect("free"));
    let ended = proxy.run(&["ls"], b"").await;
    assert_eq!((ended.code, ended.stdout.iter().filter(|byte| **byte == b'\n').count()), (Some(0), 500));
    assert_eq!(ended.stderr, "bss: limit: there are more names than the proxy tells\n");
}
