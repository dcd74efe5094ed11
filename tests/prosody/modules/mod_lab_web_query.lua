-- For clients that come without a browser's address: names the room of it, as ?room=... does
-- (Jitsi's mod_jitsi_session), by <room xmlns='urn:lab:web-query'/> in an IQ to the clients' host.

local st = require "util.stanza";

module:hook("iq-set/host/urn:lab:web-query:room", function (event)
	event.origin.jitsi_web_query_room = event.stanza.tags[1]:get_text();
	event.origin.jitsi_web_query_prefix = "";
	event.origin.send(st.reply(event.stanza));
	return true;
end);
