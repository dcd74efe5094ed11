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
	# An authority of its own, and a certificate by it for 127.0.0.1.
	(
		cd "$directory"
		openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout authority.key -out authority.pem 2>/dev/null
		openssl req -newkey rsa:2048 -nodes -subj /CN=postgres -keyout server.key -out server.csr 2>/dev/null
		printf 'subjectAltName=IP:127.0.0.1\n' >names
		openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 -extfile names \
			-out server.pem 2>/dev/null
		chmod 600 server.key
		[ "$(id -u)" != 0 ] || chown nobody server.key server.pem
	)
fi

cd "$directory"
exec $as "$programs/postgres" -D "$directory/data" -h 127.0.0.1 -p "$port" -k "$directory" \
	-c fsync=off -c full_page_writes=off -c shared_buffers=16MB -c max_connections=30 \
	-c ssl=on -c ssl_cert_file="$directory/server.pem" -c ssl_key_file="$directory/server.key" \
	-c log_min_messages=warning
