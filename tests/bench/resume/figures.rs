//! The rows of resumable streams. Demands are those of the specification; a row without one is there to be known.

use crate::table::{Bound, Figure};

/// The name of the baseline as the table shows it.
const PLAIN: &str = "plain stream of the same client";

pub const FIGURES: &[Figure] = &[
    // Payload per second of one stream between two Rust clients in one process, written and read by 64 KiB at most.
    Figure::new("resumable stream", "GiB/s", "resume bulk").beside("resume bulk plain", PLAIN).asks(Bound::RatioMin, 0.9, Some(1.0)),
    // Time on a CPU of that process, so of both clients, and of the proxy.
    Figure::new("CPU of both clients and the proxy", "s/GiB", "resume bulk cpu").beside("resume bulk plain cpu", PLAIN),
    // The same stream, sealed (`proxy/SEAL.md`): both ends encrypt and decrypt in one process.
    Figure::new("sealed stream", "GiB/s", "seal bulk").beside("resume bulk", "the same stream, not sealed"),
    Figure::new("CPU of both clients and the proxy, sealed", "s/GiB", "seal bulk cpu")
        .beside("resume bulk cpu", "the same stream, not sealed"),
    // The same through a forwarder in the clients' process that cuts the writer's connection every 2 s.
    Figure::new("resumable stream, cut every 2 s", "GiB/s", "resume cut").beside("resume uncut", "uncut, same forwarder"),
    Figure::new("moves of that stream in 4 s", "moves", "resume cut moves"),
    Figure::new("bytes sent again in one of these", "KiB", "resume cut again"),
    // What passes on the writer's connection beyond the payload, in a transfer of 32 MiB.
    Figure::new("overhead per MiB, with the data", "bytes", "resume wire up").beside("resume wire plain up", PLAIN),
    Figure::new("overhead per MiB, on the way back", "bytes", "resume wire down").beside("resume wire plain down", PLAIN),
    // Growth of the resident set of a process with both ends of 2,000 streams, after 64 bytes each way.
    Figure::new("memory of an idle stream, both ends", "KiB", "resume idle").beside("resume idle plain", PLAIN),
    // With a reader that reads nothing: what `write` took until it had to wait, where that lies, and the growth of a fresh proxy.
    Figure::new("taken for a reader that never read", "KiB", "stopped").beside("stopped plain", PLAIN),
    Figure::new("never read: of it at the writer", "KiB", "stopped at writer").beside("stopped plain at writer", PLAIN),
    Figure::new("never read: of it under way", "KiB", "stopped under way").beside("stopped plain under way", PLAIN),
    Figure::new("never read: of it at the reader", "KiB", "stopped at reader").beside("stopped plain at reader", PLAIN),
    Figure::new("never read: growth of the proxy", "KiB", "stopped proxy").beside("stopped plain proxy", PLAIN),
    // The same when windows have grown.
    Figure::new("taken for a reader that read 64 MiB", "KiB", "stopped grown").beside("stopped grown plain", PLAIN),
    Figure::new("read 64 MiB: of it at the writer", "KiB", "stopped grown at writer").beside("stopped grown plain at writer", PLAIN),
    Figure::new("read 64 MiB: of it under way", "KiB", "stopped grown under way").beside("stopped grown plain under way", PLAIN),
    Figure::new("read 64 MiB: of it at the reader", "KiB", "stopped grown at reader").beside("stopped grown plain at reader", PLAIN),
    Figure::new("read 64 MiB: growth of the proxy", "KiB", "stopped grown proxy").beside("stopped grown plain proxy", PLAIN),
    // From the cut until the first byte over the new connection is read, with 20 ms of delay each way on the client's connection.
    Figure::new("a move, until the server reads", "round trips", "resume move server"),
    Figure::new("a move, until the client reads", "round trips", "resume move client"),
    Figure::new("bytes sent again in one of these", "bytes", "resume move again"),
    // What comes back to who writes 64 bytes every 10 ms.
    Figure::new("words back to a trickle", "per s", "resume acks").beside("resume acks plain", PLAIN),
    Figure::new("bytes back to a trickle", "per s", "resume acks bytes").beside("resume acks plain bytes", PLAIN),
    // Of 100 such streams at once, in the process with both clients and in the proxy.
    Figure::new("CPU of one message of a trickle", "µs", "resume trickle").beside("resume trickle plain", PLAIN),
];
