//! STUN (RFC 8489): who asks over UDP is told by which address it is seen, which is how a page finds out how others may reach it directly.

use std::{io, net::SocketAddr, num::NonZeroU32, sync::Arc, time::Duration};

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use stun_types::{
    attribute::{Attribute as _, AttributeType, ErrorCode, UnknownAttributes, XorMappedAddress},
    message::{BINDING, Message, MessageClass, MessageWrite, MessageWriteExt, MessageWriteVec},
};
use tokio::{net::UdpSocket, time};

use super::{addresses::holder, proxy::Proxy};
use crate::{
    counters::{Counters, Refusal},
    limits::Limits,
};

impl Proxy {
    /// Listens for STUN at [`Config::stun`](crate::Config::stun), where that is set: hand the socket to [`serve_stun`](Self::serve_stun).
    ///
    /// # Errors
    /// As the system gives them, with a text that says what to do.
    pub async fn listen_stun(&self) -> io::Result<Option<UdpSocket>> {
        match self.inner.config.stun {
            Some(bind) => listen(bind).await.map(Some),
            None => Ok(None),
        }
    }

    /// Tells who asks by STUN (RFC 8489) by which address it is seen, within the limits, until the proxy is shut down.
    pub async fn serve_stun(&self, socket: UdpSocket) {
        let stun = Stun::new(&self.inner.limits, self.inner.counters.clone());
        self.inner.stop.run_until_cancelled(stun.serve(socket)).await;
    }
}

/// Answers binding requests, so many for each address and so many in all.
pub(super) struct Stun {
    by_address: DefaultKeyedRateLimiter<std::net::IpAddr>,
    all: DefaultDirectRateLimiter,
    counters: Arc<Counters>,
}

impl Stun {
    pub(super) fn new(limits: &Limits, counters: Arc<Counters>) -> Self {
        let quota = |count| Quota::per_second(rate(count));
        Self {
            by_address: RateLimiter::keyed(quota(limits.stun_per_address_per_second).allow_burst(rate(limits.stun_per_address_burst))),
            all: RateLimiter::direct(quota(limits.stun_per_second)),
            counters,
        }
    }

    /// Answers for ever. Who sends no binding request is not answered; neither is one too many: whose address it carries need not be who sent it.
    pub(super) async fn serve(&self, socket: UdpSocket) {
        let mut datagram = [0; REQUEST_MAX];
        let mut forgotten = time::Instant::now();
        loop {
            match socket.recv_from(&mut datagram).await {
                Ok((length, from)) => {
                    if let Some(answer) = datagram.get(..length).and_then(|request| self.answer(request, from)) {
                        // No room in the socket is a lost datagram, as any other: who asked asks again.
                        let _ = socket.try_send_to(&answer, from);
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "a datagram could not be read");
                    time::sleep(AFTER_ERROR).await;
                }
            }
            if forgotten.elapsed() > FORGET_AFTER {
                self.by_address.retain_recent();
                forgotten = time::Instant::now();
            }
        }
    }

    fn answer(&self, request: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
        let answer = answer(request, from)?;
        // What one address asks beyond its share is no part of what all may.
        let is_welcome =
            self.by_address.len() < ADDRESSES_MAX && self.by_address.check_key(&holder(from.ip())).is_ok() && self.all.check().is_ok();
        if !is_welcome {
            self.counters.count(Refusal::StunRate);
        }
        is_welcome.then_some(answer)
    }
}

/// What a datagram is answered with; nothing, where it is no binding request. Never more than twice as long as what it answers.
fn answer(request: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let request = Message::from_bytes(request).ok()?;
    if !request.has_class(MessageClass::Request) || !request.has_method(BINDING) {
        return None;
    }
    let unknown: Vec<AttributeType> =
        request.iter_attributes().map(|(_, attribute)| attribute.get_type()).filter(|kind| kind.comprehension_required()).collect();
    let room = MessageWriteVec::with_capacity(ANSWER_MAX);
    if unknown.is_empty() {
        let mut answer = Message::builder_success(&request, room);
        let seen = SocketAddr::new(from.ip().to_canonical(), from.port());
        answer.add_attribute(&XorMappedAddress::new(seen, request.transaction_id())).ok()?;
        return Some(answer.finish());
    }
    let mut answer = Message::builder_error(&request, room);
    answer.add_attribute(&ErrorCode::builder(ErrorCode::UNKNOWN_ATTRIBUTE).build().ok()?).ok()?;
    answer.add_attribute(&UnknownAttributes::new(&unknown)).ok()?;
    Some(answer.finish())
}

/// A limit of 0 is none that the configuration lets through.
fn rate(count: usize) -> NonZeroU32 {
    NonZeroU32::new(count.try_into().unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN)
}

/// Listens for STUN at `bind`.
pub(super) async fn listen(bind: SocketAddr) -> io::Result<UdpSocket> {
    UdpSocket::bind(bind).await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot answer STUN at {bind} ({error}): choose another address with --stun"))
    })
}

/// A binding request of a browser has 20 to 28 bytes; what is longer is cut, and so is none.
const REQUEST_MAX: usize = 548;
/// Header, and the longer of an IPv6 address and an error.
const ANSWER_MAX: usize = 64;
/// Addresses that are counted at once: who forges more than that is answered no more until some are forgotten.
const ADDRESSES_MAX: usize = 100_000;
/// Addresses that were quiet are forgotten so often.
const FORGET_AFTER: Duration = Duration::from_secs(5);
/// Trouble of the socket itself is not met at full speed.
const AFTER_ERROR: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use stun_types::attribute::{AttributeStaticType, Realm, Username};

    use super::*;

    fn request() -> Vec<u8> {
        Message::builder_request(BINDING, MessageWriteVec::new()).finish()
    }

    fn stun(per_address: usize, all: usize) -> Stun {
        let mut limits = Limits::default();
        (limits.stun_per_address_per_second, limits.stun_per_address_burst, limits.stun_per_second) = (1, per_address, all);
        Stun::new(&limits, Arc::default())
    }

    #[test]
    fn who_asks_is_told_by_which_address_it_is_seen() {
        let mapped = SocketAddr::new(IpAddr::V6("::ffff:192.0.2.7".parse().expect("an address")), 7);
        for (from, seen) in [("192.0.2.7:7".parse().expect("an address"), "192.0.2.7:7"), (mapped, "192.0.2.7:7")] {
            let request = request();
            let answer = answer(&request, from).expect("an answer");
            let (request, answer) = (Message::from_bytes(&request).expect("valid"), Message::from_bytes(&answer).expect("valid"));
            assert!(answer.has_class(MessageClass::Success) && answer.transaction_id() == request.transaction_id());
            let told = answer.attribute::<XorMappedAddress>().expect("an address").addr(answer.transaction_id());
            assert_eq!(told.to_string(), seen);
        }
    }

    #[test]
    fn what_is_no_binding_request_is_not_answered() {
        let from: SocketAddr = "[2001:db8::1]:9".parse().expect("an address");
        let mut other_class = request();
        other_class[0] = 1;
        let (mut cut, mut no_cookie) = (request(), request());
        cut.truncate(19);
        no_cookie[4] ^= 1;
        for datagram in [vec![], vec![0; 20], vec![0xff; 548], other_class, cut, no_cookie] {
            assert_eq!(answer(&datagram, from), None);
        }
    }

    #[test]
    fn an_attribute_that_must_be_understood_and_is_not_is_named() {
        let mut asked = Message::builder_request(BINDING, MessageWriteVec::new());
        asked.add_attribute(&Username::new("x").expect("short")).expect("room");
        asked.add_attribute(&Realm::new("y").expect("short")).expect("room");
        let asked = asked.finish();
        let answer = answer(&asked, "[2001:db8::1]:9".parse().expect("an address")).expect("an answer");
        assert!(answer.len() <= 2 * asked.len());
        let answer = Message::from_bytes(&answer).expect("valid");
        assert_eq!(answer.attribute::<ErrorCode>().expect("an error").code(), 420);
        let unknown = answer.attribute::<UnknownAttributes>().expect("its reason");
        assert!(unknown.has_attribute(Username::TYPE) && unknown.has_attribute(Realm::TYPE));
    }

    #[test]
    fn one_address_is_answered_no_more_than_its_share_and_all_no_more_than_theirs() {
        let (request, stun) = (request(), stun(3, 1000));
        let from = |last: u16| SocketAddr::new(Ipv6Addr::new(0x2001, 0xdb8, 0, last, 1, 2, 3, 4).into(), 9);
        let answered = |last| (0..10).filter(|_| stun.answer(&request, from(last)).is_some()).count();
        assert_eq!((answered(1), answered(2)), (3, 3));
        assert!(stun.counters.iter().any(|counted| counted == ("stun_rate", 14)));
        let stun = self::stun(1000, 5);
        let answered = (0..10).filter(|last| stun.answer(&request, from(*last)).is_some()).count();
        assert_eq!(answered, 5);
    }

    #[test]
    fn what_one_address_asks_beyond_its_share_takes_nothing_from_others() {
        let (request, stun) = (request(), stun(3, 5));
        let answered = |last: u16| {
            let from = SocketAddr::new(Ipv6Addr::new(0x2001, 0xdb8, 0, last, 1, 2, 3, 4).into(), 9);
            (0..10).filter(|_| stun.answer(&request, from).is_some()).count()
        };
        assert_eq!((answered(1), answered(2)), (3, 2));
    }
}
