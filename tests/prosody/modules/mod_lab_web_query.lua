-- For clients that come without a browser's address: names the room of it, as ?room=...&prefix=... does
-- (Jitsi's mod_jitsi_session), by <room xmlns='urn:lab:web-query' prefix='...'/> in an IQ to the clients' host.

local st = require "util.stanza";

module:hook("iq-set/host/urn:lab:web-query:room", function (event)
	event.origin.jitsi_web_query_room = event.stanza.tags[1]:get_text();
	event.origin.jitsi_web_query_prefix = event.stanza.tags[1].attr.prefix or "";
	event.origin.send(st.reply(event.stanza));
	return true;
end);
