//! The rows of the table, what each is, and what is asked of it (performance.md, "To reach").

use crate::table::{Bound, Figure};

/// Names of the baselines as the table shows them.
const TCP_256: &str = "b: TCP relay, 256 KiB buffers";
const TCP_8: &str = "b: TCP relay, 8 KiB buffers";
const TLS_256: &str = "b over TLS";
const PLAIN: &str = "the same without TLS";
const WEBSOCKET: &str = "c: bare WebSocket relay (axum)";
const YAMUX: &str = "d: `yamux` crate, stream to stream";
const ALONE: &str = "the only stream of its session";
const APART: &str = "a session of its own beside these";
const YAMUX_ALL: &str = "d on all cores";

pub const FIGURES: &[Figure] = &[
    // Payload per second of one client's stream of 16 KiB frames (a message each, 128 KiB per write) with a window of 1 MiB.
    BULK.beside("bulk tcp 256", TCP_256).asks(Bound::RatioMin, 0.8, Some(1.0)),
    BULK.beside("bulk tcp 8", TCP_8).asks(Bound::RatioMin, 1.8, Some(2.3)),
    BULK.beside("bulk websocket", WEBSOCKET),
    BULK.beside("bulk yamux", YAMUX).asks(Bound::RatioMin, 2.0, Some(2.6)),
    BULK.beside("bulk yamux all", YAMUX_ALL),
    // Time that all threads of the relay were on a CPU in that same load, per GiB of payload.
    BULK_CPU.beside("bulk tcp 256 cpu", TCP_256).asks(Bound::RatioMax, 1.3, Some(1.0)),
    BULK_CPU.beside("bulk tcp 8 cpu", TCP_8),
    BULK_CPU.beside("bulk websocket cpu", WEBSOCKET).asks(Bound::RatioMax, 0.8, Some(0.65)),
    BULK_CPU.beside("bulk yamux cpu", YAMUX),
    BULK_CPU.beside("bulk yamux all cpu", YAMUX_ALL),
    // The first again over TLS, each behind a process that speaks TLS for both peers and takes its share of the machine; b copies between connections over TLS.
    BULK_TLS.beside("bulk tls relay", TLS_256),
    BULK_TLS.beside("bulk", PLAIN),
    BULK_TLS_CPU.beside("bulk tls relay cpu", TLS_256),
    BULK_TLS_CPU.beside("bulk cpu", PLAIN),
    // Messages of 64 bytes in turn over 100 streams with the initial window, 128 KiB per write; c has no streams: messages.
    SMALL.beside("small websocket", WEBSOCKET).asks(Bound::RatioMin, 1.4, Some(1.9)),
    SMALL.beside("small yamux", YAMUX).asks(Bound::RatioMin, 4.0, Some(5.8)),
    SMALL_CPU.beside("small websocket cpu", WEBSOCKET),
    SMALL_CPU.beside("small yamux cpu", YAMUX),
    // From a 64-byte write to its whole echo, one at a time on one stream.
    Figure::new("ping-pong, p50", "µs", "ping").beside("ping tcp", TCP_256),
    // The same on each of 100 streams of one session at once; and the relay's CPU time divided by round trips.
    Figure::new("ping-pong on 100 streams, p50", "µs", "ping 100").beside("ping 100 yamux", YAMUX).asks(Bound::Max, 150.0, Some(100.0)),
    Figure::new("CPU of one of these", "µs", "ping 100 cpu").beside("ping 100 yamux cpu", YAMUX).asks(Bound::Max, 0.8, Some(0.44)),
    // One 64-byte ping-pong while a stream of the same two sessions sends 16 KiB frames as fast as its 256 KiB window lets it.
    Figure::new("ping beside bulk, p99", "ms", "beside").beside("beside yamux", YAMUX).asks(Bound::Max, 0.4, Some(0.18)),
    // The same beside 99 such streams of that session, whose messages take turns, and beside none: as fast as the machine goes, where each of the ping's four
    // hops waits for a processor behind threads that never pause; and at a pace that leaves processors free, where all that it could wait for is a turn of
    // the others, which is 1.5 MiB, 0.8 ms at 1.9 GiB/s: asked for are two of them.
    CROWD.beside("crowd alone", ALONE),
    CROWD.beside("crowd apart", APART),
    CROWD.beside("crowd yamux", YAMUX),
    CROWD_P99.beside("crowd alone p99", ALONE),
    CROWD_P99.beside("crowd apart p99", APART),
    CROWD_P99.beside("crowd yamux p99", YAMUX),
    CROWD_BULK.beside("crowd apart bulk", APART),
    CROWD_BULK.beside("crowd yamux bulk", YAMUX),
    PACED.beside("crowd alone", ALONE),
    PACED_P99.beside("crowd alone p99", ALONE).asks(Bound::Max, 1.6, None),
    Figure::new("these bulk streams meanwhile", "GiB/s", "crowd paced bulk"),
    // New streams per second, each opened, sent 64 bytes, echoed, finished both ways; 32 at once. Ours with open and reply.
    Figure::new("open + echo + close, 32 at once", "k/s", "churn").beside("churn yamux", YAMUX).asks(Bound::RatioMin, 3.0, Some(4.4)),
    Figure::new("CPU of one of these", "µs", "churn cpu").beside("churn yamux cpu", YAMUX),
    // Resident set of a fresh proxy, after minus before, per session of 2,000 that were upgraded, answered one ping and are silent.
    Figure::new("memory of an idle session", "KiB", "idle session").asks(Bound::Max, 4.0, Some(2.4)),
    // The same per stream of 10,000 between one server and 16 clients, after 64 bytes each way.
    Figure::new("memory of an idle spliced stream", "KiB", "idle stream").asks(Bound::Max, 0.5, Some(0.1)),
    // The same for 100 streams whose reader reads nothing while the writer fills its initial windows; less the kernel's own buffers.
    Figure::new("memory of 100 stalled streams", "of Σ windows", "stalled").asks(Bound::Max, 1.1, Some(0.92)),
    // Payload per second of one stream of our own mux, once windows have grown, with 50 ms of delay each way on one peer's connection.
    Figure::new("100 ms to the client, of 4 MiB per round trip", "%", "delay client").asks(Bound::Min, 80.0, None),
    Figure::new("100 ms to the server, of 4 MiB per round trip", "%", "delay server").asks(Bound::Min, 80.0, None),
    // As "ping beside bulk", with a window of 4 MiB and the reader of both behind 10 Mbit/s that queues 50 ms at most. A round has so few
    // pings, those of 5 s, that its p99 is its worst.
    Figure::new("ping beside bulk at 10 Mbit/s, p99", "ms", "slow link").asks(Bound::Max, 300.0, None),
    Figure::new("the same beside 99 bulk streams", "ms", "slow link crowd").asks(Bound::Max, 300.0, None),
];

const BULK: Figure = Figure::new("one stream, 16 KiB frames", "GiB/s", "bulk");
const BULK_CPU: Figure = Figure::new("CPU of the relay", "s/GiB", "bulk cpu");
const BULK_TLS: Figure = Figure::new("one stream over TLS, 16 KiB frames", "GiB/s", "bulk tls");
const BULK_TLS_CPU: Figure = Figure::new("CPU of the relay over TLS", "s/GiB", "bulk tls cpu");
const SMALL: Figure = Figure::new("64 B messages, 100 streams", "M/s", "small");
const SMALL_CPU: Figure = Figure::new("CPU of one of these", "µs", "small cpu");
const CROWD: Figure = Figure::new("ping beside 99 bulk streams, p50", "ms", "crowd");
const PACED: Figure = Figure::new("ping beside 99 bulk streams of 256 MiB/s, p50", "ms", "crowd paced");
const PACED_P99: Figure = Figure::new("ping beside 99 bulk streams of 256 MiB/s, p99", "ms", "crowd paced p99");
const CROWD_BULK: Figure = Figure::new("these bulk streams meanwhile", "GiB/s", "crowd bulk");
const CROWD_P99: Figure = Figure::new("ping beside 99 bulk streams, p99", "ms", "crowd p99");
