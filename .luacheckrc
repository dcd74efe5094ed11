std = "lua54"
max_line_length = 120
globals = { "module" } -- which is given unload, save and restore
read_globals = { "prosody" }

-- Prosody's configuration is Lua in which every assignment is an option.
files["**/*.cfg.lua"] = {
	read_globals = { "Component", "VirtualHost", "FileContents", "FileLine", "Credential", "ENV_VESTIBULE_COMPONENT_SECRET" },
	allow_defined = true,
	ignore = { "131" },
}
