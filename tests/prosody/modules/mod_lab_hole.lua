-- Loaded beside the gate by tests: does to a room, at anybody's word, what nothing has decided.

local muc = module:depends("muc");
local st = require "util.stanza";

local function occupant_of(room, bare)
	for nick, occupant in pairs(room._occupants) do
		if occupant.bare_jid == bare then return occupant, nick; end
	end
end

-- `attr`: of the element that asks for it, with the addresses of somebody inside (`bare`) and outside (`other`).
local holes = {
	affiliation = function (room) room._affiliations["hole@localhost"] = "owner"; end;
	registration = function (room) room._affiliation_data["hole@localhost"] = { reserved_nickname = "hole" }; end;
	config = function (room) room._data.description = "hole"; end;
	record = function (room) room._data.vestibule.record = "{}"; end;
	role = function (room, attr) occupant_of(room, attr.bare).role = "moderator"; end;
	occupant = function (room, attr)
		local _, nick = occupant_of(room, attr.bare);
		room._occupants[nick] = nil;
	end;
	history = function (room)
		local stanza = st.message({ from = room.jid .. "/hole", type = "groupchat" });
		table.insert(room._history, { stanza = stanza, timestamp = 1 });
	end;
	archive = function (room)
		local log = module:open_store("muc_log", "archive");
		log:append(room.jid:match("^[^@]+"), nil, st.message({ from = room.jid .. "/hole" }), 1, "");
	end;
	inside = function (room, attr)
		module:send(st.message({ from = room.jid, to = attr.full, type = "groupchat" }):text_tag("body", "hole"));
	end;
	outside = function (room, attr) module:send(st.presence({ from = room.jid .. "/hole", to = attr.other })); end;
	invitation = function (room, attr)
		module:send(st.message({ from = room.jid, to = attr.other })
			:tag("x", { xmlns = "http://jabber.org/protocol/muc#user" }):tag("invite", { from = room.jid }):up():up());
	end;
	knock = function (room, attr)
		module:send(st.message({ from = room.jid, to = attr.full }):tag("x", { xmlns = "jabber:x:data", type = "form" })
			:tag("field", { var = "FORM_TYPE" }):text_tag("value", "http://jabber.org/protocol/muc#request"):up()
			:tag("field", { var = "vestibule#knock" }):text_tag("value", "x"):up():up());
	end;
};

module:hook("iq-set/host/urn:lab:hole", function (event)
	local attr = event.stanza.tags[1].attr;
	local hole = holes[attr.name];
	if hole then hole(muc.get_room_from_jid(attr.room), attr); end
	for _ = 1, attr.name == "answer" and 2 or attr.name == "silence" and 0 or 1 do event.origin.send(st.reply(event.stanza)); end
	return true;
end);
