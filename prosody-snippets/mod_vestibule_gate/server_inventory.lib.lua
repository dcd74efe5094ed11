-- Lists what this server is made of, for the component's doctor: modules, hooks, ports, and options by name. Only the
-- names below are ever read, and none of them is of a secret.

local modulemanager, portmanager = require "core.modulemanager", require "core.portmanager";

return function (gate)
	local xmlns_gate, now = gate.xmlns, require "util.time".now;
	local config_places = module:require "config_places";
	local is_utf8 = require "util.encodings".utf8.valid;
	local MOST = { hosts = 64, modules = 200, items = 32, text = 256, hooks = 400, ports = 64, sessions = 10000 };
	MOST.bytes = gate.LIMIT.page_bytes;

	local OPTIONS = {
		-- of the service
		"restrict_room_creation", "muc_room_cache_size", "muc_max_rooms", "muc_room_locking", "muc_tombstones",
		"muc_room_default_public", "muc_room_default_persistent", "muc_room_default_members_only",
		"muc_room_default_moderated", "muc_room_allow_public", "muc_room_allow_persistent",
		"allow_unaffiliated_register", "enforce_registered_nickname", "component_admins_as_room_owners", "admins",
		"vestibule_component", "vestibule_timeout", "vestibule_grace", "vestibule_on_unavailable", "vestibule_trusted",
		"vestibule_also",
		-- of hosts
		"authentication", "allow_registration", "registration_invite_only", "c2s_require_encryption", "require_encryption",
		"allow_unencrypted_plain_auth", "consider_bosh_secure", "consider_websocket_secure", "component_module",
		"component_conflict_resolve", "s2s_secure_auth", "s2s_whitelist", "modules_disabled", "storage", "default_storage",
		-- of the server
		"component_interfaces", "component_ports", "http_interfaces", "trusted_proxies", "gc", "use_ipv6",
		-- of Jitsi's modules
		"main_muc", "lobby_muc", "breakout_rooms_muc", "muc_lobby_whitelist", "muc_password_whitelist",
		"muc_access_whitelist", "muc_filter_whitelist", "token_verification_allowlist", "recorder_prefixes",
		"transcriber_prefixes", "allow_empty_token", "anonymous_strict", "enable_roomsize_token_verification",
		"enable_password_token_verification", "wait_for_host_disable_auto_owners", "jitsi_default_permissions",
	};
	local EVENTS = {
		"muc-occupant-pre-join", "muc-room-pre-create", "muc-pre-set-affiliation", "muc-config-submitted", "muc-invite",
		"muc-occupant-pre-change", "presence/full", "presence/bare", "message/bare",
		"iq-set/bare/http://jabber.org/protocol/muc#owner:query", "iq-set/bare/http://jabber.org/protocol/muc#admin:query",
	};

	-- Options can contain any bytes.
	local function cut(value)
		local text = tostring(value):gsub("%c", " ");
		return is_utf8(text) and gate.text.cut(text, MOST.text) or "?";
	end

	local function is_scalar(value) return type(value) ~= "table" and type(value) ~= "function"; end

	-- Returns a function that adds elements until the reply is full.
	local function adder(reply, attr)
		local bytes = 0;
		return function (name, attributes, text)
			if bytes > MOST.bytes then attr.more = "true"; return false; end
			bytes = bytes + 40 + #(text or "");
			for key, value in pairs(attributes) do bytes = bytes + #key + #value + 4; end
			reply:tag(name, attributes);
			if text then reply:text(text); end
			return true;
		end;
	end

	local function add_option(reply, add, name, value)
		if is_scalar(value) then
			if add("option", { name = name }, cut(value)) then reply:up(); end
			return;
		elseif type(value) ~= "table" or not add("option", { name = name, list = "true" }) then
			return;
		end
		local count = 0;
		for key, item in pairs(value) do
			count = count + 1;
			if count > MOST.items then reply:tag("more"):up(); break; end
			local text = type(key) == "number" and is_scalar(item) and tostring(item)
				or type(key) ~= "number" and is_scalar(item) and tostring(key) .. "=" .. tostring(item) or nil;
			if text and add("item", {}, cut(text)) then reply:up(); end
		end
		reply:up();
	end

	-- Adds the options of a host that it does not inherit.
	local function add_options(reply, add, host, inherited)
		for _, name in ipairs(OPTIONS) do
			local value = module:context(host):get_option(name);
			local is_own = value ~= nil and (not inherited or value ~= inherited:get_option(name));
			if is_own then add_option(reply, add, name, value); end
		end
	end

	-- Options whose places are told, too: what a finding of the doctor is about, or its remedy.
	local PLACED = { "modules_enabled", "component_secret" };

	local function add_places(reply, add, options)
		for _, names in ipairs { OPTIONS, PLACED } do
			for _, name in ipairs(names) do
				local place = options[name];
				if place and add("at", { option = name, file = cut(place.file), line = place.line }) then reply:up(); end
			end
		end
	end

	local function add_modules(reply, add, modules, places)
		local names = {};
		for name in pairs(modules) do names[#names + 1] = name; end
		table.sort(names);
		for i = 1, math.min(#names, MOST.modules) do
			local place = places and places[names[i]] or {};
			if add("module", { name = names[i], file = place.file and cut(place.file), line = place.line }) then reply:up(); end
		end
	end

	local function host_names()
		local names = {};
		for name in pairs(prosody.hosts) do names[#names + 1] = name; end
		table.sort(names);
		return names;
	end

	-- Returns the module of each handler of this host's events.
	local function owners(names, events)
		local owner = {};
		local function note(modules)
			for name, loaded in pairs(modules or {}) do
				local handlers = type(loaded) == "table" and loaded.module and loaded.module.event_handlers;
				for _, event in ipairs(EVENTS) do
					local own = handlers and handlers:get(events, event);
					for handler in pairs(type(own) == "table" and own or {}) do owner[handler] = name; end
				end
			end
		end
		for i = 1, math.min(#names, MOST.hosts) do note(prosody.hosts[names[i]].modules); end
		note(modulemanager.get_modules("*"));
		return owner;
	end

	local function add_hooks(reply, add, names)
		local events = prosody.hosts[module.host].events;
		local map, owner, count = events._event_map or {}, owners(names, events), 0;
		for _, event in ipairs(EVENTS) do
			for handler, priority in pairs(map[event] or {}) do
				count = count + 1;
				local attr = { event = event, priority = ("%g"):format(priority), module = owner[handler] };
				if count <= MOST.hooks and add("hook", attr) then reply:up(); end
			end
		end
	end

	local function add_ports(reply, add)
		local count = 0;
		for service, interface, port in portmanager.get_active_services():iter(nil, nil, nil) do
			count = count + 1;
			if count > MOST.ports then break; end
			local attr = { service = cut(service), interface = cut(interface), port = cut(port) };
			if add("port", attr) then reply:up(); end
		end
	end

	-- Returns the number of HTTP sessions and of their addresses, as Prosody sees them.
	local function web_sessions()
		local seen, distinct, loopback, count, looked = {}, 0, 0, 0, 0;
		for _, session in pairs(prosody.full_sessions) do
			looked = looked + 1;
			if looked > MOST.sessions then break; end
			if session.bosh_version or session.websocket_request then
				local ip = tostring(session.ip);
				count = count + 1;
				if not seen[ip] then seen[ip], distinct = true, distinct + 1; end
				if ip:find("^127%.") or ip == "::1" or ip:find("^::ffff:127%.") then loopback = loopback + 1; end
			end
		end
		return { sessions = tostring(count), addresses = tostring(distinct), loopback = tostring(loopback) };
	end

	return function (reply)
		local attr = {
			xmlns = xmlns_gate, server = gate.SERVER, gate = gate.VERSION, lua = _VERSION:match("[%d.]+"),
			time = ("%.3f"):format(now()), memory = ("%.0f"):format(collectgarbage("count")),
			config = prosody.config_file and cut(prosody.config_file),
		};
		local names = host_names();
		reply:tag("inventory", attr);
		local add, global, places = adder(reply, attr), module:context("*"), config_places();
		local function add_host(name, kind, modules, inherited)
			local place = places(name);
			local shown = { name = name, type = kind, file = place.file and cut(place.file), line = place.line };
			if not add("host", shown) then return; end
			add_modules(reply, add, modules or {}, place.modules);
			add_options(reply, add, name, inherited);
			add_places(reply, add, place.options);
			reply:up();
		end
		add_modules(reply, add, prosody.hosts[module.host].modules);
		add_host("*", nil, modulemanager.get_modules("*"));
		for i = 1, math.min(#names, MOST.hosts) do
			local host = prosody.hosts[names[i]];
			add_host(names[i], tostring(host.type), host.modules, global);
		end
		if #names > MOST.hosts then attr.more = "true"; end
		add_hooks(reply, add, names);
		add_ports(reply, add);
		for service, is_guarded in pairs(gate.visitors.guarded) do
			if add("visitors", { service = service, guarded = tostring(is_guarded) }) then reply:up(); end
		end
		if add("web", web_sessions()) then reply:up(); end
		return reply;
	end;
end;
