-- Splits JIDs. The parts of the last ones are remembered: of a stanza, each hook needs those of the same two or three.

local split = require "util.jid".split;

local KEPT = 4;
local address_of, bare_of, node_of, host_of, resource_of, last = {}, {}, {}, {}, {}, 0;
local jids = {};

-- Returns the place at which the parts of an address are.
local function find(address)
	for i = 1, KEPT do
		if address_of[i] == address then return i; end
	end
	last = last % KEPT + 1;
	local node, host, resource = split(address);
	address_of[last], node_of[last], host_of[last], resource_of[last] = address, node, host, resource;
	bare_of[last] = node and host and node .. "@" .. host or host;
	return last;
end

function jids.bare(address) return bare_of[find(address)]; end
function jids.node(address) return node_of[find(address)]; end
function jids.host(address) return host_of[find(address)]; end
function jids.resource(address) return resource_of[find(address)]; end

return jids;
