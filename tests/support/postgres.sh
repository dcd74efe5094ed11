#!/bin/sh
# Becomes a PostgreSQL for tests, of the newest version installed: `postgres.sh DIRECTORY PORT PASSWORD`.
# Its data and its socket are in DIRECTORY, its port is on loopback, its superuser is `vestibule`. It is
# killed with whoever started it; what it has written survives the server, but not the machine.
set -eu

directory=$1 port=$2 password=$3

for programs in /usr/lib/postgresql/*/bin; do :; done
[ -x "$programs/initdb" ] || { echo "no PostgreSQL is installed: run scripts/install.sh" >&2; exit 1; }

as="setpriv --pdeathsig=KILL"
# The server refuses to be root.
[ "$(id -u)" != 0 ] || as="$as --reuid=nobody --regid=nogroup --clear-groups"

if [ ! -e "$directory/data" ]; then
	mkdir -p "$directory"
	printf '%s\n' "$password" >"$directory/password"
	[ "$(id -u)" != 0 ] || chown -R nobody "$directory"
	$as "$programs/initdb" --pgdata "$directory/data" --username vestibule --auth scram-sha-256 \
		--pwfile "$directory/password" --encoding UTF8 --locale C --no-sync >"$directory/initdb"
fi

cd "$directory"
exec $as "$programs/postgres" -D "$directory/data" -h 127.0.0.1 -p "$port" -k "$directory" \
	-c fsync=off -c full_page_writes=off -c shared_buffers=16MB -c max_connections=30 \
	-c log_min_messages=warning
