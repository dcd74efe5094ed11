-- Gates what people call themselves: the nick (XEP-0045), and the name that Jitsi's clients show (XEP-0172). A new name
-- waits for the component's answer, and the old one is shown meanwhile.

local st = require "util.stanza";

local xmlns_nick = "http://jabber.org/protocol/nick";

return function (gate)
	local PRIORITY, LIMIT = gate.PRIORITY, gate.LIMIT;
	local cut, jid_bare, jid_resource = gate.text.cut, gate.jids.bare, gate.jids.resource;
	local asked = {}; -- by room, bare and full address: the name that was asked about last, and whether it was granted

	local names = {};

	local function set(stanza, name)
		-- Jitsi's clients look only at the element's name, and take the last one.
		gate.requests.remove(stanza, function (tag) return tag.name == "nick"; end);
		if name then stanza:text_tag("nick", name, { xmlns = xmlns_nick }); end
	end

	-- Returns the name in a presence, and reduces it to one element with no more than is judged.
	local function tidy(stanza)
		local name, count, is_plain = nil, 0, true;
		for _, tag in ipairs(stanza.tags) do
			if tag.name == "nick" then
				local text = tag:get_text() or "";
				name, count = name or cut(text, LIMIT.name), count + 1;
				is_plain = is_plain and tag.attr.xmlns == xmlns_nick and #tag.tags == 0 and text == name;
			end
		end
		if count > 0 and (count > 1 or not is_plain) then set(stanza, name); end
		return name;
	end
	names.tidy = tidy;

	function names.shown(occupant, address)
		local presence = occupant and occupant:get_presence(address);
		return presence and presence:get_child_text("nick", xmlns_nick) or nil;
	end

	local function state_of(room_jid, address)
		local people = asked[room_jid];
		local sessions = people and people[jid_bare(address)];
		return sessions and sessions[address];
	end

	-- Forgets sessions of a person that have left.
	local function forget(room, bare)
		local people = asked[room.jid];
		local sessions = people and people[bare];
		if not sessions then return; end
		for address in pairs(sessions) do
			if not room:get_occupant_jid(address) then sessions[address] = nil; end
		end
		if next(sessions) == nil then people[bare] = nil; end
		if next(people) == nil then asked[room.jid] = nil; end
	end

	local function remember(room, address, name)
		local bare = jid_bare(address);
		forget(room, bare);
		local people = asked[room.jid] or {};
		local sessions = people[bare] or {};
		asked[room.jid], people[bare], sessions[address] = people, sessions, { name = name };
		return sessions[address];
	end

	-- Sends the present presence of a person again, with another name.
	local function carry_out(e, room, name)
		local occupant = room and room:get_occupant_by_real_jid(e.from);
		local state = occupant and state_of(room.jid, e.from);
		local presence = state and state.name == name and occupant:get_presence(e.from);
		if not presence or e.origin.destroyed then return nil; end
		state.is_granted = true;
		presence = st.clone(presence);
		presence.attr.from, presence.attr.to, presence.attr.id, presence.attr.type = e.from, occupant.nick, nil, nil;
		set(presence, name);
		room:handle_normal_presence(e.origin, presence);
		return room:get_occupant_by_real_jid(e.from); -- the room gives out copies
	end

	-- Places where names are asked about: the room, its breakout rooms, and its lobby (lobby.lib.lua). `of`: returns the
	-- room of a place; `find` (room, address): the place of a room; `told`: is called after another name is shown.
	local INSIDE = {
		of = function (place) return gate.get_room(gate.breakout.meeting(place.jid)); end,
		find = function (room, address) return room.jid == address and room or gate.breakout.place(address); end,
		told = function (room, occupant, e)
			gate.report("renamed", room, gate.facts.describe(room, occupant, e.origin, e.from), e.origin);
		end,
	};

	local function ask(event, room, occupant, name, place)
		local stanza, state, address = event.stanza, remember(room, event.stanza.attr.from, name), room.jid;
		-- An error to a presence would take the client out of the room.
		local question = st.message({
			type = "normal", from = stanza.attr.from, to = room.jid, ["xml:lang"] = stanza.attr["xml:lang"],
		});
		return gate.put({ stanza = question, origin = event.origin }, "rename", {
			detail = function () end, nick = jid_resource(occupant.nick), name = name,
			granted = function (e, fx)
				local main = gate.get_room(e.room);
				local seated = main and carry_out(e, place.find(main, address), name);
				if seated then place.told(main, seated, e, fx); end
			end,
			unanswered = function () state.name = nil; end, -- so it is asked about again
			refused = function (e, fx)
				local at = gate.get_room(e.room);
				if at then gate.effects.say(at, { { to = "requester", text = fx.error[3] or "" } }, e.from); end
			end,
		}, place.of(room).jid);
	end

	-- Holds back a new name: the old one is shown until the new one is granted.
	local function hold(event, room, place)
		local stanza, kind = event.stanza, event.stanza.attr.type;
		if kind ~= nil and kind ~= "unavailable" or gate.is_observing() or gate.is_service(stanza.attr.from) then return; end
		local occupant, name = gate.breakout.occupant(room, stanza.attr.from), tidy(stanza);
		local main = occupant and place.of(room);
		if not main then return; end
		local before = names.shown(occupant, stanza.attr.from);
		if kind == "unavailable" then -- nobody leaves by another name
			if name and name ~= before then set(stanza, before); end
			return;
		end
		if place == INSIDE and before and not gate.permissions.may(main, occupant, "rename") then -- the first one counts
			if name == before then return; end
			set(stanza, before);
			return gate.permissions.inform(main, occupant, "rename", name, stanza);
		end
		local state = state_of(room.jid, stanza.attr.from);
		local is_granted = state and state.is_granted and state.name == name;
		if place == INSIDE and before and not name then -- given up: another person can have it from now on
			if state and state.is_granted then state.name = nil; end
			local told = gate.facts.describe(main, occupant, event.origin, stanza.attr.from);
			told.name = nil;
			gate.report("renamed", main, told, event.origin);
		end
		if not name or name == before or is_granted then return; end
		set(stanza, before);
		-- Clients repeat their name in every presence.
		if state and state.name == name then return; end
		if not gate.is_reserved(name, stanza.attr.from) then return ask(event, room, occupant, name, place) and nil; end
		remember(room, stanza.attr.from, name);
		gate.report_refusal(main, { jid = stanza.attr.from, reason = "reserved-nick" });
		local text = gate.messages.of("reserved-nick", stanza);
		gate.effects.say(main, { { to = "requester", text = text } }, stanza.attr.from);
	end
	for _, event_name in ipairs { "presence/full", "presence/bare" } do
		gate.breakout.guard(event_name, PRIORITY.rename, function (event, _, _, place)
			return hold(event, place, INSIDE);
		end);
	end

	-- A nick changes when the answer arrives. The rest of the presence waits with it.
	gate.guard("muc-occupant-pre-change", PRIORITY.rename, function (event)
		local from, to, stanza = event.orig_occupant, event.dest_occupant, event.stanza;
		if from.nick == to.nick or gate.is_observing() or gate.is_service(stanza.attr.from) then return; end
		if not gate.permissions.may(event.room, from, "rename") then
			return gate.permissions.refuse(event, "rename", event.room);
		end
		if stanza[gate.mark] then return; end
		return gate.put(event, "rename", { detail = function () end, nick = jid_resource(to.nick), name = tidy(stanza) });
	end);

	-- The name in a message must be that of the presence: Jitsi's clients show it.
	local function hold_message(event, room)
		local stanza = event.stanza;
		local occupant = stanza.attr.type ~= "error" and room:get_occupant_by_real_jid(stanza.attr.from);
		if not occupant or gate.is_observing() or gate.is_service(stanza.attr.from) then return; end
		local name = tidy(stanza);
		local own = name and names.shown(occupant, stanza.attr.from);
		if name and name ~= own then set(stanza, own); end
	end
	for _, event_name in ipairs { "message/full", "message/bare" } do
		gate.breakout.guard(event_name, PRIORITY.rename, function (event, _, _, place)
			return hold_message(event, place);
		end);
	end

	-- While the only occupant changes nick, the room is empty for a moment, and Prosody would end it: the person would
	-- believe to be in a room that no longer exists.
	local function is_rename_alone(event) return gate.room_data.is_rename(event) and not event.room:has_occupant(); end
	local renaming; -- the room of which the server believes meanwhile that it ends already
	gate.guard("muc-occupant-left", PRIORITY.lone, function (event)
		local room = event.room;
		if room.destroying or gate.is_observing() or not is_rename_alone(event) then return; end
		room.destroying, renaming = true, room;
	end);
	gate.guard("muc-occupant-left", PRIORITY.lone_over, function ()
		if renaming then renaming.destroying, renaming = nil, nil; end
	end);

	gate.guard("muc-occupant-left", PRIORITY.rename, function (event) forget(event.room, event.occupant.bare_jid); end);
	gate.guard("muc-room-destroyed", PRIORITY.seated, function (event) asked[event.room.jid] = nil; end);

	names.set, names.ask, names.hold, names.hold_message, names.forget = set, ask, hold, hold_message, forget;
	function names.forget_all(room_jid) asked[room_jid] = nil; end

	return names;
end;
