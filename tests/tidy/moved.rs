//! No metric has a label that nothing moves: for each limit and rule that refuses, the test that saw it count. Each kind of frame and each answer to an open is in
//! `proxy/labels.rs`.

use crate::source::{Findings, root};

/// What counts (`limit` of `bss_refusals_total`), and where it is seen to.
const SEEN: [(&str, &str, &str); 77] = [
    ("connections", "proxy/tests/shedding.rs", "threat_19_one_connection_too_many_is_told_to_come_back"),
    ("descriptors", "proxy/tests/shell/admin.rs", "threat_19_connections_that_no_descriptor_is_left_for_are_counted"),
    ("connections_per_address", "proxy/tests/edge/tls.rs", "threat_18_the_limits_of_an_address_hold_over_tls"),
    ("sessions_per_address", "proxy/tests/shedding.rs", "one_address_has_so_many_sessions_and_others_have_their_own"),
    ("budget", "proxy/src/edge/upgrade.rs", "threat_19_above_the_memory_budget_new_sessions_are_shed_until_there_is_room"),
    ("draining", "proxy/tests/shedding.rs", "threat_19_draining_is_told_by_readiness"),
    ("gate", "proxy/tests/edge/http2.rs", "threat_14_the_gate_stands_before_http_2_as_well"),
    ("handshake", "proxy/tests/shedding.rs", "an_upgrade_that_is_no_handshake_is_counted"),
    ("tls", "proxy/tests/edge/tls.rs", "who_comes_without_tls_is_sent_to_the_same_address_over_it"),
    (
        "cluster_handshake",
        "proxy/src/cluster/link/tests/strangers.rs",
        "threat_35_who_does_not_have_the_secret_has_no_session_and_is_counted",
    ),
    ("http2_flood", "tests/http/http2.rs", "threat_09_requests_that_are_taken_back_at_once_end_their_connection_and_no_other"),
    ("header_too_large", "proxy/tests/edge/main.rs", "threat_15_a_giant_head_is_refused"),
    ("stun_rate", "proxy/src/edge/stun.rs", "one_address_is_answered_no_more_than_its_share_and_all_no_more_than_theirs"),
    ("establish_timeout", "proxy/tests/edge/http2.rs", "threat_15_a_peer_of_http_2_that_asks_nothing_or_no_more_is_closed"),
    ("streams_per_session", "tests/proxy/opens.rs", "threat_08_one_stream_too_many_is_refused_and_the_session_lives"),
    ("open_rate", "tests/proxy/rates.rs", "threat_09_opens_beyond_the_burst_are_refused_and_the_rate_goes_on"),
    ("bad_open", "tests/proxy/channel/bounds.rs", "what_subscribers_are_told_of_a_publisher_has_its_bound_however_long_an_open_may_be"),
    ("unauthorized", "tests/admin/door.rs", "threat_18_only_who_may_act_does_and_only_who_may_look_sees"),
    ("forbidden", "tests/admin/door.rs", "threat_18_only_who_may_act_does_and_only_who_may_look_sees"),
    ("quota", "tests/proxy/tokens/quotas.rs", "threat_08_one_sub_has_so_many_sessions_names_and_streams_and_no_more_wherever_they_are"),
    ("open_timeout", "tests/proxy/opens.rs", "threat_11_an_open_that_never_comes_whole_is_given_up"),
    ("names_per_session", "tests/proxy/names.rs", "threat_08_a_session_holds_so_many_names_and_no_more"),
    ("suspended_names", "tests/proxy/leases.rs", "threat_08_beyond_so_many_suspended_names_one_is_free_when_its_session_goes"),
    ("standbys_per_name", "tests/proxy/standby.rs", "threat_08_so_many_stand_by_for_a_name_and_no_more"),
    ("watchers_per_name", "tests/proxy/watch.rs", "threat_08_so_many_watch_a_name_and_no_more"),
    ("listings", "tests/proxy/list.rs", "listings_are_bounded_in_length_and_in_number"),
    ("clients_max", "tests/proxy/refusals.rs", "threat_08_a_server_with_all_its_clients_is_busy_and_goes_on"),
    ("unreplied", "tests/proxy/waiting.rs", "threat_08_whose_turn_does_not_come_at_a_server_that_answers_nobody_is_told_timeout"),
    ("reply_timeout", "tests/proxy/inside.rs", "the_process_gets_the_codes_that_a_client_gets"),
    ("bad_reply", "tests/proxy/refusals.rs", "threat_32_what_a_server_may_not_say_is_internal"),
    ("bad_note", "tests/proxy/opens.rs", "a_note_that_is_none_resets_its_stream_and_is_counted"),
    ("channels", "tests/proxy/channel/bounds.rs", "so_many_channels_publishers_and_subscribers_and_no_more"),
    ("channel_members", "tests/proxy/channel/bounds.rs", "so_many_channels_publishers_and_subscribers_and_no_more"),
    ("channel_record", "tests/proxy/channel/bounds.rs", "a_message_beyond_the_limit_ends_its_publisher_and_is_never_whole"),
    (
        "channel_lagging",
        "tests/proxy/channel/bounds.rs",
        "threat_22_who_comes_and_goes_does_not_pile_up_for_a_subscriber_that_reads_nothing",
    ),
    (
        "channel_skipped",
        "tests/proxy/channel/policies.rs",
        "threat_22_one_stalled_subscriber_of_a_channel_that_drops_is_told_how_many_whole_messages_it_missed",
    ),
    ("channel_rate_slowed", "tests/proxy/channel/bounds.rs", "threat_24_one_message_to_many_costs_its_sender_as_much_as_many"),
    ("rooms", "tests/proxy/room/bounds.rs", "so_many_rooms_members_and_rooms_of_one_session_and_no_more"),
    ("room_members", "tests/proxy/room/bounds.rs", "so_many_rooms_members_and_rooms_of_one_session_and_no_more"),
    ("rooms_per_session", "tests/proxy/room/bounds.rs", "so_many_rooms_members_and_rooms_of_one_session_and_no_more"),
    ("room_forbidden", "tests/proxy/room/program.rs", "threat_23_the_program_decides_who_may_join_and_as_whom"),
    ("room_record", "tests/proxy/room/basics.rs", "a_profile_is_changed_for_all_and_for_who_comes_later"),
    ("room_lagging", "tests/proxy/room/slow.rs", "threat_22_one_that_would_miss_who_comes_and_goes_is_reset_and_has_all_anew"),
    ("room_skipped", "tests/proxy/room/seats.rs", "more_than_is_kept_is_lost_and_said_so_and_who_is_there_is_told_anew"),
    ("room_absent", "tests/proxy/room/bounds.rs", "so_many_are_away_and_no_more"),
    ("room_asks", "tests/proxy/room/acks.rs", "so_many_asks_of_one_member_wait_and_no_more_and_each_has_its_own_number"),
    ("room_rate_slowed", "tests/proxy/room/bounds.rs", "threat_24_one_event_to_many_members_costs_its_sender_as_much_as_many"),
    ("room_watchers", "tests/proxy/room/directory.rs", "so_many_watch_and_no_more"),
    ("http_requests", "tests/http/visits.rs", "threat_34_one_visitor_too_many_is_told_so_and_a_place_is_free_again"),
    ("http_requests_per_name", "tests/http/visits.rs", "threat_34_one_visitor_too_many_is_told_so_and_a_place_is_free_again"),
    ("http_requests_per_address", "proxy/src/edge/visit/places.rs", "each_bound_holds_by_itself_and_a_freed_place_is_taken_again"),
    ("http_request", "tests/http/smuggling.rs", "what_no_server_can_be_asked_is_said"),
    ("http_response", "tests/http/ends.rs", "a_server_that_goes_before_it_answers_or_answers_nonsense_is_a_bad_gateway"),
    ("http_timeout", "tests/http/ends.rs", "threat_34_a_server_that_does_not_answer_in_time_is_a_gateway_timeout_and_loses_its_stream"),
    ("http_up", "proxy/tests/edge/over_http.rs", "threat_33_without_its_secret_nobody_sends_for_a_connection"),
    ("swarm_note", "tests/proxy/tracker/bounds.rs", "threat_25_what_is_no_note_is_refused_and_the_stream_goes_on"),
    ("swarm_name", "tests/proxy/tracker/bounds.rs", "threat_25_nobody_announces_under_a_name_that_is_not_its_own"),
    ("swarm_contents", "tests/proxy/tracker/bounds.rs", "threat_25_contents_and_holders_are_bounded"),
    ("swarm_contents_per_session", "tests/proxy/tracker/bounds.rs", "threat_25_contents_and_holders_are_bounded"),
    ("swarm_holders", "tests/proxy/tracker/bounds.rs", "threat_25_contents_and_holders_are_bounded"),
    ("swarm_rate", "tests/proxy/tracker/bounds.rs", "threat_25_a_flood_of_notes_is_refused_and_then_cut"),
    ("swarm_rate_cut", "tests/proxy/tracker/bounds.rs", "threat_25_a_flood_of_notes_is_refused_and_then_cut"),
    ("queue_busy", "tests/proxy/ladder.rs", "threat_08_above_eight_mebibytes_queued_opens_to_that_server_are_busy_until_it_takes_them"),
    ("queue_reset", "tests/proxy/ladder.rs", "threat_06_beyond_the_last_rung_the_fullest_stream_is_reset_at_both_ends_and_the_others_live"),
    ("waiting_bytes", "tests/proxy/ladder.rs", "bytes_that_wait_for_an_answer_are_bounded_and_the_newest_open_pays"),
    ("half_closed", "tests/proxy/silence.rs", "a_half_closed_stream_that_is_silent_for_five_minutes_is_reset_timeout_at_both_ends"),
    ("misc_rate_slowed", "tests/proxy/opens.rs", "a_bound_that_a_peer_meets_with_is_told_once_on_its_session_stream"),
    ("misc_rate_cut", "tests/proxy/rates.rs", "threat_09_frames_that_move_nothing_are_free_then_slow_and_at_last_the_end_of_their_session"),
    (
        "transport_rate_slowed",
        "proxy/tests/chatter.rs",
        "threat_16_websocket_frames_that_bring_nothing_are_free_then_slow_and_at_last_the_end_of_their_session",
    ),
    (
        "transport_rate_cut",
        "proxy/tests/chatter.rs",
        "threat_16_websocket_frames_that_bring_nothing_are_free_then_slow_and_at_last_the_end_of_their_session",
    ),
    ("pongs_dropped", "proxy/tests/chatter.rs", "each_websocket_ping_is_answered_or_counted"),
    ("open_rate_cut", "tests/proxy/rates.rs", "threat_09_a_peer_that_opens_ten_times_too_fast_is_cut_and_told_why"),
    ("write_stall", "tests/proxy/violations.rs", "threat_10_a_peer_that_provokes_replies_and_takes_none_is_read_no_further_and_cut"),
    ("dead", "tests/proxy/restless.rs", "threat_04_a_peer_that_is_never_waited_for_is_dead_in_time_all_the_same"),
    ("violation", "tests/proxy/violations.rs", "threat_07_a_violation_cuts_its_session_and_no_other"),
    ("transport", "proxy/tests/edge/transport.rs", "threat_16_what_is_no_websocket_closes_1002"),
    ("text", "proxy/tests/edge/transport.rs", "threat_16_a_text_message_closes_1003"),
];

#[test]
fn each_limit_is_seen_to_count_by_a_test() {
    let mut findings = Findings::default();
    let counters = std::fs::read_to_string(root().join("proxy/src/counters.rs")).expect("the counters");
    let kinds = kinds(&counters);
    assert!(kinds.len() > 50, "{kinds:?}");
    for (name, _) in kinds.iter().filter(|(name, _)| SEEN.iter().all(|(seen, ..)| seen != name)) {
        findings.add("tests/tidy/moved.rs", 1, &format!("says of no test that it sees {name} count"));
    }
    for (name, path, test) in SEEN {
        let text = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        let kind = kinds.iter().find(|(known, _)| known == name).map(|(_, kind)| format!("Refusal::{kind}"));
        let body = text.split_once(&format!("fn {test}()")).map(|(_, rest)| rest.split("test]\n").next().unwrap_or_default());
        let sees = |body: &str| body.contains(&format!("\"{name}\"")) || kind.as_ref().is_some_and(|kind| body.contains(kind.as_str()));
        if kind.is_none() {
            findings.add("tests/tidy/moved.rs", 1, &format!("{name} counts no more"));
        } else if !body.is_some_and(sees) {
            findings.add(path, 1, &format!("{test} does not look at {name}"));
        }
    }
    findings.assert_none();
}

/// The name and the kind of each.
fn kinds(counters: &str) -> Vec<(String, String)> {
    let (_, rest) = counters.split_once("\nrefusals! {\n").expect("the table");
    let (table, _) = rest.split_once("\n}\n").expect("its end");
    let lines = table.lines().filter_map(|line| line.trim().strip_suffix("\",")?.split_once(" = \""));
    lines.map(|(kind, name)| (name.to_owned(), kind.to_owned())).collect()
}
