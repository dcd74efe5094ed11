-- Gates Jitsi's conference requests: clients ask the conference focus for a room, and it opens the room. Remembers what
-- they have told of themselves.

local jid, st, new_id = require "util.jid", require "util.stanza", require "util.id";
local new_cache, sha256 = require "util.cache".new, require "util.hashes".sha256;

local NOTHING = {};
local xmlns_focus = "http://jitsi.org/protocol/focus";
local HEALTH_CHECK = "^__jicofo%-health%-check"; -- how the rooms are named in which a focus tries itself out
local TICKET = "^vt%-[%w_-]+$";
local PATIENCE = 15; -- seconds that a focus waits for the first participant
local LONGEST = 64; -- bytes of a ticket or a client's own mark
local ASKING = 100; -- people who asked for one room and are remembered
local JOINS_AT_ONCE = 30; -- seconds within which a client joins after its request
local TRIES = 3; -- requests of a client in a row that wait for nothing until it is told why: about 20 seconds
local IN_A_ROW = 60; -- seconds at most between two of them
local LOG_INS, LOG_IN_LASTS = 10000, 24 * 60 * 60; -- as long as Jitsi's focus itself remembers one

return function (gate)
	local focuses, proxies, watched = {}, {}, {};
	local log_ins = new_cache(LOG_INS); -- by the focus's session id: the account, and when
	local asked = {}; -- by room: who asked the focus for it, in that order
	local focus = {};

	-- Returns what the first request of a session reported. A server or component speaks for many, so nothing is kept
	-- of it.
	local function known_of(session)
		local known = session.type ~= "c2s" and {} or session[gate.mark];
		if not known then
			known = {};
			session[gate.mark] = known;
		end
		return known;
	end

	-- Returns the focus that gets what is sent to an address: a proxy passes on whatever is sent to its host.
	local function behind(address)
		local bare = gate.jids.bare(address);
		return focuses[bare] and bare or proxies[gate.jids.host(address)];
	end

	function focus.is_one(address) return focuses[gate.jids.bare(address)]; end
	-- Returns whether the service is one of Jitsi's.
	function focus.is_there() return next(focuses) ~= nil; end

	function focus.is_health_check(room_jid, address)
		return focus.is_one(address) and (jid.node(room_jid) or ""):match(HEALTH_CHECK) ~= nil;
	end

	-- Returns the internal address of a tenant's room: room@conference.tenant.example.org is
	-- [tenant]room@conference.example.org.
	local function internal(address)
		local node, host = jid.split(jid.prep(address or "", true) or "");
		if not node or host == module.host then return node and node .. "@" .. host; end
		local prefix, base = module.host:match("^([^.]+)%.(.+)$");
		if not prefix or host:sub(1, #prefix + 1) ~= prefix .. "." or host:sub(-#base - 1) ~= "." .. base then return nil; end
		local tenant = host:sub(#prefix + 2, -#base - 2);
		if tenant == "" or tenant:find(".", 1, true) then return nil; end
		return "[" .. tenant .. "]" .. node .. "@" .. module.host;
	end
	focus.internal = internal;

	-- A ticket admits its bearer, so only its hash is kept and reported. In another client it is another ticket. One that
	-- a gateway shows may be that of another caller.
	local function know_ticket(known, ticket)
		if known.is_shared then return; end
		known.ticket, known.mark = ticket, sha256(ticket .. " " .. (known.device or ""), true):sub(1, 32);
	end

	-- Notes that the focus has answered a request: it opens no room for a requester whom it refused.
	local function note_answer(session, id, is_refused)
		local list = asked[session[gate.mark].asked or false];
		for i, one in ipairs(list or {}) do
			if one.session == session and one.id == id then
				one.answered = true;
				return is_refused and table.remove(list, i);
			end
		end
	end

	-- Adds a ticket to the focus's answer for a client without one. When another session sends a session id of the
	-- focus, the same person has logged in: the id is the ticket of both sessions.
	local function answered(event)
		local stanza = event.stanza;
		local attr = stanza.attr;
		local session = (attr.type == "result" or attr.type == "error") and prosody.full_sessions[attr.to];
		local known = session and session[gate.mark];
		if not known or gate.is_observing() or not focuses[jid.bare(attr.from)] and not proxies[attr.from] then return; end
		note_answer(session, attr.id, attr.type == "error");
		-- The focus has forgotten the log-in of that session id.
		local failure = attr.type == "error" and stanza:get_child("error");
		if failure and failure:get_child("session-invalid", "http://jitsi.org/jitmeet") then
			known.account = nil;
		end
		local conference = attr.type == "result" and stanza:get_child("conference", xmlns_focus);
		local given = conference and conference.attr["session-id"];
		if conference and not given then
			conference.attr["session-id"] = known.ticket;
		elseif given and #given <= LONGEST and not known.account and not known.is_shared then
			local bare, room_jid = jid.bare(attr.to), internal(conference.attr.room);
			local provider, mechanism = gate.identity.log_in(session);
			-- Only the client that received the session id may present it later.
			log_ins:set(given, {
				account = bare, at = os.time(), device = known.device, provider = provider, mechanism = mechanism,
			});
			know_ticket(known, given);
			local room = room_jid and gate.get_room(room_jid);
			local data = gate.room_data.of(room);
			if data then gate.room_data.recognise(data, bare, known.mark); room:save(); end
		end
	end

	-- Whether another gate decides about a room of another service, or Jitsi itself: about a breakout room that exists,
	-- for people of its meeting. The focus can open rooms everywhere, and comes wherever it is asked to.
	local function is_decided_elsewhere(address, session)
		address = jid.prep(address or "", true);
		local function is_guarded(host)
			local there = host and rawget(prosody.hosts, host);
			return there ~= nil and there.modules.vestibule_gate ~= nil;
		end
		local host = address and jid.host(address);
		local main = host and gate.breakout.service_of(host);
		if main ~= module.host then return is_guarded(host) or is_guarded(main); end
		local room = gate.get_room(session.jitsi_breakout_main_jid or "");
		return room ~= nil and room ~= false and (room._data.breakout_rooms or {})[jid.bare(address)] ~= nil;
	end

	local function request(event)
		local stanza, origin = event.stanza, event.origin;
		local from, to = stanza.attr.from, stanza.attr.to;
		if stanza.attr.type ~= "set" or stanza[gate.mark] or proxies[jid.host(from)] or gate.is_service(from) then return; end
		if not behind(to) then return; end
		local conference = stanza:get_child("conference", xmlns_focus);
		if not conference then return; end
		if gate.addresses.refuse(event, conference.attr.room) then return true; end
		local known, room_jid = known_of(origin), internal(conference.attr.room);
		local is_elsewhere = not room_jid and is_decided_elsewhere(conference.attr.room, origin);
		if not room_jid and not is_elsewhere and not gate.is_observing() then
			return gate.entrance.refuse(event, "elsewhere", "cancel", "item-not-found", "reservation");
		end
		local given, device = conference.attr["session-id"], conference.attr["machine-uid"];
		known.client, known.refused, known.is_shared = "jitsi", nil, gate.callers.is_one(origin);
		known.device = device and not known.is_shared and gate.text.cut(device, LONGEST) or nil;
		if given and given:match(TICKET) and #given <= LONGEST then
			know_ticket(known, given);
			conference.attr["session-id"] = nil; -- a focus knows nothing of it
		else
			local log_in = given and log_ins:get(given);
			if known.is_shared then log_in = nil; end
			if log_in and (log_in.device ~= known.device or os.time() - log_in.at >= LOG_IN_LASTS) then log_in = nil; end
			if log_in then know_ticket(known, given); end
			known.account = log_in and log_in.account ~= jid.bare(from) and log_in or nil;
		end
		if not known.ticket then know_ticket(known, "vt-" .. new_id.long()); end
		if origin.type == "c2s" then watched.client(origin.host); end
		if not room_jid then return; end
		local visitor = gate.visitors.may_watch(conference, room_jid);
		return gate.put(event, "request", { detail = function () end, visitor = visitor }, room_jid);
	end

	local function is_there(one) return os.time() - one.at <= PATIENCE and not one.session.destroyed; end

	-- Refuses a request in words. Jitsi Meet shows those of a room that was destroyed alone and in a dialog, and calls
	-- every other refusal a fault of the server. So the answer is that the room is ready, and the join gets the words:
	-- they are kept in the session, for one room.
	function focus.refuse(e, text, language)
		local session, address = e.origin, behind(e.stanza.attr.to);
		if session.type ~= "c2s" or not address then
			return gate.client_response.reservation(e, nil, nil, text, language);
		end
		local known, asked_for = known_of(session), e.stanza:get_child("conference", xmlns_focus).attr.room;
		known.refused, known.waits = { room = e.room, text = text, till = os.time() + JOINS_AT_ONCE }, nil;
		session.send(st.reply(e.stanza)
			:tag("conference", { xmlns = xmlns_focus, room = asked_for, ready = "true", focusjid = address }):up());
		return true;
	end

	-- Answers the join that follows a refused request. Returns whether it was one.
	function focus.refuse_join(event, room_jid)
		local known = event.origin.type == "c2s" and event.origin[gate.mark];
		local refused = known and known.refused;
		if not refused or refused.room ~= room_jid then return false; end
		local room = gate.get_room(room_jid);
		known.refused = nil;
		if os.time() > refused.till or room and room:get_occupant_jid(event.stanza.attr.from) then return false; end
		return gate.client_response.destroyed(event, nil, nil, refused.text);
	end

	-- Tells a client to ask again, and a person for whom it has done so for a while why they wait.
	function focus.put_off(e, text, language)
		local known, time = known_of(e.origin), os.time();
		local waits = known.waits;
		if not waits or waits.room ~= e.room or time - waits.last > IN_A_ROW then waits = { room = e.room, tries = 0 }; end
		waits.tries, waits.last, known.waits = waits.tries + 1, time, waits;
		if not text or waits.tries < TRIES then return gate.client_response["not-ready"](e); end
		return focus.refuse(e, text, language);
	end

	function focus.let_pass(e) known_of(e.origin).waits = nil; end

	-- Remembers for whom the focus opens a room: the first person who asked, while they are connected, unless the focus
	-- refuses them.
	function focus.ask_for(e)
		local list, mine = {}, nil;
		for _, one in ipairs(asked[e.room] or list) do
			if is_there(one) then list[#list + 1] = one; end
			if is_there(one) and one.session == e.origin then mine = one; end
		end
		asked[e.room], known_of(e.origin).asked = list, e.room;
		if mine then
			mine.id, mine.at, mine.answered = e.stanza.attr.id, os.time(), nil;
		elseif #list < ASKING then
			list[#list + 1] = {
				session = e.origin, jid = e.from, id = e.stanza.attr.id, at = os.time(),
				to = e.stanza.attr.to, room = e.stanza:get_child("conference", xmlns_focus).attr.room,
			};
		end
	end

	-- Returns the session for which the focus opens the room, and its address.
	function focus.opener(room_jid)
		for _, one in ipairs(asked[room_jid] or {}) do
			if is_there(one) then return one.session, one.jid; end
		end
	end

	function focus.opened(room_jid) asked[room_jid] = nil; end

	-- Answers everybody who asked for a room that the focus could not enter: the focus itself answers nobody then.
	function focus.failed(room_jid, way, ...)
		local list = asked[room_jid];
		asked[room_jid] = nil;
		for _, one in ipairs(list or {}) do
			local stanza = st.iq({ type = "set", id = one.id, from = one.jid, to = one.to })
				:tag("conference", { xmlns = xmlns_focus, room = one.room }):up();
			local event = { origin = one.session, stanza = stanza, room = room_jid };
			if is_there(one) and not one.answered then
				if way == "reservation" then focus.refuse(event, ...); else gate.client_response[way](event); end
			end
		end
	end

	function focus.sweep()
		for room_jid in pairs(asked) do
			if not focus.opener(room_jid) then asked[room_jid] = nil; end
		end
		return next(asked) ~= nil;
	end

	local function watch_once(key, act)
		if watched[key] then return; end
		watched[key] = true;
		act();
	end

	function watched.client(host)
		watch_once("client " .. host, function ()
			gate.guard_at(module:context(host), "iq/full", gate.PRIORITY.reply, answered);
			gate.permissions.watch(module:context(host));
		end);
	end

	local function watch(host)
		if not rawget(prosody.hosts, host) then return; end
		local target = module:context(host):get_option_string("target_address");
		if target and focuses[target] then
			proxies[host] = target;
			watch_once("proxy " .. host, function ()
				for _, name in ipairs { "iq/host", "iq/full", "iq/bare" } do
					gate.guard_at(module:context(host), name, gate.PRIORITY.request, request);
				end
			end);
		end
		for address in pairs(focuses) do
			if jid.host(address) == host then
				watch_once("focus " .. host, function ()
					for _, name in ipairs { "iq/full", "iq/bare" } do
						gate.guard_at(module:context(host), name, gate.PRIORITY.request, request);
					end
				end);
			end
		end
	end

	-- Takes over the accounts of the focus, as the component names them.
	function focus.learn(addresses)
		focuses, proxies = {}, {};
		for _, address in ipairs(addresses) do focuses[address] = true; end
		for host in pairs(prosody.hosts) do watch(host); end
	end
	module:hook_global("host-activated", watch);

	-- Returns what a session has reported of its client; a join reports capabilities, too.
	function focus.describe(session, stanza)
		local known = session and session[gate.mark];
		local log_in = known and known.account or NOTHING;
		if known then
			return known.client, known.mark, known.device, log_in.account, log_in.provider, log_in.mechanism;
		end
		if not stanza or not next(focuses) then return nil; end
		local caps = stanza:get_child("c", "http://jabber.org/protocol/caps");
		return caps and (caps.attr.node or ""):find("//jitsi.org/", 1, true) and "jitsi" or nil;
	end

	-- Returns the hash of the ticket of a session with that bare address.
	function focus.ticket_of(bare)
		local user = prosody.bare_sessions[bare];
		for _, session in pairs(user and user.sessions or {}) do
			local known = session[gate.mark];
			if known and known.mark then return known.mark; end
		end
	end

	-- Kept across a reload: what is known of sessions, whose field was the earlier module's, and who asked for which
	-- room.
	function focus.save()
		local sessions = {};
		for _, session in pairs(prosody.full_sessions) do sessions[session] = session[gate.mark]; end
		return { sessions = sessions, log_ins = log_ins, asked = asked };
	end
	function focus.restore(saved)
		for session, known in pairs(saved.sessions) do session[gate.mark] = known; end
		log_ins, asked = saved.log_ins, saved.asked;
	end

	return focus;
end;
