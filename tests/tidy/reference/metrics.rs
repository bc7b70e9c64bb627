//! The metrics, as the proxy tells them, and in the order of the code.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use browser_stream_server::{Config, Proxy, StreamRouter};

use super::{between, documented, read, row};

/// A metric: what stands before its samples, and the labels that those have.
pub struct Metric {
    pub name: String,
    pub kind: String,
    pub help: String,
    /// The label, if it has one, and its values.
    pub labels: BTreeMap<String, Vec<String>>,
}

/// All that a proxy tells to whom nobody has come yet.
pub fn all() -> Vec<Metric> {
    let text = scraped();
    let mut metrics: Vec<Metric> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(described) = line.strip_prefix("# HELP ") {
            let (name, help) = described.split_once(' ').expect("a help");
            metrics.push(Metric { name: name.into(), kind: String::new(), help: help.into(), labels: BTreeMap::new() });
            continue;
        }
        let metric = metrics.last_mut().expect("a help comes first");
        if let Some(kind) = line.strip_prefix(&format!("# TYPE {} ", metric.name)) {
            metric.kind = kind.to_owned();
        } else {
            let sample = line.strip_prefix(&metric.name).unwrap_or_else(|| panic!("{line} has neither help nor kind"));
            if let Some((label, rest)) = sample.strip_prefix('{').and_then(|labels| labels.split_once("=\"")) {
                metric.labels.entry(label.to_owned()).or_default().push(rest.split('"').next().unwrap_or_default().to_owned());
            }
        }
    }
    // They come in no order.
    metrics.iter_mut().flat_map(|metric| metric.labels.values_mut()).for_each(|values| values.sort_unstable());
    let source = read("proxy/src/edge/metrics.rs");
    metrics.sort_by_key(|metric| source.find(&format!("\"{}\"", metric.name)));
    metrics
}

/// The text that Prometheus gets.
fn scraped() -> String {
    let mut config = Config::default();
    config.admin = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let proxy = Proxy::new(config, StreamRouter::new());
    let listener = runtime.block_on(proxy.listen_admin()).expect("a free port").expect("it is set");
    let address = listener.local_addr().expect("bound");
    runtime.spawn(async move { proxy.serve_admin(listener).await });
    let mut socket = TcpStream::connect(address).expect("a connection");
    socket.write_all(b"GET /metrics HTTP/1.0\r\nhost: localhost\r\n\r\n").expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("answered");
    let (head, text) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    text.to_owned()
}

/// The page.
pub fn page() -> String {
    let metrics = all();
    let rows: String = metrics
        .iter()
        .map(|metric| {
            let labels = metric.labels.keys().map(|label| format!("[`{label}`](#{label})")).collect::<Vec<_>>().join(", ");
            row([&format!("`{}`", metric.name), &metric.kind, &labels, &metric.help])
        })
        .collect();
    let values = |label: &str| metrics.iter().find_map(|metric| metric.labels.get(label)).expect("a metric has this label").clone();
    let listed = |label: &str| values(label).iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    let meanings = refusals();
    let limits = values("limit");
    assert!(limits.len() == meanings.len(), "every refusal is told: {limits:?}");
    let limits: String = meanings
        .iter()
        .map(|(name, meaning)| {
            assert!(limits.contains(name), "{name} is told");
            row([&format!("`{name}`"), meaning])
        })
        .collect();
    format!(
        "\
# Metrics

Made from the code (`make reference`). With `--admin ADDRESS:PORT` a proxy tells them at `/metrics`, in the text format of Prometheus, on a port apart from that of its peers. No name and no address stands in them. Numbers are of one process, and
begin anew with it.

## To have them read

```sh stays
bss serve --admin 127.0.0.1:9090
```

```text prints
browser-stream-server is at http://127.0.0.1:8080/
```

From the machine of the proxy whoever asks for `localhost`, `127.0.0.1` or `[::1]` is answered, unless the request came through another proxy:

```sh
curl --silent --fail --noproxy '*' http://127.0.0.1:9090/metrics | grep '^bss_sessions '
```

```text prints
bss_sessions 0
```

From elsewhere it takes a token with the right `admin=metrics`:

```sh
bss token keygen --out signing.jwk > keys.json
bss token mint --key signing.jwk --sub prometheus --admin metrics --ttl 90d > bss.token
```

```sh stays
bss serve --bind 127.0.0.1:8081 --tokens keys.json --admin 0.0.0.0:9000
```

```text prints
browser-stream-server is at http://127.0.0.1:8081/
```

```sh
curl --silent --fail --noproxy '*' -H \"Authorization: Bearer $(cat bss.token)\" http://127.0.0.1:9000/metrics | grep '^bss_sessions '
```

```text prints
bss_sessions 0
```

That is `https` where the proxy speaks TLS (`scheme: https`), and HTTP without TLS where it does not: have it in a network then in which nobody listens who should not.

In `prometheus.yml`, either way (the last two lines are for the token):

```text
scrape_configs:
  - job_name: bss
    static_configs:
      - targets: [\"127.0.0.1:9090\"]
    authorization:
      credentials_file: /etc/prometheus/bss.token
```

[`grafana.json`](../deploy/grafana.json) is a dashboard of all of it, for Grafana 10 and newer: *Dashboards*, *New*, *Import*, and choose the data source. For [a cluster](cluster.md#metrics-of-all-nodes) there is another, with rules that say when to look.

## All of them

| metric | kind | label | |
|---|---|---|---|
{rows}
How long a task that is ready waits for its turn, on average: `rate(bss_poll_delay_seconds_total[5m]) / rate(bss_polls_total[5m])`.

### kind

What a frame was: {}. `data` are those with payload, `stray` those of streams that are over.

### result

How an open was answered: {}. `application` are refusals with an application's own code, or with one that the proxy refuses no open with, the others beside `accepted` are [codes](codes.md).

### carrier

What carries a session (PROTOCOL.md, section 17): {}, and `webtransport` where the proxy was built for it.

### note

What a peer said to the tracker of the swarm: {}. Of `failed` those count that were believed.

### limit

What was refused, shed or cut:

| `limit` | |
|---|---|
{limits}",
        listed("kind"),
        listed("result"),
        listed("carrier"),

        listed("note"),
    )
}

/// The refusals' names, each with what it means.
fn refusals() -> Vec<(String, String)> {
    let source = read("proxy/src/counters.rs");
    documented(between(&source, "\nrefusals! {\n", "\n}\n"), |line| Some(line.split_once(" = \"")?.1.strip_suffix("\",")?.to_owned()))
}
