//! Sends every message back, and answers what asks for an answer.

use browser_stream_server::websocket::{Control, Kind, Messages, Opcode, Violation, close, head, pong};

/// What goes back, and the message that is on its way in.
#[derive(Default)]
pub struct Echo {
    /// Frames to send.
    pub out: Vec<u8>,
    /// The peer closed, and its close is answered.
    pub closed: bool,
    message: Vec<u8>,
    text: Option<Text>,
}

/// How far a text message is known to be UTF-8.
#[derive(Default)]
struct Text {
    checked: usize,
    wrong: bool,
}

impl Echo {
    /// Says why the connection ends.
    pub fn refuse(&mut self, violation: Violation) {
        self.out.extend_from_slice(&close(violation.close_code(), &violation.to_string()));
    }

    /// Whether the message under way cannot become UTF-8 any more, whatever follows.
    pub fn has_wrong_text(&self) -> bool {
        self.text.as_ref().is_some_and(|text| text.wrong)
    }
}

impl Messages for Echo {
    fn begin(&mut self, kind: Kind) -> Result<(), Violation> {
        self.message.clear();
        self.text = (kind == Kind::Text).then(Text::default);
        Ok(())
    }

    fn payload(&mut self, _: usize, bytes: &[u8]) {
        self.message.extend_from_slice(bytes);
        if let Some(text) = &mut self.text {
            text.check(&self.message);
        }
    }

    fn end(&mut self) -> Result<(), Violation> {
        let opcode = match self.text.take() {
            Some(text) if text.checked < self.message.len() => return Err(Violation::NotUtf8),
            Some(_) => Opcode::Text,
            None => Opcode::Binary,
        };
        let (head, count) = head(opcode, self.message.len());
        self.out.extend_from_slice(&head[..count]);
        self.out.append(&mut self.message);
        Ok(())
    }

    fn control(&mut self, control: Control<'_>) {
        match control {
            Control::Ping(payload) => self.out.extend_from_slice(&pong(payload)),
            Control::Pong(_) => {}
            Control::Close(why) => {
                let code = why.map_or(NO_CODE, |(code, _)| code);
                self.out.extend_from_slice(&close(code, ""));
                self.closed = true;
            }
        }
    }
}

impl Text {
    /// Goes on where the last check ended: in front of a character of which only a part came.
    fn check(&mut self, message: &[u8]) {
        match std::str::from_utf8(&message[self.checked..]) {
            Ok(_) => self.checked = message.len(),
            Err(error) => {
                self.checked += error.valid_up_to();
                self.wrong = error.error_len().is_some();
            }
        }
    }
}

/// What a close without a code reads as (RFC 6455, section 7.1.5); never sent.
const NO_CODE: u16 = 1005;
