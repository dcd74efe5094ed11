-- Jitsi's components that change a room at a client's word. Such a message does not name the room: the address that the
-- client has connected to does, and proves nothing.

local jid = require "util.jid";

return function (gate)
	local PRIORITY = gate.PRIORITY;
	local components, handlers = {}, {};

	-- The address of the room that Jitsi's own util.lib.lua would find.
	local function address_of(host, session)
		local tenant = session.jitsi_web_query_prefix or "";
		if tenant == module:context(host):get_option_string("muc_mapper_domain_base", host) then tenant = ""; end
		return jid.join((tenant ~= "" and "[" .. tenant .. "]" or "") .. session.jitsi_web_query_room, module.host);
	end

	local function watch(host, handler)
		gate.guard_at(module:context(host), "message/host", PRIORITY.request, function (event)
			local stanza, session = event.stanza, event.origin;
			local command = stanza:get_child(handler.element);
			if not command or stanza.attr.type == "error" or stanza[gate.mark] then return; end
			if not session.jitsi_web_query_room then return; end -- it does nothing then
			local address = address_of(host, session);
			if gate.addresses.refuse(event, address) then return true; end
			if jid.bare(address) ~= address and not gate.is_observing() then
				return gate.refuse(event, "jid-malformed", "modify", "jid-malformed", gate.words.of("gate-address", stanza));
			end
			local room = gate.get_room(address);
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
	function components.hear(module_name, element, act)
		handlers[module_name] = { element = element, act = act };
		look();
	end
	module:hook_global("host-activated", look, -1); -- when its modules are loaded (0)
	gate.guard("muc-room-created", PRIORITY.backstop, look); -- they can be loaded later, too

	-- "End meeting for all".
	components.hear("end_conference", "end_conference", function (event, room)
		local stanza = event.stanza;
		if gate.is_service(stanza.attr.from) then return; end
		return gate.put(event, "destroy", {
			detail = function () end,
			rebuild = function (present)
				-- Somebody whom the file names may end it from outside, but not in this way.
				if not present:get_occupant_by_real_jid(stanza.attr.from) then return nil, "cancel", "not-acceptable"; end
				return { { stanza = gate.requests.build_end_conference(stanza) } };
			end,
		}, room.jid);
	end);

	return components;
end;
