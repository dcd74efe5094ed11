# Whether a line of Prosody's configuration that is no comment names the gate.
is_named() {
	grep -RqsE --include='*.lua' '^[[:space:]]*([^-[:space:]]|-[^-]).*vestibule_gate|^[[:space:]]*vestibule_gate' /etc/prosody
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
		deb-systemd-invoke restart prosody.service >/dev/null || true
	else
		echo "$1: Prosody's configuration is as it was before Vestibule; it counts when Prosody starts again" >&2
	fi
}
