admins = { }
plugin_paths = { "/usr/local/lib/prosody/modules" }
modules_enabled = {
	"disco"; "roster"; "saslauth"; "tls"; "ping"; "posix";
}
authentication = "internal_hashed"
VirtualHost "localhost"

Include "conf.d/*.cfg.lua"
