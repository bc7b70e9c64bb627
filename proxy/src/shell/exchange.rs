//! Files from hand to hand: `bss send` and `bss recv`, with one another and with the page examples/file-exchange, whose PROTOCOL.md has the bytes.
//!
//! `code` is what people pass on, `wire` what the two sides say, `offer` the files of the sender, `give` what one receiver gets of them; `take` gets one file,
//! `part` keeps what has come of it, `name` makes its name safe; `send` and `receive` are the commands, `bar` shows how far they are.

mod bar;
mod code;
mod give;
mod name;
mod offer;
mod part;
mod receive;
mod send;
mod take;
mod wire;

pub use receive::Receive;
pub use send::Send;
