-- Loaded beside the gate by tests: tells which module handles which event, and at what priority.

local st = require "util.stanza";

local function each_module(act)
	for host in pairs(prosody.hosts) do
		for name, loaded in pairs(prosody.hosts[host].modules or {}) do act(name, loaded.module); end
	end
	for name, loaded in pairs(prosody.hosts["*"] and prosody.hosts["*"].modules or {}) do act(name, loaded.module); end
end

local function owners()
	local found = {};
	each_module(function (name, api)
		for _, _, handler in api and api.event_handlers:iter(nil, nil, nil) or function () end do found[handler] = name; end
	end);
	return found;
end

module:hook("iq-get/host/urn:lab:hooks", function (event)
	local reply, by = st.reply(event.stanza):tag("hooks", { xmlns = "urn:lab" }), owners();
	local function add(host, events)
		for name, handlers in pairs(events and events._event_map or {}) do
			for handler, priority in pairs(handlers) do
				local attr = { host = host, event = name, by = by[handler] or "core" };
				attr.priority = ("%.6g"):format(priority);
				reply:tag("hook", attr):up();
			end
		end
	end
	for host, session in pairs(prosody.hosts) do add(host, session.events); end
	add("*", prosody.events);
	event.origin.send(reply);
	return true;
end);
