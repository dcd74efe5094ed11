-- Loaded beside the gate by tests: what goes wrong with lobbies, and what can be seen of them only from inside.

local st = require "util.stanza";

local muc = module:depends("muc");
local promised = module:shared("moderators/joining_moderator_participants"); -- of muc_allowners

local function lobby_of(address)
	local node, base = address:match("^(.-)@[^.]+%.(.+)$");
	local host = "lobby." .. base;
	return prosody.hosts[host].modules.muc, node .. "@" .. host;
end

local actions = {
	orphan = function (address)
		local service, lobby = lobby_of(address);
		service.create_room(lobby):set_persistent(true);
	end;
	["destroy-lobby"] = function (address)
		prosody.events.fire_event("destroy-lobby-room", { room = muc.get_room_from_jid(address) });
	end;
};

module:hook("iq-set/host/urn:lab:lobby", function (event)
	local attr = event.stanza.tags[1].attr;
	actions[attr.action](attr.room);
	event.origin.send(st.reply(event.stanza));
	return true;
end);

module:hook("iq-get/host/urn:lab:promised", function (event)
	local reply = st.reply(event.stanza):tag("promised", { xmlns = "urn:lab" });
	for bare in pairs(promised) do reply:tag("person", { jid = bare }):up(); end
	event.origin.send(reply);
	return true;
end);
