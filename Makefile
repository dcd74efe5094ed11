# Every step of development by name. `make` alone lists them.

PYTHON := /usr/bin/python3
CARGO ?= $(shell command -v cargo || echo $(HOME)/.cargo/bin/cargo)
TARGET := $(or $(CARGO_TARGET_DIR),target)
PROSODY ?= both
# Files of tests that run side by side, for they mostly wait ...
JOBS ?= 3
# ... but not these: hundreds of people, and moments that count.
CROWDS := $(addprefix tests/prosody/test_,component_restarts.py fair_turns.py one_answer.py opening_race.py overflow.py reload_storm.py)
PYTEST = VESTIBULE_BIN=$(TARGET)/debug/vestibule $(PYTHON) -m pytest -q -p no:cacheprovider
# What loads a server, in a workspace of its own.
RIVALS = CARGO_TARGET_DIR=benches/rivals/target $(CARGO) build --locked --manifest-path benches/rivals/Cargo.toml
ONCE ?=
SEEDS ?= 2
MODEL_STEPS ?= 500
MODEL_SEEDS ?= 1,2,3
MUTANTS ?=
SOAK_MINUTES ?= 60
SOAK_JOINS ?= 200
SERVERS ?=
PREFIX ?= /usr/local
DESTDIR ?=
PROGRAM ?=
FORCE ?=
FUZZ_SECONDS ?= 60
# `advisories` needs the advisory database from the network.
DENY ?= advisories bans licenses sources
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
HOST = $(shell $(CARGO) -vV 2>/dev/null | sed -n 's/^host: //p')

export PROSODY
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help demo test unit lint words typos msrv doc prosody-tests property bench bench-short scale screenshots fuzz fuzz-short long soak model model-mutants mutants deny static-program static image-test rocks sbom checksums packages prosody13 browser install uninstall deb install-test install-test-short

help: ## List these targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

packages: ## Install the Debian packages that are missing (for the demo and the tests)
	@scripts/install.sh

prosody13: packages ## Fetch Prosody 13 into target/prosody13, for the tests
	@scripts/prosody13.sh

browser: packages ## Fetch what drives Chromium and Jitsi's client library into target/browser
	@scripts/browser.sh

demo: packages ## Show a meeting under a policy, on a real Prosody (ONCE=1: one pass, then stop)
	$(CARGO) build --release --locked
	ONCE=$(ONCE) VESTIBULE_BIN=$(TARGET)/release/vestibule $(PYTHON) demo/story.py

install: ## Install program, gate, units, policy file and secret (PROGRAM=FILE: one that is built already)
	@PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) PROGRAM=$(PROGRAM) CARGO=$(CARGO) scripts/deploy.sh

uninstall: ## Take away what `make install` put there, but for /etc/vestibule and /var/lib/vestibule
	@PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) FORCE=$(FORCE) UNINSTALL=1 scripts/deploy.sh

deb: ## Build Debian's packages into target/debian (PROGRAM=FILE: of a program that is built already)
	@PROGRAM=$(PROGRAM) CARGO=$(CARGO) scripts/deb.sh

lint: packages words ## Check formatting, Rust, Lua, words; spelling and dependencies where typos and cargo-deny are installed
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	luacheck --no-color prosody-snippets tests/lua benches/modules
	@if command -v typos >/dev/null; then $(MAKE) --no-print-directory typos; fi
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(MAKE) --no-print-directory deny DENY='bans licenses sources'; fi

words: ## Check comments, messages and docs for words that CONTRIBUTING.md names
	$(PYTHON) scripts/words.py

typos: ## Check spelling (needs typos)
	@command -v typos >/dev/null || { \
		echo 'typos: typos is missing: install it with `pip install typos` or `cargo install typos-cli --locked`'; exit 1; }
	typos

msrv: ## Check that the oldest Rust (rust-version in Cargo.toml) compiles it (needs rustup)
	$(CARGO) +$(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) check --locked --bins --lib

# Properties are tried on the same cases each time; another seed, or more PROPTEST_CASES, tries others.
export PROPTEST_RNG_SEED ?= 20261123

unit: ## Test the Rust code
	$(CARGO) test --locked

doc: ## Build the documentation, warnings being errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --locked

prosody-tests: prosody13 browser ## Test against real Prosody (PROSODY=0.12, 13 or both)
	$(CARGO) build --locked
	$(RIVALS)
	$(PYTEST) -n $(JOBS) --dist loadscope $(CROWDS:%=--ignore=%) tests/prosody
	$(PYTEST) $(CROWDS)

test: packages prosody13 lint unit doc prosody-tests bench-short install-test-short ## Run everything that must pass

property: prosody13 ## Send 2,000 generated stanzas at real rooms on each Prosody, plain and with Jitsi's modules (SEEDS=1,2: other ones)
	$(CARGO) build --locked
	LAB_SECONDS=1800 PROPERTY_STANZAS=2000 PROPERTY_SEEDS=$(SEEDS) $(PYTEST) tests/prosody/test_property.py

model: prosody13 ## Play 500 random steps on each Prosody, plain and with Jitsi's modules, and compare every view of the rooms after each (MODEL_SEEDS=1,2: other ones)
	$(CARGO) build --locked
	LAB_SECONDS=3600 MODEL_STEPS=$(MODEL_STEPS) MODEL_SEEDS=$(MODEL_SEEDS) $(PYTEST) tests/prosody/test_model.py -k everybody

model-mutants: prosody13 ## Put back each fault that the gate once had, and see that the model finds it
	$(CARGO) build --locked
	LAB_SECONDS=3600 MODEL_MUTANTS=all $(PYTEST) tests/prosody/test_model.py -k fault

long: prosody13 model model-mutants ## What is too long for `make test`: every fault with every deed (docs/chaos.md), the model, 1,000 people, 10,001 rooms
	$(CARGO) build --locked
	LAB_SECONDS=600 CHAOS=all $(PYTEST) tests/prosody/test_chaos.py
	LAB_SECONDS=1800 CROWD=1000 $(PYTEST) tests/prosody/test_registry.py -k any_size
	LAB_SECONDS=3600 ROOMS=10001 $(PYTEST) tests/prosody/test_sizes.py

soak: packages ## Everything at once for SOAK_MINUTES (60), with SOAK_JOINS (200) a second: is anything growing? (docs/soak.md)
	$(CARGO) build --release --locked
	$(RIVALS) --release
	SOAK_MINUTES=$(SOAK_MINUTES) SOAK_JOINS=$(SOAK_JOINS) CROWD_BIN=benches/rivals/target/release/crowd VESTIBULE_BIN=$(TARGET)/release/vestibule \
		$(PYTHON) tests/prosody/soak.py

screenshots: browser ## Take the pictures of the page again, into docs/images
	$(CARGO) build --locked
	PROSODY=0.12 VESTIBULE_BIN=$(TARGET)/debug/vestibule $(PYTHON) scripts/screenshots.py

bench: packages ## Measure; nothing here fails on a number (BENCH_ONLY=joins,memory: only these; PROSODY=13: on that)
	CARGO=$(CARGO) $(PYTHON) benches/run.py

scale: packages prosody13 ## Measure how cost grows, on a quiet machine, and write it into docs/scale.md
	BENCH_ONLY=scale UPDATE=1 CARGO=$(CARGO) $(PYTHON) benches/run.py

bench-short: packages prosody13 ## Show that everything can be measured, and that no count has changed (UPDATE=1: take what it is now)
	$(CARGO) build --locked
	BENCH_QUICK=1 CARGO=$(CARGO) $(PYTHON) benches/run.py

fuzz: ## Fuzz each target for FUZZ_SECONDS (needs a nightly Rust and cargo-fuzz)
	@CARGO=$(CARGO) scripts/fuzz.sh $(FUZZ_SECONDS)

# Not in `make test`, which runs every seed anyway: building the targets with their sanitizer takes minutes.
fuzz-short: ## Fuzz each target for 10 s, if nightly Rust and cargo-fuzz are there
	@CARGO=$(CARGO) scripts/fuzz.sh --if-possible 10

# Minutes to hours: each change is compiled and tested. What to leave out, and why, is in .cargo/mutants.toml.
mutants: ## Try the policy's tests against mutations (needs cargo-mutants; MUTANTS='-f FILE': only of these)
	@$(CARGO) mutants --version >/dev/null 2>&1 || { \
		echo 'mutants: cargo-mutants is missing: install it with `cargo install cargo-mutants --locked`'; exit 1; }
	$(CARGO) mutants $(MUTANTS)

deny: ## Check where dependencies come from and their licenses (needs cargo-deny)
	@$(CARGO) deny --version >/dev/null 2>&1 || { \
		echo 'deny: cargo-deny is missing: install it with `cargo install cargo-deny --locked`'; exit 1; }
	$(CARGO) deny --locked check $(DENY)

# Of the image, too (prosody-snippets/docker-jitsi-meet/Dockerfile).
static-program: ## Build a program without dynamic libraries into target/HOST/release
	@test -n '$(HOST)' || { echo 'static: there is no cargo, in PATH or ~/.cargo/bin: https://rustup.rs'; exit 1; }
	@command -v cc >/dev/null || { echo 'static: there is no C compiler and linker (cc): apt install build-essential'; exit 1; }
	RUSTFLAGS='-C target-feature=+crt-static' $(CARGO) build --release --locked --target $(HOST)
	@! ldd $(TARGET)/$(HOST)/release/vestibule 2>/dev/null | grep '=>' || exit 1
	@echo $(TARGET)/$(HOST)/release/vestibule

static: $(if $(PROGRAM),,static-program) ## Pack such a program with gate, units and install.sh into target/vestibule-VERSION-HOST.tar.gz
	@PROGRAM=$(or $(PROGRAM),$(TARGET)/$(HOST)/release/vestibule) HOST=$(HOST) scripts/archive.sh

rocks: ## Write rockspecs of the gate into target/rocks, and pack them where LuaRocks is installed
	@scripts/rocks.sh

sbom: ## Write what the program is made of (CycloneDX) into target/vestibule-VERSION.cdx.json
	@CARGO=$(CARGO) $(PYTHON) scripts/sbom.py $(TARGET)/vestibule-$(VERSION).cdx.json

# The newest release, or before there is one the first commit whose packages lived through such a day.
BEFORE ?= $(shell git describe --tags --abbrev=0 2>/dev/null || git log --diff-filter=A --format=%H -- tests/install/day.py 2>/dev/null | tail -n 1)

install-test: packages ## Live an operator's first day on fresh Debian 12 and 13 machines (SERVERS=debian12,debian13: only on these; BEFORE=COMMIT: upgraded from this one)
	$(CARGO) build --locked
	SERVERS=$(SERVERS) BEFORE=$(BEFORE) $(PYTEST) -n $(JOBS) -rs tests/install

install-test-short: packages
	$(CARGO) build --locked
	SERVERS=debian12,debian13 $(PYTEST) -n 2 -rs tests/install/test_prosody.py

image-test: ## Carry out the image's Dockerfile, with the compiler, on what it copies (without Docker)
	$(CARGO) build --locked
	IMAGE=full $(PYTEST) tests/prosody/test_image.py

checksums: ## Write target/SHA256SUMS, of the packages, archives and the bill of materials
	@cd $(TARGET) && sha256sum -- $$(ls debian/*.deb rocks/*.rock vestibule-*.tar.gz vestibule-*.cdx.json 2>/dev/null) | sed -E 's,  (debian|rocks)/,  ,' >SHA256SUMS
	@cat $(TARGET)/SHA256SUMS
