plugin_paths = { "/usr/local/lib/prosody/modules" }
modules_enabled = { "roster"; "saslauth"; "disco"; "posix" }
VirtualHost "example.org"
Component "conference.example.org" "muc"
	modules_enabled = { "vestibule_gate" }
	vestibule_component = "policy.example.org"
	muc_room_cache_size = 10000
Component "policy.example.org"
	component_secret = "chosen by hand"
Include "conf.d/*.cfg.lua"
