//! The rows of fan-out.

use crate::table::{Bound, Figure};

const WS: &str = "ws, a broadcast loop";
const SOCKET_IO: &str = "socket.io 4";

pub const FIGURES: &[Figure] = &[
    // Payload per second that all readers together got, of messages of 64 KiB that one peer publishes as fast as the slowest reader lets it (`wait`).
    SPEED.beside("fan-out ws", WS),
    SPEED.beside("fan-out socket.io", SOCKET_IO),
    // Time that all threads of the server were on a CPU meanwhile, per GiB delivered.
    CPU.beside("fan-out ws cpu", WS),
    CPU.beside("fan-out socket.io cpu", SOCKET_IO),
    // The same for the other 49, where one has stopped reading its socket for 2 s (`drop`).
    FROZEN.beside("frozen ws", WS),
    FROZEN.beside("frozen socket.io", SOCKET_IO),
    // What the server's resident set grew by in these 2 s.
    MEMORY.beside("frozen ws memory", WS).asks(Bound::Max, 16.0, None),
    MEMORY.beside("frozen socket.io memory", SOCKET_IO),
    // How many messages it heard that it missed when it read again. The others say nothing of the kind: they kept all.
    Figure::new("… messages that one was told it missed", "", "frozen told").asks(Bound::Min, 1.0, None),
];

const SPEED: Figure = Figure::new("fan-out to 50 readers, 64 KiB", "MiB/s", "fan-out");
const CPU: Figure = Figure::new("CPU of the server, delivered", "s/GiB", "fan-out cpu");
const FROZEN: Figure = Figure::new("… with one frozen reader, the others", "MiB/s", "frozen");
const MEMORY: Figure = Figure::new("… the server's memory grows by", "MiB", "frozen memory");
