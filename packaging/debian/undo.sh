# Whether a line of Prosody's configuration that is no comment names the gate.
is_named() {
	grep -RqsE --include='*.lua' '^[[:space:]]*([^-[:space:]]|-[^-]).*vestibule_gate|^[[:space:]]*vestibule_gate' /etc/prosody
}

# Has the gate give the rooms back what it has set in them, and forget what it kept, also in rooms that are stored: with
# another configuration Prosody would not start it any more.
release() {
	timeout 60 prosodyctl shell module unload vestibule_gate >/dev/null 2>&1 ||
		echo "$1: Prosody's shell cannot be reached: rooms that are stored stay as the policy has set them" >&2
}

# Gives Prosody back the configuration that it had before `vestibule init`: without the component the gate refuses
# everybody, and without the gate its options are left over. Fails where the gate is named nevertheless.
undo() {
	is_named || return 0
	if vestibule init --help >/dev/null 2>&1; then
		# The policy stays until the package is purged.
		cp -p /etc/vestibule/component.toml /run/vestibule-policy 2>/dev/null || true
		vestibule init --undo </dev/null >/dev/null || true
		if [ -e /run/vestibule-policy ]; then
			[ -e /etc/vestibule/component.toml ] || cp -p /run/vestibule-policy /etc/vestibule/component.toml
			rm -f /run/vestibule-policy
		fi
	fi
	if is_named; then
		echo "$1: /etc/prosody still names vestibule_gate, in lines that 'vestibule init' did not write or that were" >&2
		echo "$1: changed since. Take them out, with the Component of Vestibule, and restart Prosody: $2" >&2
		return 1
	elif [ -d /run/systemd/system ] && systemctl --quiet is-active prosody.service; then
		echo "$1: Prosody is restarted, with its configuration from before Vestibule" >&2
		release "$1"
		deb-systemd-invoke restart prosody.service >/dev/null || true
	else
		echo "$1: Prosody's configuration is as it was before Vestibule; it counts when Prosody starts again" >&2
	fi
}
