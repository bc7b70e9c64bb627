//! The events of programs and of pages.

use super::{between, documented, read, row};

/// The page.
pub fn page() -> String {
    let rust = [
        ("Names: `StreamServerProxy::events`", "proxy/src/route/events.rs", "Event"),
        ("Channels: `proxy.channels().events()`", "proxy/src/feature/channel/events.rs", "ChannelEvent"),
        ("Rooms: `proxy.rooms().events()`", "proxy/src/feature/room/events.rs", "RoomEvent"),
    ];
    let pages = [
        ("`MuxDemux(url)`", "mux-demux-events.ts", "MuxDemuxEvents"),
        ("`MuxDemux(pair)`", "duplex-mux.ts", "DuplexMuxEvents"),
        ("`StreamServer`", "stream-server.ts", "StreamServerEvents"),
        ("A stream", "node-style.ts", "StreamEvents"),
        ("`client.watch(name)`", "watch.ts", "WatchEvents"),
        ("`channel.publish(…)`", "channel/publication-events.ts", "PublicationEvents"),
        ("`channel.subscribe(…)`", "channel/subscription.ts", "SubscriptionEvents"),
        ("`Room(mdm).join(…)`", "room/room-events.ts", "RoomEvents"),
        ("`Room(mdm).rooms()`", "room/directory.ts", "DirectoryEvents"),
    ];
    let rust: String = rust.into_iter().map(|(title, path, name)| in_rust(title, &read(path), name)).collect();
    let pages: String =
        pages.into_iter().map(|(title, path, name)| in_pages(title, &read(&format!("browser-lib/src/{path}")), name)).collect();
    format!(
        "\
# Events

Made from the code (`make reference`).

## In the program that the proxy runs in

Nobody waits for a subscriber: one that lags behind is told by `missed` how many it missed. `bss serve` logs those of names, clients at `debug`.
{rust}
## In a page

By `on`, `once`, `off`. Where nobody listens to \"error\" nothing is thrown.
{pages}"
    )
}

fn in_rust(title: &str, source: &str, name: &str) -> String {
    let body = between(source, &format!("pub enum {name} {{\n"), "\n}\n");
    let kinds = between(source, "pub fn kind(&self)", "\n    }\n");
    let variants = documented(body, |line| Some(line.strip_prefix("    ")?.strip_suffix(" {")?.to_owned()));
    let rows = variants.iter().map(|(variant, meaning)| {
        let kind = between(kinds, &format!("Self::{variant} {{ .. }} => \""), "\"");
        let fields = documented(between(&format!("{body}\n"), &format!("    {variant} {{\n"), "\n    },"), |line| {
            Some(line.trim().split_once(':')?.0.to_owned())
        });
        let fields = fields.iter().map(|(field, _)| format!("`{field}`")).collect::<Vec<_>>().join(", ");
        // The kind stands in a column of its own.
        let meaning = meaning.trim_start_matches(&format!("`{kind}`")).trim_start_matches([':', '.']).trim_start();
        row([&format!("`{kind}`"), &format!("`{variant}`"), &fields, meaning])
    });
    format!("\n### {title}\n\n| event | `{name}::` | with | |\n|---|---|---|---|\n{}", rows.collect::<String>())
}

fn in_pages(title: &str, source: &str, name: &str) -> String {
    let (_, rest) = source.split_once(&format!("export interface {name}")).unwrap_or_else(|| panic!("no {name}"));
    let body = between(rest, "{\n", "\n}");
    let (mut rows, mut doc) = (String::new(), String::new());
    for line in body.lines().map(str::trim) {
        if line.starts_with('*') || line.starts_with("/**") {
            let text = line.trim_start_matches("/**").trim_end_matches("*/").trim_start_matches('*').trim();
            doc = format!("{doc} {text}").trim().to_owned();
        } else if let Some((event, arguments)) = line.strip_suffix("];").and_then(|line| line.split_once(": [")) {
            let arguments = if arguments.is_empty() { String::new() } else { format!("`{arguments}`") };
            rows += &row([&format!("`{event}`"), &arguments, &std::mem::take(&mut doc)]);
        }
    }
    assert!(!rows.is_empty(), "{name} has events");
    format!("\n### {title}\n\n| event | with | |\n|---|---|---|\n{rows}")
}
