-- Splits JIDs. The parts of the last ones are remembered: of a stanza, each hook needs those of the same two or three.

local split = require "util.jid".split;

local first, second, third, fourth; -- the addresses: a table by address would be made again all the time
local bare_of, node_of, host_of, resource_of, last = {}, {}, {}, {}, 0; -- by the place of the address
local jids = {};

local function remember(address)
	local node, host, resource = split(address);
	last = last % 4 + 1;
	if last == 1 then first = address; elseif last == 2 then second = address;
	elseif last == 3 then third = address; else fourth = address; end
	node_of[last], host_of[last], resource_of[last] = node, host, resource;
	bare_of[last] = node and host and node .. "@" .. host or host;
	return last;
end

-- Makes a function that returns a part of an address, or nil.
local function part(parts)
	return function (address)
		if address == nil then return nil; end
		if address == first then return parts[1]; elseif address == second then return parts[2];
		elseif address == third then return parts[3]; elseif address == fourth then return parts[4]; end
		return parts[remember(address)];
	end
end

jids.bare, jids.node, jids.host, jids.resource = part(bare_of), part(node_of), part(host_of), part(resource_of);

return jids;
