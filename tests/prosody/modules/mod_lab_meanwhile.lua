-- Loaded along with the gate by tests: gives occupants another role and tells nobody, at once or just before the component's
-- next command to the room is carried out.

local muc, st = module:depends("muc"), require "util.stanza";

local later = {}; -- by room: what is to be done before the next command

local function give(room_jid, nick, role)
	local room = muc.get_room_from_jid(room_jid);
	room._occupants[room_jid .. "/" .. nick].role = role;
end

module:hook("iq-set/host/urn:lab:meanwhile", function (event)
	local attr = event.stanza.tags[1].attr;
	if attr.when == "at-once" then
		give(attr.room, attr.nick, attr.role);
	else
		later[attr.room] = attr;
	end
	event.origin.send(st.reply(event.stanza));
	return true;
end);

module:hook("iq/host", function (event)
	local command = event.stanza:get_child("do", "urn:vestibule:gate:2");
	local attr = command and later[command.attr.room];
	if not attr then return; end
	later[attr.room] = nil;
	give(attr.room, attr.nick, attr.role);
end, 990);
