//! What stands on the carriers of a stream that resumes (RESUME.md, section 1), as a proxy reads it and makes it up.

use browser_stream_mux::Stream;
use harness::within;

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    Data {
        offset: u64,
        bytes: Vec<u8>,
    },
    Fin {
        total: u64,
    },
    Ack {
        received: u64,
        room: u64,
    },
    Reset {
        code: String,
    },
    /// DONE, GONE, PING and PONG.
    Other(u8),
}

impl Fact {
    /// The first of these bytes, if it is whole, and what stands behind it.
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&kind, mut rest) = bytes.split_first()?;
        let fact = match kind {
            1 => Self::Data { offset: number(&mut rest)?, bytes: counted(&mut rest)? },
            2 => Self::Fin { total: number(&mut rest)? },
            3 => Self::Ack { received: number(&mut rest)?, room: number(&mut rest)? },
            4 => {
                let code = String::from_utf8(counted(&mut rest)?).expect("a code");
                let _message = counted(&mut rest)?;
                Self::Reset { code }
            }
            5 | 6 => Self::Other(kind),
            7 | 8 => {
                let _token = number(&mut rest)?;
                Self::Other(kind)
            }
            _ => panic!("no record: {kind}"),
        };
        Some((fact, rest))
    }

    fn write(&self) -> Vec<u8> {
        match self {
            Self::Data { offset, bytes } => [&[1][..], &written(*offset), &written(bytes.len() as u64), bytes].concat(),
            Self::Fin { total } => [&[2][..], &written(*total)].concat(),
            Self::Ack { received, room } => [&[3][..], &written(*received), &written(*room)].concat(),
            Self::Reset { code } => [&[4][..], &written(code.len() as u64), code.as_bytes(), &[0]].concat(),
            Self::Other(kind) => vec![*kind],
        }
    }
}

/// What comes on one carrier.
#[derive(Default)]
pub struct Reader(Vec<u8>);

impl Reader {
    /// The next record; `None` when the carrier is finished.
    pub async fn next(&mut self, carrier: &mut Stream) -> Option<Fact> {
        loop {
            if let Some((fact, rest)) = Fact::read(&self.0) {
                self.0 = rest.to_vec();
                return Some(fact);
            }
            let bytes = within(carrier.read_chunk()).await.expect("no reset")?;
            self.0.extend_from_slice(&bytes);
        }
    }

    /// All bytes of a direction that its writer has finished.
    pub async fn direction(&mut self, carrier: &mut Stream) -> Vec<u8> {
        let mut said = Vec::new();
        loop {
            match self.next(carrier).await.expect("the direction first") {
                Fact::Data { offset, bytes } => {
                    assert_eq!(offset, said.len() as u64);
                    said.extend_from_slice(&bytes);
                }
                Fact::Fin { total } => {
                    assert_eq!(total, said.len() as u64);
                    return said;
                }
                _ => {}
            }
        }
    }

    /// The code of the RESET that is to come.
    pub async fn reset(&mut self, carrier: &mut Stream) -> String {
        loop {
            if let Fact::Reset { code } = self.next(carrier).await.expect("RESET first") {
                return code;
            }
        }
    }
}

/// Says these on a carrier.
pub fn tell(carrier: &mut Stream, facts: &[Fact]) {
    for fact in facts {
        carrier.write_now(fact.write().into());
    }
}

/// LEB128.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn counted(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let length = usize::try_from(number(bytes)?).expect("a length");
    let (counted, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(counted.to_vec())
}

fn written(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
