plugin_paths = { "/usr/local/lib/prosody/modules" }
modules_enabled = { "roster"; "saslauth"; "disco"; "posix" }
component_ports = { 5999, 6000 }
component_interfaces = { "192.0.2.7" }
VirtualHost "example.org"
Component "conference.example.org" "muc"
	modules_enabled = { "muc_mam" };
Component "gateway.example.org"
	component_secret = "of the gateway"
Include "conf.d/*.cfg.lua"
