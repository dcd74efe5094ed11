plugin_paths = {
	"/srv/prosody/modules";
}
gc = { mode = "incremental", threshold = 200 }
modules_enabled = { "roster"; "saslauth"; "disco"; "posix" }
VirtualHost "example.org"
Component "conference.example.org" "muc"
Include "conf.d/*.cfg.lua"
