std = "lua54"
max_line_length = 120
read_globals = { "module", "prosody" }

-- Prosody's configuration is Lua in which every assignment is an option.
files["**/*.cfg.lua"] = {
	read_globals = { "Component", "VirtualHost", "FileContents", "FileLine", "Credential" },
	allow_defined = true,
	ignore = { "131" },
}
