-- For clients that come without a browser's address: names the room of it, as ?room=...&prefix=... does
-- (Jitsi's mod_jitsi_session), by <room xmlns='urn:lab:web-query' prefix='...' address='...'/> in an IQ to the clients'
-- host. `address`: the network address that a web server says (X-Forwarded-For), over HTTPS.

local st = require "util.stanza";

module:hook("iq-set/host/urn:lab:web-query:room", function (event)
	event.origin.jitsi_web_query_room = event.stanza.tags[1]:get_text();
	event.origin.jitsi_web_query_prefix = event.stanza.tags[1].attr.prefix or "";
	local address = event.stanza.tags[1].attr.address;
	if address then event.origin.ip, event.origin.secure = address, true; end
	event.origin.send(st.reply(event.stanza));
	return true;
end);
