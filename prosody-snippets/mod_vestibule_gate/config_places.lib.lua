-- Finds where Prosody's configuration says something, so that the doctor names file and line. The files that the server
-- has loaded are read as text, and nothing in them is run: what they compute has no place.

local configmanager = require "core.configmanager";
local nameprep = require "util.encodings".stringprep.nameprep;
local has_lfs, lfs = pcall(require, "lfs");

local MOST = { files = 200, bytes = 1048576, links = 8 };
local HEADERS = {
	VirtualHost = true, Host = true, host = true, Component = true, component = true,
};

-- Debian's conf.d has links to conf.avail, where an operator looks.
local function real(path)
	for _ = 1, MOST.links do
		local target = has_lfs and lfs.symlinkattributes(path, "mode") == "link" and lfs.symlinkattributes(path, "target");
		if not target then return path; end
		path = target:sub(1, 1) == "/" and target or (path:gsub("[^/]*$", "") .. target):gsub("[^/]+/%.%./", "");
	end
	return path;
end

local function read(path, bytes)
	local file = bytes > 0 and io.open(path);
	if not file then return ""; end
	local text = file:read(bytes) or "";
	file:close();
	-- Long comments keep their line breaks, by which lines are counted.
	return (text:gsub("(%-%-%[(=*)%[.-%]%2%])", function (comment) return (comment:gsub("[^\n]", "")); end));
end

local function depth_of(text)
	local _, opened = text:gsub("{", "");
	local _, closed = text:gsub("}", "");
	return opened - closed;
end

-- Returns a function that gives the place of a host's header (`file`, `line`), of its `options`, and of the `modules`
-- in its modules_enabled. The server-wide section is the host "*".
return function ()
	local files, known, seen, hosts, left = {}, {}, {}, {}, MOST.bytes;
	for _, path in ipairs(configmanager.files and configmanager.files() or {}) do
		if not known[path] and #files < MOST.files then known[path], files[#files + 1] = true, path; end
	end

	local function of(host)
		hosts[host] = hosts[host] or { options = {}, modules = {} };
		return hosts[host];
	end

	local scan;
	-- Reads the files of an Include line at their turn: the last to set an option counts.
	local function include(from, pattern)
		if pattern:sub(1, 1) ~= "/" then pattern = from:gsub("[^/]*$", "") .. pattern; end
		pattern = "^" .. pattern:gsub("[%^%$%(%)%%%.%[%]%+%-]", "%%%0"):gsub("%*", "[^/]*"):gsub("%?", "[^/]") .. "$";
		for _, path in ipairs(files) do
			if path:find(pattern) then scan(path); end
		end
	end

	function scan(path)
		if seen[path] then return; end
		seen[path] = true;
		local shown, number = real(path), 0;
		-- The host whose section it is; the depth in the table behind its header; that in the list of modules.
		local current, in_table, in_modules = "*", nil, nil;
		local text = read(path, left);
		left = left - #text;
		for line in (text .. "\n"):gmatch("(.-)\r?\n") do
			number = number + 1;
			line = line:gsub("%-%-.*", "");
			local place = { file = shown, line = tostring(number) };
			local included = line:match("^%s*[Ii]nclude%s*%(?%s*[\"']([^\"']+)");
			if included then include(path, included); end
			local kind, name, rest = line:match("^%s*(%a+)%s*%(?%s*[\"']([^\"']+)[\"'](.*)");
			if HEADERS[kind] then
				current, in_table = nameprep(name) or name, rest:find("{", 1, true) and 0 or nil;
				local host = of(current);
				if not host.file then host.file, host.line = place.file, place.line; end
			end
			local host = of(current);
			for option in line:gmatch("([%a_][%w_]*)%s*=") do host.options[option] = place; end
			local list = in_modules and line or line:match("modules_enabled%s*=(.*)");
			if list then
				for module_name in list:gmatch("[\"']([%w_]+)[\"']") do host.modules[module_name] = place; end
				in_modules = (in_modules or 0) + depth_of(list);
				if in_modules <= 0 and list:find("[{}]") then in_modules = nil; end
			end
			if in_table then
				in_table = in_table + depth_of(line);
				if in_table <= 0 then current, in_table = "*", nil; end
			end
		end
	end

	local main = prosody.config_file;
	if main then
		of("*").file = real(main);
		scan(main);
	end
	for _, path in ipairs(files) do scan(path); end
	return of;
end;
