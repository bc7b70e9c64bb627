//! Files that `bss seed` serves to a swarm, and pages that it writes.

use std::{fs, time::Duration};

use browser_stream_client::{
    Code, Peer, Stream, StreamError,
    swarm::{ContentId, Decoder, Found, Held, Manifest, PIECE_BYTES, Record, Told, Tracker, Wanted},
};
use bytes::{Bytes, BytesMut};
use harness::{Port, pattern};
use rustix::process::Signal;
use tempfile::{TempDir, tempdir};

use crate::{
    program::{Ended, Program, Proxy, bss, run, within},
    token::Keys,
};

/// A folder with files of these sizes.
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

async fn dial(proxy: &Proxy) -> Peer {
    Peer::dial(format!("ws://{}/mux", proxy.address)).await.expect("the proxy is there")
}

/// Who has this, once so many have it.
async fn found(peer: &Peer, id: ContentId, holders: usize) -> Found {
    let mut tracker = within(Tracker::open(peer, "/swarm")).await.expect("it may");
    loop {
        tracker.find(1, id, None);
        match within(tracker.next()).await {
            Some(Told::Found(found)) if found.candidates.len() == holders => return found,
            Some(Told::Found(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
            other => panic!("{other:?}"),
        }
    }
}

/// One who fetches from the one who holds it.
struct Fetcher {
    stream: Stream,
    decoder: Decoder<Held>,
}

impl Fetcher {
    async fn of(peer: &Peer, id: ContentId) -> Self {
        let found = found(peer, id, 1).await;
        let client = peer.client().with_prefix("/swarm");
        let stream = within(client.connect(found.candidates[0].name.to_string()).into_future()).await.expect("it serves");
        Self { stream, decoder: Decoder::default() }
    }

    async fn say(&mut self, wanted: &[Wanted]) {
        let mut out = BytesMut::new();
        wanted.iter().for_each(|wanted| wanted.write(&mut out));
        within(self.stream.write_chunk(out.freeze())).await.expect("it is there");
    }

    async fn next(&mut self) -> Result<Held, StreamError> {
        loop {
            if let Some(held) = self.decoder.next().expect("a record") {
                return Ok(held);
            }
            let chunk = within(self.stream.read_chunk()).await?.expect("it does not end");
            self.decoder.push(chunk);
        }
    }

    async fn heard(&mut self) -> Held {
        self.next().await.expect("it is there")
    }

    /// The whole of a content, each piece verified.
    async fn fetch(&mut self, id: ContentId) -> Vec<u8> {
        self.say(&[Wanted::Want(1, id), Wanted::Manifest(1)]).await;
        let Held::Have { number: 1, pieces, have: None } = self.heard().await else { panic!("all of it") };
        let Held::Manifest(1, bytes) = self.heard().await else { panic!("its manifest") };
        let manifest = Manifest::parse(bytes).expect("a manifest");
        assert_eq!((manifest.id(), manifest.pieces()), (id, pieces as usize));
        let asks: Vec<_> = (0..pieces).rev().map(|piece| Wanted::Ask(1, piece)).collect();
        self.say(&asks).await;
        let mut whole = vec![Bytes::new(); pieces as usize];
        for _ in 0..pieces {
            let Held::Piece(1, index, piece) = self.heard().await else { panic!("a piece") };
            assert!(manifest.verifies(index as usize, &piece), "piece {index}");
            whole[index as usize] = piece;
        }
        self.say(&[Wanted::Drop(1)]).await;
        whole.concat()
    }
}

/// A seeder of one file, and the file's id.
async fn seeding(proxy: &Proxy, args: &[&str]) -> (Program, ContentId) {
    let mut seeder = proxy.start_peer(&[&["seed"], args].concat());
    let id = seeder.line().await.parse().expect("an id");
    (seeder, id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_found_by_its_id_and_fetched_piece_by_piece_by_several_at_once() {
    let proxy = Proxy::start().await;
    let files = folder(&[("film", 5 * PIECE_BYTES + 1)]);
    let film = fs::read(path(&files, "film")).expect("read");
    let (seeder, id) = seeding(&proxy, &["--manifest", &path(&files, "film.swm"), &path(&files, "film")]).await;
    let manifest = Manifest::parse(fs::read(path(&files, "film.swm")).expect("written").into()).expect("a manifest");
    assert_eq!((manifest.id(), manifest), (id, Manifest::of(&film[..]).expect("read")));
    let fetch = async || {
        let peer = dial(&proxy).await;
        let mut fetcher = Fetcher::of(&peer, id).await;
        assert!(fetcher.fetch(id).await == film);
        // What it asked for comes although it has no more to say.
        fetcher.say(&[Wanted::Want(2, id), Wanted::Ask(2, 5)]).await;
        fetcher.stream.finish();
        assert!(matches!(fetcher.heard().await, Held::Have { number: 2, .. }));
        assert_eq!(fetcher.heard().await, Held::Piece(2, 5, Bytes::copy_from_slice(&film[5 * PIECE_BYTES..])));
        assert_eq!(within(fetcher.stream.read_chunk()).await, Ok(None));
        peer.close().await;
    };
    tokio::join!(fetch(), fetch(), fetch());
    seeder.signal(Signal::INT);
    let ended = seeder.ended().await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(130), ""));
    let gone = dial(&proxy).await;
    found(&gone, id, 0).await;
}

#[tokio::test]
async fn several_files_are_listed_with_their_ids_and_nothing_has_no_piece() {
    let proxy = Proxy::start().await;
    let files = folder(&[("b", 0), ("a", 3)]);
    let mut seeder = proxy.start_peer(&["seed", "--verbose", &path(&files, "b"), &path(&files, "a"), &path(&files, "a")]);
    let (a, b) = (seeder.line().await, seeder.line().await);
    let id = |line: &str, name: &str| -> ContentId {
        let (id, file) = line.split_once("  ").expect("an id and a file");
        assert!(file.ends_with(name), "{line}");
        id.parse().expect("an id")
    };
    let (_, empty) = (id(&a, "/a"), id(&b, "/b"));
    assert!(seeder.said().await.ends_with(": serving"));
    let peer = dial(&proxy).await;
    let mut fetcher = Fetcher::of(&peer, empty).await;
    assert_eq!(fetcher.fetch(empty).await, b"");
    let unknown = ContentId([7; 32]);
    fetcher
        .say(&[
            Wanted::Want(5, unknown),
            Wanted::Ask(5, 0),
            Wanted::Manifest(5),
            Wanted::Drop(5),
            Wanted::Cancel(5, 0),
            Wanted::Want(5, empty),
        ])
        .await;
    assert_eq!(fetcher.heard().await, Held::None(5));
    assert_eq!(fetcher.heard().await, Held::Refused(5, 0, Code::NotFound.number()));
    assert_eq!(fetcher.heard().await, Held::None(5));
    assert_eq!(fetcher.heard().await, Held::Have { number: 5, pieces: 0, have: None });
}

#[tokio::test]
async fn threat_25_a_file_that_changed_is_not_served_and_withdrawn() {
    let proxy = Proxy::start().await;
    let files = folder(&[("one", 2 * PIECE_BYTES)]);
    let (mut seeder, id) = seeding(&proxy, &[&path(&files, "one")]).await;
    let peer = dial(&proxy).await;
    let mut fetcher = Fetcher::of(&peer, id).await;
    fetcher.say(&[Wanted::Want(1, id), Wanted::Ask(1, 0)]).await;
    assert!(matches!(fetcher.heard().await, Held::Have { pieces: 2, .. }));
    assert!(matches!(fetcher.heard().await, Held::Piece(1, 0, _)));
    fs::write(path(&files, "one"), pattern(9, 2 * PIECE_BYTES)).expect("written");
    fetcher.say(&[Wanted::Ask(1, 1)]).await;
    // It may have been seen before it was asked for.
    let heard = [fetcher.heard().await, fetcher.heard().await];
    assert!(heard.contains(&Held::Refused(1, 1, Code::NotFound.number())) && heard.contains(&Held::None(1)), "{heard:?}");
    let said = seeder.said().await;
    assert!(said.contains("/one: it has changed since it was hashed"), "{said}");
    seeder.ended().await.failed(74, "nothing is left to serve");
}

#[tokio::test]
async fn what_cannot_leave_soon_is_refused_and_not_kept_waiting() {
    let proxy = Proxy::start().await;
    let files = folder(&[("film", 70 * PIECE_BYTES)]);
    let (_seeder, id) = seeding(&proxy, &["--limit", "1", &path(&files, "film")]).await;
    let peer = dial(&proxy).await;
    let mut fetcher = Fetcher::of(&peer, id).await;
    let asks: Vec<_> = (0..64).map(|piece| Wanted::Ask(1, piece)).collect();
    fetcher.say(&[&[Wanted::Want(1, id)], &asks[..]].concat()).await;
    assert!(matches!(fetcher.heard().await, Held::Have { .. }));
    let (mut given, mut refused) = (0, 0);
    // At a byte a second one piece leaves at once, and one more waits for three days.
    while given == 0 || given + refused < 63 {
        match fetcher.heard().await {
            Held::Piece(..) => given += 1,
            Held::Refused(1, _, code) if code == Code::Limit.number() => refused += 1,
            // The piece that left made room.
            Held::Have { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(given == 1 && refused >= 62, "{given} and {refused}");
}

#[tokio::test]
async fn threat_25_a_fetcher_that_keeps_to_no_rule_is_cut_off_and_others_are_served() {
    let proxy = Proxy::start().await;
    let files = folder(&[("film", 70 * PIECE_BYTES)]);
    let (_seeder, id) = seeding(&proxy, &["--limit", "1", &path(&files, "film")]).await;
    let peer = dial(&proxy).await;
    let mut honest = Fetcher::of(&peer, id).await;
    honest.say(&[Wanted::Want(1, id), Wanted::Ask(1, 0)]).await;
    assert!(matches!(honest.heard().await, Held::Have { .. }));
    assert!(matches!(honest.heard().await, Held::Piece(..)));
    let twice = [Wanted::Want(1, id), Wanted::Want(1, id)];
    let mut out = BytesMut::new();
    twice.iter().for_each(|wanted| wanted.write(&mut out));
    for bytes in [vec![0], out.to_vec(), vec![4, 0x80, 0x80]] {
        let mut fetcher = Fetcher::of(&peer, id).await;
        within(fetcher.stream.write_chunk(bytes.into())).await.expect("it is there");
        fetcher.stream.finish();
        let end = loop {
            if let Err(end) = fetcher.next().await {
                break end;
            }
        };
        assert!(matches!(end, StreamError::Reset(_)), "{end:?}");
    }
    honest.say(&[Wanted::Want(2, id)]).await;
    assert!(matches!(honest.heard().await, Held::Have { number: 2, .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seeder_is_there_again_after_the_proxy_was() {
    let port = Port::hold();
    let proxy = Proxy::at(&port).await;
    let files = folder(&[("film", PIECE_BYTES)]);
    let (_seeder, id) = seeding(&proxy, &[&path(&files, "film")]).await;
    found(&dial(&proxy).await, id, 1).await;
    proxy.program.signal(Signal::KILL);
    let _ = proxy.program.ended().await;
    let again = Proxy::at(&port).await;
    let peer = dial(&again).await;
    let film = Fetcher::of(&peer, id).await.fetch(id).await;
    assert_eq!(film.len(), PIECE_BYTES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seeder_goes_over_to_the_proxy_that_comes_behind_one_that_drains() {
    let port = Port::hold();
    let proxy = Proxy::at(&port).await;
    let files = folder(&[("film", PIECE_BYTES)]);
    let (_seeder, id) = seeding(&proxy, &[&path(&files, "film")]).await;
    found(&dial(&proxy).await, id, 1).await;
    proxy.program.signal(Signal::TERM);
    let _ = proxy.program.ended().await;
    let again = Proxy::at(&port).await;
    let peer = dial(&again).await;
    assert_eq!(Fetcher::of(&peer, id).await.fetch(id).await.len(), PIECE_BYTES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_tokens_are_asked_for_a_seeder_shows_one_and_is_told_which_rights_it_lacks() {
    let keys = Keys::make("EdDSA").await;
    let proxy = Proxy::with(&["--tokens", &keys.path("keys.json"), "--token-audience", "here"]).await;
    let files = folder(&[("film", PIECE_BYTES)]);
    let film = path(&files, "film");
    let seed = async |rights: &[&str]| {
        let token = keys.mint(&[&["--aud", "here"], rights].concat()).await;
        Program::start(proxy.bss(&["seed", &film]).env("BSS_TOKEN", token))
    };
    let refused = async |seeder: Program, says: &str| {
        let ended = seeder.ended().await;
        assert!(ended.code != Some(0) && ended.stderr.contains(says), "{ended:?}");
    };
    refused(proxy.start_peer(&["seed", &film]), "token").await;
    refused(seed(&["--publish", "swarm-*"]).await, "the token has to allow listen=swarm-*").await;
    refused(seed(&["--listen", "swarm-*"]).await, "the token has to allow publish=swarm-*").await;

    let mut seeder = seed(&["--listen", "swarm-*", "--publish", "swarm-*"]).await;
    let id: ContentId = seeder.line().await.parse().expect("an id");
    let token = keys.mint(&["--aud", "here", "--connect", "swarm-*", "--subscribe", "swarm-*"]).await;
    let peer = within(Peer::dial(format!("ws://{}/mux", proxy.address)).token(token).into_future()).await.expect("it may");
    assert_eq!(Fetcher::of(&peer, id).await.fetch(id).await.len(), PIECE_BYTES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_gets_the_ids_of_its_images_and_those_are_served() {
    let files = folder(&[("a.png", 300_000), ("b.png", 5)]);
    let page = "<!doctype html><img src=\"a.png\"><img src='/b.png'><img src=\"https://example.org/c.png\">";
    fs::write(path(&files, "page.html"), page).expect("written");
    let [a, b] = ["a.png", "b.png"].map(|name| Manifest::of(&fs::read(path(&files, name)).expect("read")[..]).expect("read").id());
    let expected = format!(
        "<!doctype html><img data-swarm=\"{a}\" data-src=\"a.png\"><img data-swarm=\"{b}\" data-src='/b.png'><img src=\"https://example.org/c.png\">"
    );
    // To write a page needs no proxy.
    let printed = run(&mut bss(&["seed", &path(&files, "page.html")]), b"").await;
    assert_eq!((printed.code, String::from_utf8_lossy(&printed.stdout).as_ref()), (Some(0), expected.as_str()));
    assert!(printed.stderr.contains("only files of this machine are seeded"), "{}", printed.stderr);
    let proxy = Proxy::start().await;
    let mut seeder = proxy.start_peer(&["seed", &path(&files, "page.html"), "--in-place", "--seed"]);
    let lines = [seeder.line().await, seeder.line().await];
    assert!(lines[0].starts_with(&a.to_string()) && lines[1].starts_with(&b.to_string()), "{lines:?}");
    assert_eq!(fs::read_to_string(path(&files, "page.html")).expect("read"), expected);
    let peer = dial(&proxy).await;
    assert_eq!(Fetcher::of(&peer, b).await.fetch(b).await, fs::read(path(&files, "b.png")).expect("read"));
}

#[tokio::test]
async fn a_page_that_did_not_get_its_ids_is_told_by_the_status() {
    let files = folder(&[("a.png", 3)]);
    let (page, none) = (path(&files, "page.html"), path(&files, "public/page.html"));
    let seed = async |html: &str, args: &[&str]| {
        fs::write(&page, html).expect("written");
        run(&mut bss(&[&["seed", page.as_str()], args].concat()), b"").await
    };
    let says = |ended: &Ended, code: i32, line: &str| {
        assert!(ended.code == Some(code) && ended.stderr.contains(line), "{ended:?}");
    };
    says(&seed("<img src=a.png><img src=none.png>", &[]).await, 74, "page.html: 1 of its 2 images cannot be read");
    let away = "<img src=\"https://example.org/a.png\">";
    says(&seed(away, &["--in-place"]).await, 2, "bad_request: the page has no image that could be seeded");
    says(&seed("<p>no image", &["--in-place"]).await, 0, "0 of 0 images");

    says(&seed("<img src=a.png>", &["--in-place"]).await, 0, "1 of 1 images have an id");
    fs::rename(path(&files, "a.png"), path(&files, "b.png")).expect("renamed");
    says(&run(&mut bss(&["seed", &page, "--in-place"]), b"").await, 74, "\"a.png\" has no id any more");
    assert_eq!(fs::read_to_string(&page).expect("read"), "<img src=a.png>");

    says(&seed("<img src=b.png>", &["--out", &none]).await, 74, "there is no folder");
    fs::create_dir(files.path().join("public")).expect("made");
    says(&seed("<img src=b.png>", &["--out", &none]).await, 0, "\"b.png\" is not where this page looks for it");
}

#[tokio::test]
async fn what_cannot_be_seeded_is_said_before_anything_is_dialled() {
    let files = folder(&[("a", 3), ("b", 3)]);
    let (a, b, none) = (path(&files, "a"), path(&files, "b"), path(&files, "none"));
    for (args, status, begins) in [
        (&["seed", none.as_str()][..], 74, "cannot seed "),
        (&["seed", files.path().to_str().expect("text")], 74, "cannot seed "),
        (&["seed", &a, &b, "--manifest", &none], 2, "bad_request: --manifest is for one file"),
        (&["seed", &a, "--in-place"], 2, "bad_request: --out, --in-place"),
    ] {
        run(&mut bss(args), b"").await.failed(status, begins);
    }
}
