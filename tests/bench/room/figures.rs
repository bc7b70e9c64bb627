//! The rows of rooms.

use crate::table::Figure;

const SOCKET_IO: &str = "socket.io 4";

pub const FIGURES: &[Figure] = &[
    // 200 members of one room each send 20 events of 200 bytes in a second: 796,000 deliveries are asked for.
    Figure::new("room of 200, 20 events of 200 B a second each, delivered", "/s", "room").beside("room socket.io", SOCKET_IO),
    // From the moment at which an event was due to be sent; of a server that falls behind it grows as long as that is measured.
    Figure::new("… half of them within", "ms", "room p50").beside("room socket.io p50", SOCKET_IO),
    Figure::new("… 99 of 100 within", "ms", "room p99").beside("room socket.io p99", SOCKET_IO),
    Figure::new("… CPU of the server", "cores", "room cpu").beside("room socket.io cpu", SOCKET_IO),
];
