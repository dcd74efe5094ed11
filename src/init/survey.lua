-- Loads a configuration with Prosody's own loader, and prints what it says as JSON: every host and option that is set,
-- with file and line. prosodyctl runs this instead of a configuration, so it is the server's own Lua that reads
-- the real one. Above this text stand ROOT, the folder that stands for /; MAIN, the file; and OVERLAY, by
-- path the file to read instead, or false for one that is not to be there.

local G = _G;
local require, package, debug, io, os = G.require, G.package, G.debug, G.io, G.os;
local ipairs, next, pairs, pcall, rawget, setmetatable = G.ipairs, G.next, G.pairs, G.pcall, G.rawget, G.setmetatable;
local tostring, type, table, utf8 = G.tostring, G.type, G.table, G.utf8;

-- Prosody 13 has its modules under a name of its own.
local function module(name)
	local ok, found = pcall(require, "prosody."..name);
	if ok then return found; end
	return require(name);
end

local escapes = { ["\\"] = "\\\\", ["\""] = "\\\"" };
local function quoted(text)
	if not utf8.len(text) then text = text:gsub("[\128-\255]", "?"); end
	return "\""..text:gsub("[%c\"\\]", function (c) return escapes[c] or ("\\u%04x"):format(c:byte()); end).."\"";
end

local function json(value, depth)
	local kind = type(value);
	if kind == "string" then return quoted(value); end
	if kind == "boolean" then return tostring(value); end
	if kind == "number" then
		if value ~= value or value == G.math.huge or value == -G.math.huge then return "null"; end
		return tostring(value);
	end
	if kind ~= "table" or depth > 12 then return quoted("("..kind..")"); end
	local parts, count = {}, 0;
	for _ in pairs(value) do count = count + 1; end
	if count == #value then
		for i, item in ipairs(value) do parts[i] = json(item, depth + 1); end
		return "["..table.concat(parts, ",").."]";
	end
	for key, item in pairs(value) do table.insert(parts, quoted(tostring(key))..":"..json(item, depth + 1)); end
	return "{"..table.concat(parts, ",").."}";
end

local lfs = require "lfs";

local function below_root(path)
	if ROOT ~= "" and path:sub(1, 1) == "/" and path:sub(1, #ROOT + 1) ~= ROOT.."/" then return ROOT..path; end
	return path;
end

-- The path without links and dots; what leads out of ROOT stays in it.
local function real(path)
	local rest, at, links = {}, "", 0;
	local function put(names)
		local number = 0;
		for name in names:gmatch("[^/]+") do
			number = number + 1;
			table.insert(rest, number, name);
		end
	end
	if ROOT ~= "" and path:sub(1, #ROOT + 1) == ROOT.."/" then at, path = ROOT, path:sub(#ROOT + 1); end
	put(path);
	while rest[1] do
		local name = table.remove(rest, 1);
		local target = lfs.symlinkattributes(at.."/"..name, "mode") == "link"
			and lfs.symlinkattributes(at.."/"..name, "target");
		if name == ".." then
			if at ~= ROOT then at = at:gsub("/[^/]*$", ""); end
		elseif target and links < 40 then
			links = links + 1;
			if target:sub(1, 1) == "/" then at = ROOT; end
			put(target);
		elseif name ~= "." then
			at = at.."/"..name;
		end
	end
	return at;
end

local open, dir = io.open, lfs.dir;
function io.open(path, ...)
	local instead = OVERLAY[real(path)];
	if instead == false then return nil, path..": No such file or directory"; end
	return open(instead or real(path), ...);
end
function lfs.dir(folder)
	local names, seen = {}, {};
	for name in dir(folder) do
		seen[name] = true;
		if OVERLAY[real(folder.."/"..name)] ~= false then table.insert(names, name); end
	end
	for path, instead in pairs(OVERLAY) do
		local name = path:match("[^/]*$");
		if instead and real(path:sub(1, -#name - 2)) == real((folder:gsub("/+$", ""))) and not seen[name] then
			table.insert(names, name);
		end
	end
	local at = 0;
	return function () at = at + 1; return names[at]; end
end

local found = { files = {}, includes = {}, headers = {}, options = {} };
local function here()
	-- The caller of the caller: the line of the configuration.
	local info = debug.getinfo(3, "l");
	return info and info.currentline or 0;
end
local function note(host, file, name, line, form)
	table.insert(found.options, { host = host, file = file, name = name, line = line, form = form });
end

local function header(env, file, function_)
	return function (name)
		local line = here();
		local rest = function_(name);
		local host = rawget(env, "__currenthost");
		table.insert(found.headers, { host = host, file = file, line = line });
		local function options(call, argument)
			local more = call(argument);
			if type(argument) ~= "table" then
				return more and function (list) return options(more, list); end;
			end
			for option in pairs(argument) do note(host, file, option, line, "table"); end
		end
		return function (argument) return options(rest, argument); end
	end
end

local envloads = module "util.envload";
local envload = envloads.envload;
function envloads.envload(code, source, env)
	local file = real(source:sub(2));
	table.insert(found.files, file);
	local headers = { VirtualHost = true, Host = true, host = true, Component = true, component = true };
	local proxy = setmetatable({}, {
		__index = function (_, name)
			-- Prosody 13 notes where a function of Lua is used, and fails at that where the path is long.
			local known, value = pcall(function () return env[name]; end);
			if not known then value = G[name]; end
			if headers[name] then return header(env, file, value); end
			if name == "Include" or name == "include" then
				return function (what)
					table.insert(found.includes, { file = file, line = here(), pattern = below_root(what) });
					return value(below_root(what));
				end
			end
			return value;
		end;
		__newindex = function (_, name, value)
			note(rawget(env, "__currenthost") or "*", file, name, here(), "assignment");
			env[name] = value;
		end;
	});
	return envload(code, source, proxy);
end

for _, name in ipairs { "core.configmanager", "prosody.core.configmanager" } do package.loaded[name] = nil; end
local manager = module "core.configmanager";
-- As prosodyctl does: a credential that only the service has is no error here.
if manager.set_credential_fallback_mode then manager.set_credential_fallback_mode("warn"); end

found.main = real(MAIN);
found.lua = G._VERSION or "";
found.plugin_dir = G.CFG_PLUGINDIR or "";
found.data_dir = G.CFG_DATADIR or "";
local ok, what, message = manager.load(MAIN, "lua");
if not ok then
	found.error = { what = what, message = tostring(message) };
else
	found.config = {};
	for host, options in pairs(manager.getconfig()) do
		found.config[host] = next(options) and options or { defined = true };
	end
end
io.stdout:write("\nvestibule-survey ", json(found, 0), "\n");
io.stdout:flush();
os.exit(0);
