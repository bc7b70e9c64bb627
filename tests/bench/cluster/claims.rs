//! Names that are claimed and given back as fast as that goes.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Instant,
};

use anyhow::{Result, anyhow, ensure};

use crate::{
    endpoint::{INITIAL_WINDOW, Link},
    measure::{SPAN, WARM_UP},
    way::{Incoming, PATH, framed, is_end},
    wire::{Event, FIN, SYN},
};

/// How many in a second, by [`SESSIONS`] that claim one name at a time each: one that begins with `name`.
pub fn per_second(address: SocketAddr, name: &str) -> Result<f64> {
    let (count, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let claiming: Vec<_> = (0..SESSIONS)
            .map(|session| {
                let (count, is_over) = (&count, &is_over);
                scope.spawn(move || claim(address, &format!("{name}-{session}"), count, is_over))
            })
            .collect();
        thread::sleep(WARM_UP);
        let (before, since) = (count.load(Ordering::Relaxed), Instant::now());
        thread::sleep(SPAN);
        let (claims, seconds) = (count.load(Ordering::Relaxed) - before, since.elapsed().as_secs_f64());
        is_over.store(true, Ordering::Relaxed);
        for session in claiming {
            session.join().map_err(|_| anyhow!("a session panicked"))??;
        }
        ensure!(claims > 0, "nobody got a name");
        Ok(claims as f64 / seconds)
    })
}

fn claim(address: SocketAddr, name: &str, count: &AtomicU64, is_over: &AtomicBool) -> Result<()> {
    let mut link = Link::dial(address, PATH)?;
    for number in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let stream = 2 * number + 1;
        link.out.data(stream, SYN, &framed(&format!(r#"{{"path":"/browser-server/listen/{name}-{number}"}}"#)));
        link.flush()?;
        let (mut reply, mut is_ended) = (Incoming::default(), false);
        while !is_ended {
            let mut answered = false;
            link.receive(|out, event| match event {
                Event::Data(id, bytes) if id == stream => {
                    reply.take(id, bytes, INITIAL_WINDOW / 2, out);
                    answered |= reply.asks();
                }
                Event::Frame(frame) if frame.id == stream && is_end(frame.flags) => is_ended = true,
                _ => {}
            })?;
            if answered {
                let told = reply.head().unwrap_or_default();
                ensure!(!told.contains(r#""error""#), "the claim was refused: {told}");
                count.fetch_add(1, Ordering::Relaxed);
                // Given back.
                link.out.data(stream, FIN, &[]);
                link.flush()?;
            }
        }
    }
    Ok(())
}

const SESSIONS: usize = 16;
