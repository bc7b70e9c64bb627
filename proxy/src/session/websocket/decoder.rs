//! Takes a client's frames apart as their bytes arrive.

use super::{
    CONTROL_BYTES_MAX, Control, Kind, Messages, Opcode, Violation, close,
    head::{self, Head},
    unmask,
};

/// Reads the frames of one client (RFC 6455, section 5), however its bytes are cut.
///
/// It keeps a partial head, and a control frame's payload (in a box) while it is incomplete: a message's payload is given out as it
/// arrives and never kept. The default one is at the start of a connection, right behind the handshake.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    /// A message began, and its last frame's head has not come.
    within: bool,
}

/// Where in a frame the bytes of the last input ended.
#[derive(Debug, Default)]
enum State {
    /// Between two frames.
    #[default]
    Between,
    /// In a head.
    Head(Partial),
    /// In the payload of a message: `at` bytes of it came (only their remainder by four counts), `left` are to come.
    Payload { key: [u8; 4], at: u8, left: u64 },
    /// In the payload of a control frame.
    Control(Box<Kept>),
    /// A close came: what follows is nobody's.
    Closed,
    /// The peer broke the protocol.
    Broken(Violation),
}

/// The first bytes of a head.
#[derive(Debug)]
struct Partial {
    bytes: [u8; head::BYTES_MAX],
    count: u8,
}

/// A control frame of which only a part came.
#[derive(Debug)]
struct Kept {
    head: Head,
    /// Masked, as it came.
    payload: [u8; CONTROL_BYTES_MAX],
    count: usize,
}

impl Decoder {
    /// Takes all of `input`: unmasks payload in place and tells `to` of each piece, in order.
    ///
    /// What is told does not depend on how the bytes are cut into inputs, except for where pieces of payload end. After a violation
    /// nothing more is told and every further call fails with it; after a close nothing more is told, and further input is ignored.
    #[inline]
    pub fn decode<M: Messages>(&mut self, input: &mut [u8], to: &mut M) -> Result<usize, Violation> {
        let taken = self.take(input, to);
        if let Err(violation) = taken {
            self.state = State::Broken(violation);
        }
        taken
    }

    fn take<M: Messages>(&mut self, input: &mut [u8], to: &mut M) -> Result<usize, Violation> {
        let mut frames = 0;
        let mut at = match self.state {
            State::Between => 0,
            _ => self.resume(input, to)?,
        };
        while at < input.len() && matches!(self.state, State::Between) {
            let Some(head) = Head::parse(&input[at..], self.within)? else {
                self.state = State::Head(Partial::of(&input[at..]));
                break;
            };
            frames += 1;
            at = self.frame(&head, at + head.size, input, to)?;
        }
        Ok(frames)
    }

    /// Takes a frame whose payload begins at `at`, or as much of it as there is; tells where it ends.
    // Inlined into the loop with the head's parsing, and the rest kept out of it: 10 ns for a message of 64 bytes instead of 24.
    #[inline(always)]
    fn frame<M: Messages>(&mut self, head: &Head, at: usize, input: &mut [u8], to: &mut M) -> Result<usize, Violation> {
        if head.opcode.is_control() {
            return self.control(head, at, input, to);
        }
        match head.opcode {
            Opcode::Text => to.begin(Kind::Text)?,
            Opcode::Binary => to.begin(Kind::Binary)?,
            _ => {}
        }
        self.within = !head.last;
        // Most frames are here as a whole: there is nothing to remember of them.
        let whole = usize::try_from(head.length).ok().and_then(|length| input[at..].get_mut(..length));
        let Some(bytes) = whole else { return self.payload(head.key, 0, head.length, at, input, to) };
        if bytes.is_empty() {
            to.empty();
        } else {
            unmask(bytes, head.key, 0);
            to.payload(at, bytes);
        }
        let end = at + bytes.len();
        if head.last {
            to.end()?;
        }
        Ok(end)
    }

    /// Takes `left` more bytes of a data frame, or as many as there are, `masked_at` in its payload and `at` in the input.
    #[inline(never)]
    fn payload<M: Messages>(
        &mut self,
        key: [u8; 4],
        masked_at: u8,
        left: u64,
        at: usize,
        input: &mut [u8],
        to: &mut M,
    ) -> Result<usize, Violation> {
        let here = &mut input[at..];
        let count = usize::try_from(left).map_or(here.len(), |left| left.min(here.len()));
        let bytes = &mut here[..count];
        if count > 0 {
            unmask(bytes, key, masked_at.into());
            to.payload(at, bytes);
        }
        if count as u64 == left {
            self.state = State::Between;
            if !self.within {
                to.end()?;
            }
        } else {
            self.state = State::Payload { key, at: (usize::from(masked_at) + count) as u8 % 4, left: left - count as u64 };
        }
        Ok(at + count)
    }

    /// Takes a control frame whose payload begins at `at`: read where it lies if it is whole, kept if it is not.
    #[inline(never)]
    fn control<M: Messages>(&mut self, head: &Head, at: usize, input: &mut [u8], to: &mut M) -> Result<usize, Violation> {
        let here = &mut input[at..];
        // At most 125: the head was judged.
        let length = head.length as usize;
        if let Some(payload) = here.get_mut(..length) {
            self.state = tell(head, payload, to)?;
            return Ok(at + length);
        }
        let mut kept = Box::new(Kept { head: *head, payload: [0; CONTROL_BYTES_MAX], count: 0 });
        kept.take(here);
        self.state = State::Control(kept);
        Ok(input.len())
    }

    /// Goes on where the last input ended inside a frame; tells where that frame, or the input, ends.
    #[inline(never)]
    fn resume<M: Messages>(&mut self, input: &mut [u8], to: &mut M) -> Result<usize, Violation> {
        match &mut self.state {
            State::Between => Ok(0),
            State::Head(partial) => {
                for (at, byte) in input.iter().enumerate() {
                    if let Some(head) = partial.push(*byte, self.within)? {
                        self.state = State::Between;
                        return self.frame(&head, at + 1, input, to);
                    }
                }
                Ok(input.len())
            }
            State::Payload { key, at, left } => {
                let (key, at, left) = (*key, *at, *left);
                self.payload(key, at, left, 0, input, to)
            }
            State::Control(kept) => {
                let taken = kept.take(input);
                if let Some(payload) = kept.payload.get_mut(..kept.head.length as usize)
                    && kept.count == payload.len()
                {
                    self.state = tell(&kept.head, payload, to)?;
                }
                Ok(taken)
            }
            State::Closed => Ok(input.len()),
            State::Broken(violation) => Err(*violation),
        }
    }
}

impl Partial {
    fn of(bytes: &[u8]) -> Self {
        let mut partial = Self { bytes: [0; head::BYTES_MAX], count: bytes.len() as u8 };
        partial.bytes[..bytes.len()].copy_from_slice(bytes);
        partial
    }

    /// Adds a byte; the head, if that was its last one.
    fn push(&mut self, byte: u8, within: bool) -> Result<Option<Head>, Violation> {
        let count = usize::from(self.count);
        self.bytes[count] = byte;
        self.count += 1;
        Head::parse(&self.bytes[..=count], within)
    }
}

impl Kept {
    /// Takes what is missing, or as much of it as there is; tells how much that was.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.head.length as usize - self.count);
        self.payload[self.count..][..taken].copy_from_slice(&bytes[..taken]);
        self.count += taken;
        taken
    }
}

/// Unmasks and tells a whole control frame; the state that follows it.
fn tell<M: Messages>(head: &Head, payload: &mut [u8], to: &mut M) -> Result<State, Violation> {
    unmask(payload, head.key, 0);
    let control = match head.opcode {
        Opcode::Ping => Control::Ping(payload),
        Opcode::Pong => Control::Pong(payload),
        _ => Control::Close(close::parse(payload)?),
    };
    to.control(control);
    Ok(if matches!(control, Control::Close(_)) { State::Closed } else { State::Between })
}
