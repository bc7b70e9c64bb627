//! What one helping brings in short pieces, put together by stream: whoever takes them looks up, queues and settles each stream once.

use std::{iter, mem, num::NonZeroU32};

use browser_stream_mux::StreamId;
use bytes::{Buf, Bytes};

/// Short payloads by stream. They lie in what was read, which is held until they have been copied to where they go.
#[derive(Default)]
pub(super) struct Gathered {
    reads: Vec<Bytes>,
    pieces: Vec<Piece>,
    heaps: Vec<Heap>,
}

/// Where a short payload lies.
#[derive(Clone, Copy)]
pub(super) struct Place {
    read: u32,
    start: u32,
    length: u32,
}

/// A payload, and which one of its stream comes behind it.
struct Piece {
    place: Place,
    next: u32,
}

/// The payloads of one stream, in order.
struct Heap {
    source: StreamId,
    first: u32,
    last: u32,
    bytes: u32,
}

/// Where a stream's last heap is found, one more than its index; kept with the stream. What it says is checked, so it may be out of date.
pub(super) type Spot = Option<NonZeroU32>;

/// Behind the last piece.
const NONE: u32 = u32::MAX;

impl Gathered {
    /// What is taken next is cut from the front of this.
    pub fn reads(&mut self, run: &Bytes) {
        self.reads.push(run.clone());
    }

    /// Takes `length` bytes off the front of `input`, which is what is left of the last read.
    #[inline]
    pub fn cut(&mut self, input: &mut Bytes, length: usize) -> Place {
        let read = self.reads.len().saturating_sub(1);
        let start = self.reads.last().map_or(0, |read| read.len() - input.len());
        input.advance(length);
        // Reads are far shorter than 4 GiB, and there are as many in a helping as it has frames.
        Place { read: read as u32, start: start as u32, length: length as u32 }
    }

    /// The bytes of a payload.
    #[inline]
    pub fn bytes(&self, place: Place) -> &[u8] {
        let start = place.start as usize;
        self.reads.get(place.read as usize).and_then(|read| read.get(start..start + place.length as usize)).unwrap_or_default()
    }

    /// The same as a part of what was read.
    pub fn slice(&self, place: Place) -> Bytes {
        let start = place.start as usize;
        self.reads.get(place.read as usize).map_or_else(Bytes::new, |read| read.slice(start..start + place.length as usize))
    }

    /// Adds a payload of the stream `source`; the number of its heap if that begins with it.
    #[inline]
    pub fn add(&mut self, source: StreamId, spot: &mut Spot, place: Place) -> Option<u32> {
        let piece = self.pieces.len() as u32;
        self.pieces.push(Piece { place, next: NONE });
        let heap = spot.and_then(|spot| self.heaps.get_mut(spot.get() as usize - 1));
        if let Some(heap) = heap.filter(|heap| heap.source == source) {
            heap.bytes += place.length;
            let last = mem::replace(&mut heap.last, piece);
            if let Some(last) = self.pieces.get_mut(last as usize) {
                last.next = piece;
            }
            return None;
        }
        let heap = self.heaps.len() as u32;
        self.heaps.push(Heap { source, first: piece, last: piece, bytes: place.length });
        *spot = NonZeroU32::new(heap + 1);
        Some(heap)
    }

    /// The payloads on a heap, in order.
    #[inline]
    pub fn heap(&self, heap: u32) -> impl Iterator<Item = &[u8]> {
        let piece = |at: u32| self.pieces.get(at as usize);
        let first = self.heaps.get(heap as usize).and_then(|heap| piece(heap.first));
        iter::successors(first, move |last| piece(last.next)).map(|piece| self.bytes(piece.place))
    }

    /// How many bytes those are.
    pub fn weight(&self, heap: u32) -> usize {
        self.heaps.get(heap as usize).map_or(0, |heap| heap.bytes as usize)
    }

    /// Forgets everything; its memory is used again.
    pub fn clear(&mut self) {
        self.reads.clear();
        self.pieces.clear();
        self.heaps.clear();
    }

    /// Entries that there is room for.
    pub fn capacity(&self) -> usize {
        self.reads.capacity().max(self.pieces.capacity()).max(self.heaps.capacity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_of_each_stream_come_in_order_whatever_came_between() {
        let mut gathered = Gathered::default();
        let (mut one, mut two) = (None, None);
        for mut run in [Bytes::from_static(b"abcd"), Bytes::from_static(b"efgh")] {
            gathered.reads(&run);
            let place = gathered.cut(&mut run, 1);
            gathered.add(1, &mut one, place);
            let place = gathered.cut(&mut run, 2);
            gathered.add(3, &mut two, place);
            let place = gathered.cut(&mut run, 1);
            gathered.add(1, &mut one, place);
        }
        let of = |heap| gathered.heap(heap).collect::<Vec<_>>().concat();
        assert_eq!((of(0), of(1), of(2)), (b"adeh".to_vec(), b"bcfg".to_vec(), Vec::new()));
        assert_eq!((gathered.weight(0), gathered.weight(2)), (4, 0));
    }

    #[test]
    fn a_spot_from_another_time_is_nobodys() {
        let mut gathered = Gathered::default();
        let (mut one, mut two) = (None, None);
        let mut run = Bytes::from_static(b"ab");
        gathered.reads(&run);
        let place = gathered.cut(&mut run, 1);
        assert_eq!(gathered.add(1, &mut one, place), Some(0));
        gathered.clear();
        gathered.reads(&run);
        let place = gathered.cut(&mut run, 1);
        assert_eq!(gathered.add(3, &mut two, place), Some(0));
        assert_eq!(gathered.add(1, &mut one, place), Some(1), "its spot is the other's heap by now");
        assert_eq!(gathered.add(3, &mut two, place), None);
    }
}
