-- Tells clients that they are refused, each in the way that it understands: docs/protocol.md, `as` on an error.

local st, jid = require "util.stanza", require "util.jid";

local in_dialog = module:require "text".in_dialog;

local xmlns_stanzas = "urn:ietf:params:xml:ns:xmpp-stanzas";
local xmlns_jitsi, xmlns_focus = "http://jitsi.org/jitmeet", "http://jitsi.org/protocol/focus";

-- A server-to-server stream that ended discards what is sent on it; routing opens another.
local function send(origin, reply)
	if origin.type == "c2s" then origin.send(reply); else module:send(reply); end
	return true;
end

local function error_to(stanza, kind, condition, text, lang)
	local by = stanza.name == "presence" and jid.bare(stanza.attr.to) or nil;
	local reply = st.error_reply(stanza, kind, condition, nil, by);
	if text then reply:get_child("error"):text_tag("text", text, { xmlns = xmlns_stanzas, ["xml:lang"] = lang }); end
	return reply;
end

local function is_answer(stanza) return stanza.attr.type == "error" or stanza.attr.type == "result"; end

local respond = {};

-- The plain stanza error.
function respond.plain(event, kind, condition, text, lang)
	if is_answer(event.stanza) then return true; end
	return send(event.origin, error_to(event.stanza, kind, condition, text, lang));
end

-- Where to wait. Jitsi's clients of before 2022 look for the second element.
function respond.lobby(event, kind, condition, text, lang, lobby)
	if not lobby then return respond.plain(event, kind, condition, text, lang); end
	local reply = error_to(event.stanza, kind, condition, text, lang);
	local err = reply:get_child("error");
	err.attr.code = "407";
	err:text_tag("lobbyroom", lobby, { xmlns = xmlns_jitsi });
	reply:reset():text_tag("lobbyroom", lobby);
	return send(event.origin, reply);
end

respond["name-required"] = function (event)
	local reply = error_to(event.stanza, "modify", "not-acceptable");
	reply:get_child("error"):tag("displayname-required", { xmlns = xmlns_jitsi, lobby = "true" }):up();
	return send(event.origin, reply);
end;

respond["log-in"] = function (event, kind, condition, text, lang)
	if event.stanza.name == "iq" then return respond.plain(event, "auth", "not-authorized", text, lang); end
	local reply = error_to(event.stanza, kind, condition, text, lang);
	reply:get_child("error"):tag("authentication-required", { xmlns = xmlns_jitsi }):up();
	return send(event.origin, reply);
end;

function respond.retry(event) -- these very words are what clients know
	return respond.plain(event, "cancel", "not-allowed", "Room creation is restricted");
end

function respond.destroyed(event, _, _, text)
	local attr = event.stanza.attr;
	return send(event.origin, st.presence({ type = "unavailable", from = attr.to, to = attr.from, id = attr.id })
		:tag("x", { xmlns = "http://jabber.org/protocol/muc#user" })
			:tag("item", { affiliation = "none", role = "none" }):up()
			:tag("destroy"):text_tag("reason", in_dialog(text or "")):up():up());
end

function respond.reservation(event, _, _, text, lang)
	local reply = error_to(event.stanza, "cancel", "service-unavailable", text, lang);
	reply:get_child("error"):tag("reservation-error", { xmlns = xmlns_focus, ["error-code"] = "403" }):up();
	return send(event.origin, reply);
end

-- To a request: the client asks again by itself, less and less often.
respond["not-ready"] = function (event)
	local conference = event.stanza:get_child("conference", xmlns_focus);
	return send(event.origin, st.reply(event.stanza)
		:tag("conference", { xmlns = xmlns_focus, room = conference.attr.room, ready = "false" }):up());
end;

return respond;
