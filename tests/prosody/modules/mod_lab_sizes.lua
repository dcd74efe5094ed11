-- Loaded beside the gate by the soak: tells how many entries the gate's own tables have, and Lua's memory.

local st, json, modulemanager = require "util.stanza", require "util.json", require "core.modulemanager";

-- Entries of a table and of the tables in it: what grows in either way is seen.
local function entries(list, depth, seen)
	if seen[list] then return 0; end
	seen[list] = true;
	local count = 0;
	for _, value in next, list do
		count = count + 1;
		if type(value) == "table" and depth > 0 and not getmetatable(value) then
			count = count + entries(value, depth - 1, seen);
		end
	end
	return count;
end

local function is_ours(fn)
	local source = debug.getinfo(fn, "S").source;
	return source:find("vestibule_gate", 1, true), source:match("([%w_]+)[%.%w]*%.lua$") or source;
end

-- Every table that a function of the gate's files holds, by file and name. Those with functions are looked into.
local function walk(todo)
	local found, seen = {}, {};
	local function meet(path, value)
		if type(value) == "function" then
			todo[#todo + 1] = value;
		elseif type(value) == "table" and not getmetatable(value) and not seen[value] then
			seen[value] = true;
			local has_functions = false;
			for _, each in next, value do has_functions = has_functions or type(each) == "function"; end
			if has_functions then
				for key, each in next, value do meet(path .. "." .. tostring(key), each); end
			else
				found[path] = math.max(found[path] or 0, entries(value, 2, {}));
			end
		end
	end
	while #todo > 0 do
		local fn = table.remove(todo);
		local ours, file = is_ours(fn);
		if ours and not seen[fn] then
			seen[fn] = true;
			for i = 1, math.huge do
				local name, value = debug.getupvalue(fn, i);
				if not name then break; end
				if name ~= "module" then meet(file .. "." .. name, value); end
			end
		end
	end
	return found;
end

module:hook("iq-get/host/urn:lab:sizes", function (event)
	local gate, handlers = modulemanager.get_module(module.host, "vestibule_gate"), {};
	for _, _, handler in gate.module.event_handlers:iter(nil, nil, nil) do handlers[#handlers + 1] = handler; end
	local sizes = walk(handlers);
	collectgarbage(); collectgarbage();
	local told = { tables = sizes, lua_kib = math.floor(collectgarbage("count")) };
	event.origin.send(st.reply(event.stanza):text_tag("sizes", json.encode(told), { xmlns = "urn:lab" }));
	return true;
end);
