-- Gates what clients send to Jitsi's components, which change a room or inform its occupants. The message or the
-- connection names the room; neither proves anything. What is not declared here reaches none of them.

local jid, st, json = require "util.jid", require "util.stanza", require "util.json";

local xmlns_jitsi = "http://jitsi.org/jitmeet";
local xmlns_start_muted = xmlns_jitsi .. "/start-muted";

return function (gate)
	local PRIORITY, LIMIT, requests = gate.PRIORITY, gate.LIMIT, gate.requests;
	local heard, handlers = {}, {}; -- by module: the host that is listened to; what it takes
	local components = {};

	-- Returns the room's address as Jitsi's own util.lib.lua finds it: from the connection, or from the message.
	local function of_connection(host, session)
		if not session.jitsi_web_query_room then return nil; end
		local tenant = session.jitsi_web_query_prefix or "";
		if tenant == module:context(host):get_option_string("muc_mapper_domain_base", host) then tenant = ""; end
		return jid.join((tenant ~= "" and "[" .. tenant .. "]" or "") .. session.jitsi_web_query_room, module.host);
	end

	local function is_inside(room, address) return gate.breakout.find(room, address) ~= nil; end

	-- A gate that only observes lets pass what it would refuse.
	local function outside(event)
		return not gate.is_observing() and gate.entrance.refuse(event, "outside", "cancel", "not-acceptable");
	end
	local function wrong_value(event, name) return not gate.is_observing() and gate.refuse_value(event, name); end

	-- Handles one element of a message. Returns true if it has been answered.
	local function take(event, host, handler, command)
		local stanza, from = event.stanza, event.stanza.attr.from;
		local polled, voter = nil, nil;
		if handler.is_polls then polled, voter = gate.visitors.find_voter(event, command); end
		if polled then
			local may = voter and gate.permissions.may(polled, voter, "chat");
			return not may or handler.act(event, polled, command);
		end
		local address = command.attr.room;
		if not handler.names_room then address = of_connection(host, event.origin); end
		if not address then return outside(event); end
		if gate.addresses.refuse(event, address) then return true; end
		if jid.bare(address) ~= address and not gate.is_observing() then
			return gate.refuse(event, "jid-malformed", "modify", "jid-malformed", gate.messages.of("gate-address", stanza));
		end
		local place = gate.breakout.place(address);
		address = gate.focus.internal(gate.breakout.meeting(address)); -- nil: a room of another service
		local room = address and gate.get_room(address);
		if not room or not is_inside(room, from) then return outside(event); end
		return handler.act and handler.act(event, room, command, place or room);
	end

	local function watch(host, list)
		gate.guard_at(module:context(host), "message/host", PRIORITY.request, function (event)
			local stanza, is_any = event.stanza, false;
			if stanza.attr.type == "error" or gate.entrance.is_trusted(event) then return; end
			for _, handler in ipairs(list) do
				local command = stanza:get_child(handler.element, handler.namespace);
				if command then
					is_any = true;
					if take(event, host, handler, command) then return true; end
				end
			end
			if not is_any and not gate.is_observing() then
				return gate.entrance.refuse(event, "unnamed", "cancel", "service-unavailable");
			end
		end);
	end

	-- Returns the host of the component that loads this module for the rooms of this service.
	function components.find(module_name)
		for host, session in pairs(prosody.hosts) do
			local options = (session.modules or {})[module_name] and module:context(host);
			local base = options and options:get_option_string("muc_mapper_domain_base");
			local service = options and options:get_option_string("muc_component")
				or base and options:get_option_string("muc_mapper_domain_prefix", "conference") .. "." .. base;
			if service == module.host then return host; end
		end
	end

	-- Returns whether a host is one of these components.
	function components.has(host)
		local session = rawget(prosody.hosts, host);
		for _, known in pairs(heard) do
			if known == session then return true; end
		end
		return false;
	end

	local function look()
		gate.breakout.look();
		for module_name, list in pairs(handlers) do
			local host = components.find(module_name);
			local session = host and prosody.hosts[host];
			if session and heard[module_name] ~= session then
				heard[module_name] = session;
				watch(host, list);
			end
		end
		gate.visitors.watch();
	end

	-- Lets occupants send such an element to that module, unless `act` (event, room, element) returns true.
	-- `names_room`: the element names the room, or a breakout room: the fourth argument is that one.
	function components.hear(module_name, handler)
		handlers[module_name] = handlers[module_name] or {};
		table.insert(handlers[module_name], handler);
	end
	components.look = look;
	module:hook_global("host-activated", look, PRIORITY.loaded);
	gate.guard("muc-room-created", PRIORITY.backstop, look); -- they can be loaded later, too

	-- Asks about a message; if permitted, what `build` returns goes on in its place.
	local function ask(event, kind, room, build, more)
		local from = event.stanza.attr.from;
		more = more or {};
		more.detail = more.detail or function () end;
		function more.rebuild(present)
			if not is_inside(present, from) then return nil, "cancel", "not-acceptable"; end
			return { { stanza = build() } };
		end
		return gate.put(event, kind, more, room.jid);
	end

	-- "End meeting for all".
	components.hear("end_conference", { element = "end_conference", act = function (event, room)
		return ask(event, "destroy", room, function () return requests.build_end_conference(event.stanza); end);
	end });

	-- The room's metadata: recording and translation are the focus's, the rest is for clients and modules.
	components.hear("room_metadata_component", {
		element = "room_metadata", namespace = xmlns_jitsi, names_room = true,
		act = function (event, room, command, place)
			local request, wrong = requests.read_metadata(command);
			if not request then return wrong_value(event, wrong); end
			gate.media.keep_muted(place, request);
			local function build() return requests.build_metadata(event.stanza, command.attr.room, request); end
			if request.records ~= nil then return ask(event, "record", room, build, { stops = not request.records }); end
			return ask(event, "configure", room, build, { detail = function ()
				gate.text.element("field", { var = "metadata:" .. request.key }, json.encode(request.data));
			end });
		end,
	});

	-- Older clients set whether newcomers start muted by their presence, and the module makes metadata of it; in breakout
	-- rooms it does not, and the others' clients read the presence alone. Such a presence waits for the answer, and goes
	-- on with it or without. `waits`: that presence, unless a later one has gone on since.
	local wishes = {}; -- the key in a session: what it asked for last
	local function go_on(e, wish, tag)
		local room, presence = gate.get_room(e.room), wish.waits;
		local occupant, place;
		if room then occupant, place = gate.breakout.find(room, e.from); end
		wish.waits = nil;
		if not place or place.jid ~= wish.place or e.origin.destroyed or not presence and not tag then return; end
		if not presence then
			presence = st.clone(occupant:get_presence(e.from));
			presence:remove_children("startmuted", xmlns_start_muted);
			presence.attr.from, presence.attr.to, presence.attr.id, presence.attr.type = e.from, occupant.nick, nil, nil;
		end
		if tag then presence:add_child(tag); end
		place:handle_normal_presence(e.origin, presence);
	end
	local function hold_start_muted(event, room, _, place)
		local stanza, origin = event.stanza, event.origin;
		local from, last = stanza.attr.from, origin[wishes];
		if last then last.waits = nil; end
		if last and last.place ~= place.jid then last = nil; end
		local tag = stanza:get_child("startmuted", xmlns_start_muted);
		if not tag or gate.is_observing() or gate.is_service(from) then return; end
		local now = (place.jitsiMetadata or {}).startMuted or {};
		local wanted = { audio = tag.attr.audio == "true", video = tag.attr.video == "true" };
		if wanted.audio == (now.audio or false) and wanted.video == (now.video or false) then return; end
		local occupant, text = place:get_occupant_by_real_jid(from), json.encode(wanted);
		local is_moderator, is_again = occupant and occupant.role == "moderator", last and last.text == text;
		if is_moderator and is_again and last.granted and place ~= room then return; end
		stanza:remove_children(tag.name, tag.attr.xmlns);
		if not is_moderator or is_again then return; end
		local wish = { text = text, place = place.jid, waits = stanza.attr.type == nil and st.clone(stanza) or nil };
		origin[wishes] = wish;
		-- An error to a presence would take the client out of the room.
		local question = st.message({ type = "normal", from = from, to = room.jid, ["xml:lang"] = stanza.attr["xml:lang"] });
		gate.put({ stanza = question, origin = origin }, "configure", {
			detail = function () gate.text.element("field", { var = "metadata:startMuted" }, text); end,
			granted = function (e)
				wish.granted = true;
				go_on(e, wish, tag);
			end,
			unanswered = function ()
				wish.text = nil;
				go_on({ room = room.jid, from = from, origin = origin }, wish);
			end,
			refused = function (e, fx)
				go_on(e, wish);
				local at = gate.get_room(e.room);
				if at then gate.effects.say(at, { { to = "requester", text = fx.error[3] or "" } }, e.from); end
			end,
		}, room.jid);
		return wish.waits ~= nil;
	end
	for _, name in ipairs { "presence/full", "presence/bare" } do
		gate.breakout.guard(name, PRIORITY.speech, hold_start_muted);
	end
	-- Nobody changes it by coming in.
	function components.reduce_join(stanza)
		if not stanza:get_child("startmuted", xmlns_start_muted) or gate.is_service(stanza.attr.from) then return; end
		stanza:remove_children("startmuted", xmlns_start_muted);
	end

	-- Compared with the permission to chat: questions, answers and files are shown to everybody.
	local function needs_chat(event, room)
		local occupant = gate.breakout.find(room, event.stanza.attr.from);
		return occupant and not gate.permissions.may(room, occupant, "chat")
			and gate.permissions.refuse(event, "chat", room);
	end
	components.hear("filesharing_component", {
		element = "file-sharing", namespace = xmlns_jitsi,
		act = function (event, room, command)
			local file = command.attr.type == "add" and json.decode(command:get_text() or "");
			local is_named = type(file) == "table" and type(file.fileId) == "string";
			if command.attr.type == "add" and not is_named then return wrong_value(event, "file-sharing"); end
			return needs_chat(event, room);
		end,
	});
	local function polled(event, room, command)
		if needs_chat(event, room) then return true; end
		local text = command:get_text() or "";
		local poll = #text <= LIMIT.stanza and json.decode(text);
		if type(poll) ~= "table" then return wrong_value(event, "json-message"); end
		local _, place = gate.breakout.find(room, event.stanza.attr.from);
		local polls = (place or room).polls; -- a visitor is in neither
		local known = polls and polls.by_id[poll.pollId or false];
		local answers = known and poll.command == "answer-poll" and poll.answers;
		-- More answers than the poll has make that module throw.
		if type(answers) == "table" and #answers > #known.answers then return wrong_value(event, "answers"); end
	end
	components.hear("polls_component", {
		element = "json-message", namespace = xmlns_jitsi, act = polled, is_polls = true,
	});
	components.hear("polls_component", { element = "json-message", act = polled });

	-- Breakout rooms: a moderator's client makes, names and removes them, and sends people to them or back.
	local function change_breakout(event, room, command)
		local request, wrong = requests.read_breakout(command);
		if not request then return wrong_value(event, wrong); end
		local named, target, places = request.attr.breakoutRoomJid, request.attr.roomJid, room._data.breakout_rooms or {};
		if named and not places[named] then return wrong_value(event, "breakoutRoomJid"); end
		-- Jitsi's module would pass it on to any address.
		local person = request.attr.participantJid;
		if person and not is_inside(room, person) then return wrong_value(event, "participantJid"); end
		local leads_back = request.asked == "remove" or request.asked == "move-to-room" and not places[target];
		return ask(event, "breakout", room, function () return requests.build_breakout(event.stanza, request); end, {
			stops = leads_back,
			refused = function (e, fx)
				local text = fx.error[3];
				gate.client_response.plain(e, fx.error[1], fx.error[2], text, fx.error[4]);
				-- Jitsi's clients show no error of theirs.
				if text then gate.effects.say(room, { { to = "requester", text = text } }, e.from); end
			end,
		});
	end
	function components.watch_breakout(host)
		watch(host, { { element = "breakout_rooms", act = change_breakout } });
	end

	-- Audio translation: for it, the focus lets a person listen who is in no room.
	components.hear("audio_translation_component", {
		element = "audio-translation", namespace = xmlns_jitsi,
		act = function (event, room, command)
			local request, wrong = requests.read_translations(command);
			if not request then return wrong_value(event, wrong); end
			local function build() return requests.build_translations(event.stanza, request); end
			return ask(event, "record", room, build, { stops = request.stops });
		end,
	});

	-- Visitors: their module promotes whom a moderator's message names, as read by mod_muc_meeting_id. That is asked about
	-- like an invitation.
	local function promoted_by(message)
		local list, targets = message.id and { message.id } or message.ids, {};
		for _, address in pairs(type(list) == "table" and list or {}) do
			-- Of a domain, Prosody takes what XML cannot hold.
			local target = type(address) == "string" and gate.text.fits_xml(address) and jid.prep(address, true);
			if not target or #targets == LIMIT.items then return nil; end
			targets[#targets + 1] = target;
		end
		return targets[1] and targets;
	end
	gate.guard("jitsi-endpoint-message-received", PRIORITY.backstop, function (event)
		local message, stanza, room = event.message, event.stanza, event.room;
		local is_theirs = type(message) == "table" and message.type == "visitors" and message.action == "promotion-response";
		if not is_theirs or not message.approved or gate.is_observing() or gate.is_service(stanza.attr.from) then return; end
		local verdict = stanza[gate.mark];
		if verdict then
			-- They come by their own server: the room sends them no invitation.
			for _, target in ipairs(verdict.invited and verdict.targets or {}) do verdict.invited[jid.bare(target)] = true; end
			return verdict.kind ~= "invite" and not verdict.failing or nil;
		end
		local targets = promoted_by(message);
		if not targets then return wrong_value(event, "json-message"); end
		return gate.put(event, "invite", { targets = targets, detail = function (at)
			for _, target in ipairs(targets) do
				gate.text.element("target", { jid = gate.text.cut(target, LIMIT.address) });
			end
			gate.facts.write_persons(at, targets);
		end }, room.jid);
	end);

	-- Statistics of speech and faces, shown as numbers.
	for _, element in ipairs { "speakerstats", "faceLandmarks" } do
		components.hear("speakerstats_component", { element = element, namespace = xmlns_jitsi, names_room = true });
	end

	return components;
end;
