//! Which lines are printed, and how.

use std::io::{self, BufWriter, Stdout, Write};

use super::line::{Kind, Line};

/// Prints lines on stdout.
pub struct Printer {
    json: bool,
    only: Vec<Kind>,
    streams: Vec<u32>,
    out: BufWriter<Stdout>,
    failed: Option<io::Error>,
}

impl Printer {
    /// Prints lines of these kinds and streams, or all where none are named.
    pub fn new(json: bool, only: Vec<Kind>, streams: Vec<u32>) -> Self {
        Self { json, only, streams, out: BufWriter::new(io::stdout()), failed: None }
    }

    pub fn print(&mut self, line: &Line) {
        if self.failed.is_some() || !wanted(&self.only, &self.streams, line) {
            return;
        }
        let text = if self.json { line.json() } else { line.plain() };
        self.failed = writeln!(self.out, "{text}").err();
    }

    /// Whether a line was not printed: [`flush`](Self::flush) says why.
    pub fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Lets what was printed leave.
    ///
    /// # Errors
    /// The first of those that anything since met with.
    pub fn flush(&mut self) -> io::Result<()> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.out.flush(),
        }
    }
}

fn wanted(only: &[Kind], streams: &[u32], line: &Line) -> bool {
    (only.is_empty() || only.contains(&line.kind)) && (streams.is_empty() || line.stream.is_some_and(|stream| streams.contains(&stream)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::shell::trace::line::{Facts, Side};

    #[test]
    fn a_line_is_printed_where_its_kind_and_its_stream_are_wanted() {
        let line = |stream, kind| Line { at: Duration::ZERO, connection: 1, side: Side::Peer, stream, kind, facts: Facts::new() };
        assert!(wanted(&[], &[], &line(None, Kind::Tcp)));
        assert!(wanted(&[Kind::Open, Kind::Reply], &[3, 5], &line(Some(5), Kind::Reply)));
        assert!(!wanted(&[Kind::Open], &[], &line(Some(5), Kind::Reply)));
        assert!(!wanted(&[], &[3], &line(Some(5), Kind::Reply)) && !wanted(&[], &[3], &line(None, Kind::Tcp)));
    }
}
