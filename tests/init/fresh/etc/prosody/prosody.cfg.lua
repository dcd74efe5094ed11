-- Prosody as it is after its installation: a host for tests, one of the operator's, and no rooms.
plugin_paths = { "/usr/local/lib/prosody/modules" }
modules_enabled = { "roster"; "saslauth"; "disco"; "posix" }
authentication = "internal_hashed"

VirtualHost "localhost"

VirtualHost "example.org"

Include "conf.d/*.cfg.lua"
