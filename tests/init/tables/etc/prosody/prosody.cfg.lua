plugin_paths = { "/usr/local/lib/prosody/modules" }
modules_enabled = { "roster"; "saslauth"; "disco"; "posix"; "vestibule_gate" }
VirtualHost "example.org" { enabled = true }
Component "conference.example.org" "muc" { modules_enabled = { "muc_mam" }, name = "Rooms" }
Component "rooms.example.org" "muc" { name = "Others" }
Include "conf.d/*.cfg.lua"
