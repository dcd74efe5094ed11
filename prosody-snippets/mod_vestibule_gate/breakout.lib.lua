-- Breakout rooms (Jitsi's mod_muc_breakout_rooms): rooms of another service that belong to a room of this one. They are
-- one meeting: a person in a breakout room is in the meeting, and what is decided about it reaches them there.

local json, st = require "util.json", require "util.stanza";

local CHANGES = 60; -- seconds in which a person who has left one room of a meeting may come into another
local ENDS = 5; -- seconds after which Jitsi's module ends a meeting that everybody has left
local RETURNS = 5; -- seconds for people to come back into the main room
local ALONE = 10; -- seconds for a moderator to come where people may not be without one
local SENT = "vestibule_sent"; -- the field of a session: the breakout room to which it was sent last
local NOTHING = {};

return function (gate)
	local jid_bare, jid_host, jid_resource = gate.jids.bare, gate.jids.host, gate.jids.resource;
	local host, watched; -- the breakout rooms' service, and that of which events are heard
	local mains = {}; -- the main room's address, by that of the breakout room
	local leavers = {}; -- when each address left, by the main room's address
	local also = {}; -- what other files handle in breakout rooms, too
	local alone = {}; -- breakout rooms in which people may not be without a moderator, and none is, by their address

	local breakout = {};

	-- Returns the options of the host that has its breakout rooms at this service, by the name of an option.
	local function options_of(name, value)
		for of, session in pairs(prosody.hosts) do
			local options = (session.modules or NOTHING).muc_breakout_rooms and module:context(of);
			local rooms = options and options:get_option_string("breakout_rooms_muc", "breakout." .. of);
			local main = options and options:get_option_string("main_muc");
			if name == "rooms" and rooms == value then return main; end
			if name == "main" and main == value then return rooms; end
		end
	end

	-- Returns the service whose breakout rooms a host has.
	function breakout.service_of(rooms) return options_of("rooms", rooms); end

	function breakout.host() return host; end
	local function service()
		local session = host and rawget(prosody.hosts, host);
		return session and session.modules.muc;
	end

	-- Returns the breakout room of that address, if it is open.
	local function place_of(address)
		local rooms = jid_host(address) == host and service();
		local place = rooms and rooms.get_room_from_jid(address);
		return place and not place._data.destroyed and place or nil;
	end
	breakout.place = place_of;

	local function has(main, address) return main and (main._data.breakout_rooms or NOTHING)[address] ~= nil; end

	-- Returns the main room of a breakout room, whether that one is open or not.
	function breakout.search_main(address)
		if not host or jid_host(address) ~= host then return nil; end
		for room in gate.muc.live_rooms() do
			if has(room, address) then return room; end
		end
	end

	-- Returns the main room of an open breakout room.
	function breakout.main(address)
		if not host or jid_host(address) ~= host then return nil; end
		local known = mains[address] and gate.get_room(mains[address]);
		if has(known, address) then return known; end
		-- Otherwise strangers could make it search.
		local room = place_of(address) and breakout.search_main(address) or nil;
		mains[address] = room and room.jid;
		return room;
	end

	-- Returns the address of the room under which the component knows what happens at this address.
	function breakout.meeting(address)
		local main = host and jid_host(address) == host and breakout.main(address);
		return main and main.jid or address;
	end

	-- Returns the open rooms of a meeting: the main room, and its breakout rooms.
	function breakout.places(room)
		local places = { room };
		for address in pairs(room._data.breakout_rooms or NOTHING) do places[#places + 1] = place_of(address); end
		return places;
	end

	-- Calls `act` with each occupant of the meeting, the room that they are in and `with`, until it returns true. Returns
	-- those.
	function breakout.each(room, act, with)
		for _, occupant in pairs(room._occupants) do
			if act(occupant, room, with) then return occupant, room; end
		end
		for address in pairs(room._data.breakout_rooms or NOTHING) do
			local place = place_of(address);
			for _, occupant in pairs(place and place._occupants or NOTHING) do
				if act(occupant, place, with) then return occupant, place; end
			end
		end
	end

	-- Returns the occupant of that full address in a room. It is the room's own, where the room itself gives out copies.
	local function occupant_of(place, address) return place._occupants[place._jid_nick[address]]; end
	breakout.occupant = occupant_of;

	-- Returns the occupant of that full address, and the room of the meeting that they are in.
	function breakout.find(room, address)
		local occupant = occupant_of(room, address);
		if occupant then return occupant, room; end
		for other in pairs(room._data.breakout_rooms or NOTHING) do
			local place = place_of(other);
			occupant = place and occupant_of(place, address);
			if occupant then return occupant, place; end
		end
	end

	-- Returns whether a person is in the meeting.
	local function is_of(occupant, _, bare) return occupant.bare_jid == bare; end
	function breakout.is_inside(room, bare) return breakout.each(room, is_of, bare) ~= nil; end

	-- Returns the occupants of that bare address, each with the room that they are in.
	function breakout.seats(room, bare)
		local seats = {};
		breakout.each(room, function (occupant, place)
			if occupant.bare_jid ~= bare then return; end
			seats[#seats + 1] = { nick = occupant.nick, role = occupant.role, room = place };
		end);
		return seats;
	end

	local function is_one() return true; end
	function breakout.is_empty(room) return breakout.each(room, is_one) == nil; end

	-- Changing between rooms

	-- Notes that an occupant has left a room: by themselves or with it, they are on their way into another.
	function breakout.note_leaver(event, room)
		if not room._data.breakout_rooms then return; end
		local list, time, stanza = leavers[room.jid] or {}, os.time(), event.stanza;
		leavers[room.jid] = list;
		for address, at in pairs(list) do
			if time - at > CHANGES then list[address] = nil; end
		end
		local goes_on = (stanza or event.room.destroying) and time or nil;
		for address in event.occupant:each_session() do list[address] = goes_on; end
		if stanza then list[stanza.attr.from] = goes_on; end
	end

	-- Notes that a session that was removed from a breakout room may change into another room.
	function breakout.note_way(room, address)
		leavers[room.jid] = leavers[room.jid] or {};
		leavers[room.jid][address] = os.time();
	end

	-- Notes that a session has arrived.
	function breakout.note_arrival(room, address)
		if leavers[room.jid] then leavers[room.jid][address] = nil; end
	end

	-- Returns whether a session is in the meeting, or has left one of its rooms just now.
	function breakout.is_changing(room, address)
		local at = (leavers[room.jid] or NOTHING)[address];
		return at ~= nil and os.time() - at <= CHANGES or breakout.find(room, address) ~= nil;
	end

	-- Returns whether the meeting goes on although its main room is empty: Jitsi's persistent_lobby ends it, and its
	-- breakout rooms do so, too, once everybody has left.
	function breakout.keeps(room, caller)
		if caller == "muc_breakout_rooms" or not room._data.breakout_rooms_active then return false; end
		for _, at in pairs(leavers[room.jid] or NOTHING) do
			if os.time() - at < ENDS then return true; end
		end
		local services = gate.services();
		return breakout.each(room, function (occupant) return not services[occupant.bare_jid]; end) ~= nil;
	end

	-- Notes where a moderator sends a person, when Jitsi's module is to tell them.
	local function note_sent(event)
		local command = event.stanza:get_child("breakout_rooms");
		local is_move = command and command.attr.type == "features/breakout-rooms/move-to-room";
		local session = is_move and prosody.full_sessions[command.attr.participantJid or false];
		local room = session and gate.get_room(session.jitsi_breakout_main_jid or "");
		local actor = room and breakout.find(room, event.stanza.attr.from);
		if not actor or actor.role ~= "moderator" then return; end
		session[SENT] = has(room, command.attr.roomJid) and command.attr.roomJid or nil;
	end

	-- Returns whether a session was sent to that breakout room, and nowhere else since.
	function breakout.is_sent(session, address) return session[SENT] == address; end

	-- Has an occupant's client change into the main room, as Jitsi's moderators do.
	local function send_back(room, occupant)
		local back = json.encode {
			type = "breakout_rooms", event = "features/breakout-rooms/move-to-room", roomJid = gate.media.external(room.jid),
		};
		for address in occupant:each_session() do
			module:context(host):send(st.message({ from = host, to = address })
				:text_tag("json-message", back, { xmlns = "http://jitsi.org/jitmeet" }));
		end
	end

	-- Returns the occupants of a breakout room who may not be there without a moderator, if there is none.
	local function left_alone(room, place)
		local people = {};
		for _, occupant in pairs(place._occupants) do
			if not gate.is_service(occupant.bare_jid) then
				if occupant.role == "moderator" then return {}; end
				if not gate.permissions.may(room, occupant, "alone") then people[#people + 1] = occupant; end
			end
		end
		return people;
	end

	-- Calls those back who have been alone too long, and removes those who were called and have not gone. Returns when to
	-- look again.
	local function end_alone(address, state)
		local room, place = breakout.main(address), place_of(address);
		local people = alone[address] == state and room and place and left_alone(room, place) or {};
		if #people == 0 then
			if alone[address] == state then alone[address] = nil; end
			return nil;
		end
		local left = state.since + ALONE - os.time();
		if left > 0 then return left; end
		local text = gate.messages.of("gate-alone");
		for _, occupant in ipairs(people) do
			if not state.called[occupant.nick] then
				state.called[occupant.nick] = true;
				gate.permissions.report_once(room, occupant.jid, "alone");
				-- In this order: with the words first, Jitsi's client takes them away when it changes rooms.
				send_back(room, occupant);
				for session in occupant:each_session() do gate.effects.tell(place, session, "groupchat", text); end
			else
				local sessions = {};
				for session in occupant:each_session() do sessions[#sessions + 1] = session; end
				gate.effects.set_role(place, occupant.nick, nil, text);
				-- They are on their way into the main room, like those who have gone.
				for _, session in ipairs(sessions) do breakout.note_way(room, session); end
			end
		end
		return RETURNS;
	end

	-- Looks whether people are left alone in a breakout room who may not be. It is called after each change there.
	function breakout.attend(room, place)
		if place == room then return; end
		local address = place.jid;
		if #left_alone(room, place) == 0 then
			alone[address] = nil;
		elseif not alone[address] then
			local state = { since = os.time(), called = {} };
			alone[address] = state;
			module:add_timer(ALONE, function () return end_alone(address, state); end);
		end
	end

	-- Calls everybody back into the main room. The rooms of those who do not come are closed.
	function breakout.call_back(room, text)
		local places = {};
		breakout.each(room, function (occupant, place)
			if place == room then return; end
			places[place.jid] = true;
			if not gate.is_service(occupant.bare_jid) then send_back(room, occupant); end
		end);
		if not next(places) then return; end
		module:add_timer(RETURNS, function ()
			local data = gate.room_data.of(room);
			for address in pairs(data and data.suspended and places or NOTHING) do
				local place = place_of(address);
				if place then place:destroy(room.jid, text); end
			end
		end);
	end

	-- Joins

	-- Brings a person in who was let in: their affiliation is the main room's.
	local function enter(e, fx, verdict)
		local room, place = gate.get_room(e.room), place_of(e.more.place);
		if not room or not place then return gate.client_response.plain(e, "cancel", "item-not-found"); end
		local bare, before = jid_bare(e.from), nil;
		e.stanza[gate.mark], e.stanza.delayed_join_skip = verdict, true;
		if fx and fx.requester then before = gate.joins.give(room, bare, verdict); end
		place:handle_normal_presence(gate.way_back(e), e.stanza);
		e.stanza[gate.mark] = nil;
		if place:get_occupant_jid(e.from) or not before or breakout.is_inside(room, bare) then return; end
		if gate.affiliation_of(room, bare) == verdict.given then gate.effects.set_affiliation(room, bare, before); end
	end

	local function is_seated_elsewhere(room, place, address)
		local _, other = breakout.find(room, address);
		return other ~= nil and other ~= place;
	end

	-- Refuses a session that is in another room of the meeting: nobody is in it twice. Clients leave one room first.
	function breakout.refuse_second(event, room, place)
		local from = event.stanza.attr.from;
		if gate.is_unguarded() or gate.is_service(from) then return; end
		if not is_seated_elsewhere(room, place, from) then return; end
		return gate.refuse(event, "closed-way", "cancel", "conflict");
	end

	local function judge_join(event, room)
		local stanza, verdict = event.stanza, event.stanza[gate.mark];
		local from = stanza.attr.from;
		if verdict and gate.joins.is_current(verdict, room) then
			verdict.passed = true;
		elseif not gate.is_service(from) then
			-- Jitsi's own module refuses them, too, but after the question.
			local has_come = event.origin.jitsi_breakout_main_jid == room.jid;
			if not has_come and not gate.is_unguarded() then
				return gate.refuse(event, "closed-way", "cancel", "not-allowed");
			end
			stanza[gate.mark] = nil;
			return gate.put(event, "join", { place = event.room.jid, granted = enter }, room.jid);
		end
	end

	-- Other stanzas

	local function is_of_room(event_name) return event_name:find("^muc%-") ~= nil; end

	-- Hooks a handler for all rooms of a meeting: `handler` (event, room, payload, place), `place` being the room in which
	-- it happens. It sees each stanza once but not its replay.
	function breakout.guard(event_name, priority, handler)
		if is_of_room(event_name) then
			gate.guard(event_name, priority, function (event) return handler(event, event.room, nil, event.room); end);
		else
			gate.guard_room(event_name, priority, function (event, room, payload)
				return handler(event, room, payload, room);
			end);
		end
		also[#also + 1] = { event_name, priority, handler };
	end

	local function watch()
		local context, PRIORITY = module:context(host), gate.PRIORITY;
		gate.addresses.watch(context);
		gate.entrance.guard_breakout(context);
		gate.jitsi_components.watch_breakout(host);
		gate.guard_at(context, "message/host", PRIORITY.sent, note_sent);
		-- Hooks a handler of the breakout rooms' events that needs the main room.
		local function guard(event_name, priority, handler)
			gate.guard_at(context, event_name, priority, function (event)
				local address = event.room and event.room.jid or jid_bare(event.stanza.attr.to);
				local room = breakout.main(address);
				if room then return handler(event, room); end
			end);
		end
		for _, each in ipairs(also) do
			local event_name, priority, handler = each[1], each[2], each[3];
			guard(event_name, priority, function (event, room)
				if is_of_room(event_name) then return handler(event, room, nil, event.room); end
				local place = not event.stanza[gate.mark] and place_of(jid_bare(event.stanza.attr.to));
				if place then return handler(event, room, event.stanza.tags[1], place); end
			end);
		end
		guard("presence/full", PRIORITY.arrival, function (event, room)
			if event.stanza.attr.type == "unavailable" then return gate.cancel(room.jid, event.stanza.attr.from); end
		end);
		-- The focus opens them; which ones there are, Jitsi's module says.
		gate.guard_at(context, "muc-room-pre-create", PRIORITY.create, function (event)
			if gate.is_unguarded() or gate.is_service(event.stanza.attr.from) then return; end
			return gate.client_response.retry(event); -- as the service itself would
		end);
		guard("muc-occupant-pre-join", PRIORITY.nick, function (event, room)
			local nick, from = jid_resource(event.stanza.attr.to), event.stanza.attr.from;
			if gate.is_observing() or gate.is_service(from) then return; end
			if gate.joins.refuse_nobodys(event, nick) then return true; end
			if gate.is_reserved(nick, from) or gate.is_reserved(gate.names.tidy(event.stanza), from) then
				return gate.refuse_nick(event);
			end
			return breakout.refuse_second(event, room, event.room);
		end);
		guard("muc-occupant-pre-join", PRIORITY.verdict, judge_join);
		guard("muc-occupant-pre-join", PRIORITY.raise, function (event)
			local verdict = event.stanza[gate.mark];
			if not verdict or verdict.failing or gate.is_observing() then return; end
			if event.occupant.bare_jid ~= jid_bare(event.stanza.attr.from) then
				return gate.client_response.plain(event, "cancel", "conflict");
			end
			gate.joins.seat(event.room, event.occupant, verdict);
		end);
		-- A person who is not of the meeting has no verdict.
		gate.guard_at(context, "muc-occupant-pre-join", PRIORITY.password, function (event)
			if event.stanza[gate.mark] or gate.is_unguarded() or gate.is_service(event.stanza.attr.from) then return; end
			return gate.refuse(event, "closed-way", "cancel", "not-allowed");
		end);
		guard("muc-occupant-pre-change", PRIORITY.nick, function (event)
			if gate.is_observing() or event.orig_occupant.nick == event.dest_occupant.nick then return; end
			return gate.refuse(event, "closed-way", "cancel", "not-acceptable");
		end);
		guard("iq-set/bare/http://jabber.org/protocol/muc#admin:query", PRIORITY.admin, function (event, room)
			local place = not event.stanza[gate.mark] and place_of(jid_bare(event.stanza.attr.to));
			if place then return gate.affiliations.change_in_breakout(event, room, place); end
		end);
		gate.reports.watch(context, breakout.main);
		for place in service().live_rooms() do
			gate.reports.note_all(place);
			local room = breakout.main(place.jid);
			if room then breakout.attend(room, place); end
		end
		gate.guard_at(context, "muc-occupant-left", PRIORITY.rename, function (event)
			gate.names.forget(event.room, event.occupant.bare_jid);
		end);
		gate.guard_at(context, "muc-room-destroyed", PRIORITY.seated, function (event)
			mains[event.room.jid], alone[event.room.jid] = nil, nil;
			gate.names.forget_all(event.room.jid);
		end);
	end

	-- Looks for the service of the breakout rooms, whose modules can be loaded after this one.
	function breakout.look()
		host = options_of("main", module.host);
		local session = host and rawget(prosody.hosts, host);
		if not session or not session.modules.muc or watched == session then return; end
		watched = session;
		watch();
	end

	function breakout.forget(room_jid) leavers[room_jid] = nil; end

	return breakout;
end;
