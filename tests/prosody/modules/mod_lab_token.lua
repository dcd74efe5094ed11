-- Takes a token from the first words of SASL ANONYMOUS, for clients that connect
-- by TCP: browsers give it in the address of their BOSH or WebSocket connection.

local base64 = require "util.encodings".base64;

module:hook("stanza/urn:ietf:params:xml:ns:xmpp-sasl:auth", function (event)
	local said = base64.decode(event.stanza:get_text() or "") or "";
	if said:find("^[%w_-]+%.[%w_-]+%.[%w_-]+$") then
		event.origin.auth_token = said;
	end
end, 10);
