# Two commands matter: `make run` starts it, `make test` proves it. `make help` lists the others.

BIND ?= 127.0.0.1:8080
SECONDS ?= 60
MINUTES ?= 30
GREP ?= .
FLOOD ?= threat_

LIBRARY := browser-lib/node_modules/.installed
TESTS := tests/node_modules/.installed
DOCS := tests/packages/node_modules/.installed
ASSETS := proxy/assets/browser-stream-server.js
BSS := $(or $(CARGO_TARGET_DIR),target)/release/bss
CRATES := browser-stream-mux browser-stream-protocol browser-stream-client browser-stream-server
# What the program can that is built here; `make cluster` and `make bench` add to it.
FEATURES := webtransport
CARGO_TEST := cargo test --workspace --locked

# What the browser library, the examples, the start page and the admin page are made of.
PAGES := $(shell find browser-lib/src browser-lib/build.mjs browser-lib/package.json examples proxy/admin -type f 2>/dev/null)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help build run dev cluster proxy test test-long bench e2e fuzz soak newcomer threats reference api docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: $(ASSETS) proxy ## build the browser library, the pages and the proxy (release)

run: build ## build, then serve on 127.0.0.1:8080 (BIND=address:port for another)
	@echo "bss serve --bind $(BIND) (another: make run BIND=127.0.0.1:8081)" && exec $(BSS) serve --bind $(BIND)

dev: $(ASSETS) ## serve on 127.0.0.1:8080 and rebuild whatever changes
	@exec bash tests/dev.sh $(BIND)

cluster: FEATURES := webtransport,cluster
cluster: proxy ## serve as three nodes with NATS and a balancer, on 127.0.0.1:8080 (examples/cluster; PORT=port for another)
	@exec node examples/cluster/start.mjs --bss $(BSS) --port $(or $(PORT),8080)

test: ## prove everything, in about 45 minutes on two cores with its builds: lint, unit, end to end, real browsers
	@exec bash tests/steps.sh $(STEPS)

test-long: ## the same with big transfers (LONG=1), floods and Go interop among them, then a newcomer's path, five minutes of soak, and fuzz
	@LONG=1 MINUTES=5 exec bash tests/steps.sh $(STEPS) test-acme test-cluster test-webtransport newcomer soak fuzz

bench: FEATURES := webtransport,cluster
bench: proxy $(TESTS) ## measure the proxy beside TCP, WebSocket and yamux relays, then the library in a page; writes target/bench*.json and .md
	@cargo build --release --locked --quiet -p browser-stream-tests --bin bench
	@target/release/bench
	@cd tests && node bench/browser/main.mjs

e2e: build $(TESTS) browsers ## real-browser tests that match: make e2e GREP=pattern
	sh tests/install-turn.sh
	cd tests && npm run --silent preinterop && npx playwright test --grep '$(GREP)'

fuzz: $(ASSETS) ## fuzz all that peers send, and a whole proxy with a few of them, SECONDS=60 each (needs nightly Rust and a C++ compiler)
	@exec bash tests/fuzz/run.sh $(SECONDS)

soak: $(ASSETS) ## let a crowd come and go for MINUTES=30 and look that nothing is lost, doubled or left (SEED=N: the crowd of before)
	@cargo build --locked --quiet -p browser-stream-tests --bin soak
	@$(or $(CARGO_TARGET_DIR),target)/debug/soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

newcomer: $(TESTS) browsers ## time a newcomer's path: a fresh clone, make run, a tab that serves and one that reaches it
	@exec bash tests/newcomer.sh

threats: ## list the tests of each row of the threat table, and the rows without one
	@exec bash tests/threats.sh

reference: $(ASSETS) ## write the reference of proxy/docs anew from the code
	@WRITE=1 cargo test --locked --quiet -p browser-stream-tests --test tidy the_reference

api: docs ## write what is kept of the API anew: proxy/api and browser-lib/api.txt
	cd tests && WRITE=1 node --test --test-name-pattern='^the API of' packages/api.test.mjs

# One crate after the other: a page leads to another crate only where that crate's pages are written already.
docs: $(ASSETS) $(DOCS) ## write the API's documents: target/doc (Rust) and target/typedoc (the library); a link that leads nowhere fails
	set -e; for crate in $(CRATES); do RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked --quiet -p $$crate; done
	tests/packages/node_modules/.bin/typedoc --options tests/packages/typedoc.json --logLevel Warn

clean: ## remove everything that was built or installed
	rm -rf target tests/fuzz/target browser-lib/dist browser-lib/node_modules tests/node_modules tests/packages/node_modules proxy/assets

proxy: $(ASSETS)
	cargo build --release --locked -p browser-stream-server --features $(FEATURES)

$(ASSETS): $(LIBRARY) $(PAGES)
	cd browser-lib && npm run --silent build
	@touch $@

# npm ci runs only when a lock file changed.
%/node_modules/.installed: %/package-lock.json
	cd $* && npm ci --no-audit --no-fund
	@touch $@

# The steps of `make test`, in the order in which they fail cheapest. Each is a target of its own.
STEPS := test-format test-biome test-types test-library test-size test-packages test-deny test-seal test-clippy test-rust test-floods test-deploy test-admin test-autobahn test-browsers test-e2e test-node test-front test-interop test-firefox test-nodes
.PHONY: $(STEPS) test-acme test-cluster test-webtransport browsers

test-format:
	cargo fmt --all --check

test-biome: $(LIBRARY) $(TESTS)
	cd browser-lib && npm run lint

test-types: $(ASSETS) $(TESTS) $(DOCS)
	cd browser-lib && npm run check
	cd tests && npm run --if-present check

test-library: $(LIBRARY)
	cd browser-lib && npm test

test-size: $(ASSETS)
	cd browser-lib && npm run size && npm run publint

# What a registry would get, the documents that go with it, and the API as it is kept in proxy/api and browser-lib/api.txt.
test-packages: docs $(TESTS)
	cd tests && node --test packages/packages.test.mjs packages/api.test.mjs

# Licences, crates and where they come from, by .deny.toml. Says so, and passes, where there is no cargo-deny to be had.
test-deny:
	bash tests/deny/run.sh

# The vectors of sealed streams, computed anew by a second implementation. Fails where there is none: Python 3 with venv, and the package index.
test-seal:
	bash tests/seal/run.sh

test-clippy: $(ASSETS)
	cargo clippy --workspace --all-targets --locked -- -D warnings

test-rust: $(ASSETS)
	$(CARGO_TEST) $(if $(LONG),-- --show-output)

# Says so, and passes, where there is no Python 2.7.
test-autobahn: $(ASSETS)
	bash tests/autobahn/run.sh

# The proxy as it is used, in a process of its own, on an otherwise quiet machine.
test-floods: proxy
	BSS=$(abspath $(BSS)) cargo test --locked -p browser-stream-tests --test floods $(FLOOD) -- --nocapture --test-threads=1

# The unit, the Dockerfile and the dashboard of proxy/deploy, and the metrics. Says what this machine cannot check.
test-deploy: proxy
	BSS=$(abspath $(BSS)) bash tests/deploy/run.sh

# Whatever the API for whoever runs the proxy says that may be asked. Fails where there is no schemathesis: Python 3 with venv, and the package index.
test-admin: proxy
	bash tests/admin/schemathesis.sh $(abspath $(BSS))

# Brings pebble. Beside the rest of the tests, for it is a build of its own: the feature `acme` is off unless asked for.
test-acme: $(ASSETS)
	cargo clippy --workspace --all-targets --locked --features browser-stream-server/acme -- -D warnings
	PEBBLE=$$(sh tests/install-pebble.sh) $(CARGO_TEST) --features browser-stream-server/acme --test acme

# Three proxies in processes of their own, and NATS. Says so, and passes, where no NATS server is to be had.
test-nodes: $(ASSETS)
	if server=$$(sh tests/install-nats.sh); then NATS_SERVER=$$server cargo test --locked -p browser-stream-server --features cluster --test cluster processes::; \
	else echo "There is no NATS server: the tests of a cluster were left out."; fi

# Brings a NATS server. A build of its own, too. SEEDS=N: so many seeds of the model.
test-cluster: $(ASSETS) $(TESTS) browsers
	cargo clippy --workspace --all-targets --locked --features browser-stream-server/cluster -- -D warnings
	cargo test --locked -p browser-stream-server --features cluster --lib -- admin:: channel:: cluster:: config:: over_http:: room:: route::
	NATS_SERVER=$$(sh tests/install-nats.sh) cargo test --locked -p browser-stream-server --features cluster --test cluster
	cargo build --locked --quiet -p browser-stream-server --features cluster
	cd tests && BSS_BIN=$(abspath $(or $(CARGO_TARGET_DIR),target)/debug/bss) NATS_SERVER=$$(sh install-nats.sh) npm run --silent cluster

# A build of its own, too.
test-webtransport: $(ASSETS)
	cargo clippy --workspace --all-targets --locked --features browser-stream-server/webtransport -- -D warnings
	$(CARGO_TEST) --features browser-stream-server/webtransport --test webtransport

test-browsers browsers:
	bash tests/install-browsers.sh

test-e2e: build $(TESTS)
	sh tests/install-turn.sh
	cd tests && npm run e2e

test-node: build $(TESTS)
	cd tests && npm run node

# nginx and Caddy in front, by the files of proxy/deploy.
test-front: build $(TESTS) browsers
	sh tests/install-front.sh
	cd tests && npm run --silent front

test-interop: build $(TESTS)
	cd tests && npm run interop

test-firefox: build $(TESTS)
	cd tests && npm run firefox
