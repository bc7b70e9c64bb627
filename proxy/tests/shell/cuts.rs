//! A transfer between two shells through a network that breaks.

use std::process::Stdio;

use harness::{Shim, Way, pattern};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::program::{Program, Proxy, bss, serving, until, within};

const LENGTH: usize = 64 << 20;
/// Of each of the two connections.
const CUTS: u64 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_13_64_mebibytes_pass_from_shell_to_shell_though_both_connections_are_cut_ten_times() {
    let seed = rand::random();
    println!("seed {seed}");
    let proxy = Proxy::start().await;
    let shims = [Shim::start(proxy.address, seed).await, Shim::start(proxy.address, seed + 1).await];
    let mut server = serving(&mut bss(&["listen", "NAME", "--once", "--url", &shims[0].mux()])).await;
    let url = shims[1].mux();
    let mut client = Program::start(bss(&["connect", "NAME", "--url", &url]).stdin(Stdio::piped()));
    let (mut stdin, mut stdout) = (client.stdin(), server.stdout());
    let sent = pattern(seed, LENGTH);
    let expected = sent.clone();
    let sending = tokio::spawn(async move { stdin.write_all(&sent).await });
    let receiving = tokio::spawn(async move {
        let mut got = Vec::with_capacity(LENGTH);
        stdout.read_to_end(&mut got).await.map(|_| got)
    });
    let mut random = StdRng::seed_from_u64(seed);
    let share = LENGTH as u64 / (2 * CUTS + 2);
    for cut in 0..2 * CUTS {
        let (shim, way) = if cut % 2 == 0 { (&shims[0], Way::Down) } else { (&shims[1], Way::Up) };
        let before = shim.connections();
        shim.cut_after(way, random.random_range(1..share));
        until(|| shim.connections() > before).await;
    }
    within(sending).await.expect("no panic").expect("all was taken");
    let got = within(receiving).await.expect("no panic").expect("a clean end");
    assert!(got == expected, "{} bytes of {LENGTH}", got.len());
    let (client, server) = (client.ended().await, server.ended().await);
    assert_eq!((client.code, client.stderr.as_str(), server.code), (Some(0), "", Some(0)), "{}", server.stderr);
    assert!(server.stderr.contains("the connection to the proxy is there again"), "{}", server.stderr);
    let carried = shims[1].carried(Way::Up);
    println!("{} connections, {carried} bytes carried for {LENGTH}", shims[0].connections() + shims[1].connections());
}
