plugin_paths = {
	"/srv/prosody/modules";
}
modules_enabled = { "roster"; "saslauth"; "disco"; "posix" }
VirtualHost "example.org"
Component "conference.example.org" "muc"
Include "conf.d/*.cfg.lua"
