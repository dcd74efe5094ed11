#!/bin/bash
# Installs program, gate, units, man pages, completions, docs, and (where there are none yet) a policy file and a secret.
# Without PROGRAM, a built program, it builds one first: as the user who called sudo, if there is one.
#
# PACKAGE=debian lays out the files of Debian's packages instead, for scripts/deb.sh: nothing in /etc, which the package
# fills when it is installed, and the gate where Prosody itself looks for modules. UNINSTALL=1 takes away what was
# installed, and leaves /etc/vestibule and /var/lib/vestibule; not while Prosody's configuration names the gate, without
# FORCE=1.
set -euo pipefail
cd "$(dirname "$0")"
# At the top of an unpacked archive, else in `scripts`.
scripts=.
if [ ! -e prosody-snippets ]; then cd .. && scripts=scripts; fi

prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}
package=${PACKAGE:-}
force=${FORCE:-}
share=$prefix/share/vestibule
doc=$prefix/share/doc/vestibule
man=$prefix/share/man/man1
bash=$prefix/share/bash-completion/completions
fish=$prefix/share/fish/vendor_completions.d
etc=/etc/vestibule
# The gate, and what is on visitors' servers.
gates="mod_vestibule_gate mod_vestibule_visitors"
if [ -n "$package" ]; then
	units=/usr/lib/systemd/system
	zsh=$prefix/share/zsh/vendor-completions
	# Prosody searches its own folder after all plugin_paths, whatever these are.
	modules=/usr/lib/prosody/modules
else
	units=/etc/systemd/system
	zsh=$prefix/share/zsh/site-functions
	# Where Prosody looks for modules: Debian's plugin_paths, and that of Jitsi's package, which replaces it.
	modules=/usr/local/lib/prosody/modules
fi
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

# Runs this again as root, where files of the machine are changed.
need_root() {
	if [ -n "$root" ] || [ "$(id -u)" = 0 ]; then return; fi
	command -v sudo >/dev/null || fail "run it as root: there is no sudo here"
	export PROGRAM
	exec sudo --preserve-env=PREFIX,DESTDIR,PROGRAM,PACKAGE,UNINSTALL,FORCE "$(pwd)/$scripts/$(basename "$0")"
}

reload_units() {
	if [ -z "$root" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
}

uninstall() {
	local gate place named='^[[:space:]]*([^-[:space:]]|-[^-]).*vestibule_gate|^[[:space:]]*vestibule_gate'
	if [ -z "$root$force" ] && grep -RqsE --include='*.lua' "$named" /etc/prosody; then
		fail "Prosody's configuration names the gate, and would be without it. First: vestibule init --undo (and take" \
			"out what you wrote there yourself), or uninstall with FORCE=1"
	fi
	if [ -z "$root" ] && [ -d /run/systemd/system ]; then systemctl disable --quiet --now vestibule || true; fi
	for gate in $gates; do
		for place in "$root$modules/$gate" "$root$jitsi/$gate"; do
			if [ -L "$place" ]; then rm -f "$place"; fi
		done
	done
	rm -rf "$root$share" "$root$doc"
	rm -f "$root$prefix/bin/vestibule" "$root$man"/vestibule.1.gz "$root$man"/vestibule-*.1.gz "$root$bash/vestibule" \
		"$root$zsh/_vestibule" "$root$fish/vestibule.fish" "$root$units/vestibule.service" "$root$units/vestibule-secret.service"
	reload_units
	cat <<-END
		Uninstalled. What is left, for you to delete: $etc (policy file and secret), /var/lib/vestibule (the audit).
	END
}

# Copies a folder, without what editors and systems leave there.
install_tree() {
	mkdir -p "$root$2"
	cp -r --no-preserve=all "$1/." "$root$2"
	find "$root$2" -name '.?*' -delete -o -name '*~' -delete -o -type f -exec chmod 0644 {} +
}

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

install_gate() {
	local gate
	if [ -n "$package" ]; then
		for gate in $gates; do install_tree "prosody-snippets/$gate" "$modules/$gate"; done
		return
	fi
	link "$modules"
	if [ -d "$root$jitsi" ]; then link "$jitsi"; fi
	for gate in $gates; do
		# A file that this version no longer has must not stay.
		rm -rf "$root$share/prosody-snippets/$gate"
		install_tree "prosody-snippets/$gate" "$share/prosody-snippets/$gate"
	done
}

# What the program writes about itself: man pages and completions.
install_described() {
	local pages
	pages=$(mktemp -d)
	"$PROGRAM" man "$pages" >/dev/null || fail "PROGRAM: $PROGRAM does not run on this machine"
	find "$pages" -name '*.1' -exec gzip -9n {} +
	# Those of commands that this version no longer has.
	rm -f "$root$man"/vestibule-*.1.gz
	find "$pages" -name '*.1.gz' -exec install -D -m 0644 -t "$root$man" {} +
	rm -rf "$pages"
	install -d -m 0755 "$root$bash" "$root$zsh" "$root$fish"
	"$PROGRAM" completions bash >"$root$bash/vestibule"
	"$PROGRAM" completions zsh >"$root$zsh/_vestibule"
	"$PROGRAM" completions fish >"$root$fish/vestibule.fish"
	chmod 0644 "$root$bash/vestibule" "$root$zsh/_vestibule" "$root$fish/vestibule.fish"
}

# The documents keep their places to each other, so that their links lead somewhere.
install_docs() {
	install -D -m 0644 -t "$root$doc" README.md CHANGELOG.md SECURITY.md LICENSE policy-tests.toml
	install_tree docs "$doc/docs"
	install_tree monitoring "$doc/monitoring"
	install_tree presets "$doc/presets"
	ln -sfnr "$root$share/prosody-snippets" "$root$doc/prosody-snippets"
}

if [ -n "${UNINSTALL:-}" ]; then
	need_root
	uninstall
	exit
fi

if [ -z "${PROGRAM:-}" ] && [ "$scripts" = . ]; then PROGRAM=$(pwd)/vestibule; fi
if [ -z "${PROGRAM:-}" ]; then build; fi
[ -f "$PROGRAM" ] || fail "PROGRAM: there is no file $PROGRAM"
[ -x "$PROGRAM" ] || fail "PROGRAM: $PROGRAM cannot be run: chmod +x $PROGRAM"
need_root

if [ -z "$root" ] && dpkg-query --show --showformat='${db:Status-Status}' vestibule 2>/dev/null | grep -qx installed; then
	fail "Debian's package is installed, and the two would shadow each other: apt remove vestibule vestibule-prosody-module"
fi

umask 022
install_gate
install -D -m 0755 "$PROGRAM" "$root$prefix/bin/vestibule"
install_described
install -D -m 0755 "$scripts/make-secret.sh" "$root$share/make-secret.sh"
install -D -m 0644 -t "$root$share/prosody-snippets" prosody-snippets/*.cfg.lua
install_tree prosody-snippets/docker-jitsi-meet "$share/prosody-snippets/docker-jitsi-meet"
install -D -m 0644 -t "$root$units" contrib/vestibule.service contrib/vestibule-secret.service
sed -i "s|/usr/local/|$prefix/|" "$root$units"/vestibule.service "$root$units"/vestibule-secret.service
install -D -m 0644 docs/component.schema.json "$root$share/component.schema.json"
# Every key with its default.
install -D -m 0644 component.toml "$root$share/component.toml"
sed -i "s|^#:schema .*|#:schema $share/component.schema.json|" "$root$share/component.toml"
install_docs
if [ -n "$package" ]; then exit; fi

install -d -m 0755 "$root$etc"
if [ ! -e "$root$etc/component.toml" ]; then
	sed "0,/^secret_file = \"\"/s|^secret_file = \"\"|secret_file = \"$etc/component-secret\"|" \
		"$root$share/component.toml" >"$root$etc/component.toml"
	chmod 0644 "$root$etc/component.toml"
	echo "new: $etc/component.toml, every key with its default"
fi
# A package must not hold a secret that all who install it share: there it is made at the first start.
if [ -z "$root" ]; then "$scripts/make-secret.sh" "$etc/component-secret"; fi
reload_units

cat <<END
Installed. What is left to do:
  1. sudo vestibule init
     (by hand instead: $doc/docs/install.md)
  2. sudo systemctl enable vestibule && sudo systemctl restart prosody vestibule
     (the restart ends the meetings that are on)
  3. sudo vestibule status
END
