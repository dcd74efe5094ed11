-- What no answer stands behind, and what a room tells those who are not in it.

local jid_bare = require "util.jid".bare;

return function (gate)
	local PRIORITY, LIMIT, AFFILIATION = gate.PRIORITY, gate.LIMIT, gate.AFFILIATION;

	gate.guard("muc-pre-set-affiliation", PRIORITY.backstop, function (event)
		if gate.effects.are_being_applied() or gate.is_observing() or event.actor and gate.replaying() then return; end
		local room, bare = event.room, jid_bare(event.jid);
		local rises = AFFILIATION[event.affiliation] >= AFFILIATION.admin
			and AFFILIATION[event.affiliation] > AFFILIATION[event.previous_affiliation or "none"];
		-- A module that makes everybody an owner, say: who moderates is the component's to say.
		if not event.actor and (not rises or gate.is_service(bare) or not gate.kept.of(room)) then return; end
		event.allowed = false;
		if event.actor then return; end
		module:log("info", "another module would have made %s %s of %s", bare, event.affiliation, room.jid);
		gate.report("refused", room, { jid = gate.text.cut(bare, LIMIT.address), reason = "module" });
	end);
	gate.guard("muc-pre-set-role", PRIORITY.backstop, function (event)
		if gate.is_observing() or gate.replaying() or not event.actor then return; end
		event.allowed, event.error, event.condition = false, "cancel", "not-allowed";
	end);

	-- Reading: what a room tells those who are not in it

	local function is_inside(room, address)
		return gate.is_observing() or gate.is_service(address) or room:get_occupant_jid(address) ~= nil;
	end

	gate.guard("muc-disco#info", PRIORITY.last, function (event)
		if is_inside(event.room, event.stanza.attr.from) then return; end
		event.form = nil;
		for identity in event.reply.tags[1]:childtags("identity") do identity.attr.name = nil; end
	end);

	for _, query in ipairs { "urn:xmpp:mam:2:query", "urn:xmpp:mam:2:metadata", "urn:xmpp:mam:1:query",
		"urn:xmpp:mam:0:query", "vcard-temp:vCard" } do
		gate.changes.guard_room("iq/bare/" .. query, PRIORITY.read, function (event, room)
			if not is_inside(room, event.stanza.attr.from) then return gate.shown.plain(event, "auth", "forbidden"); end
		end);
	end
end;
