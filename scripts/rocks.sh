#!/bin/bash
# Writes a rockspec for each of Prosody's modules into target/rocks, with every file that the module has by now, and
# packs it where LuaRocks is installed. `prosodyctl install FILE` takes what comes out.
set -euo pipefail
cd "$(dirname "$0")/.."

named() { sed -n "s/^$1 = \"\(.*\)\"/\1/p" Cargo.toml | head -n 1; }
version=$(named version)
repository=$(named repository)
out=${CARGO_TARGET_DIR:-target}/rocks
mkdir -p "$out"
out=$(cd "$out" && pwd)

declare -A summary=(
	[mod_vestibule_gate]="A meeting policy for Prosody and Jitsi Meet: asks the component Vestibule before anybody enters a room"
	[mod_vestibule_visitors]="Vestibule for the servers of Jitsi Meet's visitors: has the main server decide who enters"
)
for module in mod_vestibule_gate mod_vestibule_visitors; do
	files=""
	for file in "prosody-snippets/$module"/*.lua; do
		name=$(basename "$file" .lua)
		files+="		[\"$module.${name%.lib}\"] = \"$file\","$'\n'
	done
	template=$(<packaging/rockspec/mod.rockspec.in)
	template=${template//@MODULE@/$module}
	template=${template//@VERSION@/$version}
	template=${template//@REPOSITORY@/$repository}
	template=${template//@SUMMARY@/${summary[$module]}}
	spec=$out/$module-$version-1.rockspec
	printf '%s\n' "${template//@FILES@/${files%$'\n'}}" >"$spec"
	echo "$spec"
	if command -v luarocks >/dev/null; then
		tree=$(mktemp -d)
		luarocks --lua-version=5.4 --tree="$tree" make "$spec" >/dev/null
		(cd "$out" && luarocks --lua-version=5.4 --tree="$tree" pack "$module" >/dev/null)
		rm -rf "$tree"
		echo "$out/$module-$version-1.all.rock"
	fi
done
