//! What strangers can do to a proxy, as programs on raw sockets, each beside one honest ping-pong of 64 bytes.
//!
//! How it is measured, and why that is fair. In life an attacker sits on a machine of its own; here all share two cores. So the proxy, a
//! release build in a process of its own, gets the first core to itself and one worker thread with it: a single flooding connection has
//! then as much of the proxy as it would take one per core to have elsewhere, which is the worst case and a repeatable one. The honest
//! peers and the attacker share the second core, the attacker's threads under SCHED_IDLE: they run whenever the honest ones do not, and
//! give way at once when those wake up. What is left of the disturbance (the kernel's part of the attacker's work) counts against the proxy.
//! With one core, or without `taskset` and `chrt`, the floods run all the same and say that they are not pinned.
//!
//! Each test starts a proxy, times the ping-pong idle, under the flood and after it, and prints a row: p50 and p99 in µs, the ratio of the
//! p99 under the flood to the idle one, the proxy's resident memory at the start, at its highest and at the end, how much of its core it used,
//! and what became of the attacker. Asserted in every one: the honest stream carries every byte in order and goes on; the memory stays
//! within the flood's bound; afterwards every descriptor is given back and the memory as good as all. `LONG=1` makes 0.3 s of flood ten, and
//! asserts that the honest p99 stays below five times the idle one: a shorter run says too little of it, and prints it. One flood alone: `make test-floods FLOOD=threat_09`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attack;
mod client;
mod cores;
mod fate;
mod honest;
mod pour;
mod process;
mod server;
mod siege;

mod bytes;
mod frames;
mod loris;
mod replies;
mod shortage;
mod slow;
mod streams;
mod violators;
mod websocket;
