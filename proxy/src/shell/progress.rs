//! How far a transfer is, for somebody who looks at a terminal; and what it waits for.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use super::{peer::Voice, pipe::Carried, rate::Rate, standard::say};

/// Tells how one stream goes.
pub struct Progress<'a> {
    name: &'a str,
    begun: Instant,
    /// On a line of its own that is written over.
    shows: bool,
    /// That the stream waits, in a line of a log.
    says: bool,
    rate: Rate,
    absence: Absence,
}

/// Whether the stream is without a carrier.
enum Absence {
    None,
    Since(Instant),
    Told,
}

/// A drop that is shorter is none that anybody needs to know of.
const ABSENCE: Duration = Duration::from_secs(2);

impl<'a> Progress<'a> {
    /// Of the stream to that name; shown only where `is_free`, for the terminal may be somebody's to type in.
    pub fn new(voice: Voice, is_free: bool, name: &'a str) -> Self {
        let shows = voice.progress && is_free;
        Self { name, begun: Instant::now(), shows, says: voice.connection, rate: Rate::default(), absence: Absence::None }
    }

    /// So much has passed by now.
    pub fn look(&mut self, carried: Carried, is_carried: bool) {
        let now = Instant::now();
        self.watch(is_carried, now);
        self.rate.look(now, carried.sent + carried.received);
        if self.shows {
            let (bytes, time) = self.rate.passed();
            draw(&line(carried, bytes, time));
        }
    }

    /// That was all: the line stays, with the rate of the whole.
    pub fn end(&mut self, carried: Carried) {
        if std::mem::take(&mut self.shows) {
            let bytes = carried.sent + carried.received;
            draw(&format!("{} in {:.1} s\n", line(carried, bytes, self.begun.elapsed()), self.begun.elapsed().as_secs_f64()));
        }
    }

    fn watch(&mut self, is_carried: bool, now: Instant) {
        self.absence = match (&self.absence, is_carried) {
            (Absence::None, false) => Absence::Since(now),
            (Absence::Since(since), false) if now - *since >= ABSENCE => {
                if self.says {
                    say(&format!("{}: nothing carries the stream at this moment; it goes on when its far side is there again", self.name));
                }
                Absence::Told
            }
            (Absence::Told, true) => {
                if self.says {
                    say(&format!("{}: the stream goes on", self.name));
                }
                Absence::None
            }
            (_, true) => Absence::None,
            (Absence::Since(since), false) => Absence::Since(*since),
            (Absence::Told, false) => Absence::Told,
        };
    }
}

/// Whatever is written next begins a line.
impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if self.shows {
            let _ = io::stderr().write_all(b"\n");
        }
    }
}

fn line(carried: Carried, bytes: u64, time: Duration) -> String {
    let rate = bytes as f64 / time.as_secs_f64().max(0.001);
    format!("{} sent, {} received, {}/s", size(carried.sent as f64), size(carried.received as f64), size(rate))
}

/// Bytes with three or four digits.
pub fn size(bytes: f64) -> String {
    let mut rest = bytes;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if rest < 1000.0 {
            return if unit == "B" { format!("{rest:.0} {unit}") } else { format!("{rest:.1} {unit}") };
        }
        rest /= 1024.0;
    }
    format!("{rest:.1} TiB")
}

/// Over what stood in the line before.
pub fn draw(text: &str) {
    // A terminal that is gone needs no progress.
    let _ = io::stderr().write_all(format!("\r\x1b[K{text}").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short_at_any_length() {
        for (bytes, text) in [
            (0.0, "0 B"),
            (999.0, "999 B"),
            (1000.0, "1.0 KiB"),
            (64.0 * 1024.0 * 1024.0, "64.0 MiB"),
            (1023.0 * 1024.0 * 1024.0, "1.0 GiB"),
            (2f64.powi(50), "1024.0 TiB"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn a_line_says_both_directions_and_the_rate() {
        let carried = Carried { sent: 2048, received: 10 };
        assert_eq!(line(carried, 2058, Duration::from_secs(2)), "2.0 KiB sent, 10 B received, 1.0 KiB/s");
    }
}
