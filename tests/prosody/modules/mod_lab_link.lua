-- Loaded by tests: <lose/> has the next report of the gate go nowhere, <fail/> has its next page of rooms be an error.

local st = require "util.stanza";

local is_failing = false;

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
	is_failing = true;
	return done(event);
end);

module:context("conference.localhost"):hook("iq/host", function (event)
	local query = event.stanza.tags[1];
	if not is_failing or not query or query.name ~= "snapshot" then return; end
	is_failing = false;
	event.origin.send(st.error_reply(event.stanza, "wait", "internal-server-error"));
	return true;
end, 2000);
