//! What `bss help trace` says behind the options.

/// The kinds of lines, and the fields of each.
pub const HELP: &str = "\
A line is: seconds since the trace began, the connection's number, → for what the peer says and ← for the proxy's word, the stream
(0: the session, -: none), a kind, and facts as name=value. With --json it is an object: at, connection, side (peer or proxy), stream
(absent where there is none), kind, and the facts by the same names; json is an object itself.

  kind        facts
  tcp         event (opened, finished, reset, refused, missing, not decoded, begins in mid-connection), from, to, bytes, text
  upgrade     path, host, origin, extensions, subprotocol, authorization; of the answer status, subprotocol, text
  websocket   type (ping, pong, close), length; code, reason
  data        flags, length                        a frame DATA of the mux; late: its stream is over
  window      flags, credit                        WINDOW_UPDATE
  reset       flags, code, number                  RST
  ping        flags, token
  goaway      code, number
  open, reply, note                                json
  record      type, and offset, length, total, received, room, code, message, token, id, nonce, mac
  channel     type, and length, publisher, reader, first, messages, count, taken, slowest, delivered, code, text, id, json
  room        type, and flags, ref, ask, timeout, to, except, name, length, from, number, numbers, live, count, code, text, scope,
              rooms, json
  sealed      length, end                          what the two ends alone can read
  bytes       length, hex                          with --data: what a frame carries that is nobody's but the application's; hex
                                                   stands with the length of a record, too
  violation   code, text                           the protocol was broken; decoding goes on where it can
  limit       text                                 something is not decoded: too much would have to be kept, or nothing can be
                                                   told apart any more

Tokens, keys, proofs and what follows a ? are not shown, unless with --secrets; fields of `meta` whose names say that they are
secret neither. What streams carry is not shown, unless with --data. Of all connections together 64 MiB are kept at most, of an open or
a note 9 KiB, of what came out of order in a capture 1 MiB for each direction.

Live, bytes go on as they came, but for the Host of the upgrade where the proxy is not on this machine. Who reads the lines more
slowly than peers talk holds nobody up: where 32 MiB wait, a connection is told no further, and goes on.

  bss trace --listen 9000 ws://127.0.0.1:8080/mux  then: bss ls --url ws://127.0.0.1:9000/mux
  bss trace --listen 9000 wss://bss.example/mux --only open,reply,violation
  bss trace session.pcapng --port 8080             what tcpdump or Wireshark recorded, without TLS
  tcpdump -i lo -w - port 8080 | bss trace -       as it comes
  bss trace session.pcap --json | jq -c 'select(.kind == \"reset\")'";

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;
    use crate::shell::trace::{
        line::Kind,
        tables::{DELIVERED, NEWS, PUBLISHED, RESUME, SAID, TOLD},
    };

    /// What stands behind the name of a kind.
    fn row(kind: &str) -> String {
        let named = |line: &str| line.get(2..14).is_some_and(|names| names.split([',', ' ']).any(|name| name == kind));
        let mut lines = HELP.lines().skip_while(|line| !named(line));
        let first = lines.next().unwrap_or_default().to_owned();
        lines.take_while(|line| line.starts_with("              ")).fold(first, |row, line| row + line)
    }

    #[test]
    fn the_help_names_all_kinds_and_all_that_records_tell() {
        for kind in Kind::value_variants() {
            let name = kind.to_possible_value().expect("a name").get_name().to_owned();
            assert!(HELP.lines().any(|line| line.starts_with("  ") && line.split([',', ' ']).any(|word| word == name)), "{name}");
        }
        for (table, kind) in
            [(&RESUME, "record"), (&PUBLISHED, "channel"), (&DELIVERED, "channel"), (&NEWS, "channel"), (&SAID, "room"), (&TOLD, "room")]
        {
            let row = row(kind);
            for field in table.layouts.iter().flat_map(|layout| layout.fields) {
                let is_named = row.split([',', ' ']).any(|word| word == field.name);
                assert!(is_named, "{kind}: {}: {row}", field.name);
            }
        }
    }
}
