//! The `[limits]` table of the configuration file, and back to text.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::Limits;

/// Makes the table: counts and bytes are written as they are, times in whole milliseconds.
macro_rules! table {
    (counts: $($count:ident),* $(,)? ; bytes: $($bytes:ident),* $(,)? ; times: $($key:ident => $time:ident),* $(,)?) => {
        /// What a file may say about [`Limits`]; what it leaves out keeps its default.
        #[derive(Debug, Default, Deserialize, Serialize)]
        #[serde(deny_unknown_fields, default)]
        pub(super) struct LimitsTable {
            $($count: Option<usize>,)*
            $($bytes: Option<usize>,)*
            $($key: Option<u64>,)*
        }

        impl LimitsTable {
            pub(super) fn apply(self, limits: &mut Limits) -> Result<(), LimitsError> {
                $(if let Some(value) = self.$count {
                    limits.$count = positive(value, stringify!($count), COUNT_MAX)?;
                })*
                $(if let Some(value) = self.$bytes {
                    limits.$bytes = positive(value, stringify!($bytes), BYTES_MAX)?;
                })*
                $(if let Some(value) = self.$key {
                    limits.$time = Duration::from_millis(bounded(value, stringify!($key))?);
                })*
                rising(limits)
            }
        }

        impl From<&Limits> for LimitsTable {
            fn from(limits: &Limits) -> Self {
                Self {
                    $($count: Some(limits.$count),)*
                    $($bytes: Some(limits.$bytes),)*
                    $($key: u64::try_from(limits.$time.as_millis()).ok(),)*
                }
            }
        }
    };
}

table! {
    counts:
        streams_per_session_max,
        names_per_session_max,
        suspended_names_max,
        standbys_per_name_max,
        watchers_per_name_max,
        judgements_max,
        listings_max,
        listed_names_max,
        clients_max,
        unreplied_opens_max,
        opens_per_second,
        opens_burst,
        misc_frames_per_second,
        misc_frames_burst,
        sessions_per_address_max,
        connections_per_address_max,
        open_depth_max,
        stun_per_address_per_second,
        stun_per_address_burst,
        stun_per_second,
        http_ups_max,
        http_requests_max,
        http_requests_per_name_max,
        http_requests_per_address_max,
        connections_max,
        events_buffer,
        channels_max,
        channel_publishers_max,
        channel_readers_max,
        channel_deliveries_per_second,
        channel_deliveries_burst,
        rooms_max,
        room_members_max,
        rooms_per_session_max,
        room_kept_events_max,
        room_absent_max,
        room_asks_max,
        room_watchers_max,
        swarm_contents_max,
        swarm_contents_per_session_max,
        swarm_holders_max,
        swarm_candidates_max,
        swarm_notes_per_second,
        swarm_notes_burst;
    bytes:
        open_bytes_max,
        waiting_bytes_max,
        http_head_bytes_max,
        queued_cap_falls_at_bytes,
        queued_busy_at_bytes,
        queued_reset_at_bytes,
        memory_budget_bytes,
        http_up_bytes_max,
        channel_message_bytes_max,
        channel_replay_bytes_max,
        channel_queue_bytes_max,
        room_event_bytes_max,
        room_kept_bytes_max,
        room_queue_bytes_max;
    times:
        open_timeout_ms => open_timeout,
        wait_default_ms => wait_default,
        wait_max_ms => wait_max,
        reply_timeout_ms => reply_timeout,
        refused_linger_ms => refused_linger,
        half_closed_timeout_ms => half_closed_timeout,
        ping_interval_ms => ping_interval,
        silence_max_ms => silence_max,
        write_stall_max_ms => write_stall_max,
        establish_timeout_ms => establish_timeout,
        lease_grace_ms => lease_grace,
        watch_interval_ms => watch_interval,
        list_interval_ms => list_interval,
        http_response_timeout_ms => http_response_timeout,
        http_idle_timeout_ms => http_idle_timeout,
        http_websocket_idle_timeout_ms => http_websocket_idle_timeout,
        drain_timeout_ms => drain_timeout,
        channel_stall_ms => channel_stall_max,
        room_grace_ms => room_grace,
        room_list_interval_ms => room_list_interval,
        swarm_renew_ms => swarm_renew,
        swarm_left_out_ms => swarm_left_out,
}

/// A limit that cannot work.
#[derive(Debug, thiserror::Error)]
pub(super) enum LimitsError {
    #[error("{0} = 0 would refuse everything: give it at least 1")]
    Zero(&'static str),
    #[error("{0} is too much: give it at most {1}")]
    TooMuch(&'static str, u64),
    #[error("{0} is above {1}, so that it would never hold: give {1} at least as much")]
    Order(&'static str, &'static str),
}

fn positive(value: usize, key: &'static str, most: usize) -> Result<usize, LimitsError> {
    match value {
        0 => Err(LimitsError::Zero(key)),
        value if value > most => Err(LimitsError::TooMuch(key, most as u64)),
        value => Ok(value),
    }
}

/// A step of the memory ladder that lies above the next one would be jumped over.
fn rising(limits: &Limits) -> Result<(), LimitsError> {
    let steps = [
        ("queued_cap_falls_at_bytes", limits.queued_cap_falls_at_bytes),
        ("queued_busy_at_bytes", limits.queued_busy_at_bytes),
        ("queued_reset_at_bytes", limits.queued_reset_at_bytes),
        ("memory_budget_bytes", limits.memory_budget_bytes),
    ];
    match steps.windows(2).find(|pair| pair[0].1 > pair[1].1) {
        Some(pair) => Err(LimitsError::Order(pair[0].0, pair[1].0)),
        None => Ok(()),
    }
}

/// Not to wait at all is a use (`wait_default_ms = 0`); any other time of zero is a mistake.
fn bounded(value: u64, key: &'static str) -> Result<u64, LimitsError> {
    match value {
        0 if !key.starts_with("wait_") => Err(LimitsError::Zero(key)),
        value if value > DAY_MS => Err(LimitsError::TooMuch(key, DAY_MS)),
        value => Ok(value),
    }
}

/// Far above any use, and far below where a semaphore or a queue of that many overflows.
const COUNT_MAX: usize = 1 << 24;
/// A terabyte: more is a mistake of units on any machine of today.
const BYTES_MAX: usize = 1 << 40;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
