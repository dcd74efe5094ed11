-- Loaded by both servers of a federation: where the other one's hosts are, in place of DNS. Of a stream between servers
-- everything else is Prosody's own. <cut/> to the first host ends all of them.

module:set_global();

local service, basic = require "net.resolvers.service", require "net.resolvers.basic";
local st = require "util.stanza";

local ports = module:get_option("lab_ports", {});
local look_up = service.new;

function service.new(name, ...)
	local port = ports[name];
	if not port then return look_up(name, ...); end
	local _, kind, extra = ...;
	return basic.new("127.0.0.1", port, kind, extra);
end

function module.unload() service.new = look_up; end

function module.add_host(host)
	host:hook("iq-set/host/urn:lab:cut", function (event)
		local links = {};
		for session in pairs(prosody.incoming_s2s) do links[#links + 1] = session; end
		for _, hosted in pairs(prosody.hosts) do
			for _, session in pairs(hosted.s2sout or {}) do links[#links + 1] = session; end
		end
		for _, session in ipairs(links) do session:close(); end
		event.origin.send(st.reply(event.stanza));
		return true;
	end);
end
