plugin_paths = { "/usr/local/lib/prosody/modules" }
modules_enabled = { "roster"; "saslauth"; "disco"; "posix" }
local function with(...)
	return { "muc_mam", ... }
end
VirtualHost "example.org"
Component "conference.example.org" "muc"
	modules_enabled = with("ping")
for _, name in ipairs { "one", "two" } do
	Component(name .. ".example.org") "muc"
		modules_enabled = { "ping" }
end
Component "last.example.org" "muc"
	modules_enabled = { "ping" }
Include "conf.d/*.cfg.lua"
