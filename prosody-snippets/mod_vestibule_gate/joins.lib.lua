-- Gates opening and joining a room: what is asked about, and where in a join the answer takes effect.

local stringprep = require "util.encodings".stringprep;

local xmlns_muc = "http://jabber.org/protocol/muc";
local ROOM = -1.99; -- of presence/full: just above mod_muc (-2), from which the room has the stanza

return function (gate)
	local PRIORITY, LIMIT, ROLE, mark = gate.PRIORITY, gate.LIMIT, gate.ROLE, gate.mark;
	local jid_bare, jid_resource = gate.jids.bare, gate.jids.resource;
	local joins = {};

	-- Refuses an invalid nick, or one without a visible character.
	local function refuse_nobodys(event, nick)
		local is_one = stringprep.resourceprep(nick, true) and nick:find("%S");
		if is_one then return false; end
		return gate.refuse(event, "malformed", "modify", "jid-malformed", gate.messages.of("gate-address", event.stanza));
	end
	joins.refuse_nobodys = refuse_nobodys;

	-- Returns the nick of a join: the server can be configured to enforce the registered one.
	local is_enforced = module:get_option_boolean("enforce_registered_nickname", false);
	function gate.nick_of_join(room, stanza)
		local registered = is_enforced and room and room:get_registered_nick(jid_bare(stanza.attr.from));
		return registered or jid_resource(stanza.attr.to);
	end

	-- Refuses what needs no answer to be refused.
	local function refuse_at_once(event, room)
		local from, limiter = event.stanza.attr.from, room.join_rate_presence_queue;
		local nick = gate.nick_of_join(room, event.stanza);
		if not gate.is_observing() and refuse_nobodys(event, nick) then return true; end
		if gate.is_reserved(nick, from) or gate.is_reserved(gate.names.tidy(event.stanza), from) then
			return gate.refuse_nick(event);
		end
		-- A full queue of Jitsi's rate limiter ends the event, and so admits every join.
		local is_full = limiter and limiter:count() >= (limiter.size or LIMIT.people);
		if is_full and not gate.is_observing() and not gate.is_service(from) then
			return gate.refuse(event, "overflow", "wait", "resource-constraint");
		end
		return gate.breakout.refuse_second(event, room, room);
	end

	-- Returns whether another module has a hook on an event within these priorities.
	local events = prosody.hosts[module.host].events;
	local function has_other(event_name, lowest, highest)
		for hook, priority in pairs(events._event_map[event_name] or {}) do
			if priority >= lowest and priority <= highest and not gate.is_own(hook) then return true; end
		end
		return false;
	end

	-- Returns whether nobody else sees a join between its arrival and the place where the room would ask. Hooks come and
	-- go; Prosody makes another list of an event's hooks then.
	local lists, is_alone = {}, false;
	local function sees_alone()
		local arriving, joining = events.get_handlers("presence/full"), events.get_handlers("muc-occupant-pre-join");
		if lists[1] ~= arriving or lists[2] ~= joining then
			lists[1], lists[2] = arriving, joining;
			is_alone = not has_other("presence/full", ROOM, PRIORITY.arrival)
				and not has_other("muc-occupant-pre-join", PRIORITY.verdict, math.huge);
		end
		return is_alone;
	end

	-- Asks about a join before the room sees it, so that it sees it once.
	local function ask_first(event, room)
		local from = event.stanza.attr.from;
		local is_usual = not room._data.destroyed and not rawget(room, "handle_normal_presence") -- of a broken room
			and not gate.is_observing() and not gate.is_service(from) and not room:get_occupant_jid(from);
		if not is_usual or not sees_alone() then return; end
		return refuse_at_once(event, room) or gate.put(event, "join");
	end

	gate.guard("presence/full", PRIORITY.arrival, function (event)
		local stanza = event.stanza;
		local room_jid, kind = jid_bare(stanza.attr.to), stanza.attr.type;
		if kind == "unavailable" then
			gate.lobby_queue.left(room_jid, stanza.attr.from);
			-- Without a room, the service would answer it.
			local is_over = not gate.is_open(room_jid) and not gate.is_observing() and not gate.is_service(stanza.attr.from);
			return gate.cancel(room_jid, stanza.attr.from) or is_over;
		end
		if kind ~= nil or stanza[mark] or not stanza:get_child("x", xmlns_muc) then return; end
		if gate.focus.refuse_join(event, room_jid) then return true; end
		local room = gate.get_room(room_jid);
		if room ~= nil then return room and ask_first(event, room); end -- there is one, or it cannot be loaded
		if gate.focus.is_health_check(room_jid, stanza.attr.from) then
			stanza[mark] = { failing = true };
			return;
		end
		local nick = jid_resource(stanza.attr.to);
		if refuse_nobodys(event, nick) then
			return true;
		elseif gate.is_reserved(nick, stanza.attr.from) or gate.is_reserved(gate.names.tidy(stanza), stanza.attr.from) then
			return gate.refuse_nick(event);
		elseif #(gate.requests.read_password(stanza) or "") > LIMIT.name then -- it may become the room's
			return gate.refuse_value(event, "password");
		end
		return gate.put(event, "join");
	end);

	-- Without a resource, mod_muc throws and leaves a room that its sender owns.
	for _, event_name in ipairs { "presence/bare", "presence/host" } do
		gate.guard(event_name, PRIORITY.arrival, function (event)
			local stanza = event.stanza;
			if stanza.attr.type ~= nil or not stanza:get_child("x", xmlns_muc) then return; end
			local room = gate.muc.get_room_from_jid(jid_bare(stanza.attr.to));
			if room and room:get_occupant_jid(stanza.attr.from) then return; end
			return gate.refuse(event, "malformed", "modify", "jid-malformed");
		end);
	end

	gate.guard("muc-room-pre-create", PRIORITY.create, function (event)
		local verdict = event.stanza[mark];
		if not verdict then return gate.refuse(event, "closed-way", "cancel", "not-allowed"); end
		verdict.created = true;
	end);

	gate.guard("muc-room-pre-create", PRIORITY.presets, function (event)
		local room, verdict = event.room, event.stanza[mark];
		local fx = verdict.fx;
		if not fx then return; end
		room._data.locked = nil; -- its settings are the component's: there is no configuration to wait for
		local data = gate.room_data.new(room);
		gate.room_data.keep(data, fx);
		if fx.room then gate.effects.set_room(room, fx.room, true); end
		local bare = jid_bare(event.stanza.attr.from);
		if fx.requester then gate.effects.give_affiliation(room, bare, fx.requester.affiliation or "none", true); end
		gate.focus.opened(room.jid);
		verdict.generation, verdict.revision, verdict.kept = data.generation, data.revision, true;
	end);

	gate.guard("muc-occupant-pre-join", PRIORITY.nick, function (event)
		return refuse_at_once(event, event.room);
	end);

	gate.guard("muc-occupant-pre-change", PRIORITY.nick, function (event)
		local is_held = not gate.is_observing();
		if is_held then gate.requests.rebuild_join(event.stanza); end
		if is_held and refuse_nobodys(event, jid_resource(event.dest_occupant.nick)) then return true; end
		if gate.is_reserved(jid_resource(event.dest_occupant.nick), event.stanza.attr.from) then
			return gate.refuse_nick(event);
		end
	end);

	-- Returns whether an answer is about the room as it is.
	function joins.is_current(verdict, room)
		local data = gate.room_data.of(room);
		return verdict.failing or data and data.generation == verdict.generation and data.revision == verdict.revision;
	end

	gate.guard("muc-occupant-pre-join", PRIORITY.verdict, function (event)
		local verdict = event.stanza[mark];
		if verdict and (event.is_new_room or joins.is_current(verdict, event.room)) then
			verdict.passed = true;
		-- The answer to `open` covers the opener's join: parked here, the room would never count as created.
		elseif not event.is_new_room and not gate.is_service(event.stanza.attr.from) then
			event.stanza[mark] = nil;
			return gate.put(event, "join");
		end
	end);

	-- People whom muc_allowners is going to make owners. It holds back their presence until then, and the gate refuses
	-- that.
	local promised = module:shared("moderators/joining_moderator_participants");

	-- Services pass the lobby and the list of members, which are for people.
	local function let_in_service(room, occupant, bare)
		if room._data.lobbyroom then room._data.lobby_skip_display_name_check = true; end
		local affiliation = gate.focus.is_one(bare) and "owner" or room:get_members_only() and "member" or nil;
		gate.effects.give_affiliation(room, bare, affiliation);
		occupant.role = occupant.role or room:get_default_role(room:get_affiliation(bare)) or "participant";
	end

	-- Gives the affiliation of an answer. Returns the one before, if it was changed.
	function joins.give(room, bare, verdict)
		local affiliation = verdict.fx.requester.affiliation or verdict.exactly and "none";
		verdict.before = gate.effects.give_affiliation(room, bare, affiliation, verdict.exactly) or verdict.before;
		verdict.given = gate.affiliation_of(room, bare);
		if verdict.before then gate.room_data.lend(room, bare, verdict.before, verdict.given); end
		return verdict.before;
	end

	-- Gives the role of an answer: Prosody created the occupant before the affiliation was given.
	function joins.seat(room, occupant, verdict)
		local wanted, exactly = verdict.fx.requester, verdict.exactly;
		if not wanted and occupant.role ~= "moderator" then return; end
		local usual = room:get_default_role(room:get_affiliation(occupant.bare_jid));
		if not wanted then
			-- Ignores the role that another module has given meanwhile; the affiliation was refused to it.
			if usual ~= "moderator" then occupant.role = usual or "participant"; end
			return;
		end
		local role, wanted_role = usual or "none", wanted.role or "none";
		if wanted_role ~= "none" and (exactly or ROLE[wanted_role] > ROLE[role]) then role = wanted_role; end
		if role ~= "none" and (exactly or ROLE[role] > ROLE[occupant.role or "none"]) then occupant.role = role; end
	end

	gate.guard("muc-occupant-pre-join", PRIORITY.raise, function (event)
		local verdict, room, occupant = event.stanza[mark], event.room, event.occupant;
		local bare = jid_bare(event.stanza.attr.from);
		if verdict and verdict.failing or gate.is_observing() then return; end
		-- Prosody would refuse this only after all other handlers, and Jitsi's lobby would change the role of the
		-- nick's bearer.
		if occupant.bare_jid ~= bare then
			promised[occupant.bare_jid] = nil;
			return gate.client_response.plain(event, "cancel", "conflict");
		end
		if not verdict then
			if gate.is_service(bare) then let_in_service(room, occupant, bare); end
			return;
		end
		if room._data.lobbyroom then room._data.lobby_skip_display_name_check = true; end
		promised[occupant.bare_jid] = nil;
		if verdict.fx.requester and not event.is_new_room then joins.give(room, bare, verdict); end
		joins.seat(room, occupant, verdict);
	end);

	gate.guard("muc-occupant-pre-join", PRIORITY.password, function (event)
		local room, stanza, verdict = event.room, event.stanza, event.stanza[mark];
		if not verdict and not gate.is_service(stanza.attr.from) then
			return gate.refuse(event, "closed-way", "cancel", "not-allowed");
		end
		if verdict and verdict.failing then return; end -- nobody has judged it: the room's own checks stay
		-- The decision stands: Prosody's own check gets the right password, whatever was typed.
		local x, password = stanza:get_child("x", xmlns_muc), room:get_password();
		if x:get_child_text("password") == password then return; end
		x:maptags(function (tag) return tag.name ~= "password" and tag or nil; end);
		if password then x:text_tag("password", password, { xmlns = xmlns_muc }); end
	end);

	return joins;
end;
