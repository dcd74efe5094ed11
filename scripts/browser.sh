#!/bin/sh
# Puts what the tests in a real browser need into target/browser: playwright-core, which
# drives Debian's Chromium, and a build of lib-jitsi-meet, the client library of Jitsi Meet.
# Chromium and Node.js are installed if they are missing. Safe to run again.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
tree=$root/target/browser
wanted=$root/tests/prosody/browser

# `npm install` cannot resolve what this package depends on; its bundle needs none of it.
library=@solyd/lib-jitsi-meet@2.7001.1
bundle=package/dist/umd/lib-jitsi-meet.min.js
sha512=e1fa1b80e82f445f82c655ae6ad61ec29d92c4898070aaf4b32cc92229a72f7f53870fccd520259a1c9093dc507fef92b172c6bb09b4de6daee29fa79737c656

say() { printf 'browser: %s\n' "$*"; }
fail() { printf 'browser: %s\n' "$*" >&2; exit 1; }

missing=
command -v chromium >/dev/null || missing="$missing chromium"
command -v node >/dev/null || missing="$missing nodejs"
command -v npm >/dev/null || missing="$missing npm"
if [ -n "$missing" ]; then
	# shellcheck disable=SC2086 # a list of words
	"$root/scripts/install.sh" $missing
fi
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ] ||
	fail "Node.js $(node --version) is too old: install 18 or newer"

mkdir -p "$root/target"
exec 9>"$root/target/browser.lock"
flock 9

stamp=$(cat "$0" "$wanted/package.json" "$wanted/package-lock.json" | cksum)
if [ "$(cat "$tree/.complete" 2>/dev/null)" = "$stamp" ]; then
	say "already in target/browser"
	exit 0
fi

work=$(mktemp -d "$root/target/browser.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

say "fetching playwright-core and lib-jitsi-meet"
cp "$wanted/package.json" "$wanted/package-lock.json" "$work"
(cd "$work" && npm ci --loglevel=error --ignore-scripts --no-audit --no-fund --no-update-notifier >/dev/null) ||
	fail "npm cannot install playwright-core: run \`npm ping\` to see whether it reaches a registry"
(cd "$work" && npm pack --loglevel=error --ignore-scripts --no-update-notifier "$library" >/dev/null) ||
	fail "npm cannot fetch $library"

archive=$(find "$work" -maxdepth 1 -name '*lib-jitsi-meet*.tgz')
printf '%s  %s\n' "$sha512" "$archive" | sha512sum --check --status ||
	fail "$library is not the package that was pinned here"
tar -xzf "$archive" -C "$work" "$bundle" "$bundle.LICENSE.txt"
mv "$work/${bundle%/*}"/* "$work"
rm -r "$work/package" "$archive"

printf '%s\n' "$stamp" >"$work/.complete"
rm -rf "$tree"
mv "$work" "$tree"
say "$(node -p 'const { name, version } = require(process.argv[1]); `${name} ${version}`' \
	"$tree/node_modules/playwright-core/package.json") and ${library#@} are in target/browser"
