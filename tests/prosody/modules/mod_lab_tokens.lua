-- Loaded on the MUC service by tests: Jitsi's own check of tokens, for sessions that have none from a web address.

local array, st = require "util.array", require "util.stanza";

-- Two libraries of those modules, where the system has them not.
package.path = package.path .. ";" .. module:get_option_string("lab_lua_path", "");

for _, name in ipairs(module:get_option_array("lab_token_modules", array {})) do module:depends(name); end

local host = module:context(module.host:match("%.(.+)$"));
local checker = module:require "token/util".new(host);

module:hook("iq-set/host/urn:lab:token", function (event)
	local origin, stanza = event.origin, event.stanza;
	origin.auth_token = stanza.tags[1]:get_text();
	local ok, condition, text = checker:process_and_verify_token(origin);
	origin.send(ok and st.reply(stanza) or st.error_reply(stanza, "auth", condition, text));
	return true;
end);
