#!/bin/bash
# Installs program, gate, units, and (where there are none yet) a policy file and a secret. Without PROGRAM, a built
# program, it builds one first: as the user who called sudo, if there is one.
set -euo pipefail
cd "$(dirname "$0")/.."

prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}
share=$prefix/share/vestibule
etc=/etc/vestibule
units=/etc/systemd/system
# The gate, and what is on visitors' servers.
gates="mod_vestibule_gate mod_vestibule_visitors"
# Where Prosody looks for modules: Debian's plugin_paths, and that of Jitsi's package, which replaces it.
modules=/usr/local/lib/prosody/modules
jitsi=/usr/share/jitsi-meet/prosody-plugins

fail() {
	echo "install: $*" >&2
	exit 1
}

# The user whose Rust builds: not root, where sudo says who it is.
builder=$(id -un)
if [ "$(id -u)" = 0 ] && [ "${SUDO_USER:-root}" != root ]; then builder=$SUDO_USER; fi

as_builder() {
	if [ "$builder" = "$(id -un)" ]; then "$@"; else runuser -u "$builder" -- env "HOME=$home" "$@"; fi
}

build() {
	local home cargo="" candidate target=${CARGO_TARGET_DIR:-target}
	home=$(getent passwd "$builder" | cut -d: -f6)
	for candidate in "$home/.cargo/bin/cargo" "${CARGO:-}" "$(command -v cargo || true)"; do
		if [ -n "$candidate" ] && as_builder test -x "$candidate"; then cargo=$candidate && break; fi
	done
	[ -n "$cargo" ] || fail "there is no cargo for $builder, in PATH or $home/.cargo/bin. Install Rust as $builder" \
		"(https://rustup.rs), or install a program that was built elsewhere: make install PROGRAM=FILE"
	command -v cc >/dev/null || fail "there is no C compiler and linker (cc): apt install build-essential"
	as_builder mkdir -p "$target" 2>/dev/null && as_builder test -w "$target" ||
		fail "$builder may not write to $target: chown -R $builder $(pwd)"
	as_builder env "PATH=$(dirname "$cargo"):$PATH" "$cargo" build --release --locked
	PROGRAM=$target/release/vestibule
}

if [ -z "${PROGRAM:-}" ]; then build; fi
[ -f "$PROGRAM" ] || fail "PROGRAM: there is no file $PROGRAM"
[ -x "$PROGRAM" ] || fail "PROGRAM: $PROGRAM cannot be run: chmod +x $PROGRAM"

if [ -z "$root" ] && [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || fail "run it as root: there is no sudo here"
	export PROGRAM
	exec sudo --preserve-env=PREFIX,DESTDIR,PROGRAM "$0"
fi

link() {
	local gate place
	for gate in $gates; do
		place=$root$1/$gate
		# A copy from an earlier version would be loaded instead of this one.
		if [ -e "$place" ] && [ ! -L "$place" ]; then fail "$1/$gate is there, and no link: remove it"; fi
		install -d -m 0755 "$root$1"
		ln -sfnr "$root$share/prosody-snippets/$gate" "$place"
	done
}

link "$modules"
if [ -d "$root$jitsi" ]; then link "$jitsi"; fi
install -D -m 0755 "$PROGRAM" "$root$prefix/bin/vestibule"
install -D -m 0755 scripts/make-secret.sh "$root$share/make-secret.sh"
install -D -m 0644 -t "$root$share/prosody-snippets" prosody-snippets/*.cfg.lua
for gate in $gates; do
	install -D -m 0644 -t "$root$share/prosody-snippets/$gate" "prosody-snippets/$gate"/*.lua
done
install -D -m 0644 -t "$root$units" contrib/vestibule.service contrib/vestibule-secret.service
sed -i "s|/usr/local/|$prefix/|" "$root$units"/vestibule.service "$root$units"/vestibule-secret.service

install -D -m 0644 docs/component.schema.json "$root$share/component.schema.json"

install -d -m 0755 "$root$etc"
if [ ! -e "$root$etc/component.toml" ]; then
	install -m 0644 component.toml "$root$etc/component.toml"
	sed -i "0,/^secret_file = \"\"/s|^secret_file = \"\"|secret_file = \"$etc/component-secret\"|" "$root$etc/component.toml"
	sed -i "s|^#:schema .*|#:schema $share/component.schema.json|" "$root$etc/component.toml"
	echo "new: $etc/component.toml, every key with its default"
fi
# A package must not hold a secret that all who install it share: there it is made at the first start.
if [ -z "$root" ]; then
	scripts/make-secret.sh "$etc/component-secret"
	if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
fi

cat <<END
Installed. What is left to do:
  1. name your MUC service in $etc/component.toml ([[service]] domain), then: vestibule check
  2. put the lines of $share/prosody-snippets/prosody.cfg.lua
     into /etc/prosody/prosody.cfg.lua, with the text of $etc/component-secret as component_secret
     (it is made at the first start, or by: sudo systemctl start vestibule-secret);
     on Jitsi Meet, those of jitsi.cfg.lua into /etc/prosody/conf.avail/DOMAIN.cfg.lua
  3. sudo prosodyctl check config
  4. sudo systemctl restart prosody && sudo systemctl enable --now vestibule
     (the restart ends the meetings that are on)
  5. sudo vestibule status
END
