#!/bin/sh
# Puts Prosody 13 next to the system's Prosody, in target/prosody13, for the tests:
# Debian 13's packages, fetched by apt with a state of its own, checked against
# Debian's archive keyring, unpacked, and run by their own loader. Neither the
# system's packages nor its apt state change. Safe to run again.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
tree=$root/target/prosody13
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
packages="prosody lua5.4 lua-expat lua-filesystem lua-sec lua-socket lua-bitop lua-unbound
lua-luaossl lua-cjson lua-basexx lua-inspect libc6 libcrypt1 libexpat1 libssl3t64 libicu76
libevent-2.1-7t64 libunbound8 libnghttp2-14 libhiredis1.1.0 libprotobuf-c1 libreadline8t64
libtinfo6 libsodium23 libdb5.3t64 libgcc-s1 libstdc++6 libzstd1 zlib1g"

say() { printf 'prosody13: %s\n' "$*"; }
fail() { printf 'prosody13: %s\n' "$*" >&2; exit 1; }

mkdir -p "$root/target"
exec 9>"$root/target/prosody13.lock"
flock 9

# The tree holds its own path, so a moved checkout counts as a new one.
stamp="$tree $(cksum <"$0")"
if [ "$(cat "$tree/.complete" 2>/dev/null)" = "$stamp" ]; then
	say "already in target/prosody13"
	exit 0
fi

[ -r "$keyring" ] || fail "$keyring is missing: install debian-archive-keyring"
command -v dpkg-architecture >/dev/null || fail "dpkg-dev is missing: run scripts/install.sh"
multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH)

# The machine's own Debian addresses: one for the archive, one for security.
addresses() {
	apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' "Label: $1" | sort -u
}
if [ -z "$(addresses Debian)" ]; then
	if [ "$(id -u)" = 0 ]; then apt-get -q update; else sudo apt-get -q update; fi
fi
archive=$(addresses Debian | head -n 1 | cut -d ' ' -f 2)
security=$(addresses Debian-Security | head -n 1 | cut -d ' ' -f 2)
[ -n "$archive" ] || fail "apt has no source labelled Debian: add one, then run apt-get update"

work=$(mktemp -d "$root/target/prosody13.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/sources" \
	"$work/preferences" "$work/debs" "$work/tree"
: >"$work/status"

source_entry() {
	printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n' "$1" "$2" "$keyring"
}
{
	source_entry "$archive" "trixie trixie-updates"
	[ -z "$security" ] || source_entry "$security" trixie-security
} >"$work/sources/debian13.sources"

private_apt() {
	apt-get -q \
		-o Dir::State="$work/state" -o Dir::State::status="$work/status" \
		-o Dir::Cache="$work/cache" -o Dir::Etc::sourcelist=/dev/null \
		-o Dir::Etc::sourceparts="$work/sources" -o Dir::Etc::preferences=/dev/null \
		-o Dir::Etc::preferencesparts="$work/preferences" \
		-o Acquire::Languages=none -o APT::Sandbox::User= "$@"
}

say "fetching Debian 13's packages"
private_apt update
# shellcheck disable=SC2086 # a list of words
(cd "$work/debs" && private_apt download $packages)
version=$(dpkg-deb -f "$work"/debs/prosody_*.deb Version)
for deb in "$work"/debs/*.deb; do
	dpkg-deb -x "$deb" "$work/tree"
done

sed -i -e "s|^CFG_SOURCEDIR=.*|CFG_SOURCEDIR='$tree/usr/lib/prosody';|" \
	-e "s|^CFG_PLUGINDIR=.*|CFG_PLUGINDIR='$tree/usr/lib/prosody/modules/';|" \
	"$work/tree/usr/bin/prosody" "$work/tree/usr/bin/prosodyctl"

libraries=$tree/usr/lib/$multiarch
loader=
for file in "$work/tree/usr/lib/$multiarch"/ld-linux*.so.*; do
	[ ! -e "$file" ] || loader=$libraries/$(basename "$file")
done
[ -n "$loader" ] || fail "no loader for $multiarch in libc6"

for program in prosody prosodyctl; do
	cat >"$work/tree/$program" <<-WRAPPER
		#!/bin/sh
		# exec, so that the process started here is the server itself. Debian has some
		# modules in plain Lua, which Jitsi's need, for older versions of Lua only.
		share=$tree/usr/share/lua
		LUA_PATH_5_4="\$share/5.4/?.lua;\$share/5.4/?/init.lua;\$share/5.3/?.lua;\$share/5.2/?.lua"
		LUA_CPATH_5_4='$libraries/lua/5.4/?.so'
		OPENSSL_CONF=/dev/null
		export LUA_PATH_5_4 LUA_CPATH_5_4 OPENSSL_CONF
		exec '$loader' --library-path '$libraries' '$tree/usr/bin/lua5.4' '$tree/usr/bin/$program' "\$@"
	WRAPPER
	chmod 755 "$work/tree/$program"
done

printf '%s\n' "$stamp" >"$work/tree/.complete"
rm -rf "$tree"
mv "$work/tree" "$tree"
say "Prosody $version is in target/prosody13"
