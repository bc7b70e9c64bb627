//! Opens, replies and notes: a length of two bytes, and that many bytes of JSON.

use super::budget::{Budget, Kept};

/// The longest that is kept: an open of the proxy's. Of what is longer the length alone is told.
pub const FRAMED_MAX: usize = 9 * 1024;

/// Takes them off the front of one direction, wherever the pieces end.
#[derive(Debug, Default)]
pub struct Framed {
    head: [u8; 2],
    heads: usize,
    /// Of the one that is coming: how many bytes are missing, and what is there.
    left: usize,
    kept: Option<Kept>,
    length: usize,
}

/// One of them.
#[derive(Debug)]
pub enum Frame {
    Whole(Kept),
    /// Nothing of it is kept: it is longer than any open.
    Long(usize),
    /// Nothing of it is kept: there is no room.
    NoRoom(usize),
}

impl Framed {
    /// Takes bytes off the front until one is whole.
    pub fn take(&mut self, bytes: &mut &[u8], budget: &Budget) -> Option<Frame> {
        while self.heads < 2 {
            let (&byte, rest) = bytes.split_first()?;
            *bytes = rest;
            self.head[self.heads] = byte;
            self.heads += 1;
            if self.heads == 2 {
                self.length = usize::from(u16::from_be_bytes(self.head));
                self.left = self.length;
                self.kept = (self.length <= FRAMED_MAX).then(|| Kept::new(budget));
            }
        }
        let (now, rest) = bytes.split_at(self.left.min(bytes.len()));
        *bytes = rest;
        self.left -= now.len();
        if self.kept.as_mut().is_some_and(|kept| !kept.keep(now)) {
            self.kept = None;
        }
        if self.left > 0 {
            return None;
        }
        self.heads = 0;
        Some(match self.kept.take() {
            Some(kept) => Frame::Whole(kept),
            None if self.length > FRAMED_MAX => Frame::Long(self.length),
            None => Frame::NoRoom(self.length),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_whole_wherever_the_pieces_end() {
        let budget = Budget::new();
        let long = [&[0xff, 0xff][..], &[b'x'; 65_535]].concat();
        let bytes = [b"\x00\x02{}\x00\x00".as_slice(), &long, b"\x00\x01a"].concat();
        for size in [1, 2, 3, 7, bytes.len()] {
            let (mut framed, mut found) = (Framed::default(), Vec::new());
            for mut piece in bytes.chunks(size) {
                while let Some(frame) = framed.take(&mut piece, &budget) {
                    found.push(match frame {
                        Frame::Whole(kept) => String::from_utf8(kept.bytes().to_vec()).expect("text"),
                        Frame::Long(length) => format!("long {length}"),
                        Frame::NoRoom(length) => format!("no room {length}"),
                    });
                }
            }
            assert_eq!(found, ["{}", "", "long 65535", "a"]);
        }
    }

    #[test]
    fn where_there_is_no_room_the_length_is_told() {
        let budget = Budget::new();
        let all = budget.take(budget.left()).expect("all of it");
        let mut framed = Framed::default();
        assert!(matches!(framed.take(&mut &b"\x00\x02{}"[..], &budget), Some(Frame::NoRoom(2))));
        drop(all);
        assert!(matches!(framed.take(&mut &b"\x00\x02{}"[..], &budget), Some(Frame::Whole(_))));
    }
}
