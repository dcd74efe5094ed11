-- The gate of a visitors' server (Jitsi's second tier): holds the joins of visitors and asks the gate of the main
-- server, by the link that mod_fmuc uses. It decides nothing.
--
--     Component "conference.v1.meet.jitsi" "muc"
--         modules_enabled = { ...; "fmuc"; "vestibule_visitors" }
--         -- main_domain, muc_mapper_domain_base and muc_mapper_domain_prefix as for fmuc
--
-- What it asks and hears is in docs/protocol.md, section 13. For Prosody 0.12 and 13.

local jid, json, st = require "util.jid", require "util.json", require "util.stanza";
local new_id = require "util.id".medium;
local jid_bare, jid_host, jid_node, jid_resource = jid.bare, jid.host, jid.node, jid.resource;

local xmlns_gate, xmlns_muc = "urn:vestibule:gate:2", "http://jabber.org/protocol/muc";
local xmlns_nick, xmlns_caps = "http://jabber.org/protocol/nick", "http://jabber.org/protocol/caps";
local E2EE = "https://jitsi.org/meet/e2ee";

local TIMEOUT = 15; -- seconds for an answer: longer than the main server's gate takes for one
local MOST = 2000; -- joins that wait
local VERDICT = 2.5; -- below what parks joins (8), and mod_fmuc (3), which has words of its own while there is a lobby
local PASSWORD = -3.9; -- before Prosody's own check (-20)
local CHAT = 60; -- above mod_fmuc (55), which hands messages on
local RENAME = 5; -- before the room shows it
local FIRST = 1000; -- above all that answers

-- What Jitsi's verification of a token leaves in a session.
local TOKEN = {
	"auth_token", "jitsi_meet_domain", "jitsi_meet_room", "jitsi_meet_str_tenant", "jitsi_web_query_prefix",
	"jitsi_meet_context_user", "jitsi_meet_context_features", "jitsi_meet_context_room", "jitsi_meet_context_matrix",
	"auth_matrix_user_verification_is_owner",
};

module:depends("muc");
local main_domain = module:get_option_string("main_domain");
local prefix = module:get_option_string("muc_mapper_domain_prefix", "conference") .. ".";
local service = prefix .. (main_domain or "");
local host = module:get_option_string("muc_mapper_domain_base");
if not main_domain or not host then
	module:log("error", "main_domain and muc_mapper_domain_base are not set: no visitor is let in");
end

local AWAY = "The meeting service is briefly unavailable. Please try again in a moment.";

local admitted = {}; -- the key in a stanza that the main server has let pass
local waiting, count = {}, 0; -- by room and full address: the joins that wait, and their number
local members = {}; -- by room and full address: the visitors whom the main server knows, and what it has told of them

local function main_room(room) return jid_node(room.jid) .. "@" .. service; end
local function is_visitor(address)
	local of = prosody.hosts[jid_host(address)];
	return of ~= nil and not (module:get_option_inherited_set("admins", {}) / jid.prep):contains(jid_bare(address));
end

local function member(room, address) return (members[room.jid] or {})[address]; end

-- Log-ins, of which nothing is left afterwards

local function provider_of(name)
	local users = prosody.hosts[name] and prosody.hosts[name].users;
	return users and users.name or nil;
end
local log_in = {}; -- the key in a session: the provider and the mechanism
local function watch(name)
	local known = prosody.hosts[name];
	if not known or known.type ~= "local" then return; end
	local context = module:context(name);
	local function note(event)
		local session, handler = event.session, event.session.sasl_handler;
		session[log_in] = { provider = provider_of(name), mechanism = handler and handler.selected };
	end
	context:hook("authentication-success", note, 5);
	context:hook("sasl2/c2s/success", note, 500);
end
for name in pairs(prosody.hosts) do watch(name); end
module:hook_global("host-activated", watch);

-- Joins

local function session_of(origin)
	local known = origin[log_in] or {};
	local told = {
		ip = origin.ip, secure = origin.secure == true, provider = known.provider or provider_of(origin.host),
		mechanism = known.mechanism,
	};
	for _, name in ipairs(TOKEN) do told[name] = origin[name]; end
	return json.encode(told);
end

local function claims_e2ee(stanza)
	local features = stanza:get_child("features");
	for feature in (features or st.stanza("none")):childtags("feature") do
		if feature.attr.var == E2EE then return "true"; end
	end
end

local function question(room, stanza, origin)
	local x, caps = stanza:get_child("x", xmlns_muc), stanza:get_child("c", xmlns_caps);
	return st.iq({ type = "set", id = new_id(), from = module.host, to = service })
		:tag("visit", {
			xmlns = xmlns_gate, room = main_room(room), jid = stanza.attr.from, nick = jid_resource(stanza.attr.to),
			id = stanza.attr.id, name = stanza:get_child_text("nick", xmlns_nick), caps = caps and caps.attr.node,
			password = x and x:get_child_text("password"), e2ee = claims_e2ee(stanza),
			["xml:lang"] = stanza.attr["xml:lang"],
		}):text_tag("session", session_of(origin));
end

-- Elements without a namespace of their own have got that of the answer around them.
local function as_own(tag)
	if tag.attr.xmlns == xmlns_gate then tag.attr.xmlns = nil; end
	for _, child in ipairs(tag.tags) do as_own(child); end
	return tag;
end

local function refuse(origin, stanza, kind, condition, text)
	local reply = st.error_reply(stanza, kind, condition, text);
	return origin.send(reply);
end

local function left(room, address)
	module:send(st.message({ type = "normal", from = module.host, to = service })
		:tag("audience", { xmlns = xmlns_gate, room = main_room(room) }):tag("left", { jid = address }));
end

local function admit(w, room, answer)
	members[room.jid] = members[room.jid] or {};
	members[room.jid][w.from] = {
		chat = answer.attr.chat == "true", text = answer:get_text(), name = w.stanza:get_child_text("nick", xmlns_nick),
	};
	w.stanza[admitted], w.stanza.delayed_join_skip = true, true;
	room:handle_normal_presence(w.origin, w.stanza);
	w.stanza[admitted] = nil;
	if room:get_occupant_jid(w.from) then return; end
	members[room.jid][w.from] = nil;
	left(room, w.from);
end

-- Shows a visitor the main room's answer as this room's.
local function show(w, answer)
	local reply = as_own(st.clone(answer));
	reply.attr.from, reply.attr.to, reply.attr.id = w.stanza.attr.to, w.from, w.stanza.attr.id;
	for tag in reply:childtags("error") do tag.attr.by = tag.attr.by and jid_bare(w.stanza.attr.to); end
	w.origin.send(reply);
end

local function settle(w, reply)
	local room = prosody.hosts[module.host].modules.muc.get_room_from_jid(w.room);
	waiting[w.key], count = nil, count - 1;
	local answer = reply and reply:get_child("visit", xmlns_gate);
	local allows, shown = answer and answer.attr.allow == "true", answer and answer.tags[1];
	if w.is_gone or w.origin.destroyed then
		return allows and left({ jid = w.room }, w.from);
	elseif not room or not allows and not shown then
		return refuse(w.origin, w.stanza, "wait", "remote-server-timeout", AWAY);
	elseif allows then
		return admit(w, room, answer);
	end
	return show(w, shown);
end

module:hook("muc-occupant-pre-join", function (event)
	local room, stanza, origin = event.room, event.stanza, event.origin;
	local from = stanza.attr.from;
	-- The main server's people have been let in there.
	if stanza[admitted] or jid_host(from) == main_domain and origin.type ~= "c2s" or not is_visitor(from) then return; end
	local key = room.jid .. " " .. from;
	if waiting[key] or count >= MOST or origin.type ~= "c2s" or not main_domain or not host then
		refuse(origin, stanza, "wait", "resource-constraint", AWAY);
		return true;
	end
	local w = { key = key, room = room.jid, from = from, origin = origin, stanza = stanza };
	waiting[key], count = w, count + 1;
	module:send_iq(question(room, stanza, origin), nil, TIMEOUT):next(function (result)
		settle(w, result.stanza);
	end, function ()
		settle(w);
	end);
	return true;
end, VERDICT);

-- The decision stands: the room's own check gets the right password.
module:hook("muc-occupant-pre-join", function (event)
	local x, password = event.stanza:get_child("x", xmlns_muc), event.room:get_password();
	if not event.stanza[admitted] or not x or not password then return; end
	x:maptags(function (tag) return tag.name ~= "password" and tag or nil; end);
	x:text_tag("password", password, { xmlns = xmlns_muc });
end, PASSWORD);

module:hook("presence/full", function (event)
	local stanza = event.stanza;
	local w = stanza.attr.type == "unavailable" and waiting[jid_bare(stanza.attr.to) .. " " .. stanza.attr.from];
	if w then w.is_gone = true; end
end, FIRST);

module:hook("muc-occupant-left", function (event)
	local room = event.room;
	for address in event.occupant:each_session() do
		if member(room, address) and not room:get_occupant_jid(address) then
			members[room.jid][address] = nil;
			left(room, address);
		end
	end
end, 10);
module:hook("muc-room-destroyed", function (event) members[event.room.jid] = nil; end);

-- What visitors say and show

-- The name that was judged stays: it stands above what they write.
module:hook("muc-occupant-pre-change", function (event)
	local one = member(event.room, event.stanza.attr.from);
	if not one then return; end
	if event.orig_occupant.nick ~= event.dest_occupant.nick then
		refuse(event.origin, event.stanza, "cancel", "not-acceptable");
		return true;
	end
	event.stanza:remove_children("nick", xmlns_nick);
	if one.name then event.stanza:text_tag("nick", one.name, { xmlns = xmlns_nick }); end
end, RENAME);

local function hold(event)
	local from = event.stanza.attr.from;
	local one = member(event.room, from);
	if not event.occupant or not is_visitor(from) or one and one.chat then return; end
	refuse(event.origin, event.stanza, "auth", "forbidden", one and one.text);
	return true;
end
module:hook("muc-occupant-groupchat", hold, CHAT);

-- What the main server tells and asks

-- Says the main room's words to its audience. Jitsi's clients show them under that name.
local function say(room, name, text)
	for address in pairs(members[room.jid] or {}) do
		module:send(st.message({ type = "groupchat", from = room.jid, to = address, id = new_id() })
			:text_tag("body", text)
			:text_tag("display-name", name, { xmlns = "http://jitsi.org/protocol/display-name" })
			:tag("no-store", { xmlns = "urn:xmpp:hints" }):up());
	end
end

module:hook("message/host", function (event)
	local stanza = event.stanza;
	local told = stanza:get_child("audience", xmlns_gate);
	if not told then return; end
	if stanza.attr.from ~= service or event.origin.type == "c2s" then return true; end
	local muc = prosody.hosts[module.host].modules.muc;
	local room = muc.get_room_from_jid((jid_node(told.attr.room) or "") .. "@" .. module.host);
	for tag in (room and told or st.stanza("none")):childtags() do
		if tag.name == "say" then say(room, tag.attr.name or "", tag:get_text() or ""); end
		local address = tag.attr.jid or "";
		local one, nick = member(room, address), room:get_occupant_jid(address);
		if one and tag.name == "permissions" then
			one.chat, one.text = tag.attr.chat == "true", tag:get_text();
		elseif one and nick and tag.name == "remove" then
			local text = tag:get_text();
			room:set_role(true, nick, nil, text ~= "" and text or nil);
		end
	end
	return true;
end, FIRST);

function module.save() return { members = members }; end
function module.restore(saved) members = saved.members; end

module:hook("iq-get/host/" .. xmlns_gate .. ":audience", function (event)
	if event.stanza.attr.from ~= service then return; end
	event.origin.send(st.reply(event.stanza):tag("audience", { xmlns = xmlns_gate }));
	return true;
end);
