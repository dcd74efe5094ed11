-- Loaded by tests: <lose/> has the next report of the gate go nowhere; <fail times='n'/> has its next pages of rooms be errors, and
-- <hold/> keeps back the next one, which <release/> sends; <happened/> is answered once that is so.

local st = require "util.stanza";

local function done(event)
	event.origin.send(st.reply(event.stanza));
	return true;
end

local function link() return prosody.hosts["vestibule." .. module.host].modules.component.session; end

module:hook("iq-set/host/urn:lab:lose", function (event)
	local session = link();
	local send = session.send;
	function session.send(data, ...)
		-- With what follows from the same answer it goes in one write.
		local rest, is_lost = tostring(data):gsub("<message [^>]*><report .-</message>", "", 1);
		if is_lost == 0 then return send(data, ...); end
		session.send = send;
		return rest == "" or send(rest, ...);
	end
	return done(event);
end);

local left, held, awaits = 0, nil, nil;

local function happened()
	if awaits then done(awaits); end
	awaits = nil;
end

module:hook("iq-set/host/urn:lab:happened", function (event)
	if held or left == 0 then return done(event); end
	awaits = event;
	return true;
end);

module:hook("iq-set/host/urn:lab:fail", function (event)
	local rooms = prosody.hosts["conference." .. module.host].events;
	held, left = nil, tonumber(event.stanza.tags[1].attr.times) or 1;
	local function fail(asked)
		local query = asked.stanza.tags[1];
		if not query or query.name ~= "snapshot" then return; end
		module:log("info", "a page of rooms fails");
		asked.origin.send(st.error_reply(asked.stanza, "wait", "internal-server-error"));
		left = left - 1;
		if left == 0 then
			rooms.remove_handler("iq/host", fail);
			happened();
		end
		return true;
	end
	rooms.add_handler("iq/host", fail, 2000);
	return done(event);
end);

module:hook("iq-set/host/urn:lab:hold", function (event)
	local component = prosody.hosts["vestibule." .. module.host].events;
	held, left = nil, 1;
	local function hold(sent)
		if not sent.stanza:get_child("snapshot", "urn:vestibule:gate:2") then return; end
		component.remove_handler("iq/host", hold);
		held = sent.stanza;
		held.attr.xmlns = nil;
		happened();
		return true;
	end
	component.add_handler("iq/host", hold, 2000);
	return done(event);
end);

module:hook("iq-set/host/urn:lab:release", function (event)
	link().send(held);
	return done(event);
end);
