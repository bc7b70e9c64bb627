//! Rules about the tree that no compiler knows (ARCHITECTURE.md). Each failure names its file and line.

mod layers;
mod links;
mod moved;
mod reference;
mod source;
mod text;
mod threats;
mod tree;
