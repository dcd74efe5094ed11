-- Loaded by the benchmark: says what Lua has allocated, and how many stanzas went over the component's link and to
-- clients, since it was first asked. From then on, no garbage is collected.

local st, filters = require "util.stanza", require "util.filters";
local allocated;
local sent, received, delivered = 0, 0, 0;

local function counted(stanza)
	delivered = delivered + 1;
	return stanza;
end

-- Counts the stanzas over the link of a component, on which the gate speaks for its service.
local function watch(link, service)
	local send = link.send;
	function link.send(data)
		sent = sent + 1;
		return send(data);
	end
	local function note(event)
		if event.origin == link then received = received + 1; end
	end
	for _, name in ipairs { "iq", "message", "presence" } do
		for _, kind in ipairs { "host", "bare", "full" } do
			service.events.add_handler(name .. "/" .. kind, note, 1e6);
		end
	end
end

local function start()
	allocated = package.loadlib(module:get_option_string("bench_allocations"), "luaopen_allocations")();
	filters.add_filter_hook(function (session)
		if session.type == "c2s_unauthed" then filters.add_filter(session, "stanzas/out", counted); end
	end);
	local link = prosody.hosts["vestibule.localhost"].modules.component.session;
	if link then watch(link, prosody.hosts["conference.localhost"]); end
	collectgarbage();
	collectgarbage("stop");
end

module:hook("iq-get/host/urn:bench:counts", function (event)
	if not allocated then start(); end
	local bytes, allocations = allocated();
	event.origin.send(st.reply(event.stanza):tag("counts", {
		xmlns = "urn:bench", bytes = ("%d"):format(bytes), allocations = ("%d"):format(allocations),
		link = ("%d"):format(sent + received), delivered = ("%d"):format(delivered),
	}));
	return true;
end);
