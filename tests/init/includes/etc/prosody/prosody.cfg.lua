plugin_paths = { "/usr/local/lib/prosody/modules" }
modules_enabled = { "roster"; "saslauth"; "disco"; "posix" }
VirtualHost "example.org"
Include "/etc/prosody/hosts.d/*.lua"
Include "options.cfg.lua"
