#!/bin/bash
# Installs the built program, the gate, the unit, and (where there are none yet) a policy file and a secret.
set -euo pipefail
cd "$(dirname "$0")/.."

prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}
share=$prefix/share/vestibule
etc=/etc/vestibule
units=/etc/systemd/system

if [ -z "$root" ] && [ "$(id -u)" != 0 ]; then
	exec sudo --preserve-env=PREFIX,DESTDIR,PROGRAM "$0"
fi

install -D -m 0755 "${PROGRAM:?the built program}" "$root$prefix/bin/vestibule"
install -D -m 0644 -t "$root$share/prosody-snippets" prosody-snippets/*.cfg.lua
install -D -m 0644 -t "$root$share/prosody-snippets/mod_vestibule_gate" prosody-snippets/mod_vestibule_gate/*.lua
install -D -m 0644 contrib/vestibule.service "$root$units/vestibule.service"
sed -i "s|/usr/local/bin/|$prefix/bin/|" "$root$units/vestibule.service"
sed -i "s|/usr/local/share/vestibule|$share|" "$root$share/prosody-snippets"/*.cfg.lua

install -d -m 0755 "$root$etc"
if [ ! -e "$root$etc/component.toml" ]; then
	install -m 0644 component.toml "$root$etc/component.toml"
	sed -i "0,/^secret_file = \"\"/s|^secret_file = \"\"|secret_file = \"$etc/component-secret\"|" "$root$etc/component.toml"
	echo "new: $etc/component.toml, every key with its default"
fi
if [ ! -e "$root$etc/component-secret" ]; then
	(umask 077 && head -c 32 /dev/urandom | base64 | tr -d '/+=\n' >"$root$etc/component-secret")
	echo "new: $etc/component-secret"
fi

cat <<END
Installed. What is left to do:
  1. name your MUC service in $etc/component.toml ([[service]] domain), then: vestibule check
  2. put the lines of $share/prosody-snippets/prosody.cfg.lua
     into /etc/prosody/prosody.cfg.lua, with the text of $etc/component-secret as component_secret;
     on Jitsi Meet, those of jitsi.cfg.lua into /etc/prosody/conf.avail/DOMAIN.cfg.lua
  3. systemctl restart prosody && systemctl enable --now vestibule
  4. vestibule status
END
