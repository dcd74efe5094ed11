-- Reading: what a room tells, and to whom. Compared with what the component has said that a person may, so it works
-- while the component is away.

local jid_bare = require "util.jid".bare;

local xmlns_muc = "http://jabber.org/protocol/muc";
local SECRET = "muc#roomconfig_roomsecret";

return function (gate)
	local PRIORITY, AFFILIATION = gate.PRIORITY, gate.AFFILIATION;
	local guard_room = gate.changes.guard_room;

	local function is_named(address) return gate.is_service(address) or gate.is_operator(address); end

	-- Whether a person may read the room's `form` (with it, whom it bans), or the `secret` in it.
	local function may_read(room, address, what)
		if gate.is_observing() or is_named(address) then return true; end
		local occupant = room:get_occupant_by_real_jid(address);
		return occupant ~= nil and gate.permissions.may(room, occupant, what);
	end

	local function forbid(event)
		return gate.shown.plain(event, "auth", "forbidden", gate.words.of("gate-read", event.stanza));
	end

	guard_room("iq-get/bare/" .. xmlns_muc .. "#owner:query", PRIORITY.read, function (event, room)
		if not may_read(room, event.stanza.attr.from, "form") then return forbid(event); end
	end);

	-- Clients encrypt for all members of a room where everybody may know who they are.
	local function may_list(room, address, affiliation)
		local is_open = room:get_members_only() and room:get_whois() == "anyone";
		local is_member = AFFILIATION[gate.affiliation_of(room, address)] >= AFFILIATION.member;
		return is_open and is_member and affiliation ~= "outcast" and room:get_occupant_jid(address) ~= nil;
	end

	guard_room("iq-get/bare/" .. xmlns_muc .. "#admin:query", PRIORITY.read, function (event, room, query)
		local item, from = query.tags[1], event.stanza.attr.from;
		local is_proper = item and #query.tags == 1 and item.name == "item"
			and (item.attr.affiliation == nil) ~= (item.attr.role == nil);
		if not is_proper then return gate.shown.plain(event, "modify", "bad-request"); end
		if may_read(room, from, "form") then return; end
		if not item.attr.affiliation or not may_list(room, from, item.attr.affiliation) then return forbid(event); end
	end);

	-- The form, without the password for those who may not know it.
	module:hook("muc-config-form", function (event)
		if event.actor == nil or may_read(event.room, event.actor, "secret") then return; end
		for _, field in ipairs(event.form) do
			if field.name == SECRET then field.value = ""; end
		end
	end, PRIORITY.last);

	-- What a room tells those who are not in it

	local function is_inside(room, address)
		return gate.is_observing() or is_named(address) or room:get_occupant_jid(address) ~= nil;
	end

	gate.guard("muc-disco#info", PRIORITY.last, function (event)
		if is_inside(event.room, event.stanza.attr.from) then return; end
		event.form = nil;
		if event.room:get_public() then return; end -- the list of rooms tells everybody its name
		for identity in event.reply.tags[1]:childtags("identity") do identity.attr.name = nil; end
	end);

	-- A nick that is reserved for the requester: members are told before they come in.
	gate.guard("muc-disco#info/x-roomuser-item", PRIORITY.last, function (event)
		local room, from = event.room, event.stanza.attr.from;
		local is_member = AFFILIATION[gate.affiliation_of(room, jid_bare(from))] >= AFFILIATION.member;
		if is_inside(room, from) or is_member then return; end
		event.reply.tags[1]:maptags(function (tag) return tag.name ~= "identity" and tag or nil; end);
	end);

end;
