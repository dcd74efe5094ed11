#!/bin/sh
# Fuzzes every target of fuzz/ for so many seconds each, from its seeds and from what
# earlier runs found. With --if-possible, a missing tool is no failure.
set -eu
cd "$(dirname "$0")/.."

cargo=${CARGO:-cargo}
# No toolchain is fetched behind anybody's back.
export RUSTUP_AUTO_INSTALL=0

say() { printf 'fuzz: %s\n' "$*"; }
missing() {
	say "$1 is missing: install it with \`$2\`"
	[ "$if_possible" = yes ] || exit 1
	say "so nothing was fuzzed; \`cargo test --test seeds\` runs the seeds without it"
	exit 0
}

if_possible=no
[ "${1:-}" != --if-possible ] || { if_possible=yes; shift; }
seconds=${1:?usage: fuzz.sh [--if-possible] SECONDS}

"$cargo" +nightly --version >/dev/null 2>&1 ||
	missing "a nightly Rust" "rustup toolchain install nightly --profile minimal"
"$cargo" +nightly fuzz --version >/dev/null 2>&1 ||
	missing "cargo-fuzz" "cargo install cargo-fuzz --locked"

"$cargo" +nightly fuzz build
for target in $("$cargo" +nightly fuzz list); do
	seeds=fuzz/seeds/$target
	case $target in
	config) seeds="$seeds tests/config/bad" ;;
	element) seeds="$seeds fuzz/seeds/question" ;;
	esac
	mkdir -p "fuzz/corpus/$target"
	say "$target, $seconds s"
	# shellcheck disable=SC2086 # a list of directories
	"$cargo" +nightly fuzz run "$target" "fuzz/corpus/$target" $seeds -- \
		-max_total_time="$seconds" -timeout=10 -max_len=16384 -print_funcs=0 -verbosity=0
done
say "nothing was found"
