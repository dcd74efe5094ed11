modules_enabled = { "roster"; "saslauth"; "disco"; "posix" }
VirtualHost "example.org"
Component "conference.example.org" "muc"
	modules_enabled = { "muc_mam" }
Include "conf.d/*.cfg.lua"
