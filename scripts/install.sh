#!/bin/sh
# Installs what the build, the demo and the tests need on Debian 12: packages
# that are missing, those named on the command line among them, and nothing else.
# No service is started. Safe to run again.
set -eu

# lua-basexx, -cjson, -inspect and -luaossl are for Jitsi's own Prosody modules; from prosody-modules to sasl2-bin, for
# logging in by LDAP and Cyrus SASL; strace and valgrind count for the benchmark.
packages="build-essential debian-archive-keyring debootstrap dpkg-dev iproute2 lua-basexx lua-check lua-cjson lua-inspect lua-luaossl lua5.4 nginx openssl postgresql prosody prosody-modules lua-ldap slapd lua-cyrussasl libsasl2-modules sasl2-bin python3 python3-pytest python3-pytest-xdist python3-slixmpp python3-yaml strace valgrind $*"
policy=/usr/sbin/policy-rc.d

say() { printf 'install: %s\n' "$*"; }
fail() { printf 'install: %s\n' "$*" >&2; exit 1; }

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		fail "installing packages needs root: run this as root, or install sudo"
	fi
}

command -v dpkg-query >/dev/null || fail "this is no Debian: install by hand: $packages"

missing=
for package in $packages; do
	is_installed "$package" || missing="$missing $package"
done

if [ -n "$missing" ]; then
	say "Debian packages to install:$missing"
	# Debian starts a service as soon as it is unpacked; this asks it not to.
	if [ ! -e "$policy" ]; then
		trap 'as_root rm -f "$policy"' EXIT
		trap 'exit 1' HUP INT TERM
		printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
		as_root chmod 755 "$policy"
	fi
	as_root apt-get -q update
	# shellcheck disable=SC2086 # a list of words
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q install --yes --no-install-recommends $missing
	say "installed:$missing"
else
	say "every Debian package is there"
fi

command -v cargo >/dev/null || [ -x "$HOME/.cargo/bin/cargo" ] ||
	fail "cargo is missing: install Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml") or newer with rustup (https://rustup.rs), then run this again"
