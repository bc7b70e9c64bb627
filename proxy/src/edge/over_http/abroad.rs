//! Bodies that come to another node than the one that has their session, as a balancer has it that knows no sessions: they go on over the link with that
//! (docs/cluster.md, section 5).
//!
//! On the link a body is a stream: the open says whose it is and which, then come its bytes, and the other node finishes when the session has taken it. If it does not, it refuses or
//! resets with the status that it would have answered.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
    future::poll_fn,
    sync::{Arc, OnceLock, Weak},
    task::{Poll, ready},
};

use axum::body::BodyDataStream;
use browser_stream_mux::{Code, Stream, StreamError};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    super::{
        cluster::{MARK_BYTES, Membership, Seat},
        proxy::Inner,
    },
    Fault, begin, take,
};
use crate::{
    counters::Deed,
    error::{OpenError, RefusalCode},
    route::Handler,
    session::{Open, Opening, Reply},
};

/// Where a node is handed what is for its sessions.
pub(in super::super) const PATH_OF_NODES: &str = "/carrier/up";

/// What stands between what is random in a connection's secret and the mark of its node.
const MARKED: char = '.';

/// A connection's secret, with the mark of this node.
pub(super) fn secret(membership: &Membership) -> Box<str> {
    let random = Uuid::new_v4();
    format!("{random}{MARKED}{}", HEXLOWER.encode(&membership.mark(random))).into()
}

/// What is random in a secret, and whose mark it has.
fn parts(secret: &str) -> Option<(Uuid, [u8; MARK_BYTES])> {
    let (random, mark) = secret.split_once(MARKED)?;
    let mark = HEXLOWER.decode(mark.as_bytes()).ok()?;
    Some((Uuid::try_parse(random).ok()?, mark.try_into().ok()?))
}

/// Which body that is.
#[derive(Serialize, Deserialize)]
struct Passed<'a> {
    connection: Cow<'a, str>,
    number: u64,
    /// Its bytes, where that is known before.
    length: Option<usize>,
}

/// Bodies that are on their way to other nodes, by what is random in their connections' secrets.
#[derive(Debug, Default)]
pub(super) struct Passing(Mutex<HashMap<Uuid, usize>>);

/// One of them, until it is dropped.
struct Place<'a>(&'a Passing, Uuid);

impl Passing {
    /// One more of that connection: no more than its own node has room for, so who sends too many is a burden to nobody but this one.
    fn begin(&self, connection: Uuid, most: usize) -> Option<Place<'_>> {
        let mut passing = self.0.lock();
        let under_way = passing.get(&connection).copied().unwrap_or_default();
        if under_way >= most {
            return None;
        }
        passing.insert(connection, under_way + 1);
        Some(Place(self, connection))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.0.0.lock().entry(self.1) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// Has the node that has the connection take a body, and resolves when its session has.
pub(super) async fn pass_on(
    inner: &Inner,
    connection: &str,
    number: Result<u64, Fault>,
    length: Option<usize>,
    body: BodyDataStream,
) -> Result<(), Fault> {
    let membership = inner.membership.get().ok_or(Fault::Gone)?;
    let (random, mark) = parts(connection).ok_or(Fault::Gone)?;
    // Who is out may not know of the node that has it.
    let way = membership.marked(random, &mark).ok_or(if membership.is_in() { Fault::Gone } else { Fault::Away })?;
    let number = number?;
    let _place = inner.over_http.passing.begin(random, inner.limits.http_ups_max).ok_or(Fault::Crowded)?;
    let passed = async {
        let link = membership.take(way).await?;
        let (Reply { .. }, stream) = link.ask_node(&asks(connection, number, length), None).await?;
        Ok(stream)
    };
    pour(passed.await.map_err(|error: OpenError| told(error.code))?, body).await?;
    inner.counters.done(Deed::UpPassedOn);
    Ok(())
}

fn asks(connection: &str, number: u64, length: Option<usize>) -> Open {
    Open { meta: to_raw_value(&Passed { connection: connection.into(), number, length }).ok(), ..Open::to(PATH_OF_NODES) }
}

/// Sends all of a body there, and resolves with what that node says of it, which may be before its end. Dropped, the body is not whole there.
async fn pour(mut stream: Stream, mut body: BodyDataStream) -> Result<(), Fault> {
    let mut is_whole = false;
    poll_fn(|cx| {
        match stream.poll_chunk(cx) {
            Poll::Ready(Ok(None)) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(StreamError::Reset(number))) => return Poll::Ready(Err(told(RefusalCode::from_number(number)))),
            Poll::Ready(Ok(Some(_)) | Err(_)) => return Poll::Ready(Err(Fault::Away)),
            Poll::Pending => {}
        }
        while !is_whole {
            if ready!(stream.poll_room(cx)).is_err() {
                // Why, is told where it is read.
                return Poll::Pending;
            }
            match ready!(body.poll_next_unpin(cx)) {
                Some(Ok(chunk)) => stream.write_now(chunk),
                Some(Err(_)) => return Poll::Ready(Err(Fault::CutShort)),
                None => {
                    stream.finish();
                    is_whole = true;
                    break;
                }
            };
        }
        Poll::Pending
    })
    .await
}

/// What that node would have answered, if it said so; else it, or the way there, is gone for now: the number says whether it took the body all the same.
fn told(code: RefusalCode) -> Fault {
    match code {
        RefusalCode::Application(status) => FAULTS.into_iter().find(|fault| code_of(*fault) == status).unwrap_or(Fault::Away),
        RefusalCode::Known(Code::NotFound) => Fault::Gone,
        RefusalCode::Known(_) => Fault::Away,
    }
}

/// How a fault is said on a link.
fn code_of(fault: Fault) -> u32 {
    fault.status().as_u16().into()
}

/// Those of who has the connection.
const FAULTS: [Fault; 5] = [Fault::Gone, Fault::Number, Fault::Crowded, Fault::TooLong, Fault::CutShort];

/// Takes what other nodes pass on, for connections of this one and no other: nothing goes further.
pub(in super::super) struct ForNodes(Weak<OnceLock<Membership>>);

impl ForNodes {
    pub(in super::super) fn new(seat: &Seat) -> Self {
        Self(Arc::downgrade(seat))
    }
}

impl Handler for ForNodes {
    fn call(&self, opening: Opening) -> BoxFuture<'static, ()> {
        let inner = self.0.upgrade().and_then(|seat| seat.get()?.proxy());
        async move {
            let (Some(inner), Some(passed)) = (inner, opening.meta::<Passed>()) else {
                return opening.refuse(OpenError::new(Code::BadRequest, "a node says whose body it is, and which")).await;
            };
            take_from_node(&inner, opening, passed).await;
        }
        .boxed()
    }
}

async fn take_from_node(inner: &Inner, opening: Opening, Passed { connection, number, length }: Passed<'_>) {
    let place = inner.over_http.find(&connection).ok_or(Fault::Gone).and_then(|ups| begin(&ups, number));
    let place = match place {
        Ok(place) => place,
        Err(fault) => {
            let error = OpenError { code: RefusalCode::Application(code_of(fault)), message: "it is not taken".into() };
            return opening.refuse(error).await;
        }
    };
    let mut stream = opening.accept();
    let taken = match place {
        Some(slot) => take(inner, slot, length, chunks(&mut stream)).await,
        None => Ok(()),
    };
    match taken {
        Ok(()) => {
            stream.finish();
            // Of one that was taken before the rest may come yet: who sends it lets go when it has heard so.
            let _ = timeout(inner.limits.refused_linger, stream.peer_done()).await;
        }
        Err(fault) => stream.reset(code_of(fault)),
    }
}

/// What comes on a stream, until it is finished.
fn chunks(from: &mut Stream) -> impl stream::Stream<Item = Result<Bytes, StreamError>> + Unpin + '_ {
    stream::poll_fn(move |cx| from.poll_chunk(cx).map(Result::transpose))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::{
        super::super::{Proxy, cluster::Way},
        *,
    };
    use crate::{
        cluster::{Local, Node, Secret, Timing},
        config::Config,
        route::StreamRouter,
        session::http::connection as halves,
    };

    /// A node, and where others reach it.
    async fn node(table: &Local) -> (Proxy, Way) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let node = Node::start(Arc::new(table.clone()), &address, Timing::default());
        let way = Way::Node(node.id(), address.into());
        let secret = Secret::new(b"a secret that all nodes have, and nobody else").expect("long enough");
        let proxy = Proxy::new(Config::default(), StreamRouter::new()).with_cluster(node, secret).expect("TLS");
        let serving = proxy.clone();
        tokio::spawn(async move { serving.serve_cluster(listener).await });
        (proxy, way)
    }

    #[tokio::test]
    async fn threat_35_what_was_passed_on_goes_no_further() {
        let table = Local::new();
        let ((here, _), (there, way)) = (node(&table).await, node(&table).await);
        let membership = here.inner.membership.get().expect("a node");
        let link = membership.take(way).await.expect("it is reached");
        // This node has it, and the other could find that out.
        let connection = secret(membership);
        let (_http, _down, ups) = halves(b"{}", 0, 4);
        here.inner.over_http.here.insert(connection.clone(), ups.clone());
        let open = asks(&connection, 0, None);
        let error = link.ask_node::<Reply>(&open, None).await.expect_err("it is refused");
        assert_eq!(told(error.code), Fault::Gone);
        assert!(ups.begin(0).is_ok() && there.sessions().len() == 1, "there is one link, and none back");
    }

    #[test]
    fn each_fault_comes_back_as_what_it_was_and_whatever_else_as_one_that_time_may_mend() {
        for fault in FAULTS {
            assert_eq!(told(RefusalCode::from_number(code_of(fault))), fault);
        }
        for number in [Code::Cancelled.number(), Code::Lost.number(), Code::Unresponsive.number(), 500, 4001] {
            assert_eq!(told(RefusalCode::from_number(number)), Fault::Away, "{number}");
        }
        assert_eq!(told(Code::NotFound.into()), Fault::Gone, "a node that knows nothing of this");
    }

    #[test]
    fn threat_10_of_one_connection_so_many_bodies_are_passed_on_at_once_and_no_more() {
        let (passing, connection) = (Passing::default(), Uuid::from_u128(1));
        let (first, second) = (passing.begin(connection, 2), passing.begin(connection, 2));
        assert!(first.is_some() && second.is_some() && passing.begin(connection, 2).is_none());
        assert!(passing.begin(Uuid::from_u128(2), 2).is_some(), "another has its own");
        drop(first);
        assert!(passing.begin(connection, 2).is_some());
        drop(second);
        assert!(passing.0.lock().is_empty(), "nothing is kept of who passes on nothing");
    }
}
