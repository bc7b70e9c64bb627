//! `bss` as one uses it from the shell: real programs on loopback, with what they print and how they end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod admin;
mod connect;
mod cuts;
mod describe;
mod ends;
mod exchange;
mod exec;
mod forward;
mod list;
mod listen;
mod log;
mod program;
mod readme;
mod sealed;
mod seed;
mod service;
mod terminal;
mod tls;
mod token;
mod trace;
mod visit;
