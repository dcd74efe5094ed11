plugin_paths = { "/usr/local/lib/prosody/modules" }
modules_enabled = { "roster"; "saslauth"; "disco"; "posix" }
VirtualHost "example.org"
Component "conference.example.org" "muc"
Component "rooms.example.org" "muc"
Include "conf.d/*.cfg.lua"
