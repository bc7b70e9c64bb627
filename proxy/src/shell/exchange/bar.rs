//! How far an exchange is, on a line of the terminal.

use std::{
    io::{Write, stderr},
    time::{Duration, Instant},
};

use rustix::termios::tcgetwinsize;

use crate::shell::{
    peer::Voice,
    progress::{draw, size},
    rate::Rate,
};

/// A bar, where somebody looks.
pub struct Bar {
    shows: bool,
    begun: Instant,
    rate: Rate,
}

/// How often the line is drawn.
pub const PULSE: Duration = Duration::from_millis(250);
/// Characters of the bar itself.
const WIDTH: usize = 20;
/// A terminal that does not say how wide it is.
const COLUMNS: usize = 80;

impl Bar {
    pub fn new(voice: Voice) -> Self {
        Self { shows: voice.progress, begun: Instant::now(), rate: Rate::default() }
    }

    /// So much of it is there now.
    pub fn look(&mut self, label: &str, held: u64, of: u64) {
        if !self.shows {
            return;
        }
        self.rate.look(Instant::now(), held);
        let columns = tcgetwinsize(stderr()).map_or(0, |window| usize::from(window.ws_col));
        draw(&line(label, held, of, self.rate.passed(), if columns == 0 { COLUMNS } else { columns }));
    }

    /// That was all: the line stays, with the rate of the whole.
    pub fn end(mut self, label: &str, bytes: u64) {
        if std::mem::take(&mut self.shows) {
            let time = self.begun.elapsed().as_secs_f64();
            draw(&format!("{label}: {} in {time:.1} s, {}/s\n", size(bytes as f64), size(bytes as f64 / time.max(0.001))));
        }
    }
}

/// Whatever is written next begins a line.
impl Drop for Bar {
    fn drop(&mut self) {
        if self.shows {
            // A terminal that is gone needs none.
            let _ = stderr().write_all(b"\r\x1b[K");
        }
    }
}

fn line(label: &str, held: u64, of: u64, (bytes, time): (u64, Duration), columns: usize) -> String {
    let share = if of == 0 { 1.0 } else { held as f64 / of as f64 };
    let full = ((share * WIDTH as f64) as usize).min(WIDTH);
    let rate = bytes as f64 / time.as_secs_f64().max(0.001);
    let left = if rate >= 1.0 && held < of { format!(", {} left", clock((of - held) as f64 / rate)) } else { String::new() };
    let bar = format!("{}{}", "█".repeat(full), "░".repeat(WIDTH - full));
    let rest = format!("{bar} {:3.0} % of {}, {}/s{left}", share * 100.0, size(of as f64), size(rate));
    // A line that wraps cannot be written over.
    let room = columns.saturating_sub(rest.chars().count() + 3);
    let mut taken = 0;
    let fits = |character: &char| {
        taken += width(*character);
        taken <= room
    };
    let label: String = label.chars().take_while(fits).collect();
    let whole = if label.is_empty() { rest } else { format!("{label}: {rest}") };
    whole.chars().take(columns.saturating_sub(1)).collect()
}

/// Columns that a character may take at most.
fn width(character: char) -> usize {
    if character.is_ascii() { 1 } else { 2 }
}

/// A time as one says it.
fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02} h", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_how_fast_and_how_long_and_never_wraps() {
        let passed = (2 << 20, Duration::from_secs(2));
        assert_eq!(line("a.txt", 5 << 20, 10 << 20, passed, 80), "a.txt: ██████████░░░░░░░░░░  50 % of 10.0 MiB, 1.0 MiB/s, 5 s left");
        assert_eq!(line("a", 0, 0, (0, Duration::ZERO), 80), "a: ████████████████████ 100 % of 0 B, 0 B/s");
        assert!(line("a", u64::MAX, 1, passed, 200).starts_with("a: ████████████████████ "), "whatever the other side says");
        for columns in [10, 50, 60, 70] {
            let line = line(&"日".repeat(100), 1, 2, passed, columns);
            let wide = line.chars().filter(|character| *character == '日').count();
            assert!(line.chars().count() + wide < columns, "{line} {columns}");
        }
        assert_eq!([59.4, 61.0, 7322.0].map(clock), ["59 s", "1:01 min", "2:02 h"]);
    }
}
