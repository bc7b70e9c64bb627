//! The decoder against the shared vectors, sessions written by hand, and noise.

mod captured;
mod noise;
mod session;
mod told;
mod vectors;
