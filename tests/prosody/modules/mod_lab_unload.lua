-- Loaded on "localhost" by tests: <unload/> and <load/> do what an operator's shell does with the gate or another module.

local modulemanager = require "core.modulemanager";
local st = require "util.stanza";

-- Takes the gate away without what it does when it is unloaded.
module:hook("iq-set/host/urn:lab:crash", function (event)
	local host = event.stanza.tags[1].attr.host;
	prosody.hosts[host].modules.vestibule_gate.module.unload = nil;
	modulemanager.unload(host, "vestibule_gate");
	event.origin.send(st.reply(event.stanza));
	return true;
end);

for _, action in ipairs { "load", "unload", "reload" } do
	module:hook("iq-set/host/urn:lab:" .. action, function (event)
		local attr = event.stanza.tags[1].attr;
		local ok, err = modulemanager[action](attr.host, attr.module or "vestibule_gate");
		module:log("info", "%s: %s", action, ok and "done" or tostring(err));
		event.origin.send(ok and st.reply(event.stanza)
			or st.error_reply(event.stanza, "cancel", "internal-server-error", tostring(err)));
		return true;
	end);
end
