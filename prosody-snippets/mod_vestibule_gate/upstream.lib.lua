-- Weak spots of Prosody's own rooms that are bounded, whatever the policy says: docs/protocol.md, section 10.

local st = require "util.stanza";

return function (gate)
	local PRIORITY, LIMIT = gate.PRIORITY, gate.LIMIT;

	-- Any number is taken for the length of the history: with a negative one, the server removes messages for ever once
	-- a person speaks; one that is no integer makes the form unanswerable. A room may have it from before the gate; what
	-- does no such harm stays as it was.
	local function bound_history(event)
		local room = event.room;
		local length = not gate.is_observing() and room._data.history_length;
		if not length or length >= 0 and length <= LIMIT.int and length % 1 == 0 then return; end
		module:log("warn", "the history of %s has a length of %s: it is bounded", room.jid, length);
		room._data.history_length = length > LIMIT.int and LIMIT.history or 0;
	end
	gate.guard("muc-add-history", PRIORITY.history, bound_history);
	gate.guard("muc-config-form", PRIORITY.form, bound_history);

	-- While a person who is alone takes another nick, the room has nobody for a moment, and the server would end it: they
	-- would believe to be inside of a room that is no more.
	local function is_rename_alone(event) return gate.kept.is_rename(event) and not event.room:has_occupant(); end
	local renaming; -- the room of which the server believes meanwhile that it ends already
	gate.guard("muc-occupant-left", PRIORITY.lone, function (event)
		local room = event.room;
		if room.destroying or gate.is_observing() or not is_rename_alone(event) then return; end
		room.destroying, renaming = true, room;
	end);
	gate.guard("muc-occupant-left", PRIORITY.lone_over, function ()
		if renaming then renaming.destroying, renaming = nil, nil; end
	end);

	-- Prosody 13 looks for a role named `affiliated` where only members may write in private: others get no answer.
	module:hook("muc-private-message", function (event)
		local room, stanza = event.room, event.stanza;
		if gate.is_observing() or not room.get_allow_pm or room:get_allow_pm() ~= "affiliated" then return; end
		local from, to = room:get_occupant_by_nick(stanza.attr.from), room:get_occupant_by_nick(stanza.attr.to);
		if not from or not to or from.bare_jid == to.bare_jid or room:get_affiliation(from.bare_jid) then return; end
		local is_moderated = from.role == "moderator" or to.role == "moderator";
		if is_moderated and room:get_allow_modpm() then return; end
		room:route_to_occupant(from, st.error_reply(stanza, "cancel", "policy-violation",
			(gate.words.of("gate-private", stanza)), room.jid));
		return false;
	end, PRIORITY.members_write);
end;
