-- Loaded beside the gate by tests: tells who is in every room and who waits there, those rooms too that were swapped out of
-- memory, which stay where they are.

local modulemanager = require "core.modulemanager";
local muc = module:depends("muc");
local st, json, jid = require "util.stanza", require "util.json", require "util.jid";

-- Who waits is known to the gate alone.
local function waiting_of(room_jid)
	local gate, people = modulemanager.get_module(module.host, "vestibule_gate"), {};
	local save, list = gate and gate.module.save, nil;
	for number = 1, save and 20 or 0 do
		local name, value = debug.getupvalue(save, number);
		if name == "lobby_queue" then list = value.people(room_jid); end
	end
	for bare, who in pairs(list or {}) do people[bare] = { session = who.jid, nick = who.nick }; end
	return people;
end

local function add(room, nick, bare, role, address)
	local one = room.occupants[nick] or { sessions = {} };
	room.occupants[nick], one.bare, one.role = one, bare or one.bare, role or one.role;
	if address then one.sessions[address] = true; end
end

local function in_memory(room)
	local found = { occupants = {}, affiliations = {}, waiting = waiting_of(room.jid), is_swapped_out = false };
	for nick, occupant in pairs(room._occupants) do
		add(found, nick, occupant.bare_jid, occupant.role or "none");
		for address, presence in pairs(occupant.sessions) do
			if presence.attr.type == nil then add(found, nick, nil, nil, address); end
		end
	end
	for bare, affiliation in pairs(room._affiliations) do found.affiliations[bare] = affiliation; end
	for _, occupant in pairs(room._occupants) do
		local bare = occupant.bare_jid;
		found.affiliations[bare] = room:get_affiliation(bare) or nil; -- an administrator of the service is in no list
	end
	found.generation = room._data.vestibule and room._data.vestibule.generation;
	return found;
end

local configs, states = module:open_store("config"), module:open_store("state");
local function swapped_out(room_jid)
	local config, state = configs:get(jid.node(room_jid)), states:get(jid.node(room_jid));
	if not config or not state then return nil; end
	local found = { occupants = {}, affiliations = {}, waiting = waiting_of(room_jid), is_swapped_out = true };
	for address, one in pairs(state) do
		if type(one) == "table" and one.name == "presence" then
			if one.attr.type == nil then add(found, one.attr.from, nil, nil, address); end
		elseif type(one) == "table" and jid.bare(address) == room_jid then
			add(found, address, one.bare_jid, one.role or "none");
		end
	end
	for bare, affiliation in pairs(config._affiliations or config) do
		if type(affiliation) == "string" and bare:sub(1, 1) ~= "_" then found.affiliations[bare] = affiliation; end
	end
	found.generation = config._data.vestibule and config._data.vestibule.generation;
	return found;
end

module:hook("iq-get/host/urn:lab:rooms", function (event)
	local rooms = {};
	for room_jid in pairs(module:open_store("persistent"):get(nil) or {}) do rooms[room_jid] = swapped_out(room_jid); end
	for room in muc.live_rooms() do rooms[room.jid] = not room._data.destroyed and in_memory(room) or nil; end
	event.origin.send(st.reply(event.stanza):text_tag("rooms", json.encode(rooms), { xmlns = "urn:lab" }));
	return true;
end);
