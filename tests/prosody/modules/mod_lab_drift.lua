-- Loaded beside the gate by tests: changes rooms behind everybody's back, makes crowds of them, and
-- watches how the component reads them.

local muc, st = module:depends("muc"), require "util.stanza";
local xmlns_gate = "urn:vestibule:gate:2";

local function crowd(room, number)
	for i = 1, number do
		local bare = ("extra%d@guest.localhost"):format(i);
		local occupant = room:new_occupant(bare, room.jid .. "/Extra" .. i);
		occupant.role = "participant";
		occupant:set_session(bare .. "/x", st.presence({ from = bare .. "/x", to = occupant.nick }));
		room:save_occupant(occupant);
	end
end

local actions = {
	-- No setter, no event.
	strip = function (room)
		room._data.password, room._data.members_only, room._data.hidden, room._data.persistent = nil, nil, nil, true;
	end;
	unlock = function (room) room._data.password = nil; end;
	list = function (room) room:set_public(true); end;
	hide = function (room) room.lab_hides = true; end;
	history = function (room, value) room._data.history_length = tonumber(value); end;
	owner = function (room, value) room._affiliations[value] = "owner"; end;
	-- What the gate does is undone at once, again and again.
	stubborn = function (room)
		module:add_timer(0.05, function () room:set_password(nil); return 0.05; end);
	end;
	rooms = function (_, value, address)
		for i = 1, tonumber(value) do
			local room = muc.create_room(("r%03d-%s"):format(i, address));
			room:set_persistent(true);
			room._data.vestibule = { generation = "lab" .. i, revision = 0, people = {}, count = 0, clock = 0 };
		end
	end;
	crowd = function (room, value) crowd(room, tonumber(value)); end;
};

-- A form that does not show the password.
module:hook("muc-config-form", function (event)
	for _, field in ipairs(event.form) do
		if event.room.lab_hides and field.name == "muc#roomconfig_roomsecret" then field.value = ""; end
	end
end, -10);

-- The component's readings of all rooms, each held for a moment: how many were under way at once, and the largest of what
-- was told on one page.
local under_way, most = {}, { at_once = 0, pages = 0, rooms = 0, people = 0, bytes = 0 };

module:hook("iq-set/host/urn:lab:drift", function (event)
	local attr, reply = event.stanza.tags[1].attr, st.reply(event.stanza);
	if actions[attr.action] then actions[attr.action](muc.get_room_from_jid(attr.room), attr.value, attr.room); end
	reply:tag("counts", { xmlns = "urn:lab:drift" });
	for name, number in pairs(most) do reply.tags[1].attr[name] = tostring(number); end
	event.origin.send(reply);
	return true;
end);

local function weigh(event)
	local page = event.stanza:get_child("snapshot", xmlns_gate);
	if not page or event.stanza.attr.type ~= "result" then return; end
	local rooms, people = 0, 0;
	for room in page:childtags("room") do
		rooms = rooms + 1;
		for _ in room:childtags("occupant") do people = people + 1; end
	end
	most.pages = most.pages + 1;
	most.rooms, most.people = math.max(most.rooms, rooms), math.max(most.people, people);
	most.bytes = math.max(most.bytes, #tostring(event.stanza));
end

local is_weighing = false;

module:hook("iq/host", function (event)
	local stanza, query = event.stanza, event.stanza.tags[1];
	if stanza.attr.type ~= "get" or not query or query.attr.xmlns ~= xmlns_gate or query.name ~= "snapshot" then return; end
	if stanza.lab_held then return; end
	if not is_weighing then -- by now the component's host is there
		is_weighing = true;
		module:context(module:get_option_string("vestibule_component")):hook("iq/host", weigh, 100);
	end
	-- A component that was killed waits for nothing any more.
	local process = stanza.attr.id:match("^[^-]*");
	stanza.lab_held, under_way[process] = true, (under_way[process] or 0) + 1;
	most.at_once = math.max(most.at_once, under_way[process]);
	module:add_timer(0.02, function ()
		under_way[process] = under_way[process] - 1;
		prosody.core_post_stanza(event.origin, stanza, false);
	end);
	return true;
end, 20);
