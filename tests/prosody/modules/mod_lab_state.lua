-- Loaded beside the gate by tests: tells everything that a room is, as one text in a fixed order.

local muc = module:depends("muc");
local st, json, jid = require "util.stanza", require "util.json", require "util.jid";

-- What can be written: the gate's own marks are tables for keys.
local function plain(value, depth)
	local kind = type(value);
	if kind ~= "table" then return (kind == "string" or kind == "number" or kind == "boolean") and value or nil; end
	if depth > 8 then return nil; end
	local copy = {};
	for key, each in pairs(value) do
		if type(key) ~= "table" then copy[tostring(key)] = plain(each, depth + 1); end
	end
	return copy;
end

local function occupants_of(room)
	local all = {};
	for nick, occupant in pairs(room._occupants) do
		local sessions = {};
		for address in occupant:each_session() do sessions[address] = true; end
		all[nick] = { bare = occupant.bare_jid, role = occupant.role or "none", sessions = sessions };
	end
	return all;
end

-- How many messages of each sender are in the archive.
local log = module:open_store("muc_log", "archive");
local function archive_of(room)
	local counts = {};
	local each, state = log:find(jid.node(room.jid), {});
	for _, stanza in each or function () end, state do
		counts[stanza.attr.from] = (counts[stanza.attr.from] or 0) + 1;
	end
	return counts;
end

local function state_of(room)
	local config, record = plain(room._data, 0), nil;
	record, config.vestibule = config.vestibule, nil;
	local history = {};
	for i, entry in ipairs(room._history or {}) do history[i] = tostring(entry.stanza.attr.from) .. " " .. entry.timestamp; end
	return {
		affiliations = plain(room._affiliations, 0), registrations = plain(room._affiliation_data, 0), config = config,
		record = record, occupants = occupants_of(room), history = history, archive = archive_of(room),
		jitsi = { media = plain(room.av_moderation, 0), metadata = plain(room.jitsiMetadata, 0) },
	};
end

module:hook("iq-get/host/urn:lab:state", function (event)
	local room = muc.get_room_from_jid(event.stanza.tags[1].attr.room);
	local state = room and state_of(room) or {};
	event.origin.send(st.reply(event.stanza):text_tag("state", json.encode_ordered(state), { xmlns = "urn:lab" }));
	return true;
end);
