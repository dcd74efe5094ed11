modules_enabled = { "roster", "saslauth", "disco", "posix" }
VirtualHost "localhost"
Include "conf.d/*.cfg.lua"
