-- Gates what occupants do: chat, private messages, recording, dialling. Compares it with what the component has
-- permitted, by the role of the moment.

local st, json = require "util.stanza", require "util.json";
local jid_bare, jid_host = require "util.jid".bare, require "util.jid".host;

local xmlns_jitsi = "http://jitsi.org/jitmeet";
local xmlns_jibri, xmlns_rayo = "http://jitsi.org/protocol/jibri", "urn:xmpp:rayo:1";
local E2EE = "https://jitsi.org/meet/e2ee";

-- Elements of a presence by which Jitsi's clients show something to everybody, and the permission that each takes.
local SHOWN = { ["shared-video"] = "desktop", etherpad = "chat", ["call-control"] = "chat" };

local NOTHING = {};
-- Names of the texts that refuse, and of keys of the policy, where they are not called like the permission.
local TEXTS, KEYS = { desktop = "media" }, { desktop = "screen_share", alone = "breakout_alone" };

return function (gate)
	local PRIORITY, LIMIT, PASSES, guard = gate.PRIORITY, gate.LIMIT, gate.PASSES, gate.breakout.guard;
	local permissions = {};

	-- Permissions of people of whom nothing else was said.
	local ABSENT = { form = "moderator", secret = "moderator", record = "moderator", dial = "moderator" };

	-- Returns the degree of a permission: "yes" for services, for people without restrictions, and where a gate only
	-- observes. In a suspended room nobody but moderators has one.
	local function degree_of(room, occupant, what, degrees)
		local data = gate.room_data.of(room);
		degrees = degrees or data and data.may and data.may[occupant.bare_jid];
		local is_free = gate.is_observing() or gate.is_service(occupant.bare_jid);
		if is_free then return "yes"; end
		local absent = ABSENT[what] or "yes";
		if not data then return absent; end
		local degree, moderates = degrees and degrees[what] or absent, occupant.role == "moderator";
		return (degree == "no" or data.suspended and not moderates) and "no" or degree;
	end

	-- Returns whether an occupant has a permission. `degrees`: those of an answer that is not in force yet.
	local function may(room, occupant, what, degrees)
		local degree = degree_of(room, occupant, what, degrees);
		return degree == "yes" or degree == "given" or degree == "moderator" and occupant.role == "moderator";
	end

	permissions.degree, permissions.may = degree_of, may;

	-- Returns the permissions of an occupant as in an effect; nil: all.
	function permissions.told(data, bare)
		local degrees = data and data.may and data.may[bare];
		if not degrees then return nil; end
		local attr = { jid = bare };
		for name, degree in pairs(degrees) do attr[name] = name ~= "asked" and degree or nil; end
		return attr;
	end

	-- Replaces the permissions of an address; nil: all.
	local function set(room, bare, degrees)
		local data = gate.room_data.of(room);
		if not data or not degrees and not data.may then return; end
		data.may = data.may or {};
		data.may[bare] = degrees;
		if next(data.may) == nil then data.may = nil; end
	end

	local function each_seat(room, bare, act)
		gate.breakout.each(room, function (occupant, place)
			if occupant.bare_jid == bare then act(occupant, place); end
		end);
	end

	-- Applies the permissions of an answer or a command.
	function permissions.apply(room, list)
		for _, item in ipairs(list or {}) do
			local seats = {};
			each_seat(room, item.jid, function (occupant, place) seats[#seats + 1] = { who = occupant, place = place }; end);
			local is_inside = seats[1] or gate.visitors.is_inside(room, item.jid);
			set(room, item.jid, is_inside and next(item.degrees) and item.degrees or nil);
			for _, seat in ipairs(seats) do
				gate.media.settle(seat.place, seat.who);
				gate.buttons.settle(seat.place, seat.who);
				gate.breakout.attend(room, seat.place);
			end
		end
		gate.visitors.settle(room);
	end

	-- Returns the permissions that an answer gives an occupant; nil: all.
	local function answered(fx, occupant)
		for _, item in ipairs(fx.may or NOTHING) do
			if item.jid == occupant.bare_jid then return next(item.degrees) and item.degrees or nil; end
		end
	end

	-- Nothing is handled between a join and this.
	guard("muc-occupant-session-new", PRIORITY.seated, function (event, room, _, place)
		local occupant, verdict = event.occupant, event.stanza[gate.mark];
		local fx = verdict and verdict.fx;
		if not fx or gate.is_observing() then return; end
		set(room, occupant.bare_jid, answered(fx, occupant));
		gate.media.settle(place, occupant);
		gate.buttons.settle(place, occupant, true);
	end);
	guard("muc-occupant-left", PRIORITY.seated, function (event, room)
		local nick, bare, data = event.occupant.nick, event.occupant.bare_jid, gate.room_data.of(room);
		if not data or not data.may or not data.may[bare] then return; end
		local stays = gate.room_data.is_rename(event);
		each_seat(room, bare, function (occupant) stays = stays or occupant.nick ~= nick; end);
		if not stays and not gate.visitors.is_inside(room, bare) then set(room, bare, nil); end
	end);

	-- Takes over, or forgets, the permissions of a visitor.
	function permissions.seat(room, visitor, fx) set(room, visitor.bare_jid, fx and answered(fx, visitor)); end
	function permissions.forget(room, bare)
		if not gate.breakout.is_inside(room, bare) then set(room, bare, nil); end
	end

	-- Returns whether an element shows nobody anything: it is empty, and its attributes only refer to another message.
	local function is_silent(tag)
		local size = 0;
		for name, value in pairs(tag.attr) do size = size + #name + #value; end
		return PASSES.silent[tag.attr.xmlns] == true and #tag == 0 and size <= LIMIT.text;
	end

	-- Clients exchange keys in private messages; without them, they cannot encrypt end to end.
	local function is_key(tag)
		if tag.name ~= "json-message" or tag.attr.xmlns ~= xmlns_jitsi then return false; end
		local text = tag:get_text() or "";
		local content = #text <= LIMIT.stanza and json.decode(text);
		return type(content) == "table" and content.type == "olm";
	end

	local function says_nothing(stanza, also)
		for _, tag in ipairs(stanza.tags) do
			if not is_silent(tag) and not (also and also(tag)) then return false; end
		end
		return true;
	end

	-- Removes the text from a presence or an error. Jitsi's clients look for it at any depth of a presence.
	local function is_status(tag) return tag.name == "status"; end
	local function hush(stanza)
		gate.requests.remove(stanza, is_status);
		if stanza.name == "presence" then gate.requests.remove_nested(stanza, is_status); end
		for tag in stanza:childtags("error") do
			gate.requests.remove(tag, function (child) return child.name == "text"; end);
		end
	end

	local function words_for(room, what, stanza)
		local is_suspended = (gate.room_data.of(room) or {}).suspended;
		return gate.messages.of(is_suspended and "say-suspended-here" or "gate-" .. (TEXTS[what] or what), stanza);
	end

	-- Remembers the last value that a person was refused. Returns whether it is another one than before: clients repeat
	-- what is in their presences.
	local function is_news(room, bare, what, value)
		local list = gate.room_data.of(room).may;
		local degrees = list and list[bare] or {};
		degrees.asked = degrees.asked or {};
		if degrees.asked[what] == value then return false; end
		degrees.asked[what] = value;
		set(room, bare, degrees);
		return true;
	end

	-- Reports the first refusal of each kind during a stay: messages are frequent, and nothing was decided about them.
	local function report_once(room, address, what)
		local occupant, reason = gate.breakout.find(room, address), KEYS[what] or what;
		local is_suspended = gate.room_data.of(room).suspended and not (occupant and occupant.role == "moderator");
		if is_suspended then reason = "suspended"; end
		if not is_news(room, jid_bare(address), "report " .. reason, true) then return; end
		gate.report_refusal(room, { jid = gate.text.cut(address, LIMIT.address), reason = reason });
	end

	local function refuse(event, what, room)
		report_once(room, event.stanza.attr.from, what);
		return gate.client_response.plain(event, what == "rename" and "cancel" or "auth",
			what == "rename" and "not-acceptable" or "forbidden", words_for(room, what, event.stanza));
	end

	permissions.refuse, permissions.report_once, permissions.words = refuse, report_once, words_for;

	-- Refuses a message to the room, other than `!word`, by a person who may not chat. Returns whether it was refused.
	function permissions.refuse_chat(event, room, occupant)
		if may(room, occupant, "chat") or says_nothing(event.stanza) then return false; end
		return refuse(event, "chat", room);
	end

	-- Messages of a person who may not chat are not stored: they would push out those of others.
	module:hook("muc-message-is-historic", function (event)
		local occupant = event.room:get_occupant_by_nick(event.stanza.attr.from);
		if occupant and not may(event.room, occupant, "chat") then return false; end
	end, PRIORITY.backstop);

	guard("message/full", PRIORITY.speech, function (event, room, _, place)
		local stanza = event.stanza;
		local occupant = place:get_occupant_by_real_jid(stanza.attr.from);
		if not occupant or may(room, occupant, "private") or says_nothing(stanza, is_key) then return; end
		if stanza.attr.type ~= "error" then return refuse(event, "private", room); end
		-- An error gets no answer: it goes on without text.
		gate.requests.remove(stanza, function (tag) return tag.name ~= "error" and not is_silent(tag); end);
		hush(stanza);
	end);

	local function is_there(room, address)
		return gate.breakout.find(room, address) ~= nil or gate.breakout.is_inside(room, address);
	end

	-- In a meeting of Jitsi everybody knows everybody's address. What goes there past the room is a private message, too;
	-- but only between sessions in one meeting, as other chats of these people are not the policy's. `context`: of a host
	-- of Jitsi's clients.
	function permissions.watch(context)
		local function hold(event)
			local stanza, session = event.stanza, event.origin;
			local from, to = stanza.attr.from, stanza.attr.to;
			if stanza.attr.type == "error" or session.type ~= "c2s" or gate.is_observing() then return; end
			for place in pairs(session.directed or {}) do -- where the session has said that it is
				local address = gate.breakout.meeting(jid_bare(place));
				local room = jid_host(address) == module.host and gate.get_room(address);
				local occupant = room and gate.breakout.find(room, from);
				if occupant and not may(room, occupant, "private") and is_there(room, to) then
					return not says_nothing(stanza, is_key) and refuse(event, "private", room);
				end
			end
		end
		for _, name in ipairs { "message/full", "message/bare" } do gate.guard_at(context, name, PRIORITY.speech, hold); end
	end

	-- Prosody 13 looks for a role named `affiliated` where only members may send private messages: others get no
	-- answer.
	module:hook("muc-private-message", function (event)
		local room, stanza = event.room, event.stanza;
		if gate.is_observing() or not room.get_allow_pm or room:get_allow_pm() ~= "affiliated" then return; end
		local from, to = room:get_occupant_by_nick(stanza.attr.from), room:get_occupant_by_nick(stanza.attr.to);
		if not from or not to or from.bare_jid == to.bare_jid or room:get_affiliation(from.bare_jid) then return; end
		local is_moderated = from.role == "moderator" or to.role == "moderator";
		if is_moderated and room:get_allow_modpm() then return; end
		room:route_to_occupant(from, st.error_reply(stanza, "cancel", "policy-violation",
			(gate.messages.of("gate-private", stanza)), room.jid));
		return false;
	end, PRIORITY.members_write);

	-- A request can carry as much text as a message: a link with a description, a note.
	guard("iq/full", PRIORITY.words, function (event, room, payload, place)
		local stanza = event.stanza;
		local occupant = place:get_occupant_by_real_jid(stanza.attr.from);
		local is_answer = stanza.attr.type == "result" or stanza.attr.type == "error";
		if not occupant or is_answer or payload and PASSES.calls[payload.attr.xmlns] then return; end
		local other = place:get_occupant_by_nick(stanza.attr.to);
		if other and gate.is_service(other.bare_jid) or may(room, occupant, "private") then return; end
		return refuse(event, "private", room);
	end);

	-- Returns whether an element stops the video that a session shows, also by a person who may show none any more.
	-- Clients send each state of it once, so the presence before need not have it.
	local function stops(tag, session)
		local known = session and session[gate.mark];
		return tag.attr.state == "stop" and known ~= nil and known.video ~= nil and known.video == tag:get_text();
	end
	local function note_video(tag, session)
		local known = session and session[gate.mark];
		if known and tag.name == "shared-video" then known.video = tag.attr.state ~= "stop" and tag:get_text() or nil; end
	end

	-- Removes from a presence what its sender may not show. Returns the permissions that they would need.
	local function hide(event, room, occupant, degrees)
		local session, stanza, is_any = event.origin, event.stanza, false;
		for _, tag in ipairs(stanza.tags) do is_any = is_any or SHOWN[tag.name] ~= nil; end
		if not is_any then return NOTHING; end -- as nearly always
		local hidden = {};
		gate.requests.remove(stanza, function (tag)
			local what = SHOWN[tag.name];
			if what and not may(room, occupant, what, degrees) and not stops(tag, session) then
				hidden[what] = true;
				return true;
			end
			note_video(tag, session);
			return false;
		end);
		return hidden;
	end

	-- Everybody sees the text of a presence, and of the error by which a person leaves.
	local function hold_words(event, room, _, place)
		local stanza = event.stanza;
		if stanza.name == "message" and stanza.attr.type ~= "error" then return; end
		local occupant = gate.breakout.occupant(place, stanza.attr.from);
		if not occupant then return; end
		if not may(room, occupant, "chat") then hush(stanza); end
		for what in pairs(stanza.name == "presence" and hide(event, room, occupant) or NOTHING) do
			permissions.inform(room, occupant, what, true, stanza);
		end
	end
	for _, name in ipairs { "presence/full", "presence/bare", "message/full", "message/bare" } do
		guard(name, PRIORITY.words, hold_words);
	end
	guard("muc-occupant-pre-join", PRIORITY.words_of_join, function (event, room)
		local verdict = event.stanza[gate.mark];
		local fx = verdict and verdict.fx;
		if not fx or gate.is_observing() then return; end
		local degrees = answered(fx, event.occupant) or NOTHING;
		if not may(room, event.occupant, "chat", degrees) then hush(event.stanza); end
		hide(event, room, event.occupant, degrees);
		gate.jitsi_components.reduce_join(event.stanza);
	end);

	-- Informs a person of a refused part of a presence, once per value. To refuse the presence would take all else in it
	-- along, and the client out of the room.
	function permissions.inform(room, occupant, what, value, stanza)
		if not is_news(room, occupant.bare_jid, what, value) then return; end
		report_once(room, stanza.attr.from, what);
		gate.effects.say(room, { { to = "requester", text = (words_for(room, what, stanza)) } }, stanza.attr.from);
	end

	-- Recording and telephones: requests to the focus.
	guard("iq/full", PRIORITY.speech, function (event, room, query, place)
		local stanza = event.stanza;
		local occupant = stanza.attr.type == "set" and place:get_occupant_by_real_jid(stanza.attr.from);
		if not occupant or gate.is_service(stanza.attr.from) or not query then return; end
		local jibri, dial = stanza:get_child("jibri", xmlns_jibri), stanza:get_child("dial", xmlns_rayo);
		if (jibri or dial) and #stanza.tags > 1 then return gate.client_response.plain(event, "modify", "bad-request"); end
		local action = jibri and (jibri.attr.action or ""):lower();
		if jibri and jibri.attr.sipaddress and action ~= "stop" then dial = jibri; end
		if dial and (dial.attr.to or ""):lower() ~= "jitsi_meet_transcribe" then
			return gate.put(event, "dial", { detail = function () end }, room.jid);
		elseif dial or jibri and action ~= "status" then
			return gate.put(event, "record", { detail = function () end, stops = action == "stop" }, room.jid);
		end
	end);

	function permissions.claim_e2ee(stanza) return stanza:tag("features"):tag("feature", { var = E2EE }):reset(); end

	-- Returns whether a joining client claims to support end-to-end encryption.
	function permissions.claims_e2ee(stanza)
		local features = stanza:get_child("features");
		if not features then return false; end
		for feature in features:childtags("feature") do
			if feature.attr.var == E2EE then return true; end
		end
		return false;
	end

	return permissions;
end;
