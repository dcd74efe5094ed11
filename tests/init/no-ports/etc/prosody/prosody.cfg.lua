plugin_paths = { "/usr/local/lib/prosody/modules" }
modules_enabled = { "roster"; "saslauth"; "disco"; "posix" }
component_ports = { }
component_interfaces = { "::1" }
VirtualHost "example.org"
Component "conference.example.org" "muc"
	muc_room_cache_size = 500
	modules_enabled = { "muc_mam" }
Include "conf.d/*.cfg.lua"
