-- Reports to the component what happened in the rooms; and does what follows when a person is in.

local jid = require "util.jid";

local NOTHING = {};

return function (gate)
	local PRIORITY, LIMIT, AFFILIATION, mark = gate.PRIORITY, gate.LIMIT, gate.AFFILIATION, gate.mark;
	local several = {}; -- the field of a room: the sessions of each nick that more than one has had

	local occupied = {}; -- the addresses of rooms that a person is in: of many, the server swaps some out of memory

	-- Remembers what was reported of a nick: its role and, if there are several, its sessions.
	local function note(room, occupant)
		room[mark] = room[mark] or {};
		room[mark][occupant.nick] = occupant.role;
		local first = next(occupant.sessions);
		if not first or next(occupant.sessions, first) == nil then return; end
		local sessions = {};
		for address, presence in occupant:each_session() do
			if presence.attr.type == nil then sessions[address] = true; end
		end
		room[several] = room[several] or {};
		room[several][occupant.nick] = sessions;
	end

	-- When each bare address arrived, by room: a room that was swapped out returns as another object.
	local arrivals = {};
	local function note_arrival(room, bare)
		local list = arrivals[room.jid] or {};
		arrivals[room.jid], list[bare] = list, list[bare] or os.time();
	end
	local function forget_arrival(room, bare)
		local list = arrivals[room.jid];
		if not list or gate.breakout.is_inside(room, bare) then return; end
		list[bare] = nil;
		if next(list) == nil then arrivals[room.jid] = nil; end
	end

	-- The session of each nick that was reported since the greeting: the component knows it, and is told its address.
	local told = {};
	local brief = {}; -- a report of those, which is written at once
	local function empty_brief()
		for name in pairs(brief) do brief[name] = nil; end
		return brief;
	end
	local function report_joined(room, event, verdict)
		local occupant, attempt = event.occupant, gate.known_attempt(verdict);
		if gate.is_ready() then told[occupant.nick] = event.jid; end
		if not attempt then
			return gate.report("joined", room, gate.facts.describe(room, occupant, event.origin, event.jid), event.origin);
		end
		gate.facts.add_seat(empty_brief(), room, occupant, event.jid);
		brief.attempt = attempt;
		gate.report("joined", room, brief);
	end
	local function report_left(room, occupant, known)
		if known ~= occupant.jid then return gate.report("left", room, gate.facts.describe(room, occupant)); end
		empty_brief().jid = gate.text.cut(known, LIMIT.address);
		gate.report("left", room, brief);
	end

	local function forget(room, nick)
		told[nick] = nil;
		if room[mark] then room[mark][nick] = nil; end
		if room[several] then room[several][nick] = nil; end
	end

	-- Rooms that were in memory before this module, and those that were swapped out.
	local function note_all(room)
		for _, occupant in pairs(room._occupants) do note(room, occupant); end
	end
	local live = {};
	for room in gate.muc.live_rooms() do
		live[room.jid] = true;
		note_all(room);
		if not gate.breakout.is_empty(room) then occupied[room.jid] = true; end
	end
	-- After a start of the server nobody is in any room, whatever is stored: Prosody would bring the stored occupants
	-- back with the next join.
	local states = module:open_store("state");
	local function forget_occupants(room_jid, state)
		local last, at = state._last_message, state._last_message_at;
		states:set(jid.node(room_jid), last and { _last_message = last, _last_message_at = at } or nil);
	end
	for room_jid in pairs(module:open_store("persistent"):get(nil) or {}) do
		local state = not live[room_jid] and states:get(jid.node(room_jid));
		if state and not prosody.start_time then forget_occupants(room_jid, state); end
		if state and prosody.start_time then occupied[room_jid] = true; end
	end
	gate.guard("muc-room-restored", PRIORITY.last, function (event)
		note_all(event.room);
		if event.room:has_occupant() then occupied[event.room.jid] = true; end
	end);

	local from_inside = {}; -- the field of a presence whose session is in the room already
	local function arrived(event, room)
		local occupant, verdict = event.occupant, event.stanza[mark];
		note(event.room, occupant);
		-- With the element of a join, the room takes a change of status for a new session.
		if event.stanza[from_inside] then return; end
		occupied[room.jid] = true;
		note_arrival(room, occupant.bare_jid);
		gate.breakout.note_arrival(room, event.jid);
		gate.breakout.attend(room, event.room);
		report_joined(room, event, verdict);
		gate.lobby_queue.forget(room, occupant.bare_jid);
		if occupant.role == "moderator" then
			gate.room_data.unmoderated_since(room);
			gate.lobby_queue.tell(room, event.jid);
		end
		local data, known = gate.room_data.of(room), event.origin[mark];
		if data and known then gate.room_data.recognise(data, occupant.bare_jid, known.mark); end
		gate.room_data.retire(room);
		if not verdict or not verdict.fx then return; end
		if not verdict.kept and (verdict.fx.record or verdict.fx.person) then
			gate.room_data.keep(gate.room_data.of(room), verdict.fx);
			room:save();
			verdict.kept = true;
		end
		gate.effects.say(room, verdict.fx.say, event.jid, false);
		gate.effects.say(room, verdict.fx.say, event.jid, true);
	end
	-- The session that changes nick, until its first presence under the new one.
	local moving = {};
	gate.guard("muc-occupant-pre-change", PRIORITY.last, function (event)
		local from, to = event.orig_occupant, event.dest_occupant;
		if to.nick == from.nick or to.bare_jid ~= from.bare_jid then return; end -- the room refuses the nick of another
		moving = { room = event.room, nick = to.nick, address = event.stanza.attr.from, origin = event.origin };
	end);
	local function is_inside(room, address)
		return room._jid_nick[address] ~= nil or moving.room == room and moving.address == address;
	end
	-- Reports the sessions that have left a nick which others still use.
	local function report_lost(place, occupant, room)
		local sessions, present = place[several] and place[several][occupant.nick], place._occupants[occupant.nick];
		for address in pairs(present and sessions or NOTHING) do
			local presence = present.sessions[address];
			if not presence or presence.attr.type == "unavailable" then
				sessions[address] = nil;
				if not is_inside(place, address) then
					gate.report("session-left", room, gate.facts.describe(room, present, nil, address));
				end
			end
		end
	end
	local function showed(event, room)
		local occupant, known = event.occupant, event.room[mark];
		if moving.room == room and moving.nick == occupant.nick and occupant.sessions[moving.address] then
			local move = moving;
			moving = {};
			note(room, occupant);
			if gate.is_ready() then told[occupant.nick] = move.address; end
			return gate.report("renamed", room, gate.facts.describe(room, occupant, move.origin, move.address), move.origin);
		end
		report_lost(event.room, occupant, room);
		local before = known and known[occupant.nick];
		if not before or not occupant.role or before == occupant.role then return; end
		known[occupant.nick] = occupant.role;
		gate.breakout.attend(room, event.room);
		gate.room_data.unmoderated_since(room);
		gate.report("role", room, gate.facts.describe(room, occupant));
		if occupant.role == "moderator" then
			for address in occupant:each_session() do gate.lobby_queue.tell(room, address); end
		end
	end
	-- A room that existed before and may not stay ends with its meeting. With breakout rooms, Jitsi's module ends it.
	gate.guard("muc-occupant-left", PRIORITY.ended, function (event)
		local room, data = event.room, gate.room_data.of(event.room);
		if not data or not data.passes or room:has_occupant() or gate.is_observing() then return; end
		if not room._data.breakout_rooms_active then room:set_persistent(false); end
	end);
	local over = {}; -- the field of a room whose end was reported: Jitsi ends its breakout rooms after it
	local function left(event, room)
		local occupant, known = event.occupant, gate.is_brief() and told[event.occupant.nick];
		forget(event.room, occupant.nick);
		if gate.room_data.is_rename(event) or room[over] then return; end
		gate.breakout.note_leaver(event, room);
		gate.breakout.attend(room, event.room);
		forget_arrival(room, occupant.bare_jid);
		if gate.breakout.is_empty(room) then occupied[room.jid] = nil; end
		gate.room_data.unmoderated_since(room);
		report_left(room, occupant, known);
		local former = gate.room_data.give_back(room, occupant.bare_jid);
		if former then gate.effects.set_affiliation(room, occupant.bare_jid, former); end
		gate.room_data.retire(room);
	end
	-- Reports what happens in rooms of a service. `main_of` (address, room): the room under which it is reported.
	local function watch(context, main_of)
		local function guard(event_name, priority, handler)
			gate.guard_at(context, event_name, priority, function (event)
				local place = event.room;
				local room = main_of(place.jid, place);
				-- A service in a breakout room is in the main room, too.
				if room and (room == place or not gate.is_service(event.occupant.bare_jid)) then handler(event, room); end
			end);
		end
		gate.guard_at(context, "muc-occupant-pre-change", PRIORITY.seated, function (event)
			event.stanza[from_inside] = true;
		end);
		guard("muc-occupant-session-new", PRIORITY.last, arrived);
		guard("muc-broadcast-presence", PRIORITY.last, showed);
		guard("muc-occupant-left", PRIORITY.backstop, left);
	end
	watch(module, function (_, room) return room; end);
	gate.guard("muc-set-affiliation", PRIORITY.last, function (event)
		local room, waits = event.room, gate.lobby_queue.people(event.room.jid)[event.jid];
		local is_member = AFFILIATION[event.affiliation] >= AFFILIATION.member;
		-- An affiliation that a person gives or revokes is final.
		if not gate.effects.are_being_applied() then gate.room_data.taken(room, event.jid); end
		-- While an answer is carried out, its own `admit` follows.
		if is_member and not gate.replaying() and waits then gate.effects.admit(room, event.jid); end
		if not event.in_room then return; end
		gate.report("role", room, { jid = gate.text.cut(event.jid, LIMIT.address), affiliation = event.affiliation });
	end);
	gate.guard("muc-config-submitted", PRIORITY.last, function (event)
		gate.report("configured", event.room, { jid = gate.text.cut(event.actor, LIMIT.address) });
	end);
	gate.guard("muc-room-created", PRIORITY.last, function (event)
		local room = event.room;
		-- Created by another module, or while the component was away: not a room that existed before the gate.
		if not gate.room_data.of(room) and not gate.is_observing() then room._data.vestibule_unasked = true; end
		gate.report("created", room, {});
	end);
	gate.guard("muc-room-destroyed", PRIORITY.backstop, function (event)
		gate.breakout.each(event.room, function (occupant, place)
			if place == event.room or gate.is_service(occupant.bare_jid) then return; end
			gate.report("left", event.room, gate.facts.describe(event.room, occupant));
		end);
		event.room[over] = true;
		gate.report("destroyed", event.room, {});
		occupied[event.room.jid], arrivals[event.room.jid] = nil, nil;
		gate.breakout.forget(event.room.jid);
		gate.visitors.forget(event.room.jid);
		-- A lobby of the service's own ends with its room, and tells those who wait.
		if not gate.lobby.is_there() then gate.effects.dismiss_all(event.room, (gate.messages.of("gate-nobody"))); end
		for bare in pairs(gate.lobby_queue.people(event.room.jid)) do gate.lobby_queue.forget(event.room, bare); end
		gate.lobby.forget(event.room.jid);
	end);

	local reports = { occupied = occupied, watch = watch, note_all = note_all };
	function reports.arrival_of(room_jid, bare) return arrivals[room_jid] and arrivals[room_jid][bare]; end
	-- The component knows nobody until it is told.
	function reports.begin() told = {}; end
	function reports.save() return arrivals; end
	function reports.restore(saved) arrivals = saved or {}; end
	return reports;
end;
