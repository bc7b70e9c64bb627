//! The records of one direction of a stream, wherever its pieces end. Of payload no more than the first bytes are looked at.

use browser_stream_protocol::{RefusalCode, integer, room::EventName};
use bytes::Bytes;

use super::{
    budget::Kept,
    framed::FRAMED_MAX,
    layout::{Field, Form, Layout, SMALL},
    line::Facts,
    redact::{HIDDEN, one_line},
    scribe::Scribe,
    tables::Table,
};

/// How many bytes of payload are shown.
pub const HEAD_MAX: usize = 64;
/// How many of a list of numbers are shown.
const NUMBERS_SHOWN: usize = 16;

/// Takes records apart, and tells of each.
#[derive(Debug)]
pub struct Records {
    table: &'static Table,
    current: Option<Record>,
}

/// A record that is not whole yet.
#[derive(Debug)]
struct Record {
    layout: &'static Layout,
    /// Which field is coming; beyond the last the record is whole.
    field: usize,
    part: Part,
    facts: Facts,
    flags: u64,
    code: u64,
    told: bool,
}

/// What of a field is there.
#[derive(Debug)]
enum Part {
    Integer(Integer),
    Bytes { left: u64, length: u64, kept: Option<Kept> },
    Payload { left: u64, head: Vec<u8> },
    Numbers { left: u64, shown: Vec<u64>, integer: Integer },
}

#[derive(Debug, Default)]
struct Integer {
    bytes: [u8; 8],
    length: usize,
}

impl Integer {
    fn push(&mut self, byte: u8) -> Result<Option<u64>, String> {
        self.bytes[self.length] = byte;
        self.length += 1;
        integer::take(&mut &self.bytes[..self.length]).map_err(|_| "an integer of a record is too long or too large".to_owned())
    }
}

impl Records {
    pub fn new(table: &'static Table) -> Self {
        Self { table, current: None }
    }

    /// Takes all of these bytes.
    ///
    /// # Errors
    /// What came is no record, and nothing that comes later makes sense.
    pub fn take(&mut self, mut bytes: &[u8], stream: u32, scribe: &mut Scribe<'_>) -> Result<(), String> {
        while let Some(&byte) = bytes.first() {
            match &mut self.current {
                Some(record) => record.take(&mut bytes, scribe)?,
                None => {
                    bytes = &bytes[1..];
                    let found = self.table.layouts.iter().find(|layout| layout.byte == byte);
                    let layout = found.ok_or_else(|| format!("no record begins with {byte:#04x}"))?;
                    self.current = Some(Record::new(layout, scribe));
                }
            }
            self.tell(stream, scribe);
        }
        Ok(())
    }

    /// So many bytes are missing: whether what follows can be understood all the same.
    pub fn skip(&mut self, bytes: u64, stream: u32, scribe: &mut Scribe<'_>) -> bool {
        let Some(record) = &mut self.current else { return bytes == 0 };
        let Part::Payload { left, .. } = &mut record.part else { return bytes == 0 };
        let Some(rest) = left.checked_sub(bytes) else { return false };
        *left = rest;
        // What is behind the hole is no part of the head.
        record.tell_now(self.table, stream, scribe);
        self.tell(stream, scribe);
        true
    }

    fn tell(&mut self, stream: u32, scribe: &mut Scribe<'_>) {
        let Some(record) = &mut self.current else { return };
        if record.has_head(scribe) {
            record.tell_now(self.table, stream, scribe);
        }
        if record.is_whole() {
            self.current = None;
        }
    }
}

impl Record {
    fn new(layout: &'static Layout, scribe: &Scribe<'_>) -> Self {
        let facts = Facts::new().text("type", layout.name);
        let mut record = Self { layout, field: 0, part: Part::Integer(Integer::default()), facts, flags: 0, code: 0, told: false };
        record.begin(scribe);
        record
    }

    fn current(&self) -> Option<&'static Field> {
        self.layout.fields.get(self.field)
    }

    fn is_whole(&self) -> bool {
        self.current().is_none()
    }

    /// Passes over fields that are not there, and begins the next that is.
    fn begin(&mut self, scribe: &Scribe<'_>) {
        while self.current().is_some_and(|field| field.bit != 0 && self.flags & field.bit == 0) {
            self.field += 1;
        }
        self.part = match self.current().map(|field| field.form) {
            Some(Form::Fixed(bytes) | Form::Proof(bytes)) => {
                Part::Bytes { left: bytes as u64, length: bytes as u64, kept: Some(Kept::new(scribe.budget)) }
            }
            _ => Part::Integer(Integer::default()),
        };
    }

    fn end_field(&mut self, scribe: &Scribe<'_>) {
        self.field += 1;
        self.begin(scribe);
    }

    /// Takes bytes off the front, of one field at most.
    fn take(&mut self, bytes: &mut &[u8], scribe: &Scribe<'_>) -> Result<(), String> {
        let Some(field) = self.current() else { return Ok(()) };
        match &mut self.part {
            Part::Integer(integer) => {
                let Some((&byte, rest)) = bytes.split_first() else { return Ok(()) };
                *bytes = rest;
                let Some(value) = integer.push(byte)? else { return Ok(()) };
                self.integer(field, value, scribe)
            }
            Part::Bytes { left, kept, .. } => {
                let now = cut(bytes, left);
                if kept.as_mut().is_some_and(|kept| !kept.keep(now)) {
                    *kept = None;
                }
                if *left == 0 { self.bytes(field, scribe) } else { Ok(()) }
            }
            Part::Payload { left, head } => {
                let now = cut(bytes, left);
                if scribe.shown.data {
                    head.extend_from_slice(&now[..now.len().min(HEAD_MAX - head.len())]);
                }
                Ok(())
            }
            Part::Numbers { left, shown, integer } => {
                let Some((&byte, rest)) = bytes.split_first() else { return Ok(()) };
                *bytes = rest;
                let Some(value) = integer.push(byte)? else { return Ok(()) };
                between(value, 0, SMALL)?;
                *integer = Integer::default();
                *left -= 1;
                if shown.len() < NUMBERS_SHOWN {
                    shown.push(value);
                }
                if *left == 0 {
                    self.facts = std::mem::take(&mut self.facts).numbers(field.name, shown);
                    self.end_field(scribe);
                }
                Ok(())
            }
        }
    }

    /// An integer is there: the field itself, or how long it is.
    fn integer(&mut self, field: &'static Field, value: u64, scribe: &Scribe<'_>) -> Result<(), String> {
        let facts = std::mem::take(&mut self.facts);
        let (facts, part) = match field.form {
            Form::Integer(least, most) => (facts.number(field.name, between(value, least, most)?), None),
            Form::Code => {
                self.code = between(value, 0, SMALL)?;
                (code(facts, value), None)
            }
            Form::Bits(names) => {
                self.flags = between(value, 0, (1 << names.len()) - 1)?;
                if value & 3 == 3 {
                    return Err("an event is both volatile and asks".into());
                }
                let set: Vec<&str> = names.iter().enumerate().filter(|(bit, _)| value & (1 << bit) != 0).map(|(_, name)| *name).collect();
                (if set.is_empty() { facts } else { facts.text(field.name, &set.join("|")) }, None)
            }
            Form::Payload(least, most) => (facts.number(field.name, value), Some(payload(value, least, most)?)),
            Form::Answer if self.code == 0 => {
                (facts.number("length", value), Some(payload(value, 0, browser_stream_protocol::room::BODY_MAX as u64)?))
            }
            Form::Answer => (facts, Some(bytes(value, 0, browser_stream_protocol::room::TEXT_MAX as u64, scribe)?)),
            Form::Text(most) | Form::Json(most) => (facts, Some(bytes(value, 0, most, scribe)?)),
            Form::Event => (facts, Some(bytes(value, 1, browser_stream_protocol::room::EVENT_NAME_MAX as u64, scribe)?)),
            Form::Numbers(least, most) => {
                let part = Part::Numbers { left: between(value, least, most)?, shown: Vec::new(), integer: Integer::default() };
                let count = if value > NUMBERS_SHOWN as u64 { facts.number("count", value) } else { facts };
                (count, Some(part))
            }
            Form::Fixed(_) | Form::Proof(_) => (facts, None),
        };
        self.facts = facts;
        let Some(part) = part else {
            self.end_field(scribe);
            return Ok(());
        };
        self.part = part;
        match &self.part {
            Part::Bytes { left: 0, .. } => self.bytes(field, scribe),
            Part::Numbers { left: 0, .. } => {
                self.facts = std::mem::take(&mut self.facts).numbers(field.name, &[]);
                self.end_field(scribe);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// All bytes of a field that is kept are there.
    fn bytes(&mut self, field: &'static Field, scribe: &Scribe<'_>) -> Result<(), String> {
        let Part::Bytes { length, kept, .. } = std::mem::replace(&mut self.part, Part::Integer(Integer::default())) else { return Ok(()) };
        let facts = std::mem::take(&mut self.facts);
        self.facts = match (field.form, kept) {
            (_, None) => facts.number("length", length),
            (Form::Proof(_), Some(_)) if !scribe.shown.secrets => facts.text(field.name, HIDDEN),
            (Form::Fixed(_) | Form::Proof(_), Some(kept)) => facts.hex(field.name, kept.bytes()),
            (Form::Json(_), Some(kept)) => match one_line(kept.bytes(), scribe.shown.secrets) {
                Some(json) => facts.json(field.name, json),
                None => facts.text(field.name, "(no JSON)"),
            },
            (Form::Event, Some(kept)) => {
                let name = EventName::new(Bytes::copy_from_slice(kept.bytes())).map_err(|error| error.to_string())?;
                facts.text(field.name, name.as_str())
            }
            (_, Some(kept)) => facts.text(field.name, &String::from_utf8_lossy(kept.bytes())),
        };
        self.end_field(scribe);
        Ok(())
    }

    /// Whether all that is told of it is there.
    fn has_head(&mut self, scribe: &Scribe<'_>) -> bool {
        match &self.part {
            Part::Payload { left, head } => {
                let (left, enough) = (*left, !scribe.shown.data || head.len() == HEAD_MAX);
                if left == 0 {
                    self.field = self.layout.fields.len();
                }
                left == 0 || enough
            }
            _ => self.is_whole(),
        }
    }

    fn tell_now(&mut self, table: &Table, stream: u32, scribe: &mut Scribe<'_>) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        let mut facts = std::mem::take(&mut self.facts);
        if let Part::Payload { head, .. } = &mut self.part
            && !head.is_empty()
        {
            facts = facts.hex("hex", &std::mem::take(head));
        }
        scribe.stream(stream, table.kind, facts);
    }
}

/// A code of a reset, by its name where it has one.
pub fn code(facts: Facts, number: u64) -> Facts {
    match u32::try_from(number).map(RefusalCode::from_number) {
        Ok(RefusalCode::Known(code)) if u64::from(code.number()) == number => facts.text("code", code.as_str()),
        _ => facts.number("code", number),
    }
}

fn between(value: u64, least: u64, most: u64) -> Result<u64, String> {
    if (least..=most).contains(&value) { Ok(value) } else { Err(format!("{value} cannot be what stands there: {least} to {most}")) }
}

fn payload(length: u64, least: u64, most: u64) -> Result<Part, String> {
    Ok(Part::Payload { left: between(length, least, most)?, head: Vec::new() })
}

fn bytes(length: u64, least: u64, most: u64, scribe: &Scribe<'_>) -> Result<Part, String> {
    let left = between(length, least, most)?;
    let kept = (length <= FRAMED_MAX as u64).then(|| Kept::new(scribe.budget));
    Ok(Part::Bytes { left, length, kept })
}

/// Takes off the front what belongs to a field of which so many bytes are left.
fn cut<'a>(bytes: &mut &'a [u8], left: &mut u64) -> &'a [u8] {
    let (now, rest) = bytes.split_at(usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len()));
    *bytes = rest;
    *left -= now.len() as u64;
    now
}
