//! Files from `bss send` to `bss recv`.

use std::{fs, path::Path, process::Stdio};

use browser_stream_client::{
    Peer,
    seal::{Keys, Sealing},
    values::{Json, Values},
};
use data_encoding::HEXLOWER;
use futures::StreamExt;
use harness::{Shim, Way, pattern};
use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::{TempDir, tempdir};
use tokio::io::AsyncWriteExt;

use crate::{
    program::{Program, Proxy, bss, run, until, within},
    terminal::{shown, terminal},
};

/// A folder for the test, with files of these sizes.
fn folder(files: &[(&str, usize)]) -> TempDir {
    let folder = tempdir().expect("a folder");
    for (at, (name, size)) in files.iter().enumerate() {
        fs::write(folder.path().join(name), pattern(at as u64 + 1, *size)).expect("written");
    }
    folder
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().expect("text").to_owned()
}

/// A sender that waits, and its code.
async fn sending(url: &str, args: &[&str]) -> (Program, String) {
    let (sender, code, _) = inviting(url, args).await;
    (sender, code)
}

/// The same with its link, which has the sender's key.
async fn inviting(url: &str, args: &[&str]) -> (Program, String, String) {
    let mut sender = Program::start(bss(&["send", "--url", url]).args(args));
    let link = sender.line().await;
    let code = sender.line().await;
    assert!(link.starts_with("http://127.0.0.1:") && link.contains(&format!("/examples/file-exchange/#{code}.")), "{link}");
    (sender, code, link)
}

/// A way to the proxy on which the receiver of a file gets two mebibytes of it, and the rest when the stall is ended.
async fn stalling(proxy: &Proxy) -> Shim {
    let shim = Shim::start(proxy.address, 1).await;
    shim.stall_after(Way::Down, 2 << 20);
    shim
}

/// The part of this file.
fn part(folder: &Path, name: &str) -> Option<std::path::PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.into_iter().find(|path| {
        path.file_name().is_some_and(|found| found.to_string_lossy().starts_with(name)) && path.extension().is_some_and(|end| end == "part")
    })
}

fn length(folder: &Path, name: &str) -> u64 {
    part(folder, name).and_then(|path| fs::metadata(path).ok()).map_or(0, |metadata| metadata.len())
}

#[tokio::test]
async fn files_arrive_as_they_are_under_their_names_and_the_sender_ends_when_it_should_do_so_once() {
    let proxy = Proxy::start().await;
    let (from, to) = (folder(&[("été 日本.bin", 3_000_001), ("empty", 0), ("whole pieces", 524_288)]), folder(&[("empty", 1)]));
    let files = ["été 日本.bin", "empty", "whole pieces"].map(|name| path(&from, name));
    let (sender, code, link) = inviting(&proxy.address.to_string(), &["--once", &files[0], &files[1], &files[2]]).await;
    let other = Keys::generate().public();
    let forged = format!("http://{}/examples/file-exchange/#{code}.{other}", proxy.address);
    run(&mut bss(&["recv", &forged]), b"").await.failed(78, "key_changed: who sends under that code has another key than the link says");
    let receiver = run(&mut bss(&["recv", &link, "--output", to.path().to_str().expect("text")]), b"").await;
    let told: String = ["été 日本.bin", "empty (1)", "whole pieces"].map(|name| format!("{}\n", path(&to, name))).concat();
    assert_eq!(receiver.stdout(), told, "where they are, and nothing else in a pipe");
    for (sent, name) in files.iter().zip(["été 日本.bin", "empty (1)", "whole pieces"]) {
        assert!(fs::read(sent).expect("read") == fs::read(path(&to, name)).expect("read"), "{name}");
        let modified = |path: &str| {
            fs::metadata(path)
                .and_then(|data| data.modified())
                .expect("a time")
                .duration_since(std::time::UNIX_EPOCH)
                .expect("later")
                .as_millis()
        };
        assert_eq!(modified(sent), modified(&path(&to, name)), "{name}");
    }
    assert_eq!(fs::read_dir(to.path()).expect("a folder").count(), 4, "no part is left");
    assert_eq!(sender.ended().await.stdout(), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_receive_at_once_one_of_them_to_stdout_and_one_comes_late() {
    let proxy = Proxy::start().await;
    let from = folder(&[("file", 8 << 20)]);
    let sent = fs::read(path(&from, "file")).expect("read");
    let (sender, code) = sending(&proxy.address.to_string(), &[&path(&from, "file")]).await;
    let receive = async |args: &[&str]| {
        let to = tempdir().expect("a folder");
        let ended = within(proxy.bss(&["recv", &code.to_uppercase()]).args(args).current_dir(to.path()).output()).await.expect("it runs");
        assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));
        let got = if args.is_empty() { fs::read(to.path().join("file")).expect("read") } else { ended.stdout };
        assert!(got == sent, "{} bytes", got.len());
    };
    tokio::join!(receive(&[]), receive(&[]), receive(&["--output", "-"]), receive(&[]));
    receive(&[]).await;
    sender.signal(Signal::INT);
    let ended = sender.ended().await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(130), ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_interrupted_is_told_to_the_sender_and_goes_on_where_it_was() {
    let proxy = Proxy::start().await;
    let (from, to) = (folder(&[("big", 4 << 20)]), folder(&[]));
    let (mut sender, code) = sending(&proxy.address.to_string(), &["--verbose", &path(&from, "big")]).await;
    assert!(sender.said().await.contains("for this machine"));
    let (shim, again) = (stalling(&proxy).await, Shim::start(proxy.address, 2).await);
    let receive = |shim: &Shim| Program::start(bss(&["recv", &code, "--url", &shim.mux(), "--output"]).arg(to.path()));
    let receiver = receive(&shim);
    until(|| length(to.path(), "big") > 1 << 20).await;
    receiver.signal(Signal::INT);
    let ended = receiver.ended().await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(130), ""));
    let said = sender.said().await;
    assert!(said.ends_with(": big: cancelled by the receiver"), "{said}");
    let held = length(to.path(), "big");
    assert!(held > 1 << 20 && held < 4 << 20, "{held}");
    assert_eq!(receive(&again).ended().await.stdout(), format!("{}\n", path(&to, "big")));
    assert!(again.carried(Way::Down) < 4 << 20, "what was there did not come again");
    assert!(fs::read(path(&from, "big")).expect("read") == fs::read(path(&to, "big")).expect("read"));
    let said = sender.said().await;
    assert!(said.ends_with("has everything"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_is_interrupted_is_told_to_the_receiver_and_another_goes_on_where_it_was() {
    let proxy = Proxy::start().await;
    let (from, to) = (folder(&[("big", 8 << 20)]), folder(&[]));
    let url = proxy.address.to_string();
    let (sender, code) = sending(&url, &[&path(&from, "big")]).await;
    let shim = stalling(&proxy).await;
    let receiver = Program::start(bss(&["recv", &code, "--url", &shim.mux(), "--output"]).arg(to.path()));
    until(|| length(to.path(), "big") > 1 << 20).await;
    sender.signal(Signal::TERM);
    assert_eq!(sender.ended().await.code, Some(143));
    shim.resume();
    let ended = receiver.ended().await;
    ended.failed(70, "");
    assert!(ended.stderr.to_lowercase().contains("the sender stopped") && ended.stdout.is_empty(), "{ended:?}");
    assert!(!to.path().join("big").exists(), "nothing that looks complete");
    let held = length(to.path(), "big");
    assert!(held > 1 << 20, "{held}");
    // What is left over of the part is of the file, but for its last piece.
    let damaged = part(to.path(), "big").expect("a part");
    fs::File::options().write(true).open(&damaged).and_then(|file| file.set_len(held / 2 + 5)).expect("cut");
    let (_sender, code) = sending(&url, &[&path(&from, "big")]).await;
    let receiver = run(proxy.bss(&["recv", &code, "--output"]).arg(to.path()), b"").await;
    assert_eq!(receiver.stdout(), format!("{}\n", path(&to, "big")));
    assert!(fs::read(path(&from, "big")).expect("read") == fs::read(path(&to, "big")).expect("read"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_does_not_come_back_is_waited_for_as_long_as_was_said_and_the_part_is_kept() {
    let proxy = Proxy::start().await;
    let (from, to) = (folder(&[("big", 8 << 20)]), folder(&[]));
    let (sender, code) = sending(&proxy.address.to_string(), &[&path(&from, "big")]).await;
    let shim = stalling(&proxy).await;
    let receiver = Program::start(bss(&["recv", &code, "--grace", "1", "--url", &shim.mux(), "--output"]).arg(to.path()));
    until(|| length(to.path(), "big") > 1 << 20).await;
    sender.signal(Signal::KILL);
    shim.resume();
    let ended = receiver.ended().await;
    ended.failed(76, "lost: big: the sender went away and did not come back within 1 s");
    assert!(ended.stderr.contains("what came of it is kept, and the same command goes on from there"), "{ended:?}");
    assert!(length(to.path(), "big") > 1 << 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_13_a_file_arrives_whole_though_both_connections_are_cut() {
    let proxy = Proxy::start().await;
    let shims = [Shim::start(proxy.address, 1).await, Shim::start(proxy.address, 2).await];
    let (from, to) = (folder(&[("file", 16 << 20)]), folder(&[]));
    let (_sender, code) = sending(&shims[0].mux(), &[&path(&from, "file")]).await;
    let receiver = Program::start(bss(&["recv", &code, "--url", &shims[1].mux(), "--output"]).arg(to.path()));
    for cut in 0..8 {
        let (shim, way) = if cut % 2 == 0 { (&shims[0], Way::Up) } else { (&shims[1], Way::Down) };
        let before = shim.connections();
        shim.cut_after(way, 1 << 20);
        until(|| shim.connections() > before).await;
    }
    assert_eq!(receiver.ended().await.stdout(), format!("{}\n", path(&to, "file")));
    assert!(fs::read(path(&from, "file")).expect("read") == fs::read(path(&to, "file")).expect("read"));
}

#[tokio::test]
async fn a_part_of_something_else_is_begun_anew_and_files_are_overwritten_only_if_that_is_said() {
    let proxy = Proxy::start().await;
    let (from, to) = (folder(&[("file", 1 << 20)]), folder(&[("file", 10)]));
    let (_sender, code) = sending(&proxy.address.to_string(), &[&path(&from, "file")]).await;
    let receive = async |args: &[&str]| run(proxy.bss(&["recv", &code, "--output"]).arg(to.path()).args(args), b"").await.stdout();
    assert_eq!(receive(&[]).await, format!("{}\n", path(&to, "file (1)")));
    // The name of a part says of which file it is; what is in it does not have to be true.
    let sent = fs::read(path(&from, "file")).expect("read");
    let list = list(&proxy, &code).await;
    let id = list["files"][0]["id"].as_str().expect("an id");
    fs::write(to.path().join(format!("file.{id}.part")), vec![0; 512 << 10]).expect("written");
    assert_eq!(receive(&["--force"]).await, format!("{}\n", path(&to, "file")));
    assert!(fs::read(path(&to, "file")).expect("read") == sent);
}

#[tokio::test]
async fn each_file_has_its_type_on_the_list_and_as_an_attribute_at_the_receiver() {
    let proxy = Proxy::start().await;
    let types = [
        ("été 日本.PNG", "image/png"),
        ("notes.txt", "text/plain"),
        ("folder.tar.gz", "application/gzip"),
        ("no ending", "application/octet-stream"),
        ("odd.zzzz", "application/octet-stream"),
    ];
    let (from, to) = (folder(&types.map(|(name, _)| (name, 10))), folder(&[]));
    let paths = types.map(|(name, _)| path(&from, name));
    let (_sender, code) = sending(&proxy.address.to_string(), &paths.each_ref().map(String::as_str)).await;
    let list = list(&proxy, &code).await;
    for (at, (name, kind)) in types.iter().enumerate() {
        assert_eq!((&list["files"][at]["name"], &list["files"][at]["type"]), (&json!(name), &json!(kind)));
    }
    run(proxy.bss(&["recv", &code, "--output"]).arg(to.path()), b"").await.stdout();
    for (name, kind) in types {
        assert_eq!(attribute(&path(&to, name)).as_deref(), Some(kind), "{name}");
    }
}

/// What a file says its type is.
fn attribute(path: &str) -> Option<String> {
    let mut value = [0; 256];
    let length = rustix::fs::getxattr(path, "user.mime_type", &mut value).ok()?;
    Some(String::from_utf8_lossy(&value[..length]).into_owned())
}

#[tokio::test]
async fn a_part_that_is_a_link_is_written_through_to_nothing() {
    let proxy = Proxy::start().await;
    let (from, to) = (folder(&[("file", 1 << 20)]), folder(&[]));
    let (_sender, code) = sending(&proxy.address.to_string(), &[&path(&from, "file")]).await;
    let id = list(&proxy, &code).await["files"][0]["id"].as_str().expect("an id").to_owned();
    let elsewhere = folder(&[("precious", 10)]);
    let before = fs::read(path(&elsewhere, "precious")).expect("read");
    std::os::unix::fs::symlink(path(&elsewhere, "precious"), to.path().join(format!("file.{id}.part"))).expect("a link");
    let ended = run(proxy.bss(&["recv", &code, "--output"]).arg(to.path()), b"").await;
    ended.failed(74, "cannot write file: ");
    assert!(ended.stderr.contains("it is no file of its own: remove it"), "{ended:?}");
    assert!(fs::read(path(&elsewhere, "precious")).expect("read") == before);
    fs::remove_file(to.path().join(format!("file.{id}.part"))).expect("removed");
    run(proxy.bss(&["recv", &code, "--output"]).arg(to.path()), b"").await.stdout();
}

fn name_and_key(code: &str) -> (String, String) {
    let digest = Sha256::digest(format!("browser-stream-server file-exchange 1 {}", code.replace('-', "")));
    (format!("files-{}", HEXLOWER.encode(&digest[..16])), HEXLOWER.encode(&digest[16..]))
}

async fn list(proxy: &Proxy, code: &str) -> Value {
    let (name, key) = name_and_key(code);
    let peer = Peer::dial(format!("ws://{}/mux", proxy.address)).await.expect("a proxy");
    let wrong = json!({ "exchange": 1, "key": "x", "me": "m", "do": "list" });
    let client = peer.client();
    let connect = |meta: &Value| client.connect(&name).sealed(Sealing::new().meta(meta)).into_future();
    let refused = connect(&wrong).await.expect_err("a wrong key");
    assert_eq!(refused.code().to_string(), "forbidden");
    let later = json!({ "exchange": 2, "key": key, "me": "m", "do": "list" });
    assert_eq!(connect(&later).await.expect_err("another version").code().to_string(), "bad_request");
    let meta = json!({ "exchange": 1, "key": key, "me": "m", "do": "list" });
    assert_eq!(client.connect(&name).meta(&meta).await.expect_err("in the clear").code().to_string(), "forbidden");
    let stream = connect(&meta).await.expect("a list");
    within(Values::new(stream, Json).next()).await.expect("a value").expect("no end")
}

#[tokio::test]
async fn a_sender_that_lies_leaves_no_file_that_looks_complete_and_none_outside_the_folder() {
    let proxy = Proxy::start().await;
    let code = "h4k2-9xqd-7mwz";
    let (name, key) = name_and_key(code);
    let peer = Peer::dial(format!("ws://{}/mux", proxy.address)).await.expect("a proxy");
    let mut listener = peer.server().listen(&name).sealed(&Keys::generate()).await.expect("the name");
    let serving = tokio::spawn(async move {
        let (mut gets, mut kept) = (0, Vec::new());
        while let Some(client) = listener.next().await {
            let client = client.expect("a client");
            let meta: Value = client.sealed().and_then(|sealed| sealed.meta()).expect("JSON");
            assert_eq!((&meta["exchange"], meta["key"].as_str()), (&json!(1), Some(key.as_str())));
            let mut stream = client.accept();
            if meta["do"] == "list" {
                let file = json!({ "id": "0123456789abcdef", "name": "../../.evil\u{202e}txt", "size": 5, "type": "" });
                let mut values = Values::new(stream, Json);
                values.send(&json!({ "type": "files", "piece": 65536, "waits": false, "files": [file] })).await.expect("told");
                kept.push(values);
                continue;
            }
            gets += 1;
            let mut frames = 5_u32.to_be_bytes().to_vec();
            frames.extend_from_slice(&Sha256::digest(b"hello"));
            frames.extend_from_slice(b"hellO");
            stream.write_all(&frames).await.expect("sent");
            let error = stream.stopped().await;
            assert!(error.to_string().contains("4003"), "{error}");
            if gets == 2 {
                return;
            }
        }
    });
    let to = folder(&[]);
    let ended = run(proxy.bss(&["recv", code, "--output"]).arg(to.path()), b"").await;
    ended.failed(70, "corrupt: ");
    within(serving).await.expect("it was asked once more, and no more");
    let left: Vec<_> =
        fs::read_dir(to.path()).expect("a folder").map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    assert_eq!(left, ["_evil_txt.0123456789abcdef.part"]);
}

#[tokio::test]
async fn what_cannot_be_sent_or_received_is_told_in_one_line() {
    let proxy = Proxy::start().await;
    let from = folder(&[("a", 1), ("b", 1)]);
    let ended = proxy.run(&["send", from.path().to_str().expect("text")], b"").await;
    ended.failed(74, "cannot send ");
    assert!(ended.stderr.contains("pack it into one file"), "{ended:?}");
    proxy.run(&["send", &path(&from, "none")], b"").await.failed(74, "cannot send ");
    proxy.run(&["recv", "h4k2-9xqd-7mwz"], b"").await.failed(68, "not_found: ");
    proxy.run(&["recv", "h4k2-9xqd-7mwz", "--output", "no/such/folder"], b"").await.failed(74, "cannot write to ");
    assert_eq!(proxy.run(&["recv", "h4k2"], b"").await.code, Some(2));
    let cut = proxy.run(&["recv", "h4k2-9xqd-7mwz.cut"], b"").await;
    assert!(cut.code == Some(2) && cut.stderr.contains("the link is not whole: the sender's key"), "{cut:?}");
    let (_sender, code) = sending(&proxy.address.to_string(), &[&path(&from, "a"), &path(&from, "b")]).await;
    proxy.run(&["recv", &code, "--output", "-"], b"").await.failed(2, "bad_request: there are 2 files");
    let link = "http://127.0.0.1:1/examples/file-exchange/#h4k2-9xqd-7mwz";
    proxy.run(&["recv", link], b"").await.failed(69, "no_proxy: ");
}

#[tokio::test]
async fn on_a_terminal_the_bar_is_shown_on_both_sides() {
    let proxy = Proxy::start().await;
    let (from, to) = (folder(&[("file", 3 << 20)]), folder(&[]));
    let (reader, stderr) = terminal();
    let mut command = bss(&["send", "--once", "--url", &proxy.address.to_string(), &path(&from, "file")]);
    let mut sender = Program::start(command.stderr(stderr));
    drop(command);
    let sent = tokio::spawn(shown(reader));
    sender.line().await;
    let code = sender.line().await;
    let (reader, stderr) = terminal();
    let mut command = proxy.bss(&["recv", &code, "--output"]);
    let receiver = Program::start(command.arg(to.path()).stderr(stderr).stdout(Stdio::null()));
    drop(command);
    let received = tokio::spawn(shown(reader));
    assert_eq!((receiver.ended().await.code, sender.ended().await.code), (Some(0), Some(0)));
    let (sent, received) = (sent.await.expect("no panic"), received.await.expect("no panic"));
    assert!(sent.contains("sent: 3.0 MiB in "), "{sent:?}");
    assert!(
        received.contains("file: █") && received.contains("100 % of 3.0 MiB, ") && received.contains("file: 3.0 MiB in "),
        "{received:?}"
    );
}
