-- Loaded by tests: <lose/> has the next report of the gate go nowhere, <fail/> has its next page of rooms be an error.

local st = require "util.stanza";

local function done(event)
	event.origin.send(st.reply(event.stanza));
	return true;
end

module:hook("iq-set/host/urn:lab:lose", function (event)
	local session = prosody.hosts["vestibule.localhost"].modules.component.session;
	local send = session.send;
	function session.send(data, ...)
		if not tostring(data):find("<report", 1, true) then return send(data, ...); end
		session.send = send;
		return true;
	end
	return done(event);
end);

module:hook("iq-set/host/urn:lab:fail", function (event)
	local rooms = prosody.hosts["conference.localhost"].events;
	local function fail(asked)
		local query = asked.stanza.tags[1];
		if not query or query.name ~= "snapshot" then return; end
		rooms.remove_handler("iq/host", fail);
		module:log("info", "a page of rooms fails");
		asked.origin.send(st.error_reply(asked.stanza, "wait", "internal-server-error"));
		return true;
	end
	rooms.add_handler("iq/host", fail, 2000);
	return done(event);
end);
