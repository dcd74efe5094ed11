-- Loaded on "localhost" by tests: does what an operator's shell does with hosts and their modules.

local hostmanager, modulemanager = require "core.hostmanager", require "core.modulemanager";
local st = require "util.stanza";

local ACTIONS = {
	activate = function (attr) return hostmanager.activate(attr.host); end;
	load = function (attr) return modulemanager.load(attr.host, attr.module); end;
	unload = function (attr) return modulemanager.unload(attr.host, attr.module); end;
};

module:hook("iq-set/host/urn:lab:hosts", function (event)
	local attr = event.stanza.tags[1].attr;
	local ok, err = ACTIONS[attr.action](attr);
	event.origin.send(ok and st.reply(event.stanza)
		or st.error_reply(event.stanza, "cancel", "internal-server-error", tostring(err)));
	return true;
end);
