//! Carries a stream to and from two ends on this machine, each direction to its own end.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use browser_stream_client::{Code, RefusalCode, Stream, StreamError};
use futures::future::BoxFuture;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Interval, MissedTickBehavior, interval},
};

use super::progress::Progress;

/// A stream between an input and an output.
pub struct Pipe<R, W> {
    stream: Stream,
    stopped: BoxFuture<'static, StreamError>,
    input: R,
    /// `None`: what comes is dropped.
    output: Option<W>,
    up: Flow,
    down: Flow,
    carried: Carried,
    has_passed: bool,
    /// An output that takes no more is no reason to end: what still comes is dropped.
    pub drops_what_is_not_taken: bool,
    /// Our side ends behind the far side's, so that who hears of its end knows that all was taken.
    pub ends_last: bool,
    /// A far side that has said all and then wants no more has what it came for, though we have not ended: an answer may be whole before who gave it closes.
    pub may_be_left: bool,
}

/// Bytes that passed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Carried {
    pub sent: u64,
    pub received: u64,
}

/// What broke before all had passed.
#[derive(Debug)]
pub enum Broken {
    Stream(StreamError),
    Input(io::Error),
    Output(io::Error),
}

/// One direction: what was read and not written yet.
struct Flow {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Something was written that may lie in the output's own buffer.
    is_unflushed: bool,
    /// Nothing more comes, and the output has yet to hear that.
    is_ending: bool,
    is_done: bool,
}

/// As much as a pipe holds.
const BUFFER: usize = 64 * 1024;
/// Between two looks at how it goes.
const PULSE: Duration = Duration::from_millis(250);
/// So many buffers may come before what goes has its turn.
const TURNS: usize = 32;

impl Flow {
    fn new() -> Self {
        Self { buffer: vec![0; BUFFER].into(), start: 0, end: 0, is_unflushed: false, is_ending: false, is_done: false }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, from: Pin<&mut impl AsyncRead>) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(&mut self.buffer);
        ready!(from.poll_read(cx, &mut buffer))?;
        (self.start, self.end) = (0, buffer.filled().len());
        Poll::Ready(Ok(self.end))
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>, mut to: Pin<&mut impl AsyncWrite>) -> Poll<io::Result<()>> {
        while self.start < self.end {
            let taken = ready!(to.as_mut().poll_write(cx, &self.buffer[self.start..self.end]))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.start += taken;
            self.is_unflushed = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Pipe<R, W> {
    /// Nothing passes until it is [`run`](Self::run). Without an output what comes is dropped, and not waited for.
    pub fn new(stream: Stream, input: R, output: Option<W>) -> Self {
        let stopped = Box::pin(stream.stopped());
        Self {
            stream,
            stopped,
            input,
            output,
            up: Flow::new(),
            down: Flow::new(),
            carried: Carried::default(),
            has_passed: false,
            drops_what_is_not_taken: false,
            ends_last: false,
            may_be_left: false,
        }
    }

    /// Carries until both directions have ended and the far side has all of ours. What breaks resets the stream. Cancel-safe: called again it goes on.
    pub async fn run(&mut self, mut progress: Option<&mut Progress<'_>>) -> Result<Carried, Broken> {
        let mut pulses = pulses();
        let ended = loop {
            tokio::select! {
                ended = self.pass() => break ended,
                _ = pulses.tick(), if progress.is_some() => {}
            }
            if let Some(progress) = &mut progress {
                progress.look(self.carried, self.stream.is_carried());
            }
        };
        if ended.is_err() {
            self.stream.reset(Code::Cancelled);
        }
        if let Some(progress) = progress {
            progress.end(self.carried);
        }
        ended.map(|()| self.carried)
    }

    /// What still comes is dropped and not waited for: nobody is there any more who would take it.
    pub fn take_no_more(&mut self) {
        self.output = None;
    }

    async fn pass(&mut self) -> Result<(), Broken> {
        let passed = async {
            if !self.has_passed {
                poll_fn(|cx| self.poll(cx)).await?;
                self.has_passed = true;
            }
            self.stream.sent().await.map_err(Broken::Stream)
        };
        match passed.await {
            // The far side was through and waited for nothing; and nothing of ours is lost.
            Err(Broken::Stream(error)) if self.down.is_done && (self.carried.sent == 0 || self.may_be_left) && is_cancelled(error) => {
                Ok(())
            }
            ended => ended,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let down = self.poll_down(cx)?;
        let up = if self.ends_last && down.is_pending() { Poll::Pending } else { self.poll_up(cx)? };
        if up.is_ready() && (down.is_ready() || self.output.is_none()) {
            return Poll::Ready(Ok(()));
        }
        // Before that a reader hears of it, behind what came first.
        if self.down.is_done
            && let Poll::Ready(error) = self.stopped.as_mut().poll(cx)
        {
            return Poll::Ready(Err(Broken::Stream(error)));
        }
        Poll::Pending
    }

    fn poll_up(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        while !self.up.is_done {
            let before = self.up.start;
            let drained = self.up.poll_drain(cx, Pin::new(&mut self.stream));
            self.carried.sent += (self.up.start - before) as u64;
            ready!(drained).map_err(of_stream)?;
            if ready!(self.up.poll_fill(cx, Pin::new(&mut self.input))).map_err(Broken::Input)? == 0 {
                self.stream.finish();
                self.up.is_done = true;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        for _ in 0..TURNS {
            if self.down.is_done {
                return Poll::Ready(Ok(()));
            }
            match ready!(self.poll_output(cx)) {
                Ok(()) => {}
                Err(_) if self.drops_what_is_not_taken => self.output = None,
                Err(error) => return Poll::Ready(Err(Broken::Output(error))),
            }
            if self.down.is_ending {
                // A program's input ends only by being dropped.
                self.output = None;
                self.down.is_done = true;
                return Poll::Ready(Ok(()));
            }
            match self.down.poll_fill(cx, Pin::new(&mut self.stream)) {
                Poll::Ready(Ok(0)) => self.down.is_ending = true,
                Poll::Ready(Ok(bytes)) => self.carried.received += bytes as u64,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(of_stream(error))),
                Poll::Pending => {
                    (self.down.start, self.down.end) = (0, 0);
                    ready!(self.poll_flush(cx)).map_err(Broken::Output)?;
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what is there, and ends the output where nothing more comes.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(output) = &mut self.output else {
            self.down.start = self.down.end;
            return Poll::Ready(Ok(()));
        };
        let mut output = Pin::new(output);
        ready!(self.down.poll_drain(cx, output.as_mut()))?;
        if !self.down.is_ending {
            return Poll::Ready(Ok(()));
        }
        // Stdout does not do the one with the other.
        ready!(output.as_mut().poll_flush(cx))?;
        output.poll_shutdown(cx)
    }

    /// What somebody may wait for must not lie in a buffer.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let (true, Some(output)) = (self.down.is_unflushed, &mut self.output) {
            match ready!(Pin::new(output).poll_flush(cx)) {
                Err(_) if self.drops_what_is_not_taken => self.output = None,
                flushed => flushed?,
            }
        }
        self.down.is_unflushed = false;
        Poll::Ready(Ok(()))
    }
}

fn pulses() -> Interval {
    let mut pulses = interval(PULSE);
    pulses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pulses
}

/// Whether the far side wanted no more.
pub fn is_cancelled(error: StreamError) -> bool {
    matches!(error, StreamError::Reset(number) if RefusalCode::from_number(number) == RefusalCode::Known(Code::Cancelled))
}

fn of_stream(error: io::Error) -> Broken {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<StreamError>()) {
        Some(error) => Broken::Stream(*error),
        None => Broken::Stream(StreamError::Lost),
    }
}
