//! How records are laid out: one byte that says which, then fields.

/// One kind of record.
#[derive(Debug)]
pub struct Layout {
    /// Its first byte.
    pub byte: u8,
    pub name: &'static str,
    pub fields: &'static [Field],
}

/// One part of a record.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub form: Form,
    /// It is there only where one of these bits of the record's flags is set; 0: always.
    pub bit: u64,
}

/// What a field is. Lengths, counts and integers are LEB128.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// An integer between these two.
    Integer(u64, u64),
    /// The code of a reset, or 0.
    Code,
    /// A sum of bits with these names. The first two exclude one another.
    Bits(&'static [&'static str]),
    /// A length between these two and so many bytes, which are nobody's business.
    Payload(u64, u64),
    /// A length of at most so many, and so many bytes of text.
    Text(u64),
    /// The same, JSON.
    Json(u64),
    /// The name of a room's event behind its length.
    Event,
    /// An answer where the code before it is 0, else a text.
    Answer,
    /// How many integers of 32 bits, between these two, and the integers.
    Numbers(u64, u64),
    /// So many bytes.
    Fixed(usize),
    /// So many bytes that prove something.
    Proof(usize),
}

/// The largest integer of 32 bits.
pub const SMALL: u64 = u32::MAX as u64;
/// The largest integer that a record carries.
pub const LARGE: u64 = browser_stream_protocol::INTEGER_MAX;

/// A field that is always there.
pub const fn field(name: &'static str, form: Form) -> Field {
    Field { name, form, bit: 0 }
}

/// A field that a bit of the record's flags announces.
pub const fn announced(bit: u64, name: &'static str, form: Form) -> Field {
    Field { name, form, bit }
}

/// A kind of record.
pub const fn layout(byte: u8, name: &'static str, fields: &'static [Field]) -> Layout {
    Layout { byte, name, fields }
}
