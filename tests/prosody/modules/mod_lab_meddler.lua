-- Loaded beside the gate by tests: another module that changes rooms and holds joins, as other modules do.

local muc = module:depends("muc");
local queue, st = require "util.queue", require "util.stanza";

local actions = {
	password = function (room, value) room:set_password(value); end;
	owner = function (room, value) room:set_affiliation(true, value, "owner"); end;
	create = function (_, _, address) muc.create_room(address):set_persistent(true); end;
	-- What the Jitsi rate limiter does when its queue is full: it lets the join pass everything below.
	full = function (room)
		room.join_rate_presence_queue = queue.new(1);
		room.join_rate_presence_queue:push(true);
		room.lab_is_full = true;
	end;
	-- The same, for the limiter itself: a full queue, and its timer still running.
	jam = function (room)
		room.join_rate_presence_queue = queue.new(2);
		repeat until not room.join_rate_presence_queue:push({ origin = {} });
		room.join_rate_queue_timer = true;
	end;
	hold = function (room, value) room.lab_hold = tonumber(value); end;
};

module:hook("iq-set/host/urn:lab:meddle", function (event)
	local attr = event.stanza.tags[1].attr;
	actions[attr.action](muc.get_room_from_jid(attr.room), attr.value, attr.room);
	event.origin.send(st.reply(event.stanza));
	return true;
end);

-- Holds each join for a moment at this priority, then brings it back.
local function hold_at(priority)
	module:hook("muc-occupant-pre-join", function (event)
		local room, origin, stanza = event.room, event.origin, event.stanza;
		if room.lab_hold ~= priority or stanza.lab_held then return; end
		stanza.lab_held = true;
		module:add_timer(0.15, function () room:handle_normal_presence(origin, stanza); end);
		return true;
	end, priority);
end
hold_at(9);
hold_at(1.5);

module:hook("muc-occupant-pre-join", function (event)
	if event.room.lab_is_full then return false; end
end, 9);
