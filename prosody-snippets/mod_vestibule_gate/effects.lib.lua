-- Carries out the effects of an answer or a command.

local jid = require "util.jid";
local jid_bare, jid_node, jid_resource = jid.bare, jid.node, jid.resource;
local st, new_id, json = require "util.stanza", require "util.id", require "util.json";

local xmlns_user = "http://jabber.org/protocol/muc#user";
local NOTHING = {};

return function (gate)
	local AFFILIATION, ROOM_FLAGS = gate.AFFILIATION, gate.answer.ROOM_FLAGS;
	local applying = false; -- while the gate itself gives affiliations

	-- Calls a method of a room on behalf of the gate: meanwhile changes are not another module's.
	local function apply(room, method, ...)
		local outer = applying;
		applying = true;
		local ran, ok, kind, condition = pcall(room[method], room, ...);
		applying = outer;
		if not ran then error(ok, 0); end
		return ok, kind, condition;
	end
	local function set_affiliation(room, bare, affiliation, data)
		return apply(room, "set_affiliation", true, bare, affiliation, nil, data);
	end
	local function set_role(room, nick, role, reason) return apply(room, "set_role", true, nick, role, reason); end

	local function message(room, address, kind, body)
		local stanza = st.message({ from = room.jid, to = address, type = kind, id = new_id.short() });
		return body and stanza:text_tag("body", body) or stanza;
	end

	local function admit(room, bare, is_invited)
		local w = gate.lobby_queue.forget(room, bare);
		if AFFILIATION[gate.affiliation_of(room, bare)] < AFFILIATION.member then
			local own, details = gate.room_data.taken(room, bare);
			set_affiliation(room, bare, own or "member", details);
		end
		if is_invited or gate.breakout.is_inside(room, bare) then return; end
		gate.invitations.expect(room, bare, nil);
		module:send(message(room, w and w.jid or bare, "normal")
			:tag("x", { xmlns = xmlns_user }):tag("invite", { from = room.jid })
				:text_tag("reason", (gate.messages.of("gate-admitted"))):up():up()
			:tag("x", { xmlns = "jabber:x:conference", jid = room.jid }):up());
	end

	local function each_session(room, role, act)
		for _, occupant in room:each_occupant() do
			if not role or occupant.role == role then
				for address in occupant:each_session() do act(address); end
			end
		end
	end

	-- Returns the name that others see; on Jitsi it differs from the nick.
	local function name_of(room, address)
		local occupant = address and gate.breakout.find(room, address);
		local presence = occupant and occupant:get_presence(address);
		local name = presence and presence:get_child_text("nick", "http://jabber.org/protocol/nick");
		name = name or occupant and jid_resource(occupant.nick)
			or address and gate.lobby_queue.name_of(room, jid_bare(address));
		return gate.text.cut(gate.text.in_sentence(name or ""), gate.LIMIT.name);
	end

	-- Tells a person words of the room. Jitsi Meet shows a message to everybody in a pop-up and in the chat, under its
	-- display name; one of the system in the chat alone, and as private. It shows a bare body to nobody in private.
	local function tell(room, address, kind, text, is_private)
		local is_jitsi = gate.focus.describe(gate.callers.session(address)) == "jitsi";
		local stanza = message(room, address, is_jitsi and (is_private and "normal" or "groupchat") or kind, text);
		if is_jitsi and is_private then
			local system = json.encode({ type = "system_chat_message", message = text });
			stanza:text_tag("json-message", system, { xmlns = "http://jitsi.org/jitmeet" });
		elseif is_jitsi then
			local name = gate.messages.of("gate-speaker");
			stanza:text_tag("display-name", name, { xmlns = "http://jitsi.org/protocol/display-name" });
		end
		module:send(stanza:tag("no-store", { xmlns = "urn:xmpp:hints" }):up());
		return is_jitsi;
	end

	local function say(room, says, requester, joined)
		if not says then return; end
		local function value_of(word)
			return word == "password" and (room:get_password() or "") or word == "code" and (gate.room_data.code(room) or "")
				or word == "nick" and name_of(room, requester)
				or word == "room" and jid_node(room.jid) or nil;
		end
		local function say_one(item)
			local text = item.text:gsub("{(%a+)}", value_of);
			-- Screens are shared: the pop-up only points to the secret. People who have asked for it read the chat.
			local has_password, has_code = item.text:find("{password}", 1, true), item.text:find("{code}", 1, true);
			local is_private, pointer = has_password or has_code, has_password and "gate-see-chat" or "gate-see-chat-code";
			local is_pointed_to = is_private and (item.to ~= "requester" or item.joined);
			-- Clients take no notice of a room that they are not in.
			local function tell_one(address, kind, place)
				local is_jitsi = tell(place or room, address, kind, text, is_private);
				if is_jitsi and is_pointed_to then tell(place or room, address, kind, (gate.messages.of(pointer))); end
			end
			if item.to == "waiting" then
				gate.lobby_queue.say(room, text);
			elseif item.to ~= "requester" then
				local role = item.to == "moderators" and "moderator" or nil;
				gate.breakout.each(room, function (occupant, place)
					if role and occupant.role ~= role then return; end
					for address in occupant:each_session() do tell_one(address, "groupchat", place); end
				end);
				if not role and not is_private then gate.visitors.say(room, text); end
			elseif requester then
				local _, place = gate.breakout.find(room, requester);
				-- From the bare room to this session alone: clients show it as the room's own words.
				tell_one(requester, place and "groupchat" or "normal", place);
			end
		end
		for _, item in ipairs(says) do
			if item.joined == joined then say_one(item); end
		end
	end

	local function set_options(room, options)
		local changed = options.password and room:set_password(options.password);
		if options.members_only and not room:get_members_only() then
			-- Prosody removes occupants without affiliation when a room becomes members-only, and reports it to nobody.
			for _, occupant in room:each_occupant() do
				local bare = occupant.bare_jid;
				if not room:get_affiliation(bare) and set_affiliation(room, bare, "member") then
					gate.room_data.lend(room, bare, "none", "member");
				end
			end
		end
		for _, option in pairs(ROOM_FLAGS) do
			if options[option] ~= nil and room["set_" .. option](room, options[option]) then changed = true; end
		end
		return changed;
	end

	local function set_room(room, options, is_new)
		local data, changed = gate.room_data.of(room), false;
		if data then gate.room_data.keep_room(data, options.keep); end
		gate.room_data.noting(room, function () changed = set_options(room, options); end);
		if data and options.persistent ~= nil then data.lasts = options.persistent or nil; end
		if data and options.code then data.code = options.code; end
		if options.suspended ~= nil then gate.room_data.of(room).suspended = options.suspended or nil; end
		if options.lobby then gate.lobby.raise(room); elseif options.lobby == false then gate.lobby.lower(room); end
		if options.media and is_new then gate.media.preset(room, options.media); end
		if changed and not is_new then
			room:broadcast_message(st.message({ type = "groupchat", from = room.jid })
				:tag("x", { xmlns = xmlns_user }):tag("status", { code = "104" }):up():up());
		end
	end

	-- Gives an affiliation, and only raises it unless `exactly`. Returns the affiliation before, if it was changed.
	local function give_affiliation(room, bare, affiliation, exactly)
		local before = gate.affiliation_of(room, bare);
		if not affiliation or before == affiliation then return nil; end
		if not exactly and AFFILIATION[affiliation] < AFFILIATION[before] then return nil; end
		return set_affiliation(room, bare, affiliation) and before or nil; -- fails for administrators
	end

	local function apply_before(room, fx, is_kept_later)
		local data = not is_kept_later and gate.room_data.of(room);
		if data then gate.room_data.keep(data, fx); end
		if fx.room then set_room(room, fx.room); end
		if fx.room or data and (fx.record or fx.person) then
			room:save(fx.room and fx.room.persistent == false); -- forced, it also takes what was stored away
		end
	end

	local function dismiss(room, bare, text)
		local w = gate.lobby_queue.forget(room, bare);
		text = text ~= "" and text or (gate.messages.of("gate-declined"));
		if w then module:send(message(room, w.jid, "normal", text)); end
		if gate.lobby.is_there() then gate.lobby.dismiss(room, bare, text); end
	end

	local function dismiss_all(room, text)
		local waiting = {};
		for bare in pairs(gate.lobby_queue.people(room.jid)) do waiting[#waiting + 1] = bare; end
		for _, bare in ipairs(waiting) do dismiss(room, bare, text); end
	end

	-- Ends the meeting in a room that existed before: everybody is removed, and the room stays.
	local function empty(room, text)
		local seats = {};
		gate.breakout.each(room, function (occupant, place) seats[#seats + 1] = { room = place, nick = occupant.nick }; end);
		dismiss_all(room, text);
		for _, seat in ipairs(seats) do set_role(seat.room, seat.nick, nil, text ~= "" and text or nil); end
		room:save();
	end

	-- Takes the affiliation of a person who was removed. A ban of the room stays.
	local function take_affiliation(room, bare)
		local affiliation = gate.affiliation_of(room, bare);
		if AFFILIATION[affiliation] <= AFFILIATION.none then return; end
		gate.room_data.take(room, bare, affiliation);
		set_affiliation(room, bare, "none");
	end

	local function apply_after(room, fx, requester, invited)
		for _, who in ipairs(fx.admit or NOTHING) do admit(room, who.jid, invited and invited[who.jid]); end
		for _, who in ipairs(fx.promote or NOTHING) do
			local seats = gate.breakout.seats(room, who.jid);
			if seats[1] then give_affiliation(room, who.jid, "owner"); end
			for _, seat in ipairs(seats) do
				if seat.room:get_occupant_by_nick(seat.nick).role ~= "moderator" then
					set_role(seat.room, seat.nick, "moderator");
				end
			end
		end
		for _, who in ipairs(fx.demote or NOTHING) do
			if AFFILIATION[gate.affiliation_of(room, who.jid)] > AFFILIATION[who.affiliation] then
				set_affiliation(room, who.jid, who.affiliation);
			end
			for _, seat in ipairs(gate.breakout.seats(room, who.jid)) do
				if seat.role == "moderator" then set_role(seat.room, seat.nick, "participant"); end
			end
		end
		for _, who in ipairs(fx.affiliate or NOTHING) do
			local _, details = gate.room_data.taken(room, who.jid);
			if gate.affiliation_of(room, who.jid) ~= who.affiliation then
				set_affiliation(room, who.jid, who.affiliation, details);
			end
		end
		gate.permissions.apply(room, fx.may);
		if fx.room and fx.room.suspended then
			gate.breakout.call_back(room, (gate.messages.of("say-suspended-here")));
		end
		if fx.room and fx.room.media then gate.media.switch(room, fx.room.media); end
		if fx.room and fx.room.suspended ~= nil then
			gate.buttons.settle_all(room);
			gate.visitors.settle(room);
		end
		for _, who in ipairs(fx.reject or NOTHING) do dismiss(room, who.jid, who.text); end
		for _, who in ipairs(fx.remove or NOTHING) do
			for _, seat in ipairs(gate.breakout.seats(room, who.jid)) do
				gate.dialogs.tell_removed(seat.room, seat.room:get_occupant_by_nick(seat.nick), who.text);
				set_role(seat.room, seat.nick, nil, who.text);
			end
			gate.visitors.remove(room, who.jid, who.text);
			take_affiliation(room, who.jid);
		end
		local data = gate.room_data.of(room);
		if fx.ending and data and data.keep and not data.passes then
			empty(room, fx.ending);
		elseif fx.ending then
			-- A lobby of the service's own ends with its room, and tells those who wait.
			if not gate.lobby.is_there() then dismiss_all(room, fx.ending); end
			room:set_persistent(false); -- or a tombstone would take its place
			apply(room, "destroy", nil, fx.ending ~= "" and fx.ending or nil);
		else
			say(room, fx.say, requester, false);
		end
	end

	-- Returns whether the preconditions of a command hold, and the occupants concerned: those who violate a
	-- precondition, or else those whom the command removes or promotes.
	local function look_first(room, fx)
		local met, named, is_met = {}, {}, true;
		local function note(occupant)
			met[#met + 1] = {
				jid = gate.text.cut(occupant.jid, gate.LIMIT.address), role = occupant.role,
				nick = gate.text.cut(jid_resource(occupant.nick), gate.LIMIT.address),
			};
		end
		for _, only in ipairs(fx.only or NOTHING) do
			if only.when == "unmoderated" then
				gate.facts.each_moderator(room, note);
				is_met = is_met and #met == 0;
			elseif only.when == "inside" then
				is_met = is_met and (gate.breakout.is_inside(room, only.jid) or gate.visitors.is_inside(room, only.jid));
			else
				is_met = is_met and gate.lobby_queue.people(room.jid)[only.jid] ~= nil;
			end
		end
		if not is_met then return false, met; end
		for _, list in ipairs { fx.remove or NOTHING, fx.promote or NOTHING } do
			for _, who in ipairs(list) do named[who.jid] = true; end
		end
		local services = gate.services();
		gate.breakout.each(room, function (occupant)
			if named[occupant.bare_jid] or fx.ending and not services[occupant.bare_jid] then note(occupant); end
		end);
		gate.visitors.each(room, function (one)
			if named[one.bare_jid] or fx.ending then note(one); end
		end);
		return true, met;
	end

	return {
		message = message, each_session = each_session, set_affiliation = set_affiliation, set_role = set_role,
		look_first = look_first, admit = admit, take_affiliation = take_affiliation, tell = tell, say = say,
		dismiss_all = dismiss_all,
		set_room = set_room, give_affiliation = give_affiliation, before = apply_before, after = apply_after,
		are_being_applied = function () return applying; end,
	};
end;
