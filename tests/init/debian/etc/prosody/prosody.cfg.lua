-- Prosody as Debian's package leaves it in what matters here: paths of modules that are set, long lists with comments,
-- a local host first, and conf.d at the end, below the last component. The package's own file is tried on Debian itself.

admins = { "root@example.org" }

-- Where modules of the administrator are looked for.
plugin_paths = { "/usr/local/lib/prosody/modules" }

modules_enabled = {

	-- Everybody needs these
		"disco"; -- What the server can do
		"roster"; -- Contacts
		"saslauth"; -- Logging in
		"tls"; -- Encryption

	-- Not everybody
		"ping";
		"register"; -- Accounts, where `allow_registration` says so
		--"mam"; -- Not here
		--"bosh"; -- nor this

	-- For administrators
		"admin_shell";
}

modules_disabled = {
	-- "s2s"; -- Other servers
}

pidfile = "/run/prosody/prosody.pid";

limits = {
	c2s = {
		rate = "10kb/s";
	};
}

authentication = "internal_hashed"

log = {
	info = "/var/log/prosody/prosody.log";
	{ levels = { "error" }; to = "syslog";  };
}

VirtualHost "localhost"

VirtualHost "example.org"

---Rooms
Component "conference.example.org" "muc"
--- with an archive
modules_enabled = { "muc_mam" }

--Component "gateway.example.org"
--	component_secret = "password"

Include "conf.d/*.cfg.lua"

-- What stands here is of the last component.
