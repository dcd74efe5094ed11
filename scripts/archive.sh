#!/bin/bash
# Packs a program that needs no libraries (PROGRAM=FILE), the gate and all that belongs to them into
# target/vestibule-VERSION-HOST.tar.gz, for machines without Rust and make: `sudo ./install.sh` there. HOST is the
# triple of what the program runs on. Times are SOURCE_DATE_EPOCH, or the last commit's.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date -r CHANGELOG.md +%s)}
target=${CARGO_TARGET_DIR:-target}
name=vestibule-$version-${HOST:-$(uname -m)-unknown-linux-gnu}
umask 022
export LC_ALL=C

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
top=$stage/$name
mkdir -p "$top/completions" "$top/man"
install -m 0755 "$PROGRAM" "$top/vestibule"
install -m 0755 scripts/deploy.sh "$top/install.sh"
install -m 0755 scripts/make-secret.sh "$top/make-secret.sh"
install -m 0644 -t "$top" README.md CHANGELOG.md SECURITY.md LICENSE component.toml policy-tests.toml
cp -r contrib docs monitoring presets prosody-snippets "$top"
# For those who package it; install.sh makes them again.
"$PROGRAM" man "$top/man" >/dev/null
"$PROGRAM" completions bash >"$top/completions/vestibule.bash"
"$PROGRAM" completions zsh >"$top/completions/_vestibule"
"$PROGRAM" completions fish >"$top/completions/vestibule.fish"
find "$top" \( -name '.?*' -o -name '*~' \) -delete
chmod -R u=rwX,go=rX "$top"
(cd "$top" && find . -type f -printf '%P\n' | sort | xargs -d '\n' sha256sum) >"$stage/SHA256SUMS"
mv "$stage/SHA256SUMS" "$top/SHA256SUMS"

mkdir -p "$target"
tar --create --directory "$stage" --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner "$name" |
	gzip -9n >"$target/$name.tar.gz"
echo "$target/$name.tar.gz"
