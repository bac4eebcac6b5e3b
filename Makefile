# Everything that is built, tested or run in this repository, from here. `make` alone lists it.

SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BUILD := $(or $(CARGO_TARGET_DIR),target)
WASM := target/s3_envelope_filter.wasm
KEY_SERVICE := $(BUILD)/release/key-service
RUST_CLIENT := $(BUILD)/release/rust-client

# What an artefact is made of, so that make is quiet while nothing has changed.
rust_sources = $(shell find $(1) \( -name '*.rs' -o -name Cargo.toml -o -name '*.proto' -o -name build.rs \) -not -path '*/target/*')
WASM_SOURCES := $(call rust_sources,filter) Cargo.toml Cargo.lock scripts/wasm-cargo.sh scripts/common.sh

# The release profile is made for the filter: its link-time optimization takes minutes on programs
# that only the tests run.
TEST_PROGRAM := CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
	cargo build --quiet --release --locked
# Python with what the stack and the tests need; installed at the first use.
PYTHON = "$$(scripts/setup.sh python)"
STACK = PYTHONPATH=integration-tests $(PYTHON) -m stack
say = @printf '==> %s\n'

.PHONY: help
help: ## Lists the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | \
		while IFS=$$'\t' read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done
	@echo
	@echo '  Downloads are kept in $${S3_ENVELOPE_CACHE:-~/.cache/s3-envelope}.'

.PHONY: setup
setup: ## Installs all that the other targets need, pinned, in the cache
	@scripts/setup.sh

.PHONY: build
build: $(WASM) $(KEY_SERVICE) $(RUST_CLIENT) ## Builds the filter and the programs of the tests

.PHONY: wasm
wasm: $(WASM) ## Builds target/s3_envelope_filter.wasm, the module that Envoy loads

$(WASM): $(WASM_SOURCES)
	$(say) 'building the filter for wasm32-wasip1 (first time: a minute or two)'
	@scripts/wasm-cargo.sh build --quiet --release --locked -p s3-envelope-filter
	@mkdir -p $(@D)
	@cp $(BUILD)/wasm32-wasip1/release/s3_envelope_filter.wasm $@.new && mv $@.new $@
	@printf '%s: %s bytes, SHA-256 %s\n' $@ "$$(stat -c %s $@)" "$$(sha256sum $@ | cut -d' ' -f1)"

$(KEY_SERVICE): $(call rust_sources,integration-tests/key-service) Cargo.toml Cargo.lock
	$(say) 'building the development key service (first time: a minute or two)'
	@$(TEST_PROGRAM) -p key-service
	@touch $@

$(RUST_CLIENT): $(call rust_sources,integration-tests/rust-client) Cargo.toml Cargo.lock
	$(say) 'building the Rust client of the tests (first time: some minutes)'
	@$(TEST_PROGRAM) -p rust-client
	@touch $@

.PHONY: test
test: lint test-unit test-32bit integration ## Runs every check that CI runs

.PHONY: lint
lint: ## Checks formatting, and clippy without a single warning
	$(say) 'cargo fmt, cargo clippy'
	@cargo fmt --all --check
	@cargo clippy --quiet --locked --workspace --all-targets -- -D warnings

.PHONY: test-unit
test-unit: ## Runs unit, property and vector tests
	$(say) 'unit, property and vector tests'
	@cargo test --quiet --locked --workspace --exclude s3-envelope-filter

.PHONY: test-32bit
test-32bit: ## Runs the tests of the core compiled for 32-bit WebAssembly
	$(say) 'the same tests of the core on 32 bits, in a WebAssembly runtime'
	@PROPTEST_CASES=$${PROPTEST_CASES:-64} scripts/wasm-cargo.sh test --quiet --locked -p s3-envelope --lib --tests

.PHONY: integration
integration: build ## Runs the module in a real Envoy before real stores (PYTEST="-k name" for some)
	$(say) 'integration tests: real clients, Envoy, stores'
	@scripts/setup.sh node
	@scripts/setup.sh s3s-fs >/dev/null
	@cd integration-tests && "$$(../scripts/setup.sh python)" -m pytest $(PYTEST)

.PHONY: bench
bench: $(WASM) ## Measures Envoy's memory, within its bound or a failure, and its speed (BENCH="--quick --only memory")
	$(say) 'benchmarks (some minutes, and 5 GB of temporary files)'
	@PYTHONPATH=integration-tests $(PYTHON) -m bench $(BENCH)

.PHONY: reproduce
reproduce: $(WASM) ## Builds the module in a second place and compares: a build is reproducible
	@scripts/reproduce.sh $(WASM)

.PHONY: fuzz
fuzz: ## Fuzzes a parser (T=head|envelope|opener|documents|aws_chunked S=seconds)
	@scripts/fuzz.sh $(or $(T),head) $(or $(S),60)

.PHONY: doc
doc: ## Builds the documentation of the crates, private items too
	@RUSTDOCFLAGS='-D warnings' cargo doc --quiet --locked --no-deps --document-private-items \
		-p s3-envelope -p s3-envelope-filter
	@echo 'see $(BUILD)/doc/s3_envelope/index.html'

.PHONY: docs-check
docs-check: ## Checks that every path that the documents name exists
	@python3 scripts/docs_check.py

.PHONY: deny
deny: ## Checks licences, sources and duplicates of the dependencies (cargo-deny)
	@"$$(scripts/setup.sh cargo-deny)" --locked check --hide-inclusion-graph licenses bans sources

.PHONY: up
up: $(WASM) $(KEY_SERVICE) ## Starts a stack in the background (STORE=seaweedfs|s3s-fs|external), writes target/stack/env
	@$(STACK) up

.PHONY: down
down: ## Ends it
	@$(STACK) down

.PHONY: demo
demo: $(WASM) $(KEY_SERVICE) ## Puts a file with the AWS CLI, shows what the store holds, gets it back
	@$(STACK) demo

.PHONY: clean
clean: ## Ends the stack and removes what was built; the cache stays
	@[ ! -d target/stack ] || $(MAKE) --no-print-directory down
	@cargo clean --quiet
	@rm -rf target
