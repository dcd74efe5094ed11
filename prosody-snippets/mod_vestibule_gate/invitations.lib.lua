-- Gates invitations: each is asked about; the person who was invited can decline, once; what is invited or declined in
-- another way is refused.

local st, jid = require "util.stanza", require "util.jid";
local new_cache = require "util.cache".new;
local jid_bare = jid.bare;

local xmlns_user = "http://jabber.org/protocol/muc#user";
local SENT, LASTS = 10000, 24 * 60 * 60; -- invitations that are remembered, and for how many seconds

return function (gate)
	local LIMIT, PRIORITY, requests = gate.LIMIT, gate.PRIORITY, gate.requests;
	local cut = gate.text.cut;
	local sent = new_cache(SENT); -- by room and bare address: who invited, and when
	local invitations = {};

	local function key(room_jid, bare) return room_jid .. "\0" .. bare; end

	-- Remembers that the room has invited a person; `by`: the full address of the occupant who asked for it.
	function invitations.expect(room, invitee, by)
		sent:set(key(room.jid, jid_bare(invitee)), { by = by, at = os.time() });
	end

	-- Forwards a decline: the inviter gets only its reason. Returns nil if nobody was invited.
	function invitations.take(event, room)
		local stanza = event.stanza;
		local name = room and key(room.jid, jid_bare(stanza.attr.from));
		local invitation = name and sent:get(name);
		if not invitation then return nil; end
		sent:set(name, nil);
		if os.time() - invitation.at > LASTS then return nil; end
		local by = invitation.by and room:get_occupant_by_real_jid(invitation.by);
		if not by then return true; end -- the room itself, or a person who has gone: nobody is told
		local declined = stanza:get_child("x", xmlns_user):get_child("decline");
		local reason = cut(declined:get_child_text("reason") or "", LIMIT.text);
		local message = st.message({ from = stanza.attr.from, to = room.jid, id = stanza.attr.id })
			:tag("x", { xmlns = xmlns_user }):tag("decline", { to = invitation.by }):text_tag("reason", reason):up():up();
		message[gate.mark] = { kind = "decline", room = room.jid, to = invitation.by };
		prosody.core_post_stanza(event.origin, message, false);
		return true;
	end

	-- Asks about all invitations of one message.
	function invitations.invite(event, list)
		local stanza, targets = event.stanza, {};
		for i, invitation in ipairs(list) do targets[i] = invitation.to; end
		return gate.put(event, "invite", {
			targets = targets,
			detail = function (room)
				for _, target in ipairs(targets) do gate.text.element("target", { jid = cut(target, LIMIT.address) }); end
				gate.facts.write_persons(room, targets);
			end,
			rebuild = function ()
				local steps = {};
				for i, invitation in ipairs(list) do
					steps[i] = { stanza = requests.build_invitation(stanza, invitation) };
				end
				return steps;
			end,
		});
	end

	-- The service forwards only what a verdict or an invitation permits, also where another module sends it.
	gate.guard("muc-pre-decline", PRIORITY.backstop, function (event)
		local verdict = event.stanza[gate.mark];
		if gate.is_observing() or verdict and (verdict.kind == "decline" or verdict.failing) then return; end
		return gate.refuse(event, "closed-way", "cancel", "not-acceptable");
	end);
	gate.guard("muc-pre-invite", PRIORITY.backstop, function (event)
		local verdict = event.stanza[gate.mark];
		if gate.is_observing() or verdict and (verdict.kind == "invite" or verdict.failing) then return; end
		return gate.refuse(event, "closed-way", "cancel", "not-acceptable");
	end);
	gate.guard("muc-invite", PRIORITY.backstop, function (event)
		local stanza, invitee = event.incoming, event.stanza.attr.to; -- the room has prepared it
		if gate.is_observing() or not stanza then return; end
		local verdict = stanza[gate.mark];
		for _, target in ipairs(verdict and verdict.targets or {}) do
			if target == invitee then return; end
		end
		if verdict and verdict.failing then return; end
		module:log("warn", "invitation of %s to %s refused: no answer permits it", invitee, event.room.jid);
		return true;
	end);

	module:hook("muc-invite", function (event) -- after password.lib (0), which puts the password into every invitation
		for x in event.stanza:childtags("x", xmlns_user) do
			if gate.is_observing() then return; end
			x:maptags(function (tag) return tag.name ~= "password" and tag or nil; end);
		end
		local room, bare = event.room, jid_bare(event.stanza.attr.to);
		local replaying = gate.replaying();
		invitations.expect(room, bare, event.incoming and event.incoming.attr.from);
		if replaying and replaying.invited then replaying.invited[bare] = true; end
		if gate.lobby_queue.forget(room, bare) and not room:get_affiliation(bare) then
			gate.effects.set_affiliation(room, bare, "member");
		end
	end, PRIORITY.last);

	return invitations;
end;
