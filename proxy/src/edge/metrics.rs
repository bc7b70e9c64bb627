//! What Prometheus asks for: numbers of the process, without a name or an address.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::PrometheusBuilder;

use super::proxy::Inner;
use crate::{
    counters::{Counters, Deed},
    session::Traffic,
};

/// All numbers as they are at this moment, in the Prometheus text format (version 0.0.4).
///
/// They are put together when somebody asks, and cost nothing before.
pub(super) fn text(inner: &Inner) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    with_local_recorder(&recorder, || {
        moved(&inner.sessions.traffic());
        held(inner);
        #[cfg(feature = "cluster")]
        clustered(inner);
        fanned_out(inner);
        did(inner);
    });
    recorder.handle().render() + &waited(inner)
}

/// What went over sessions, and what they hold.
fn moved(Traffic { counts, sessions, streams, queued, .. }: &Traffic) {
    now("bss_sessions", "Peers that are connected.", *sessions);
    now("bss_streams", "Ends of streams that are live: two for each stream between two peers.", *streams);
    bytes_now("bss_queued_bytes", "Bytes that wait to leave to peers.", *queued);
    so_far("bss_received_bytes_total", "Bytes of payload that came from peers.", counts.bytes);
    so_far("bss_sent_bytes_total", "Bytes of payload that went to peers.", counts.bytes_sent);
    let kinds = [
        ("open", counts.opens),
        ("reset", counts.resets),
        ("fin", counts.fins),
        ("ack", counts.acks),
        ("window_update", counts.updates),
        ("empty", counts.empty),
        ("ping", counts.pings),
        ("stray", counts.stray),
    ];
    let rest = counts.frames.saturating_sub(kinds.iter().map(|(_, count)| count).sum());
    describe_counter!("bss_received_frames_total", "Frames that came from peers, by what they were.");
    for (kind, count) in kinds.into_iter().chain([("data", rest)]) {
        counter!("bss_received_frames_total", "kind" => kind).absolute(count);
    }
    so_far("bss_sent_data_frames_total", "Frames with payload that went to peers.", counts.data_sent);
    so_far("bss_streams_opened_total", "Streams that the proxy opened to peers.", counts.opened);
}

/// What the process holds, and what it may.
fn held(inner: &Inner) {
    bytes_now("bss_memory_used_bytes", "Bytes that buffers, queues and what channels and rooms keep hold.", inner.memory.used());
    bytes_now("bss_memory_budget_bytes", "Bytes that they may hold before new work is refused.", inner.memory.budget());
    let runtime = tokio::runtime::Handle::current().metrics();
    now("bss_tasks", "Tasks of the runtime that are alive.", runtime.num_alive_tasks());
    now("bss_workers", "Threads of the runtime.", runtime.num_workers());
    now("bss_draining", "1 while the proxy goes down.", usize::from(inner.draining.is_cancelled()));
}

/// The node of a cluster, where it is one.
#[cfg(feature = "cluster")]
fn clustered(inner: &Inner) {
    let Some(membership) = inner.membership.get() else { return };
    let (is_in, nodes, names) = membership.standing();
    now("bss_cluster_in", "1 while this node of a cluster may have names.", usize::from(is_in));
    now("bss_cluster_nodes", "Nodes of the cluster that are not known to be dead.", nodes);
    now("bss_cluster_names", "Names that are held at all of them, or kept for their owners.", names);
    let [parcels, bytes, dropped] = membership.said();
    so_far("bss_cluster_parcels_total", "Parcels that went to other nodes by NATS, each once for all of them.", parcels);
    so_far("bss_cluster_parcel_bytes_total", "Their bytes.", bytes);
    so_far("bss_cluster_parcels_dropped_total", "Parcels that NATS did not take, so that others were told anew what holds.", dropped);
    let read = inner.counters.deeds(Deed::ChannelFromNodes);
    so_far("bss_cluster_channel_bytes_total", "Bytes of channels that came from other nodes, each once for all readers of this one.", read);
    let passed = inner.counters.deeds(Deed::UpPassedOn);
    so_far("bss_cluster_http_ups_total", "Bodies of sessions over HTTP that came here and went on to the nodes that have those.", passed);
}

/// Channels, rooms and the swarm.
fn fanned_out(inner: &Inner) {
    let channels = inner.channels.list();
    now("bss_channels", "Channels that there are.", channels.len());
    now("bss_channel_publishers", "Who publish on them.", channels.iter().map(|channel| channel.publishers).sum());
    now("bss_channel_subscribers", "Who subscribe to them.", channels.iter().map(|channel| channel.subscribers).sum());
    let rooms = inner.rooms.list();
    now("bss_rooms", "Rooms that there are.", rooms.len());
    now("bss_room_members", "Who have a seat in one.", rooms.iter().map(|room| room.members).sum());
    let (contents, holders) = inner.tracker.count();
    now("bss_swarm_contents", "Contents that peers of the swarm hold.", contents);
    now("bss_swarm_holders", "Holders of them: a peer counts once for each that it holds.", holders);
}

/// What was done and refused.
fn did(inner: &Inner) {
    let counters = &inner.counters;
    describe_counter!("bss_opens_total", "Streams that peers opened, by how that was answered: accepted, or the code of the refusal.");
    for (result, count) in counters.opens() {
        counter!("bss_opens_total", "result" => result).absolute(count);
    }
    describe_counter!("bss_refusals_total", "What was refused, shed or cut, by the limit or rule.");
    for (limit, count) in counters.iter() {
        counter!("bss_refusals_total", "limit" => limit).absolute(count);
    }
    describe_counter!("bss_sessions_total", "Peers that have connected, by what carries their sessions.");
    let others = [
        ("http", counters.deeds(Deed::SessionOverHttp)),
        #[cfg(feature = "webtransport")]
        ("webtransport", counters.deeds(Deed::SessionOverWebTransport)),
    ];
    let websockets = counters.deeds(Deed::Session).saturating_sub(others.iter().map(|(_, count)| count).sum());
    for (carrier, count) in others.into_iter().chain([("websocket", websockets)]) {
        counter!("bss_sessions_total", "carrier" => carrier).absolute(count);
    }
    let (got, freed) = (counters.deeds(Deed::NameHeld), counters.deeds(Deed::NameFreed));
    now("bss_names", "Names that are held.", usize::try_from(got.saturating_sub(freed)).unwrap_or(usize::MAX));
    so_far("bss_names_held_total", "Times that somebody got a name.", got);
    so_far(
        "bss_resumable_streams_total",
        "Streams that began whose ends go on with them over other connections.",
        counters.deeds(Deed::Resumable),
    );
    so_far("bss_carrier_moves_total", "Connections that such a stream went on over.", counters.deeds(Deed::CarrierMove));
    so_far("bss_channel_messages_total", "Messages that came on channels.", counters.deeds(Deed::ChannelMessage));
    so_far("bss_channel_deliveries_total", "Subscribers that those were for.", counters.deeds(Deed::ChannelDelivery));
    so_far("bss_room_events_total", "Events that came in rooms.", counters.deeds(Deed::RoomEvent));
    so_far("bss_room_deliveries_total", "Members that those were for.", counters.deeds(Deed::RoomDelivery));
    swarmed(counters);
    so_far("bss_polls_total", "Times that it was looked how long a task that is ready waits for its turn.", counters.deeds(Deed::Poll));
}

/// What peers of the swarm said, and what came of it.
fn swarmed(counters: &Counters) {
    describe_counter!("bss_swarm_notes_total", "Notes to the tracker that it followed, by what they said.");
    let notes = [
        ("announce", Deed::SwarmAnnounce),
        ("withdraw", Deed::SwarmWithdraw),
        ("renew", Deed::SwarmRenew),
        ("find", Deed::SwarmFind),
        ("failed", Deed::SwarmFailure),
    ];
    for (note, deed) in notes {
        counter!("bss_swarm_notes_total", "note" => note).absolute(counters.deeds(deed));
    }
    so_far("bss_swarm_left_out_total", "Times that a holder was left out because it was of no use.", counters.deeds(Deed::SwarmLeftOut));
    so_far("bss_swarm_expired_total", "What was announced, not renewed, and forgotten.", counters.deeds(Deed::SwarmExpired));
}

/// How long tasks waited for their turn.
fn waited(inner: &Inner) -> String {
    let delay = inner.counters.deeds(Deed::PollDelay);
    seconds_so_far("bss_poll_delay_seconds_total", "How long such a task waited, over all those times.", delay)
}

fn now(name: &'static str, help: &'static str, value: usize) {
    describe_gauge!(name, help);
    gauge!(name).set(value as f64);
}

fn bytes_now(name: &'static str, help: &'static str, value: usize) {
    describe_gauge!(name, Unit::Bytes, help);
    gauge!(name).set(value as f64);
}

/// A counter of seconds, of which the recorder has whole ones only.
fn seconds_so_far(name: &str, help: &str, nanoseconds: u64) -> String {
    let seconds = Duration::from_nanos(nanoseconds).as_secs_f64();
    format!("# HELP {name} {help}\n# TYPE {name} counter\n{name} {seconds}\n")
}

fn so_far(name: &'static str, help: &'static str, value: u64) {
    describe_counter!(name, help);
    counter!(name).absolute(value);
}
