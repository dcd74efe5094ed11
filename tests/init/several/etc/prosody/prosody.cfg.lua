plugin_paths = { "/usr/local/lib/prosody/modules" }
modules_enabled = { "roster"; "saslauth"; "disco"; "posix" }
VirtualHost "example.org"
Component "a.example.org" "muc" modules_enabled = { "muc_mam" }
Component "b.example.org" "muc"
	modules_enabled = {
		"muc_mam", -- the archive
		--"muc_unique";
		"ping" -- no separator
	}
Component "c.example.org" "muc"
	modules_enabled={"muc_mam";--[[ all
of it ]]}
Component "d.example.org" "muc"
	modules_enabled = {
		-- nothing yet
	}
Component "e.example.org" "muc"
	modules_enabled = {}
