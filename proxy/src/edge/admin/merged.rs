//! What several nodes answered, as one answer: rows in the order of their keys, each with its node. Nothing here asks anybody.

use std::collections::BTreeMap;

use browser_stream_mux::Code;
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::tables::Kind;

/// What a node answered, by what the node is called.
pub(super) type Answer = (String, Bytes);

/// A row, as its node told it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub key: String,
    pub node: String,
    pub json: String,
}

/// A part of a table of one node's.
#[derive(Debug)]
pub(super) struct Part {
    pub rows: Vec<Row>,
    /// The key behind which the next begins.
    pub next: Option<String>,
    total: usize,
}

/// Fields of an overview that are told for all nodes together.
const SUMMED: [&str; 10] = ["sessions", "names", "streams", "channels", "rooms", "received", "sent", "memory_used", "memory_budget", "rss"];

impl Part {
    /// A list as a node answered it; `None` for what is none.
    pub fn of(node: &str, body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Said<'a> {
            #[serde(borrow)]
            rows: Vec<&'a RawValue>,
            next: Option<String>,
            total: usize,
        }
        let Said { rows, next, total } = serde_json::from_slice(body).ok()?;
        let row = |json: &RawValue| Some(Row { key: key(json.get())?, node: node.to_owned(), json: json.get().to_owned() });
        Some(Self { rows: rows.into_iter().map(row).collect::<Option<_>>()?, next, total })
    }
}

/// What a row of whichever table goes by among those of its node.
fn key(json: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Keys {
        key: Option<String>,
        id: Option<String>,
        name: Option<String>,
    }
    let Keys { key, id, name } = serde_json::from_str(json).ok()?;
    key.or(id).or(name)
}

/// Parts of a table that begin behind the same key as one part: of `limit` rows, and those more that go by the same key as the last, for the next part begins behind it. Who
/// answered what is no list is missing, too.
pub(super) fn list(answers: &[Answer], limit: usize, mut missing: Vec<String>) -> String {
    let (mut rows, mut total, mut has_more) = (Vec::new(), 0_usize, false);
    for (node, body) in answers {
        let Some(part) = Part::of(node, body) else {
            missing.push(node.clone());
            continue;
        };
        total = part.total.saturating_add(total);
        has_more |= part.next.is_some();
        rows.extend(part.rows);
    }
    sort(&mut rows);
    let last = rows.get(limit.saturating_sub(1)).map(|last| last.key.clone());
    let end = last.map_or(rows.len(), |last| rows.partition_point(|row| row.key <= last));
    has_more |= end < rows.len();
    rows.truncate(end);
    let next = rows.last().filter(|_| has_more).map(|last| json!(last.key)).unwrap_or_default();
    listed(rows.iter().map(Row::with_node), &next, total, &missing)
}

fn sort(rows: &mut [Row]) {
    rows.sort_unstable_by(|one, other| (&one.key, &one.node).cmp(&(&other.key, &other.node)));
}

fn listed(rows: impl Iterator<Item = String>, next: &Value, total: usize, missing: &[String]) -> String {
    let rows = rows.collect::<Vec<_>>().join(",");
    format!(r#"{{"rows":[{rows}],"next":{next},"total":{total},"missing":{}}}"#, json!(missing))
}

impl Row {
    /// As JSON, with its node: that which told it, unless it says another itself.
    fn with_node(&self) -> String {
        if self.json.starts_with(r#"{"node":"#) { self.json.clone() } else { with(&self.json, "node", &self.node) }
    }
}

/// An object as JSON with one more field; what is no object stays as it is.
pub(super) fn with(json: &str, field: &str, value: &str) -> String {
    match json.strip_suffix('}') {
        Some("{") | None => json.to_owned(),
        Some(rest) => format!("{rest},\"{field}\":{}}}", json!(value)),
    }
}

/// Events of all nodes as they happened by the nodes' clocks: the newest so many.
pub(super) fn events(answers: &[Answer], limit: usize, mut missing: Vec<String>) -> String {
    #[derive(Deserialize)]
    struct Said<'a> {
        #[serde(borrow)]
        rows: Vec<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct When {
        at_ms: u64,
        number: u64,
    }
    let mut rows = Vec::new();
    for (node, body) in answers {
        let read = serde_json::from_slice(body).ok().and_then(|Said { rows }| {
            let row = |json: &RawValue| {
                let When { at_ms, number } = serde_json::from_str(json.get()).ok()?;
                Some(((at_ms, node.clone(), number), with(json.get(), "node", node)))
            };
            rows.into_iter().map(row).collect::<Option<Vec<_>>>()
        });
        match read {
            Some(read) => rows.extend(read),
            None => missing.push(node.clone()),
        }
    }
    rows.sort_unstable();
    let total = rows.len();
    listed(rows.into_iter().skip(total.saturating_sub(limit)).map(|(_, json)| json), &Value::Null, total, &missing)
}

/// The overview of the node `me` with the counts of the others in it. What no sum has a meaning of is that node's own.
pub(super) fn overview(me: &str, own: Value, others: &[Answer], mut missing: Vec<String>) -> Value {
    let mut own = match own {
        Value::Object(own) => own,
        _ => {
            missing.retain(|node| node != me);
            missing.push(me.to_owned());
            Map::new()
        }
    };
    for (node, body) in others {
        let Ok(Value::Object(other)) = serde_json::from_slice(body) else {
            missing.push(node.clone());
            continue;
        };
        for field in SUMMED {
            if let Some(more) = other.get(field).and_then(Value::as_u64) {
                add(&mut own, field, more);
            }
        }
        let Value::Object(refusals) = own.entry("refusals").or_insert_with(|| json!({})) else { continue };
        for (limit, more) in other.get("refusals").and_then(Value::as_object).into_iter().flatten() {
            add(refusals, limit, more.as_u64().unwrap_or_default());
        }
    }
    own.insert("node".to_owned(), json!(me));
    own.insert("missing".to_owned(), json!(missing));
    Value::Object(own)
}

fn add(counts: &mut Map<String, Value>, field: &str, more: u64) {
    let count = counts.get(field).and_then(Value::as_u64).unwrap_or_default();
    counts.insert(field.to_owned(), json!(count.saturating_add(more)));
}

/// Whether a node refuses what is to hold at each, for another reason than that it holds there already.
pub(super) fn is_refused(status: StatusCode, body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Said {
        code: String,
    }
    let holds = || serde_json::from_slice(body).is_ok_and(|Said { code }| code == Code::NameReserved.to_string());
    !(status.is_success() || status == StatusCode::NOT_FOUND || (status == StatusCode::CONFLICT && holds()))
}

/// A refusal that says which node refuses.
pub(super) fn refused_by(node: &str, body: &Bytes) -> Bytes {
    let Ok(Value::Object(mut fault)) = serde_json::from_slice(body) else { return body.clone() };
    if let Some(Value::String(message)) = fault.get_mut("message") {
        *message = format!("the node {node} refuses: {message}");
    }
    Value::Object(fault).to_string().into()
}

/// Rows of a table of all nodes by keys that no two of them have, for who is told what changes. Of a room or a channel that several nodes have, the first goes by its name; a name
/// is told once: that a node keeps it for nobody says less than that another one serves it.
pub(super) fn apart(kind: Kind, mut rows: Vec<Row>) -> Vec<(String, String)> {
    sort(&mut rows);
    let mut groups: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in rows {
        groups.entry(row.key.clone()).or_default().push(row);
    }
    let mut apart = Vec::new();
    for (key, group) in groups {
        if kind == Kind::Names {
            apart.extend(foremost(&group).map(|json| (key, json)));
            continue;
        }
        for (at, row) in group.iter().enumerate() {
            apart.push(match at {
                0 => (key.clone(), row.with_node()),
                // No name has a line break in it.
                _ => {
                    let own = format!("{key}\n{}", row.node);
                    let json = with(&row.with_node(), "key", &own);
                    (own, json)
                }
            });
        }
    }
    apart
}

/// Of rows of one name that which says most, and that it is reserved where any says that.
fn foremost(group: &[Row]) -> Option<String> {
    #[derive(Deserialize)]
    struct Held {
        state: String,
        reserved: bool,
    }
    let held: Vec<(Held, &Row)> = group.iter().filter_map(|row| Some((serde_json::from_str(&row.json).ok()?, row))).collect();
    let weight = |state: &str| ["reserved", "suspended", "listening"].iter().position(|one| *one == state);
    let (first, row) = held.iter().max_by_key(|(held, _)| weight(&held.state))?;
    if first.reserved || !held.iter().any(|(held, _)| held.reserved) {
        return Some(row.with_node());
    }
    let mut json: Value = serde_json::from_str(&row.with_node()).ok()?;
    json.as_object_mut()?.insert("reserved".to_owned(), json!(true));
    Some(json.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(node: &str, rows: &[&str], next: Option<&str>, total: usize) -> Answer {
        let rows: Vec<Value> = rows.iter().map(|name| json!({ "name": name, "members": 1 })).collect();
        (node.to_owned(), json!({ "rows": rows, "next": next, "total": total }).to_string().into())
    }

    fn read(list: &str) -> (Vec<(String, String)>, Value) {
        let said: Value = serde_json::from_str(list).expect("JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let rows = said["rows"].as_array().expect("rows").iter().map(|row| (text(&row["name"]), text(&row["node"]))).collect();
        (rows, json!([said["next"], said["total"], said["missing"]]))
    }

    fn pairs(rows: &[(&str, &str)]) -> Vec<(String, String)> {
        rows.iter().map(|(name, node)| ((*name).to_owned(), (*node).to_owned())).collect()
    }

    #[test]
    fn rows_of_several_nodes_are_one_table_with_the_node_of_each_and_the_sum_of_all() {
        let answers = [told("a", &["hall", "yard"], None, 2), told("b", &["attic", "hall"], None, 2)];
        let (rows, rest) = read(&list(&answers, 10, vec!["c".to_owned()]));
        assert_eq!(rows, pairs(&[("attic", "b"), ("hall", "a"), ("hall", "b"), ("yard", "a")]));
        assert_eq!(rest, json!([null, 4, ["c"]]));
    }

    #[test]
    fn a_part_ends_where_a_key_does_so_that_the_next_leaves_out_no_row_of_it() {
        let answers = [told("a", &["hall", "yard"], Some("yard"), 3), told("b", &["hall"], None, 1)];
        let (rows, rest) = read(&list(&answers, 1, Vec::new()));
        assert_eq!(rows, pairs(&[("hall", "a"), ("hall", "b")]), "one more than was asked for");
        assert_eq!(rest, json!(["hall", 4, []]));
        let (rows, rest) = read(&list(&[told("a", &["x"], Some("x"), 2), told("b", &[], None, 0)], 1, Vec::new()));
        assert_eq!((rows, rest), (pairs(&[("x", "a")]), json!(["x", 2, []])), "a node has more of them");
        let (rows, rest) = read(&list(&[told("a", &["x"], None, 1)], 1, Vec::new()));
        assert_eq!((rows, rest), (pairs(&[("x", "a")]), json!([null, 1, []])));
    }

    #[test]
    fn who_answers_what_is_no_list_is_missing_and_the_others_are_told() {
        let nonsense = ("b".to_owned(), Bytes::from_static(b"<!doctype html>"));
        let (rows, rest) = read(&list(&[told("a", &["x"], None, 1), nonsense.clone()], 9, Vec::new()));
        assert_eq!((rows, rest), (pairs(&[("x", "a")]), json!([null, 1, ["b"]])));
        let told: Value = serde_json::from_str(&events(&[nonsense], 9, Vec::new())).expect("JSON");
        assert_eq!(told, json!({ "rows": [], "next": null, "total": 0, "missing": ["b"] }));
    }

    #[test]
    fn events_come_as_they_happened_and_the_newest_where_only_some_are_wanted() {
        let event = |at: u64, number: u64| json!({ "number": number, "at_ms": at });
        let answer = |node: &str, rows: Vec<Value>| (node.to_owned(), Bytes::from(json!({ "rows": rows }).to_string()));
        let answers = [answer("a", vec![event(10, 1), event(30, 2)]), answer("b", vec![event(20, 7)])];
        let said: Value = serde_json::from_str(&events(&answers, 2, Vec::new())).expect("JSON");
        let rows = json!([{ "number": 7, "at_ms": 20, "node": "b" }, { "number": 2, "at_ms": 30, "node": "a" }]);
        assert_eq!((&said["rows"], &said["total"]), (&rows, &json!(3)));
    }

    #[test]
    fn an_overview_has_the_counts_of_all_and_what_has_no_sum_of_the_one_that_was_asked() {
        let own = json!({ "sessions": 2, "rss": null, "since_ms": 5, "ready": false, "swarm_contents": 3, "refusals": { "gate": 1 } });
        let other =
            json!({ "sessions": 3, "rss": 7, "since_ms": 9, "ready": true, "swarm_contents": 3, "refusals": { "gate": 1, "busy": 2 } });
        let said = overview("a", own, &[("b".to_owned(), other.to_string().into())], vec!["c".to_owned()]);
        let wanted = json!({
            "sessions": 5, "rss": 7, "since_ms": 5, "ready": false, "swarm_contents": 3, "refusals": { "gate": 2, "busy": 2 },
            "node": "a", "missing": ["c"]
        });
        assert_eq!(said, wanted);
    }

    #[test]
    fn whatever_a_node_answers_the_others_are_told() {
        let own = || json!({ "sessions": u64::MAX, "refusals": { "gate": u64::MAX } });
        for other in ["[]", "1", "null", r#"{"sessions":1,"refusals":{"gate":1}}"#, r#"{"sessions":"x","refusals":[]}"#] {
            let said = overview("a", own(), &[("b".to_owned(), other.into())], Vec::new());
            assert_eq!(
                (&said["sessions"], &said["refusals"], &said["node"]),
                (&json!(u64::MAX), &own()["refusals"], &json!("a")),
                "{other}"
            );
        }
        for own in [json!([]), json!(1), Value::Null, json!({ "refusals": 1 })] {
            let said = overview("a", own, &[("b".to_owned(), r#"{"sessions":1,"refusals":{"gate":1}}"#.into())], Vec::new());
            assert_eq!((&said["sessions"], &said["node"]), (&json!(1), &json!("a")));
        }
        let most = |node: &str| told(node, &[node], None, usize::MAX);
        assert_eq!(read(&list(&[most("a"), most("b")], 9, Vec::new())).1, json!([null, usize::MAX, []]));
        let rows = ["a", "b"].map(|node| Row { key: "n".into(), node: node.into(), json: r#"["listening",false]"#.into() });
        let [reserved, listening] = rows;
        assert!(apart(Kind::Names, vec![Row { json: r#"["reserved",true]"#.into(), ..reserved }, listening]).is_empty());
    }

    #[test]
    fn one_node_that_refuses_is_named_unless_it_holds_there_already() {
        let fault = |code: &str| Bytes::from(json!({ "code": code, "message": "no" }).to_string());
        assert!(is_refused(StatusCode::CONFLICT, &fault("limit")) && is_refused(StatusCode::BAD_REQUEST, &fault("bad_request")));
        assert!(is_refused(StatusCode::CONFLICT, b"[]"));
        for (status, code) in [(StatusCode::NO_CONTENT, ""), (StatusCode::NOT_FOUND, "not_found"), (StatusCode::CONFLICT, "name_reserved")]
        {
            assert!(!is_refused(status, &fault(code)), "{status}");
        }
        let said: Value = serde_json::from_slice(&refused_by("b", &fault("limit"))).expect("JSON");
        assert_eq!(said, json!({ "code": "limit", "message": "the node b refuses: no" }));
        assert_eq!(refused_by("b", &Bytes::from_static(b"[]")), "[]");
    }

    #[test]
    fn for_who_is_told_changes_a_room_is_one_row_for_each_node_and_a_name_one_for_all() {
        let row = |key: &str, node: &str, json: Value| Row { key: key.into(), node: node.into(), json: json.to_string() };
        let rooms = vec![row("hall", "b", json!({ "name": "hall" })), row("hall", "a", json!({ "name": "hall" }))];
        let apart_rooms = apart(Kind::Rooms, rooms);
        let keys: Vec<&str> = apart_rooms.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["hall", "hall\nb"]);
        let second: Value = serde_json::from_str(&apart_rooms[1].1).expect("JSON");
        assert_eq!(second, json!({ "name": "hall", "node": "b", "key": "hall\nb" }));
        let name = |node: &str, state: &str, reserved: bool| row("/p/n", node, json!({ "state": state, "reserved": reserved }));
        let names = vec![name("a", "reserved", true), name("b", "listening", false), name("c", "suspended", false)];
        let [(key, json)] = &apart(Kind::Names, names)[..] else { panic!("one row") };
        assert_eq!(key, "/p/n");
        assert_eq!(serde_json::from_str::<Value>(json).expect("JSON"), json!({ "state": "listening", "reserved": true, "node": "b" }));
    }
}
