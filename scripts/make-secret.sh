#!/bin/sh
# Makes the secret between Prosody and Vestibule, in the file that is given, where there is none yet.
set -eu
umask 077
[ ! -s "$1" ] || exit 0
head -c 32 /dev/urandom | base64 | tr -d '/+=\n' >"$1.new"
# Two at once: the first has made it.
ln "$1.new" "$1" 2>/dev/null || [ -s "$1" ] || mv "$1.new" "$1"
rm -f "$1.new"
echo "new: $1"
