#!/usr/bin/env bash
# Holds what `bss` tells at /metrics to the judgement of Prometheus: metrics.sh BSS FOLDER. Its own program reads a live scrape, the settings of proxy/docs/metrics.md and for a
# cluster, the questions of the dashboards of proxy/deploy, and its rules, which it tries. Says so, and passes, where there is no promtool to be had.
set -euo pipefail
cd "$(dirname "$0")/../.."
bss=$1
work=$2

promtool=$(sh tests/install-promtool.sh) || {
    echo "deploy: the metrics are not judged by Prometheus, for its promtool is not to be had here"
    exit 0
}

fail() {
    echo "deploy: $1" >&2
    exit 1
}

# Its own log says where it listens; that of the last run is not to be taken for it.
: >"$work/bss.log"
RUST_LOG=info "$bss" serve --bind 127.0.0.1:0 --admin 127.0.0.1:0 >"$work/bss.out" 2>"$work/bss.log" &
serving=$!
trap 'kill "$serving" 2>/dev/null || true; wait "$serving" 2>/dev/null || true' EXIT
for _ in $(seq 200); do
    url=$(grep -o 'http://[^ ]*/metrics' "$work/bss.log" || true)
    [ -z "$url" ] || break
    kill -0 "$serving" 2>/dev/null || fail "bss does not serve: $(cat "$work/bss.log")"
    sleep 0.05
done
[ -n "$url" ] || fail "bss does not say where its metrics are: $(cat "$work/bss.log")"
curl --silent --show-error --fail --noproxy '*' "$url" >"$work/metrics.txt"

# The linter says what it has to say, and of some of that it thinks so little that it ends well.
said=$("$promtool" check metrics <"$work/metrics.txt" 2>&1) || fail "promtool has doubts about /metrics: $said"
[ -z "$said" ] || fail "promtool has doubts about /metrics: $said"

# The file of the token need not be there to be named.
sed -n '/^scrape_configs:/,/^```/p' proxy/docs/metrics.md | sed '/^```/d' >"$work/prometheus.yml"
"$promtool" check config --syntax-only "$work/prometheus.yml" >"$work/promtool.txt" 2>&1 || fail "promtool does not take proxy/docs/metrics.md: $(cat "$work/promtool.txt")"

cp proxy/deploy/prometheus-cluster.yml proxy/deploy/alerts.yml tests/deploy/alerts.test.yml "$work"
"$promtool" check config "$work/prometheus-cluster.yml" --syntax-only >"$work/promtool.txt" 2>&1 || fail "promtool does not take proxy/deploy/prometheus-cluster.yml: $(cat "$work/promtool.txt")"
"$promtool" check rules "$work/alerts.yml" >"$work/promtool.txt" 2>&1 || fail "promtool does not take proxy/deploy/alerts.yml: $(cat "$work/promtool.txt")"
"$promtool" test rules "$work/alerts.test.yml" >"$work/promtool.txt" 2>&1 || fail "a rule of proxy/deploy/alerts.yml says something else than it is to: $(cat "$work/promtool.txt")"

node - proxy/deploy/grafana.json proxy/deploy/grafana-cluster.json >"$work/rules.yml" <<'JS'
const { readFileSync } = require("node:fs");
const panels = process.argv.slice(2).flatMap((file) => JSON.parse(readFileSync(file, "utf8")).panels);
const asked = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr.replaceAll("$__rate_interval", "5m")));
const rules = asked.map((expr, index) => ({ record: `panel:${index}`, expr }));
// JSON is YAML.
console.log(JSON.stringify({ groups: [{ name: "dashboard", rules }] }));
JS
"$promtool" check rules "$work/rules.yml" >"$work/promtool.txt" 2>&1 || fail "promtool does not take a question of a dashboard of proxy/deploy: $(cat "$work/promtool.txt")"
echo "deploy: promtool has nothing to say against $(grep -c '^# TYPE' "$work/metrics.txt") metrics, the settings, the rules and the dashboards"
