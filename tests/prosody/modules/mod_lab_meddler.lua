-- Loaded beside the gate by tests: another module that changes rooms and holds joins, as other modules do.

local muc = module:depends("muc");
local queue, st = require "util.queue", require "util.stanza";

-- How often a room was told of a join, by its address.
local seen, handle = {}, muc.room_mt.handle_normal_presence;
function muc.room_mt.handle_normal_presence(room, origin, stanza)
	if stanza:get_child("x", "http://jabber.org/protocol/muc") then seen[room.jid] = (seen[room.jid] or 0) + 1; end
	return handle(room, origin, stanza);
end

local hooked = {};
local function hook(event_name, handler, priority)
	hooked[#hooked + 1] = { event_name, handler };
	module:hook(event_name, handler, priority);
end

local function end_if_full(event)
	if event.room.lab_is_full then return false; end
end

-- Holds each join for a moment at this priority, then brings it back.
local function hold_at(priority)
	hook("muc-occupant-pre-join", function (event)
		local room, origin, stanza = event.room, event.origin, event.stanza;
		if room.lab_hold ~= priority or stanza.lab_held then return; end
		stanza.lab_held = true;
		module:add_timer(0.15, function () room:handle_normal_presence(origin, stanza); end);
		return true;
	end, priority);
end

local actions = {
	password = function (room, value) room:set_password(value); end;
	owner = function (room, value) room:set_affiliation(true, value, "owner"); end;
	create = function (_, _, address) muc.create_room(address):set_persistent(true); end;
	-- What the Jitsi rate limiter does when its queue is full: it lets the join pass everything below.
	full = function (room)
		room.join_rate_presence_queue = queue.new(1);
		room.join_rate_presence_queue:push(true);
		room.lab_is_full = true;
		hook("muc-occupant-pre-join", end_if_full, 9);
	end;
	-- The same, for the limiter itself: a full queue, and its timer still running.
	jam = function (room)
		room.join_rate_presence_queue = queue.new(2);
		repeat until not room.join_rate_presence_queue:push({ origin = {} });
		room.join_rate_queue_timer = true;
	end;
	hold = function (room, value)
		room.lab_hold = tonumber(value);
		hold_at(room.lab_hold);
	end;
	look = function () end;
};

function actions.release()
	for _, each in ipairs(hooked) do module:unhook(each[1], each[2]); end
	hooked = {};
end

-- Turns away everybody who joins; `value`: the event and the priority at which it does so.
function actions.turn_away(_, value)
	local event_name, priority = value:match("^(%S+) (%S+)$");
	hook(event_name, function (event)
		if event.stanza.attr.type ~= nil then return; end
		event.origin.send(st.error_reply(event.stanza, "cancel", "policy-violation"));
		return true;
	end, tonumber(priority));
end

module:hook("iq-set/host/urn:lab:meddle", function (event)
	local attr = event.stanza.tags[1].attr;
	actions[attr.action](muc.get_room_from_jid(attr.room), attr.value, attr.room);
	event.origin.send(st.reply(event.stanza):tag("seen", { xmlns = "urn:lab", joins = tostring(seen[attr.room] or 0) }));
	return true;
end);
