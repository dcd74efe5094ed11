-- Gates Jitsi's lobby (muc_lobby_rooms and persistent_lobby), a separate room in which people wait.

local jid, st = require "util.jid", require "util.stanza";

local PASSES = 1000; -- people of one room who have been sent to its lobby and are not there yet
local JITSI_NICK = "^%x%x%x%x%x%x%x%x$"; -- made by the client at random
local xmlns_nick = "http://jabber.org/protocol/nick";

return function (gate)
	local host, watched, looked; -- the lobby service; whose events are heard; when it was last looked for
	local passes, counts = {}, {}; -- the passes of who may go in, by room and bare address

	local lobby = {};

	-- Finds the lobby service: the main host names both services, and its modules do the work.
	local function find()
		for name in pairs(prosody.hosts) do
			local modules = prosody.hosts[name].modules or {};
			local options = module:context(name);
			if modules.muc_lobby_rooms and modules.persistent_lobby
			and options:get_option_string("main_muc") == module.host then
				local found = options:get_option_string("lobby_muc");
				local service = found and rawget(prosody.hosts, found);
				if service and service.modules.muc then
					lobby.needs_name = options:get_option_boolean("muc_lobby_check_display_name_required", true);
					return found;
				end
			end
		end
		return nil;
	end

	function lobby.host() return host; end
	local function rooms() return prosody.hosts[host].modules.muc; end
	local function address_of(room) return jid.node(room.jid) .. "@" .. host; end
	local function lobby_room_of(room) return host and rooms().get_room_from_jid(address_of(room)); end

	local function forget_pass(room_jid, bare)
		local list = passes[room_jid];
		if not list or not list[bare] then return; end
		list[bare], counts[room_jid] = nil, counts[room_jid] - 1;
		if counts[room_jid] == 0 then passes[room_jid], counts[room_jid] = nil, nil; end
	end

	local function main_room(lobby_jid) return gate.get_room(jid.node(lobby_jid) .. "@" .. module.host); end

	-- A pass is good for one entry and is spent by it: before that, other modules (Jitsi's rate limiter) may park the
	-- stanza and bring it back any number of times. Meanwhile the stanza keeps its pass.
	local function may_enter(room, stanza, bare)
		if gate.is_service(bare) or room:get_affiliation(bare) == "owner" then return true; end
		local list = passes[room.jid];
		local pass = stanza[gate.mark] or list and list[bare];
		stanza[gate.mark] = pass;
		return pass and not pass.spent;
	end

	local function spend(room, stanza, bare)
		local pass, list = stanza[gate.mark], passes[room.jid];
		if not pass then return; end
		pass.spent = true;
		if list and list[bare] == pass then forget_pass(room.jid, bare); end
	end

	-- Names in the lobby: moderators read them when they decide whom to let in.
	local IN_LOBBY = {
		of = function (lobby_room) return main_room(lobby_room.jid); end,
		find = lobby_room_of,
		told = function (room, occupant, e, fx)
			local name = gate.names.shown(occupant, e.from) or jid.resource(occupant.nick);
			if gate.lobby_queue.people(room.jid)[occupant.bare_jid] then gate.lobby_queue.add(room, e.from, name); end
			gate.effects.say(room, fx and fx.say, e.from, true);
		end,
	};

	-- Lets a person into the lobby under the name that was judged: at the knock or, for occupants of the room, there.
	-- Another name is asked about once they wait. Jitsi's clients choose another nick for the lobby, and show none.
	local function may_be_called(room, stanza, nick)
		local pass, inside = stanza[gate.mark], room:get_occupant_by_real_jid(stanza.attr.from);
		local name, judged = gate.names.tidy(stanza), nil;
		if pass then
			if nick ~= pass.nick and not nick:match(JITSI_NICK) then return false; end
			judged = pass.name;
		elseif inside then
			judged = gate.names.shown(inside, stanza.attr.from);
		end
		if name and name ~= judged then
			gate.names.set(stanza, judged);
			if pass then pass.wanted = name; end
		end
		return true;
	end

	-- Jitsi's button to reject a person is a kick in the lobby's own room: an answer to their knock. Nothing else is
	-- permitted there.
	local function answer_knock(event, room)
		local stanza, lobby_room = event.stanza, lobby_room_of(room);
		local items = gate.requests.read_items(stanza.tags[1]);
		local item = items and #items == 1 and items[1].role == "none" and items[1];
		local nick = item and (item.nick or jid.resource(lobby_room:get_occupant_jid(item.jid) or ""));
		local occupant = nick and lobby_room:get_occupant_by_nick(lobby_room.jid .. "/" .. nick);
		local is_owner = room:get_affiliation(stanza.attr.from) == "owner";
		if not is_owner or not occupant or not gate.lobby_queue.people(room.jid)[occupant.bare_jid] then
			return gate.client_response.plain(event, "cancel", "not-allowed");
		end
		local bare = occupant.bare_jid;
		return gate.put(event, "knock", {
			targets = { occupant.jid },
			detail = function (at)
				gate.text.element("target", { jid = gate.text.cut(occupant.jid, gate.LIMIT.address), answer = "reject" });
				gate.facts.write_persons(at, { bare });
			end,
			granted = function (e)
				local there = lobby_room_of(room);
				local bearer = there and there:get_occupant_by_nick(occupant.nick);
				if not bearer or bearer.bare_jid ~= bare then return; end
				local built = gate.requests.build_item(stanza, { role = "none", nick = nick, reason = item.reason });
				built[gate.mark] = true;
				prosody.core_post_stanza(e.origin, built, false);
			end,
			refused = function (e, fx)
				gate.effects.say(room, { { to = "requester", text = fx.error[3] or "" } }, e.from);
			end,
		}, room.jid);
	end

	-- Returns the room of a stanza to its lobby, if the policy governs the room.
	local function governed(event)
		local room = main_room(jid.bare(event.stanza.attr.to));
		local is_ours = not gate.is_unguarded() and room and gate.room_data.of(room);
		return is_ours and not gate.is_service(event.stanza.attr.from) and room or nil;
	end

	local function watch()
		local service = module:context(host);
		gate.addresses.watch(service);
		gate.entrance.keep_errors(service);
		gate.guard_at(service, "muc-occupant-pre-join", gate.PRIORITY.nick, function (event)
			local room, nick = main_room(event.room.jid), jid.resource(event.occupant.nick);
			if gate.is_unguarded() or not room or not gate.room_data.of(room) then return; end
			local bare = jid.bare(event.stanza.attr.from);
			if gate.is_reserved(nick, bare) or gate.is_reserved(gate.names.tidy(event.stanza), bare) then
				return gate.refuse_nick(event);
			end
			if gate.is_service(bare) then return; end
			if may_enter(room, event.stanza, bare) and may_be_called(room, event.stanza, nick) then return; end
			return gate.refuse(event, "closed-way", "cancel", "not-allowed");
		end);
		gate.guard_at(service, "muc-occupant-pre-change", gate.PRIORITY.nick, function (event)
			if not governed(event) then return; end
			if event.orig_occupant.nick ~= event.dest_occupant.nick then
				return gate.refuse(event, "closed-way", "cancel", "not-acceptable");
			end
		end);
		for _, name in ipairs { "presence/full", "presence/bare", "message/full", "message/bare" } do
			local hold = name:find("^presence") and gate.names.hold or gate.names.hold_message;
			gate.guard_at(service, name, gate.PRIORITY.rename, function (event)
				local stanza = event.stanza;
				local lobby_room = governed(event) and rooms().get_room_from_jid(jid.bare(stanza.attr.to));
				if not lobby_room then return; end
				gate.entrance.take_out_words(stanza, name:match("[^/]*$"));
				if name == "message/full" and gate.room_messages.refuse_password(event) then return true; end
				return hold(event, lobby_room, IN_LOBBY);
			end);
		end
		gate.guard_at(service, "iq-set/bare/http://jabber.org/protocol/muc#admin:query", gate.PRIORITY.admin, function (event)
			local room = not event.stanza[gate.mark] and governed(event);
			if room and lobby_room_of(room) then return answer_knock(event, room); end
		end);
		-- A password, say, in the lobby's own room would keep out the people who are sent there.
		gate.guard_at(service, "iq-set/bare/http://jabber.org/protocol/muc#owner:query", gate.PRIORITY.owner, function (event)
			if governed(event) then return gate.client_response.plain(event, "cancel", "not-allowed"); end
		end);
		gate.guard_at(service, "muc-occupant-joined", gate.PRIORITY.last, function (event)
			local room, occupant, pass = main_room(event.room.jid), event.occupant, event.stanza[gate.mark];
			local bare = occupant.bare_jid;
			if not room or not gate.room_data.of(room) or gate.is_service(bare) then return; end
			spend(room, event.stanza, bare);
			if room:get_affiliation(bare) == "owner" then return; end
			local name = event.stanza:get_child_text("nick", xmlns_nick) or jid.resource(occupant.nick);
			gate.lobby_queue.add(room, occupant.jid, name);
			if pass and pass.wanted then gate.names.ask(event, event.room, occupant, pass.wanted, IN_LOBBY); end
		end);
		gate.guard_at(service, "muc-occupant-left", gate.PRIORITY.backstop, function (event)
			local room = main_room(event.room.jid);
			gate.names.forget(event.room, event.occupant.bare_jid);
			if room then gate.lobby_queue.forget(room, event.occupant.bare_jid); end
		end);
		gate.guard_at(service, "muc-room-destroyed", gate.PRIORITY.seated, function (event)
			gate.names.forget_all(event.room.jid);
		end);
	end

	-- persistent_lobby and muc_breakout_rooms end empty rooms, also persistent ones. One that ends already, and so is
	-- empty, would end twice, and the second time its lobby has no main room.
	module:hook_global("maybe-destroy-room", function (event)
		local room, data = event.room, gate.room_data.of(event.room);
		if not data or gate.is_observing() then return; end
		local stays = room.destroying or data.lasts or data.keep and not data.passes;
		return (stays or gate.breakout.keeps(room, event.caller)) and true or nil;
	end, gate.PRIORITY.backstop);

	-- Returns whether the service has a lobby. Its modules can be loaded after this one.
	function lobby.is_there()
		if host and rawget(prosody.hosts, host) then return true; end
		if looked == os.time() then return false; end
		looked, host = os.time(), find();
		if host and watched ~= host then watched = host; watch(); end
		return host ~= nil;
	end

	-- Returns the lobby of a room, and creates it if it is missing. Half of one would keep everybody out.
	function lobby.raise(room)
		if not lobby.is_there() then return nil; end
		local orphan = not room._data.lobbyroom and lobby_room_of(room);
		if orphan then
			orphan:set_persistent(false);
			orphan:destroy();
		end
		if not room._data.lobbyroom or not lobby_room_of(room) then
			room._data.lobbyroom = nil;
			prosody.events.fire_event("create-persistent-lobby-room", { room = room, skip_display_name_check = true });
		end
		return room._data.lobbyroom;
	end

	-- Removes the lobby of a room. Its occupants are sent to the room, and try to enter again.
	function lobby.lower(room)
		if not lobby.is_there() or not room._data.lobbyroom then return; end
		prosody.events.fire_event("destroy-lobby-room", { room = room, newjid = room.jid });
	end

	-- Permits a person to enter the lobby of a room once, within so many seconds.
	function lobby.pass(room, bare, seconds, called)
		local list = passes[room.jid] or {};
		if not list[bare] then
			local count = counts[room.jid] or 0;
			if count >= PASSES then return; end
			passes[room.jid], counts[room.jid] = list, count + 1;
		end
		list[bare] = { expires = os.time() + seconds, name = called.name, nick = called.nick };
	end

	function lobby.name_of(room, bare)
		local pass = passes[room.jid] and passes[room.jid][bare];
		return pass and (pass.name or pass.nick);
	end

	-- Returns whether a person must give a name before they may wait.
	function lobby.lacks_name(stanza)
		local name = stanza:get_child_text("nick", xmlns_nick);
		return lobby.needs_name and (not name or name == "");
	end

	-- Turns away a person who waits, with a text that the client shows.
	function lobby.dismiss(room, bare, text)
		local lobby_room = lobby_room_of(room);
		if not lobby_room then return; end
		for nick, occupant in lobby_room:each_occupant() do
			if occupant.bare_jid == bare then
				for address in occupant:each_session() do
					module:context(host):send(st.presence({ type = "unavailable", from = nick, to = address })
						:tag("x", { xmlns = "http://jabber.org/protocol/muc#user" })
							:tag("item", { affiliation = "none", role = "none" }):up()
							:tag("destroy"):text_tag("reason", gate.text.in_dialog(text)):up():up());
				end
				lobby_room:set_role(true, nick, nil, text);
			end
		end
	end

	-- Speaks to everyone in the lobby of a room. Jitsi's own clients show nothing of it.
	function lobby.say(room, text)
		local lobby_room = lobby_room_of(room);
		if not lobby_room then return; end
		for _, occupant in lobby_room:each_occupant() do
			for address in occupant:each_session() do
				module:context(host):send(gate.effects.message(lobby_room, address, "groupchat", text));
			end
		end
	end

	function lobby.forget(room_jid) passes[room_jid], counts[room_jid] = nil, nil; end

	-- Forgets unused passes that have expired; returns whether some are left.
	function lobby.sweep()
		local time = os.time();
		for room_jid, list in pairs(passes) do
			for bare, pass in pairs(list) do
				if pass.expires < time then forget_pass(room_jid, bare); end
			end
		end
		return next(passes) ~= nil;
	end

	return lobby;
end;
