-- A server that was built with other tables than those that were tried: of every ö it makes an o.

module:set_global();

local jid = require "util.jid";
local prep = jid.prep;

function jid.prep(address, strict)
	local prepared = prep(address, strict);
	return prepared and (prepared:gsub("\195\182", "o"));
end

function module.unload() jid.prep = prep; end
