#!/bin/bash
# Builds Debian's packages `vestibule` and `vestibule-prosody-module` into target/debian, with the tools of dpkg-dev.
# PROGRAM=FILE is a program that is built already; DEB_REVISION (1) the revision of the package; DEB_COMPRESSION (xz) what
# dpkg-deb knows. The same sources and program make the same bytes: times are SOURCE_DATE_EPOCH, or the last commit's.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
	echo "deb: $*" >&2
	exit 1
}

for tool in dpkg-deb dpkg-shlibdeps; do
	command -v $tool >/dev/null || fail "there is no $tool: apt install dpkg-dev"
done

named() { sed -n "s/^$1 = \"\(.*\)\"/\1/p" Cargo.toml | head -n 1; }
# A pre-release is older than its release.
version=$(named version | sed 's/-/~/')-${DEB_REVISION:-1}
maintainer=$(sed -n 's/^authors = \["\(.*\)"\]/\1/p' Cargo.toml)
homepage=$(named homepage)
machine=$(dpkg --print-architecture)
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date -r CHANGELOG.md +%s)}
export SOURCE_DATE_EPOCH=$epoch LC_ALL=C
target=${CARGO_TARGET_DIR:-target}
out=$target/debian
packaging=packaging/debian
umask 022

mkdir -p "$out"
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
chmod 0755 "$stage"
main=$stage/vestibule
module=$stage/vestibule-prosody-module

DESTDIR=$main PREFIX=/usr PACKAGE=debian scripts/deploy.sh
mkdir -p "$module/usr/lib"
mv "$main/usr/lib/prosody" "$module/usr/lib/prosody"

# What changed is in Debian's compressed form, the license in `copyright`.
doc=$main/usr/share/doc/vestibule
gzip -9nc CHANGELOG.md >"$doc/changelog.gz"
rm "$doc/CHANGELOG.md" "$doc/LICENSE"
# The protocol of this version's gate: an upgrade restarts the component only if that of the version before is the same.
sed -n 's/^local \(LEVEL\|xmlns_gate\) = "\(.*\)".*/\2/p' "$module/usr/lib/prosody/modules/mod_vestibule_gate/mod_vestibule_gate.lua" \
	>"$main/usr/share/vestibule/protocol"

libraries() {
	# A static program needs none.
	if ! readelf --dynamic "$1" 2>/dev/null | grep -q NEEDED; then return; fi
	local place
	place=$(mktemp -d)
	mkdir "$place/debian"
	printf 'Source: vestibule\n\nPackage: vestibule\nArchitecture: any\n' >"$place/debian/control"
	(cd "$place" && dpkg-shlibdeps -O -e"$1" 2>/dev/null) | sed -n 's/^shlibs:Depends=//p'
	rm -rf "$place"
}

pack() {
	local name=$1 root=$2 architecture=$3 depends=${4:-} file
	local doc=$root/usr/share/doc/$name
	mkdir -p "$doc" "$root/DEBIAN"
	install -m 0644 $packaging/copyright "$doc/copyright"
	{
		printf '%s (%s) unstable; urgency=medium\n\n' "$name" "$version"
		printf '  * Release %s: what changed is in changelog.gz of the package vestibule.\n\n' "$(named version)"
		printf ' -- %s  %s\n' "$maintainer" "$(date --utc --rfc-email --date="@$epoch")"
	} | gzip -9nc >"$doc/changelog.Debian.gz"
	if [ -e $packaging/$name.lintian-overrides ]; then
		install -D -m 0644 $packaging/$name.lintian-overrides "$root/usr/share/lintian/overrides/$name"
	fi
	for file in preinst postinst prerm postrm; do
		if [ -e $packaging/$name.$file ]; then
			install -m 0755 $packaging/$name.$file "$root/DEBIAN/$file"
			sed -i -e "/^#UNDO#$/{r $packaging/undo.sh" -e 'd}' -e "/^#SHADOW#$/{r $packaging/shadow.sh" -e 'd}' "$root/DEBIAN/$file"
		fi
	done
	(cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\n' | sort | xargs -d '\n' md5sum) >"$root/DEBIAN/md5sums"
	chmod 0644 "$root/DEBIAN/md5sums"
	sed -e "s|@VERSION@|$version|g" -e "s|@MAINTAINER@|$maintainer|" -e "s|@HOMEPAGE@|$homepage|" \
		-e "s|@ARCHITECTURE@|$architecture|" -e "s|@LIBRARIES@|${depends:+$depends, }|" \
		-e "s|@SIZE@|$(du -ks --exclude=DEBIAN "$root" | cut -f1)|" $packaging/$name.control >"$root/DEBIAN/control"
	find "$root" -newermt "@$epoch" -exec touch --no-dereference --date="@$epoch" {} +
	dpkg-deb --root-owner-group -Z"${DEB_COMPRESSION:-xz}" --build "$root" "$out/${name}_${version}_$architecture.deb" >/dev/null
	echo "$out/${name}_${version}_$architecture.deb"
}

pack vestibule "$main" "$machine" "$(libraries "$main/usr/bin/vestibule")"
pack vestibule-prosody-module "$module" all
