//! The dashboards of proxy/deploy, and its rules: they ask for what the proxy tells.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{metrics, read};

#[test]
fn the_dashboard_asks_for_all_metrics_that_there_are_and_for_no_other() {
    assert_eq!(asked(&dashboard(ONE)), told());
}

#[test]
fn the_dashboard_and_the_rules_of_a_cluster_ask_for_all_that_its_nodes_tell_of_it_and_for_no_other() {
    let of_clusters: BTreeSet<String> = names(&read("proxy/src/edge/metrics.rs")).filter(|name| name.starts_with("bss_cluster_")).collect();
    let told: BTreeSet<String> = told().union(&of_clusters).cloned().collect();
    let asked = asked(&dashboard(CLUSTER));
    assert!(asked.is_superset(&of_clusters), "{:?}", of_clusters.difference(&asked));
    let of_rules: BTreeSet<String> = names(&read("proxy/deploy/alerts.yml")).collect();
    assert!(of_rules.contains("bss_cluster_in"));
    for name in asked.union(&of_rules) {
        assert!(told.contains(name), "{name}");
    }
}

#[test]
fn each_panel_of_a_dashboard_has_its_place_and_asks_the_source_that_was_chosen() {
    [ONE, CLUSTER].map(dashboard).iter().for_each(check_panels);
}

fn check_panels(dashboard: &Value) {
    let variables: Vec<&str> = list(&dashboard["templating"]["list"]).iter().filter_map(|variable| variable["name"].as_str()).collect();
    assert_eq!(variables, ["datasource", "job", "instance"]);
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in list(&dashboard["panels"]) {
        let title = &panel["title"];
        assert!(ids.insert(panel["id"].as_u64().expect("a number")), "{title} has another panel's id");
        let [x, y, width, height] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().expect("a number"));
        assert!(x + width <= 24, "{title} leaves the page");
        for place in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            assert!(taken.insert(place), "{title} lies on another panel");
        }
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            assert!(!list(&panel["targets"]).is_empty(), "{title} asks for nothing");
            assert!(list(&panel["targets"]).iter().all(|target| target["datasource"]["uid"] == "${datasource}"), "{title}");
        }
    }
}

const ONE: &str = "proxy/deploy/grafana.json";
const CLUSTER: &str = "proxy/deploy/grafana-cluster.json";

fn dashboard(file: &str) -> Value {
    serde_json::from_str(&read(file)).expect("JSON")
}

/// The metrics that a dashboard asks for.
fn asked(dashboard: &Value) -> BTreeSet<String> {
    let mut asked = BTreeSet::new();
    texts(dashboard, &mut |text| asked.extend(names(text)));
    asked
}

/// Those that a proxy tells that is no node of a cluster.
fn told() -> BTreeSet<String> {
    metrics::all().into_iter().map(|metric| metric.name).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// Shows each text within.
fn texts(value: &Value, show: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => show(text),
        Value::Array(values) => values.iter().for_each(|value| texts(value, show)),
        Value::Object(fields) => fields.values().for_each(|value| texts(value, show)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The names of metrics in a text.
fn names(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    words.filter(|word| word.starts_with("bss_")).map(str::to_owned)
}
