-- Gates what reaches a room, its occupants and its service at all, and what disco tells those outside. What `PASSES`
-- (hooks.lib.lua) does not name is refused before any module sees it.

local json = require "util.json";

local xmlns_muc = "http://jabber.org/protocol/muc";
local xmlns_user = xmlns_muc .. "#user";

-- The namespaces of streams: of clients, between servers, and of components.
local STREAMS = { ["jabber:client"] = true, ["jabber:server"] = true, ["jabber:component:accept"] = true };

-- What Jitsi's clients take for words of the server, wherever it comes from: that an occupant's leaving is to be
-- hidden, who wrote a message, and when; and in a private message, what the meeting is called.
local WORDS = {
	["http://jitsi.org/jitmeet/ ignore"] = true, ["http://jitsi.org/protocol/display-name display-name"] = true,
	["urn:xmpp:delay delay"] = true, ["jabber:x:delay x"] = true,
};
local PRIVATE_WORDS = { [" subject"] = true };

-- Messages of Jitsi's modules, by their type: who was let in or turned away, and a word of the system.
local MODULES_OWN = { ["lobby-notify"] = true, ["system_chat_message"] = true };

-- The types of requests.
local REQUESTS = { get = true, set = true };

return function (gate)
	local PRIORITY, PASSES, LIMIT, AFFILIATION = gate.PRIORITY, gate.PASSES, gate.LIMIT, gate.AFFILIATION;
	local jid_bare, jid_host = gate.jids.bare, gate.jids.host;
	local also = {}; -- the namespaces of other modules' requests
	for _, namespace in ipairs(module:get_option_array("vestibule_also", {})) do also[namespace] = true; end

	local function refuse(event, reason, kind, condition, way)
		local stanza = event.stanza;
		local text, language = gate.messages.of("gate-" .. reason, stanza);
		gate.client_response[way or "plain"](event, kind, condition, text, language);
		local attr = { jid = gate.text.cut(stanza.attr.from, gate.LIMIT.address), reason = reason };
		gate.report_refusal({ jid = gate.breakout.meeting(jid_bare(stanza.attr.to)) }, attr);
		return true;
	end

	-- Answers people outside as the room itself would; without a room, that there is none.
	local function refuse_outside(event, room)
		local is_presence = event.stanza.name == "presence" and event.stanza.attr.type ~= "probe";
		return refuse(event, "outside", "cancel", (is_presence or not room) and "item-not-found" or "not-acceptable");
	end

	-- Returns whether a stanza gets no answer: an error, a result, or an unavailable presence.
	local function is_final(stanza)
		local kind = stanza.attr.type;
		return kind == "error" or kind == "result" or stanza.name == "presence" and kind == "unavailable";
	end

	local function one_child(parent, name, namespace)
		local found, count = nil, 0;
		for tag in parent:childtags(name, namespace) do found, count = tag, count + 1; end
		return count == 1 and found or nil;
	end

	local function is_of_other_module(stanza)
		for _, tag in ipairs(stanza.tags) do
			if not also[tag.attr.xmlns] then return false; end
		end
		return #stanza.tags > 0;
	end

	local function is_decline(stanza)
		local x = one_child(stanza, "x", xmlns_user);
		local child = x and #x.tags == 1 and x.tags[1];
		return child and child.name == "decline" and child.attr.xmlns == xmlns_user;
	end

	-- mod_muc_meeting_id reads it without checking its type, and fails. What Jitsi's modules say in the same way is shown
	-- as something that has happened.
	local function has_odd_json(stanza)
		for _, tag in ipairs(stanza.tags) do
			if tag.name == "json-message" then
				local text = tag:get_text() or "";
				local content = #text <= LIMIT.stanza and json.decode(text);
				if type(content) ~= "table" or MODULES_OWN[content.type or false] then return true; end
			end
		end
		return false;
	end

	local function message_to_room(event, room, is_inside)
		local stanza = event.stanza;
		local kind = stanza.attr.type;
		local is_plain = kind == nil or kind == "normal";
		if is_plain and is_decline(stanza) then -- an occupant has come, and says what they may say
			if is_inside then return refuse(event, "unnamed", "cancel", "not-acceptable"); end
			return gate.invitations.take(event, room) or refuse_outside(event, room);
		end
		if not is_inside then return refuse_outside(event, room); end
		if kind == "error" then return; end
		if kind == "groupchat" then
			return has_odd_json(stanza) and refuse(event, "unnamed", "modify", "bad-request") or nil;
		end
		-- Its content is read once, where it is asked about.
		local is_request = stanza:get_child("x", xmlns_user) or stanza:get_child("x", "jabber:x:data");
		if is_plain and (is_request or is_of_other_module(stanza)) then return; end
		return refuse(event, "unnamed", "cancel", "service-unavailable");
	end

	local function request(event, room, is_inside, requests)
		local stanza, payload = event.stanza, event.stanza.tags[1];
		if #stanza.tags ~= 1 or not stanza.attr.id then return refuse(event, "unnamed", "modify", "bad-request"); end
		local namespace = payload.attr.xmlns or "";
		local row = requests[namespace .. " " .. payload.name];
		local who = row and row[stanza.attr.type];
		if who and row.node and not (payload.attr.node or ""):match(row.node) then who = nil; end
		local is_to_room = requests ~= PASSES.service;
		if also[namespace] and REQUESTS[stanza.attr.type] then who = not is_to_room and gate.ANYBODY or true; end
		if who == gate.ANYBODY or who and is_inside then return; end
		-- An operator named by the component: their requests are asked about, or compared with their permissions.
		if who and gate.is_operator(stanza.attr.from) then return; end
		if is_to_room and not is_inside then return refuse_outside(event, room); end
		return refuse(event, "unnamed", "cancel", "service-unavailable");
	end

	local to_room = {
		message = message_to_room;
		iq = function (event, room, is_inside) return request(event, room, is_inside, PASSES.room); end;
		presence = function (event, room, is_inside)
			local stanza = event.stanza;
			if is_inside and PASSES.presence[stanza.attr.type or false] then return; end
			if is_inside then return refuse(event, "unnamed", "modify", "bad-request"); end
			local is_join = stanza.attr.type == nil and stanza:get_child("x", xmlns_muc);
			if is_join and not gate.visitors.comes_past(room, stanza.attr.from) then return; end
			return refuse_outside(event, room);
		end;
	};

	local to_occupant = {
		presence = to_room.presence;
		message = function (event, room, is_inside)
			if not is_inside then return refuse_outside(event, room); end
			local is_odd = gate.focus.is_there() and has_odd_json(event.stanza);
			if PASSES.private[event.stanza.attr.type or false] and not is_odd then return; end
			return refuse(event, "unnamed", "modify", "bad-request");
		end;
		iq = function (event, _, is_inside)
			-- Also without a room: a client that pings itself (XEP-0410) takes `item-not-found` as a sign that it is
			-- inside.
			if not is_inside then return refuse(event, "outside", "cancel", "not-acceptable"); end
			local stanza = event.stanza;
			if REQUESTS[stanza.attr.type] and #stanza.tags == 1 and stanza.attr.id then return; end
			return refuse(event, "unnamed", "modify", "bad-request");
		end;
	};

	local to_breakout = {
		presence = to_room.presence;
		iq = function (event, room, is_inside) return request(event, room, is_inside, PASSES.breakout); end;
		message = function (event, room, is_inside)
			local stanza = event.stanza;
			if not is_inside then return refuse_outside(event, room); end
			if stanza.attr.type == "error" or is_of_other_module(stanza) then return; end
			if stanza.attr.type ~= "groupchat" then return refuse(event, "unnamed", "cancel", "service-unavailable"); end
			return has_odd_json(stanza) and refuse(event, "unnamed", "modify", "bad-request") or nil;
		end;
	};

	local to_service = {
		iq = function (event) return request(event, nil, false, PASSES.service); end;
		message = function (event)
			if is_of_other_module(event.stanza) then return; end
			return refuse_outside(event, nil);
		end;
		presence = function (event)
			local stanza = event.stanza;
			-- A join to the service is answered elsewhere; activity in rooms is subscribed to by presence (XEP-0437).
			local is_named = stanza:get_child("x", xmlns_muc) or one_child(stanza, "rai", "urn:xmpp:rai:0");
			if stanza.attr.type == nil and is_named then return; end
			return refuse_outside(event, nil);
		end;
	};

	-- An element in the namespace of another kind of stream belongs to the stream's own namespace for recipients over
	-- such a stream. It is read as such here, too.
	local function read_as_own(stanza)
		for _, tag in ipairs(stanza.tags) do
			if STREAMS[tag.attr.xmlns or false] then tag.attr.xmlns = nil; end
		end
	end

	-- Removes from a person's stanza what Jitsi's clients would take for the server's. In a presence they look at any
	-- depth for the element by which the room says who an occupant is, and in which role.
	local function is_of_room(tag) return tag.attr.xmlns == xmlns_user; end
	local function take_out_words(stanza, place)
		if not gate.focus.is_there() or stanza.name == "iq" then return; end
		local is_private = stanza.name == "message" and place == "full";
		gate.requests.remove(stanza, function (tag)
			local name = (tag.attr.xmlns or "") .. " " .. tag.name;
			return WORDS[name] or is_private and PRIVATE_WORDS[name];
		end);
		if stanza.name == "presence" then gate.requests.remove_nested(stanza, is_of_room); end
	end

	-- Keeps errors from one person to another, which Jitsi's clients show as the server's answer. No client sends any.
	local function keep_errors(context)
		context:hook("muc-private-message", function (event)
			local room, stanza = event.room, event.stanza;
			if stanza.attr.type ~= "error" or gate.is_observing() or not gate.focus.is_there() then return; end
			local occupant = room:get_occupant_by_nick(stanza.attr.from);
			if not occupant or not gate.is_service(occupant.bare_jid) then return false; end
		end, PRIORITY.backstop);
	end
	keep_errors(module);

	-- Returns whether a stanza comes from a service, from another part of this server, or from an answer.
	local function is_trusted(event)
		local from = event.stanza.attr.from;
		return event.stanza[gate.mark] or from == nil or from == gate.component
			or gate.is_service(from) or event.origin == rawget(prosody.hosts, jid_host(from));
	end

	local function guard(context, place, find, rows)
		for name, row in pairs(rows) do
			gate.guard_at(context, name .. "/" .. place, PRIORITY.entrance, function (event)
				if gate.is_observing() or is_trusted(event) then return; end
				local stanza = event.stanza;
				read_as_own(stanza);
				take_out_words(stanza, place);
				local room = place ~= "host" and find(jid_bare(stanza.attr.to)) or nil;
				local is_inside = room and room:get_occupant_jid(stanza.attr.from) ~= nil;
				if is_final(stanza) then
					-- Answers find the requester by their id; other final stanzas come from inside or from nowhere.
					-- Without a room, the service would answer them.
					local is_there = place == "host" or room and not room._data.destroyed;
					local is_of_use = is_inside or stanza.name == "iq" and is_there
						or stanza.attr.type == "unavailable" and place == "full";
					return not is_of_use;
				end
				if room and room._data.destroyed then return; end -- the service says that it is gone
				local is_of_visitor = nil;
				if room and context == module and name == "message" then
					is_of_visitor = gate.visitors.judge_message(event, room);
				end
				if is_of_visitor ~= nil then
					if has_odd_json(stanza) then return true; end
					stanza:remove_children("x", xmlns_user);
					stanza:remove_children("x", xmlns_muc);
					return not is_of_visitor;
				end
				return row(event, room, is_inside);
			end);
		end
	end
	guard(module, "bare", gate.get_room, to_room);
	guard(module, "full", gate.get_room, to_occupant);
	guard(module, "host", gate.get_room, to_service);
	-- Does so for the breakout rooms' service; what reaches the service itself goes to Jitsi's module.
	local function guard_breakout(context)
		keep_errors(context);
		guard(context, "bare", gate.breakout.place, to_breakout);
		guard(context, "full", gate.breakout.place, to_occupant);
		guard(context, "host", gate.breakout.place, { iq = to_service.iq, presence = to_service.presence });
	end

	-- What disco tells those who are not in the room

	local function may_see(room, address)
		return gate.is_observing() or gate.is_service_or_operator(address) or room:get_occupant_jid(address) ~= nil;
	end

	gate.guard("muc-disco#info", PRIORITY.last, function (event)
		if may_see(event.room, event.stanza.attr.from) then return; end
		event.form = nil;
		if event.room:get_public() then return; end -- the list of rooms tells everybody its name
		for identity in event.reply.tags[1]:childtags("identity") do identity.attr.name = nil; end
	end);

	-- Members outside learn the nick that is reserved for them.
	gate.guard("muc-disco#info/x-roomuser-item", PRIORITY.last, function (event)
		local room, from = event.room, event.stanza.attr.from;
		local is_member = AFFILIATION[gate.affiliation_of(room, jid_bare(from))] >= AFFILIATION.member;
		if may_see(room, from) or is_member then return; end
		event.reply.tags[1]:maptags(function (tag) return tag.name ~= "identity" and tag or nil; end);
	end);

	return {
		is_trusted = is_trusted, refuse = refuse, guard_breakout = guard_breakout,
		take_out_words = take_out_words, keep_errors = keep_errors,
	};
end;
