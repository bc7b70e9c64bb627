//! Resumable streams without I/O: vectors, the facts of RESUME.md's tables, and a model under random schedules.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod carriers;
mod events;
mod hostile;
mod model;
mod network;
mod opening;
mod remembering;
mod schedule;
mod sending;
mod vectors;
mod world;
