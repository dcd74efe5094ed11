-- The service's own lobby: Jitsi's muc_lobby_rooms and persistent_lobby, where people wait in a room beside.

local jid, st = require "util.jid", require "util.stanza";

local PASSES = 1000; -- people of one room who have been sent to its lobby and are not there yet
local xmlns_nick = "http://jabber.org/protocol/nick";

return function (gate)
	local host, watched, looked; -- the lobby service; whose events are heard; when it was last looked for
	local passes, counts = {}, {}; -- the passes of who may go in, by room and bare address

	local lobby = {};

	-- The main host names both services; its modules do the work.
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

	-- A pass is worth one entry and is spent at that entry: before it, other modules (Jitsi's rate limiter) may park the
	-- stanza and bring it back as often as they like. Meanwhile the stanza keeps the pass that it came with.
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

	local function watch()
		local service = module:context(host);
		gate.addresses.watch(service);
		gate.guard_at(service, "muc-occupant-pre-join", gate.PRIORITY.nick, function (event)
			local room = main_room(event.room.jid);
			if gate.is_unguarded() or not room or not gate.kept.of(room) then return; end
			local bare = jid.bare(event.stanza.attr.from);
			local name = gate.names.tidy(event.stanza);
			if gate.is_reserved(jid.resource(event.occupant.nick), bare) or gate.is_reserved(name, bare) then
				return gate.refuse_nick(event);
			end
			if may_enter(room, event.stanza, bare) then return; end
			return gate.refuse(event, "closed-way", "cancel", "not-allowed");
		end);
		gate.guard_at(service, "muc-occupant-pre-change", gate.PRIORITY.nick, function (event)
			local nick, from = jid.resource(event.dest_occupant.nick), event.stanza.attr.from;
			if not gate.is_observing() and gate.is_reserved(nick, from) then return gate.refuse_nick(event); end
		end);
		-- What is set in the lobby's own room, a password say, would keep those out who are sent there.
		gate.guard_at(service, "iq-set/bare/http://jabber.org/protocol/muc#owner:query", gate.PRIORITY.owner, function (event)
			local room = main_room(jid.bare(event.stanza.attr.to));
			local is_ours = not gate.is_unguarded() and room and gate.kept.of(room);
			if not is_ours or gate.is_service(event.stanza.attr.from) then return; end
			return gate.shown.plain(event, "cancel", "not-allowed");
		end);
		gate.guard_at(service, "muc-occupant-joined", gate.PRIORITY.last, function (event)
			local room, occupant = main_room(event.room.jid), event.occupant;
			local bare = occupant.bare_jid;
			if not room or not gate.kept.of(room) or gate.is_service(bare) then return; end
			spend(room, event.stanza, bare);
			if room:get_affiliation(bare) == "owner" then return; end
			gate.waiting.add(room, occupant.jid, event.stanza:get_child_text("nick", xmlns_nick) or jid.resource(occupant.nick));
		end);
		gate.guard_at(service, "muc-occupant-left", gate.PRIORITY.backstop, function (event)
			local room = main_room(event.room.jid);
			if room then gate.waiting.forget(room, event.occupant.bare_jid); end
		end);
	end

	-- persistent_lobby and muc_breakout_rooms end rooms that nobody is in, also those that are to last.
	module:hook_global("maybe-destroy-room", function (event)
		local data = gate.kept.of(event.room);
		return data and (data.lasts or data.keep and not data.passes) and not gate.is_observing() or nil;
	end, gate.PRIORITY.backstop);

	-- Whether the service has a lobby. Its modules can be loaded after this one.
	function lobby.is_there()
		if host and rawget(prosody.hosts, host) then return true; end
		if looked == os.time() then return false; end
		looked, host = os.time(), find();
		if host and watched ~= host then watched = host; watch(); end
		return host ~= nil;
	end

	-- The lobby of a room, made where it is missing. Half of one, without the other half, keeps everybody out.
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

	-- Takes the lobby of a room away. Whoever waits in it is sent to the room, and tries to enter again.
	function lobby.lower(room)
		if not lobby.is_there() or not room._data.lobbyroom then return; end
		prosody.events.fire_event("destroy-lobby-room", { room = room, newjid = room.jid });
	end

	-- Lets somebody into the lobby of a room, once, within so many seconds.
	function lobby.pass(room, bare, seconds)
		local list = passes[room.jid] or {};
		if not list[bare] then
			local count = counts[room.jid] or 0;
			if count >= PASSES then return; end
			passes[room.jid], counts[room.jid] = list, count + 1;
		end
		list[bare] = { expires = os.time() + seconds };
	end

	-- Whether somebody has to say a name before he may wait.
	function lobby.lacks_name(stanza)
		local name = stanza:get_child_text("nick", xmlns_nick);
		return lobby.needs_name and (not name or name == "");
	end

	-- Sends somebody who waits away, with words that the client shows.
	function lobby.dismiss(room, bare, text)
		local lobby_room = lobby_room_of(room);
		if not lobby_room then return; end
		for nick, occupant in lobby_room:each_occupant() do
			if occupant.bare_jid == bare then
				for address in occupant:each_session() do
					module:context(host):send(st.presence({ type = "unavailable", from = nick, to = address })
						:tag("x", { xmlns = "http://jabber.org/protocol/muc#user" })
							:tag("item", { affiliation = "none", role = "none" }):up()
							:tag("destroy"):text_tag("reason", text):up():up());
				end
				lobby_room:set_role(true, nick, nil, text);
			end
		end
	end

	function lobby.forget(room_jid) passes[room_jid], counts[room_jid] = nil, nil; end

	-- Forgets the passes that were not used in time; returns whether some are left.
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
