//! Payload as it comes: passed on right where its stream was found if that is spliced, for whoever takes it in this session if not.

use browser_stream_mux::{SHORT, StreamId};
use bytes::Bytes;

use super::{
    clock::Clock,
    effect::{Effect, Effects},
    end::{End, Far, Sink},
    gather::{Place, Spot},
    read::EVENT_COSTS,
};

/// Payload of a frame: a slice of what was read, or where it lies, if it is so short that a slice would cost more than a copy.
pub(super) enum Payload {
    Long(Bytes),
    Short(Place),
}

/// What became of payload as it came.
pub(super) enum Came {
    /// It is with the effects, for the other end of a splice; what of a helping that is.
    Passed(i32),
    /// It is for somebody in this session.
    Here(Payload),
}

impl End {
    /// The next `length` bytes of `input` came on this stream, `id`: passed on right where the stream was found, if it is spliced.
    #[inline]
    pub fn came(&mut self, id: StreamId, (input, length): (&mut Bytes, usize), clock: &Clock, effects: &mut Effects) -> Came {
        self.moves(clock);
        match &self.sink {
            Sink::Splice(far) => Came::Passed(effects.pass((id, &mut self.spot), far, input, length)),
            _ => Came::Here(effects.cut(input, length)),
        }
    }
}

impl Effects {
    /// What is [`cut`](Self::cut) next comes from this.
    pub fn reads(&mut self, run: &Bytes) {
        self.gathered.get_or_insert_default().reads(run);
    }

    /// Takes `length` bytes off the front of `input`.
    #[inline]
    pub fn cut(&mut self, input: &mut Bytes, length: usize) -> Payload {
        match &mut self.gathered {
            Some(gathered) if length <= SHORT => Payload::Short(gathered.cut(input, length)),
            _ => Payload::Long(input.split_to(length)),
        }
    }

    /// Adds the next `length` bytes of `input`, which are a stream's, for the other end of its splice; what of a helping that is.
    #[inline]
    fn pass(&mut self, (source, spot): (StreamId, &mut Spot), far: &Far, input: &mut Bytes, length: usize) -> i32 {
        match &mut self.gathered {
            Some(gathered) if length <= SHORT => {
                let place = gathered.cut(input, length);
                if let Some(heap) = gathered.add(source, spot, place) {
                    self.at(&far.session, Effect::Heap(far.id, heap));
                }
                1
            }
            _ => {
                // What comes behind it must stay behind it.
                *spot = None;
                self.at(&far.session, Effect::Data(far.id, input.split_to(length)));
                EVENT_COSTS
            }
        }
    }

    /// A payload for who looks at it before anything else is read, and keeps no part of it.
    pub fn slice(&self, payload: Payload) -> Bytes {
        match payload {
            Payload::Long(bytes) => bytes,
            Payload::Short(place) => self.gathered.as_ref().map_or_else(Bytes::new, |read| read.slice(place)),
        }
    }

    /// A payload as a reader keeps it.
    pub fn bytes(&self, payload: Payload) -> Bytes {
        match payload {
            Payload::Long(bytes) => bytes,
            Payload::Short(place) => self.gathered.as_ref().map_or_else(Bytes::new, |read| Bytes::copy_from_slice(read.bytes(place))),
        }
    }
}
