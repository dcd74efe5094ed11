-- Visitors (Jitsi's mod_visitors): an audience on a server of its own, in a room that belongs to one of this service.
-- mod_vestibule_visitors holds their joins there and sends them here, where they are questions about the meeting.
-- What is known of them here, their server has told: it is the operator's own, and the focus has connected it.

local jid, json, st = require "util.jid", require "util.json", require "util.stanza";
local new_id = require "util.id".medium;
local jid_node, jid_prep = jid.node, jid.prep;

local xmlns_muc, xmlns_nick = "http://jabber.org/protocol/muc", "http://jabber.org/protocol/nick";
local xmlns_caps = "http://jabber.org/protocol/caps";
local S2S = { s2sin = true, s2sout = true }; -- a link is used both ways (XEP-0288)
local NOTHING = {};

-- What the verification of a token leaves in a session: identity.lib.lua.
local TOKEN = {
	"auth_token", "jitsi_meet_domain", "jitsi_meet_room", "jitsi_meet_str_tenant", "jitsi_web_query_prefix",
	"jitsi_meet_context_user", "jitsi_meet_context_features", "jitsi_meet_context_room", "jitsi_meet_context_matrix",
	"auth_matrix_user_verification_is_owner",
};

return function (gate)
	local PRIORITY, LIMIT, cut = gate.PRIORITY, gate.LIMIT, gate.text.cut;
	local jid_bare, jid_host = gate.jids.bare, gate.jids.host;
	local prefix = module:get_option_string("muc_mapper_domain_prefix", "conference") .. ".";
	local audiences = {}; -- the visitors of a room by their full addresses, by its address
	local guarded = {}; -- whether a node's service has the gate's module, as it has said; by its domain
	local visitors = { guarded = guarded };

	-- Returns the host whose rooms a service has, as Jitsi's modules name the two.
	local function base_of(service) return service and service:sub(1, #prefix) == prefix and service:sub(#prefix + 1); end

	-- Returns whether the focus has connected the service of a visitors' server to a room.
	local function is_node(room, service)
		local nodes, base = room._connected_vnodes, base_of(service);
		return nodes ~= nil and base and nodes:get(base) ~= nil;
	end

	-- Returns whether an address is of a visitors' server. Who is promoted there comes by a log-in at this server: of
	-- another server's guests it would know nothing.
	function visitors.comes_past(room, address)
		local nodes = room and room._connected_vnodes;
		return nodes and nodes:get(jid_host(address)) ~= nil;
	end

	-- Returns whether a conference request for a room is of a client that takes a seat in its audience if the focus
	-- offers one.
	function visitors.may_watch(conference, room_jid)
		if not visitors.are_there or not gate.is_open(room_jid) then return false; end
		for property in conference:childtags("property") do
			if property.attr.name == "visitors-version" then return true; end
		end
		return false;
	end

	-- Returns the main room's visitor of that full address.
	function visitors.find(room, address) return (audiences[room.jid] or NOTHING)[address]; end

	-- Calls `act` with each visitor of a room and `with`, until it returns true. Returns that one.
	function visitors.each(room, act, with)
		for _, one in pairs(audiences[room.jid] or NOTHING) do
			if act(one, with) then return one; end
		end
	end

	local function with_nick(room, nick)
		return visitors.each(room, function (one) return one.nick == nick; end);
	end
	local function is_of(one, bare) return one.bare_jid == bare; end
	function visitors.is_inside(room, bare) return visitors.each(room, is_of, bare) ~= nil; end

	local function describe(room, one) return gate.facts.describe(room, one, one.session, one.jid); end
	visitors.describe = describe;

	local function tell(room, service, name, attr, text)
		attr.xmlns = gate.xmlns;
		module:send(st.message({ type = "normal", from = module.host, to = service })
			:tag("audience", { xmlns = gate.xmlns, room = room.jid }):text_tag(name, text or "", attr));
	end

	-- Tells the nodes who may write, where that has changed.
	function visitors.settle(room)
		visitors.each(room, function (one)
			local may = gate.permissions.may(room, one, "chat");
			if may == one.may_chat then return; end
			one.may_chat = may;
			local text = not may and gate.permissions.words(room, "chat", one.get_presence()) or "";
			tell(room, one.service, "permissions", { jid = one.jid, chat = tostring(may) }, text);
		end);
	end

	-- Has the nodes say something to the audience, as the room.
	function visitors.say(room, text)
		local services = {};
		visitors.each(room, function (one) services[one.service] = true; end);
		for service in pairs(services) do
			tell(room, service, "say", { name = (gate.messages.of("gate-speaker")) }, text);
		end
	end

	-- Joins

	-- Builds the join as it would reach the main room.
	local function join_of(visit, room)
		local attr = visit.attr;
		local join = st.presence({
			from = attr.jid, to = room.jid .. "/" .. (attr.nick or ""), id = attr.id, ["xml:lang"] = attr["xml:lang"],
		}):tag("x", { xmlns = xmlns_muc });
		if attr.password then join:text_tag("password", attr.password, { xmlns = xmlns_muc }); end
		join:up();
		if attr.name then join:text_tag("nick", attr.name, { xmlns = xmlns_nick }); end
		if attr.caps then join:tag("c", { xmlns = xmlns_caps, node = attr.caps }):up(); end
		return attr.e2ee == "true" and gate.permissions.claim_e2ee(join) or join;
	end

	-- Builds the session as if it were one of this server. What is sent to it answers the join.
	local function session_of(visit, host, send)
		local told = json.decode(visit:get_child_text("session") or "");
		if type(told) ~= "table" then return nil; end
		local function text(value) return type(value) == "string" and value or nil; end
		local session = {
			type = "c2s", host = host, full_jid = visit.attr.jid, log = module._log, send = send,
			ip = text(told.ip), secure = told.secure == true,
		};
		for _, name in ipairs(TOKEN) do session[name] = told[name]; end
		gate.identity.suppose_log_in(session, text(told.provider), text(told.mechanism));
		return session;
	end

	local function leave(room, address)
		local one = visitors.find(room, address);
		if not one then return; end
		audiences[room.jid][address] = nil;
		if next(audiences[room.jid]) == nil then audiences[room.jid] = nil; end
		gate.report("left", room, describe(room, one));
		if not visitors.is_inside(room, one.bare_jid) then gate.permissions.forget(room, one.bare_jid); end
	end

	-- Removes a person from the audience.
	function visitors.remove(room, bare, text)
		local sessions = {};
		visitors.each(room, function (one)
			if one.bare_jid == bare then sessions[#sessions + 1] = one; end
		end);
		for _, one in ipairs(sessions) do
			leave(room, one.jid);
			tell(room, one.service, "remove", { jid = one.jid }, text);
		end
	end

	local function enter(e, fx)
		local room = gate.get_room(e.room);
		if not room then return gate.client_response.plain(e, "cancel", "item-not-found"); end
		local address, stanza = e.from, e.stanza;
		leave(room, address); -- they come again
		local one = {
			jid = address, bare_jid = jid_bare(address), nick = e.more.place .. "/" .. jid.resource(stanza.attr.to),
			role = "visitor", is_visitor = true, service = jid_host(e.more.place), session = e.origin, since = os.time(),
			sessions = { [address] = stanza }, get_presence = function () return stanza; end,
		};
		audiences[room.jid] = audiences[room.jid] or {};
		audiences[room.jid][address] = one;
		gate.permissions.seat(room, one, fx);
		one.may_chat = gate.permissions.may(room, one, "chat");
		e.more.admit(one);
		gate.report("joined", room, describe(room, one), one.session);
	end

	local function is_proper(address) return address ~= nil and jid_prep(address, true) == address; end

	local function ask(event, visit)
		local iq, service = event.stanza, event.stanza.attr.from;
		local room, host = gate.get_room(visit.attr.room or ""), base_of(service);
		local function answer(build)
			local reply = build(iq);
			iq = nil; -- one answer
			return reply and module:send(reply);
		end
		local function fail(kind, condition)
			answer(function (asked) return asked and st.error_reply(asked, kind, condition); end);
			return true;
		end
		if not room or room._data.destroyed then return fail("cancel", "item-not-found"); end
		local function refused(stanza)
			return answer(function (asked)
				return asked and st.reply(asked):tag("visit", { xmlns = gate.xmlns }):add_child(st.clone(stanza));
			end);
		end
		local session = session_of(visit, host, refused);
		local is_theirs = is_node(room, service) and is_proper(jid_bare(visit.attr.jid))
			and jid_host(visit.attr.jid) == host and jid.resource(visit.attr.jid);
		if not session or not is_theirs then return fail("auth", "forbidden"); end
		local stanza = join_of(visit, room);
		if not jid_prep(stanza.attr.to, true) then return fail("modify", "jid-malformed"); end
		local more = { place = jid_node(room.jid) .. "@" .. service, visitor = true, granted = enter };
		function more.admit(one)
			local text = not one.may_chat and gate.permissions.words(room, "chat", stanza) or "";
			answer(function (asked)
				return asked and st.reply(asked)
					:tag("visit", { xmlns = gate.xmlns, allow = "true", chat = tostring(one.may_chat) }):text(text);
			end);
		end
		local asked = { stanza = stanza, origin = session };
		-- A gate that only observes, while the component is away.
		if not gate.put(asked, "join", more, room.jid) then
			enter({ room = room.jid, from = stanza.attr.from, stanza = stanza, origin = session, more = more });
		end
		return true;
	end

	gate.guard("iq/host", PRIORITY.visitors, function (event)
		local stanza = event.stanza;
		local visit = stanza.attr.type == "set" and stanza:get_child("visit", gate.xmlns);
		if not visit or not S2S[event.origin.type] then return; end
		return ask(event, visit);
	end);

	-- A node tells who has left.
	gate.guard("message/host", PRIORITY.visitors, function (event)
		local stanza = event.stanza;
		local gone = stanza:get_child("audience", gate.xmlns);
		if not gone or not S2S[event.origin.type] then return; end
		local room = gate.get_room(gone.attr.room or "");
		for one in (room and gone or st.stanza("none")):childtags("left") do
			local known = visitors.find(room, one.attr.jid or "");
			gate.cancel(room.jid, one.attr.jid or "");
			if known and known.service == stanza.attr.from then leave(room, known.jid); end
		end
		return true;
	end);

	-- What they say

	-- Returns whether a visitor may say this to the main room or an occupant; nil: it is none of theirs. Their server
	-- holds what they may not say, and has answered it.
	function visitors.judge_message(event, room)
		local stanza = event.stanza;
		local from, kind = stanza.attr.from, stanza.attr.type;
		local what = kind == "groupchat" and "chat" or kind == "chat" and "private";
		local is_theirs = what and S2S[event.origin.type] and jid_node(from) == jid_node(room.jid);
		if not is_theirs or not is_node(room, jid_host(from)) then return nil; end
		local one = with_nick(room, from);
		if one and gate.permissions.may(room, one, what) then return true; end
		gate.report_refusal(room, { jid = cut(one and one.jid or from, LIMIT.address), reason = what });
		return false;
	end

	-- Returns the main room whose poll a visitor answers, and the visitor; nil: it is none of theirs.
	function visitors.find_voter(event, message)
		local service = event.stanza.attr.from;
		local data = S2S[event.origin.type] and json.decode(message:get_text() or "");
		if type(data) ~= "table" or data.command ~= "answer-poll" or type(data.senderId) ~= "string" then return nil; end
		local address = gate.focus.internal(message.attr.roomJid or "");
		local room = address and gate.get_room(address);
		if not room or not is_node(room, service) then return nil; end
		return room, with_nick(room, jid_node(room.jid) .. "@" .. service .. "/" .. data.senderId);
	end

	-- People of this server write to an audience through the meeting: mod_fmuc takes all that comes from their host for
	-- the main server's word. Occupants answer a visitor in private, directly.
	local function hold_direct(event)
		local stanza, from = event.stanza, event.stanza.attr.from;
		local node, service, nick = jid.split(stanza.attr.to);
		local room = event.origin.type == "c2s" and node and gate.get_room(node .. "@" .. module.host);
		if not room or not is_node(room, service) or gate.is_observing() or gate.is_service(from) then return; end
		local kind, occupant = stanza.attr.type, nick and gate.breakout.find(room, from);
		if kind == "unavailable" or kind == "error" or kind == "result" then return true; end
		if not occupant or kind ~= "chat" then return gate.entrance.refuse(event, "outside", "cancel", "not-acceptable"); end
		if gate.permissions.may(room, occupant, "private") then return; end
		return gate.permissions.refuse(event, "private", room);
	end

	local guarded_hosts = {}; -- the sessions of hosts whose clients are held
	local function watch_clients(host)
		local session = rawget(prosody.hosts, host);
		if not session or session.type ~= "local" or guarded_hosts[host] == session then return; end
		guarded_hosts[host] = session;
		for _, name in ipairs { "presence", "message", "iq" } do
			for _, place in ipairs { "bare", "full" } do
				gate.guard_at(module:context(host), "pre-" .. name .. "/" .. place, PRIORITY.visitors, hold_direct);
			end
		end
	end

	-- The nodes

	-- Asks a node that the focus connects whether its rooms are guarded, for the doctor.
	function visitors.look(service)
		local iq = st.iq({ type = "get", id = new_id(), from = module.host, to = service })
			:tag("audience", { xmlns = gate.xmlns });
		guarded[service] = guarded[service] or false;
		module:send_iq(iq, nil, LIMIT.seconds):next(function ()
			guarded[service] = true;
		end, function ()
			guarded[service] = false;
			module:log("warn", "the visitors' server %s has no vestibule_visitors: who goes there is under no policy, and "
				.. "nothing that they say reaches a meeting", service);
		end);
	end

	local watched, host;
	local function read() host = module:get_option_string("muc_mapper_domain_base"); end
	read();
	module:hook_global("config-reloaded", read);
	function visitors.watch()
		visitors.are_there = gate.jitsi_components.find("visitors_component") ~= nil;
		local session = host and rawget(prosody.hosts, host);
		if not session or watched == session then return; end
		watched = session;
		for name in pairs(prosody.hosts) do watch_clients(name); end
		module:hook_global("host-activated", watch_clients);
		module:context(host):hook("jitsi-connect-vnode", function (event)
			local is_ours = event.room.jid and jid_host(event.room.jid) == module.host;
			if is_ours then visitors.look(prefix .. tostring(event.vnode) .. ".meet.jitsi"); end
		end, PRIORITY.last);
	end

	function visitors.forget(room_jid) audiences[room_jid] = nil; end
	function visitors.save() return { audiences = audiences, guarded = guarded }; end
	function visitors.restore(saved)
		if not saved then return; end -- an older version has none
		audiences = saved.audiences;
		for service, is_guarded in pairs(saved.guarded) do guarded[service] = is_guarded; end
	end
	return visitors;
end;
