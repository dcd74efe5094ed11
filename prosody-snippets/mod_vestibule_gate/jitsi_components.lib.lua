-- Jitsi's components that change a room at a client's word. The room is the one that the message names, or the address
-- that the client has connected to: neither proves anything.

local jid = require "util.jid";

local xmlns_jitsi = "http://jitsi.org/jitmeet";

return function (gate)
	local PRIORITY = gate.PRIORITY;
	local components, handlers = {}, {};

	-- The address of the room, as Jitsi's own util.lib.lua finds it: by the connection, or by what the message names.
	local function of_connection(host, session)
		if not session.jitsi_web_query_room then return nil; end
		local tenant = session.jitsi_web_query_prefix or "";
		if tenant == module:context(host):get_option_string("muc_mapper_domain_base", host) then tenant = ""; end
		return jid.join((tenant ~= "" and "[" .. tenant .. "]" or "") .. session.jitsi_web_query_room, module.host);
	end

	local function watch(host, handler)
		gate.guard_at(module:context(host), "message/host", PRIORITY.request, function (event)
			local stanza, session = event.stanza, event.origin;
			local command = stanza:get_child(handler.element, handler.namespace);
			if not command or stanza.attr.type == "error" or stanza[gate.mark] then return; end
			local address = command.attr.room;
			if not handler.names_room then address = of_connection(host, session); end
			if not address then return; end -- it does nothing then
			if gate.addresses.refuse(event, address) then return true; end
			if jid.bare(address) ~= address and not gate.is_observing() then
				return gate.refuse(event, "jid-malformed", "modify", "jid-malformed", gate.words.of("gate-address", stanza));
			end
			address = gate.focus.internal(address); -- nil: a room of another service
			local room = address and gate.get_room(address);
			if room then return handler.act(event, room, command); end
		end);
	end

	-- The host of the component that has this module loaded, for the rooms of this service.
	function components.find(module_name)
		for host, session in pairs(prosody.hosts) do
			if (session.modules or {})[module_name]
			and module:context(host):get_option_string("muc_component") == module.host then
				return host;
			end
		end
	end

	local function look()
		for module_name, handler in pairs(handlers) do
			local host = components.find(module_name);
			local session = host and prosody.hosts[host];
			if session and handler.heard ~= session then
				handler.heard = session;
				watch(host, handler);
			end
		end
	end

	-- Calls `act` with the event, the room and the element, when a client sends such an element to that module.
	-- `names_room`: the element does.
	function components.hear(module_name, handler)
		handlers[module_name] = handler;
		look();
	end
	module:hook_global("host-activated", look, -1); -- when its modules are loaded (0)
	gate.guard("muc-room-created", PRIORITY.backstop, look); -- they can be loaded later, too

	-- Asks about a message that goes on as `build` makes it. Somebody whom the file names may be allowed it from outside,
	-- but the component does it for nobody there.
	local function ask(event, kind, room, build, stops)
		local from = event.stanza.attr.from;
		if gate.is_service(from) then return; end
		return gate.put(event, kind, {
			stops = stops,
			detail = function () end,
			rebuild = function (present)
				if not present:get_occupant_by_real_jid(from) then return nil, "cancel", "not-acceptable"; end
				return { { stanza = build() } };
			end,
		}, room.jid);
	end

	-- "End meeting for all".
	components.hear("end_conference", { element = "end_conference", act = function (event, room)
		return ask(event, "destroy", room, function () return gate.requests.build_end_conference(event.stanza); end);
	end });

	-- Of the room's metadata, whether it is recorded and transcribed: the focus does what stands there.
	components.hear("room_metadata_component", {
		element = "room_metadata", namespace = xmlns_jitsi, names_room = true,
		act = function (event, room, command)
			local request, wrong = gate.requests.read_recording(command);
			if not request then
				if request == false or gate.is_observing() then return; end
				return gate.changes.refuse_value(event, wrong);
			end
			return ask(event, "record", room, function ()
				return gate.requests.build_recording(event.stanza, command.attr.room, request);
			end, not request.isTranscribingEnabled and not request.isRecordingRequested);
		end,
	});

	return components;
end;
