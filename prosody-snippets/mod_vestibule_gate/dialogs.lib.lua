-- Has Jitsi Meet show why a meeting ends and why a person is removed: in the dialog that it shows with the reason of a
-- room that was destroyed. Tells people who become moderators what they can do.

local st = require "util.stanza";

return function (gate)
	local PRIORITY, in_dialog = gate.PRIORITY, gate.text.in_dialog;
	local dialogs = {};

	local function each_of_jitsi(occupant, act)
		for address in occupant:each_session() do
			if gate.focus.describe(gate.callers.session(address)) == "jitsi" then act(address); end
		end
	end

	local function has_jitsi(occupant)
		local has = false;
		each_of_jitsi(occupant, function () has = true; end);
		return has;
	end

	local function tell_moderator(room, place, occupant)
		local before = place[gate.mark] and place[gate.mark][occupant.nick]; -- reports.lib.lua learns the new role after this
		if not before or before == occupant.role or gate.is_service(occupant.bare_jid) then return; end
		if gate.is_observing() or not gate.room_data.of(room) then return; end
		local knows = room:get_password() and gate.permissions.may(room, occupant, "secret");
		local text = gate.messages.of(knows and "gate-moderator-password" or "gate-moderator");
		each_of_jitsi(occupant, function (address) gate.effects.tell(place, address, "groupchat", text); end);
	end

	-- Each occupant is told of the end by a presence of their own: `x.self`, or else `x`, which all share.
	local function spell_reason(x, occupant)
		local destroy = x:get_child("destroy");
		local reason = destroy and destroy:get_child_text("reason");
		if not reason or gate.is_observing() then return; end
		local spelled = in_dialog(reason);
		x.self = nil;
		if spelled == reason or not has_jitsi(occupant) then return; end
		x.self = st.clone(x):maptags(function (tag)
			if tag.name ~= "destroy" then return tag; end
			return st.stanza("destroy", tag.attr):text_tag("reason", spelled);
		end);
	end

	gate.breakout.guard("muc-broadcast-presence", PRIORITY.raised, function (event, room, _, place)
		local occupant = event.occupant;
		if occupant.role == "moderator" then return tell_moderator(room, place, occupant); end
		if occupant.role == nil then return spell_reason(event.x, occupant); end
	end);

	-- Tells a person who is removed why, as a client of Jitsi's shows no reason of a removal. The others in the room see
	-- the removal that follows.
	function dialogs.tell_removed(room, occupant, text)
		if text == "" then return; end
		each_of_jitsi(occupant, function (address)
			module:send(st.presence({ type = "unavailable", from = occupant.nick, to = address })
				:tag("x", { xmlns = "http://jabber.org/protocol/muc#user" })
					:tag("item", { affiliation = room:get_affiliation(occupant.bare_jid) or "none", role = "none" }):up()
					:tag("status", { code = "110" }):up()
					:tag("destroy"):text_tag("reason", in_dialog(text)):up():up());
		end);
	end

	return dialogs;
end;
