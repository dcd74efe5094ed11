-- Gates messages to a room: chat commands (`!word`), the subject, invitations, voice, and answers to knocks. A message
-- that may have a password in it is shown to nobody.

local st, json = require "util.stanza", require "util.json";

local xmlns_muc = "http://jabber.org/protocol/muc";
local xmlns_user = xmlns_muc .. "#user";
local WITHIN_LINE = {
	a = true, abbr = true, acronym = true, b = true, big = true, cite = true, code = true, dfn = true, em = true,
	font = true, i = true, img = true, kbd = true, q = true, s = true, samp = true, small = true, span = true,
	strong = true, sub = true, sup = true, tt = true, u = true, var = true,
};
local SECRET = "muc#roomconfig_roomsecret";

return function (gate)
	local PRIORITY, LIMIT, requests = gate.PRIORITY, gate.LIMIT, gate.requests;
	local cut, element = gate.text.cut, gate.text.element;
	local room_messages = {};

	local function write_waiting(room)
		local addresses = {};
		for _, w in pairs(gate.lobby_queue.people(room.jid)) do
			addresses[#addresses + 1] = w.jid;
			element("target", { jid = cut(w.jid, LIMIT.address) });
		end
		gate.facts.write_persons(room, addresses);
	end

	-- Adds the text in an element to `lines`: all that a client could show, whatever the element is. Each element begins
	-- and ends a line but those that XHTML-IM (XEP-0071) has within one.
	local function add_text(lines, element_of)
		local edge = WITHIN_LINE[element_of.name] and "" or "\n";
		lines[#lines + 1] = edge;
		for _, child in ipairs(element_of) do
			if type(child) == "string" then lines[#lines + 1] = child; else add_text(lines, child); end
		end
		lines[#lines + 1] = edge;
	end
	local function add_values(lines, value)
		if type(value) == "string" then lines[#lines + 1] = "\n" .. value; end
		for _, each in pairs(type(value) == "table" and value or {}) do add_values(lines, each); end
	end

	-- Returns whether a line of a message begins with `!password`: what follows may be one. Each line is looked at by
	-- itself: a pattern for all of them begins again at every line's end, for minutes where there are many.
	local function names_password(stanza)
		local lines = {};
		add_text(lines, stanza);
		for _, payload in ipairs(stanza.tags) do
			if payload.name == "json-message" then add_values(lines, json.decode(payload:get_text() or "")); end
		end
		for line in table.concat(lines):gmatch("[^\n]+") do
			if line:find("^%s*![Pp][Aa][Ss][Ss][Ww][Oo][Rr][Dd]") then return true; end
		end
		return false;
	end

	-- `!password NEW`: the change of a setting, with the effect that the room's form would have.
	local function set_password(event, room, new)
		local request = { form = { names = { SECRET }, values = { [SECRET] = { new } } } };
		local field = requests.check_configuration(request, { { name = SECRET, type = "text-private" } });
		if not field then return gate.refuse_value(event, "password"); end
		return gate.put(event, "configure", {
			detail = function (at) element("field", { var = SECRET, code = gate.facts.is_code(at, new) }, new); end,
			granted = function (e, fx)
				local at = gate.get_room(e.room);
				-- Without an answer, as for the form: it is the owners'.
				local may = fx or at and gate.affiliation_of(at, e.from) == "owner";
				if not at then return gate.client_response.plain(e, "cancel", "item-not-found"); end
				if not may then return gate.client_response.plain(e, "auth", "forbidden"); end
				if at:set_password(new) then
					at:save();
					gate.report("configured", at, { jid = cut(e.from, LIMIT.address) });
					at:broadcast_message(st.message({ type = "groupchat", from = at.jid })
						:tag("x", { xmlns = xmlns_user }):tag("status", { code = "104" }):up():up());
				end
				if fx and fx.say then return; end
				gate.effects.say(at, { { to = "requester", text = (gate.messages.of("gate-password-set")) } }, e.from);
			end,
		}, room.jid);
	end

	local function hear_password(event, room)
		local body = event.stanza:get_child_text("body") or "";
		local word, rest = body:match("^%s*(![Pp][Aa][Ss][Ss][Ww][Oo][Rr][Dd])(.*)$");
		local new = word and #rest <= LIMIT.text and rest:match("^%s+(.-)%s*$"); -- longer ones are refused below
		if new and new ~= "" then return set_password(event, room, new); end
		local name = word and rest:find("^%s*$") and "password" or "!"; -- an unknown word, whose text goes nowhere
		return gate.put(event, "command", { detail = function () element("command", { name = name }); end }, room.jid);
	end

	-- Messages from one occupant to another: it was meant for the room.
	function room_messages.refuse_password(event)
		if gate.is_observing() or event.stanza.attr.type == "error" or not names_password(event.stanza) then return; end
		local text, language = gate.messages.of("gate-password-word", event.stanza);
		return gate.client_response.plain(event, "cancel", "not-acceptable", text, language);
	end
	gate.breakout.guard("message/full", PRIORITY.message, room_messages.refuse_password);

	local function hear(event, room, occupant, place)
		local body = occupant and event.stanza:get_child_text("body") or "";
		if occupant and not gate.is_observing() and names_password(event.stanza) then return hear_password(event, room); end
		local word, about_all = body:match("^!([%w_-]+)%s*$"), body:match("^!([%w_-]+)%s+all%s*$");
		if word or about_all then
			return gate.put(event, "command", { detail = function (at)
				element("command", { name = cut(word or about_all .. " all", LIMIT.name) });
				if about_all then write_waiting(at); end
			end }, room.jid);
		end
		if not occupant or gate.permissions.refuse_chat(event, room, occupant) then return occupant and true; end
		if not gate.is_observing() then
			-- The room itself speaks by these: Prosody removes them only from messages to everybody.
			for _, namespace in ipairs { xmlns_user, xmlns_muc } do event.stanza:remove_children("x", namespace); end
		end
		if place == room then return gate.config_form.ask_for_subject(event, room, occupant); end
		-- The subject of a breakout room is the name that Jitsi's module gives it.
		if requests.read_subject(event.stanza) == false or gate.is_observing() then return; end
		return gate.client_response.plain(event, "auth", "forbidden");
	end

	local function answer_knock(event, room, request)
		for _, w in pairs(gate.lobby_queue.people(room.jid)) do
			if w.id == request.knock then
				return gate.put(event, "knock", { targets = { w.jid }, detail = function (at)
					element("target", { jid = cut(w.jid, LIMIT.address), answer = request.allows and "admit" or "reject" });
					gate.facts.write_persons(at, { w.jid });
				end });
			end
		end
		return gate.client_response.plain(event, "cancel", "item-not-found");
	end

	local function answer_request(event, room, request)
		if request.knock then return answer_knock(event, room, request); end
		local speaker = request.allows and room:get_occupant_by_real_jid(request.jid or "");
		-- Prosody does nothing then, and answers nothing.
		if not speaker or speaker.role ~= "visitor" then return not gate.is_observing(); end
		return gate.affiliations.give_voice(event, speaker);
	end

	gate.breakout.guard("message/bare", PRIORITY.message, function (event, room, _, place)
		local stanza = event.stanza;
		local kind, occupant = stanza.attr.type, place:get_occupant_by_real_jid(stanza.attr.from);
		if kind == "groupchat" then return hear(event, room, occupant, place); end
		if kind ~= nil and kind ~= "normal" then return; end -- the room does not listen to it
		if place ~= room then return; end -- neither does a breakout room: entrance.lib.lua
		local invitations, wrong = requests.read_invitations(stanza);
		local request, also_wrong = requests.read_request(stanza);
		if invitations == false and request == false then return; end
		local is_decline = invitations and invitations[1].name == "decline";
		local is_read = invitations ~= nil and request ~= nil;
		if gate.is_observing() then
			if not is_read or is_decline or not invitations and not occupant then return; end
		elseif not occupant then -- strangers who invite themselves would get the password
			return gate.client_response.plain(event, "cancel", "not-acceptable");
		elseif not is_read then
			return gate.refuse_value(event, wrong or also_wrong);
		end
		if is_decline then
			return gate.client_response.plain(event, "cancel", "not-acceptable"); -- it has gone its own way: invitations.lib.lua
		elseif invitations then
			return gate.invitations.invite(event, invitations);
		elseif occupant.role == "moderator" then
			return answer_request(event, room, request);
		elseif not gate.is_observing() then
			requests.reduce(stanza, requests.build_voice(stanza));
		end
	end);

	return room_messages;
end;
