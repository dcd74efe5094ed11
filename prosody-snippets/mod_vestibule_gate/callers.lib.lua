-- Tells the callers of a gateway apart: people for whom one account joins, as telephony does (Jitsi's Jigasi), with a
-- session for each call. To rooms, and so to the component, each of these sessions has an account of its own, which
-- nobody can log in to and which ends with the session. What is done to one of them in a room then touches no other.

local hex = require "util.hex";
local bytes = require "util.random".bytes;
local encode = hex.encode or hex.to; -- Prosody 0.12 has the latter

local FIELD = "vestibule_caller"; -- of a session: its own address. Other gates and a reloaded one find it there
local KINDS = { "presence", "message", "iq" };
local xmlns_focus = "http://jitsi.org/protocol/focus";

return function (gate)
	local jid_bare, jid_host = gate.jids.bare, gate.jids.host;
	local gateways, sessions, watched = {}, {}, {}; -- the accounts; the session of each caller's address
	local callers = {};

	local function account_of(session) return session.username and session.username .. "@" .. session.host; end

	-- Returns the account behind which a session or the person of that address calls.
	function callers.gateway(address, session)
		local bare = jid_bare(address);
		session = session or sessions[bare];
		return session and session[FIELD] and account_of(session) or gateways[bare] and bare or nil;
	end

	-- Returns whether a session is one of several people with one account: nothing that it has told marks one of them.
	function callers.is_one(session)
		return session.type == "c2s" and (session[FIELD] ~= nil or gateways[account_of(session)] == true);
	end

	-- Returns the session of that full address in a room.
	function callers.session(address)
		return address and (sessions[jid_bare(address)] or prosody.full_sessions[address]);
	end

	-- Returns the sessions of that bare address in a room.
	function callers.sessions(bare)
		local user = prosody.bare_sessions[bare];
		return sessions[bare] and { sessions[bare] } or user and user.sessions or {};
	end

	-- Returns the address of a session in rooms.
	function callers.address(session)
		return session[FIELD] and session[FIELD] .. "/" .. session.resource or session.full_jid;
	end

	local function address_for(session)
		if not session[FIELD] then
			session[FIELD] = session.username .. "." .. encode(bytes(8)) .. "@" .. session.host;
		end
		sessions[session[FIELD]] = session;
		return callers.address(session);
	end

	-- Returns whether a stanza is about a meeting of this service. What a gateway says elsewhere is said by its account:
	-- that it is ready for calls, say.
	local function is_of_meeting(stanza)
		local host = jid_host(stanza.attr.to or "");
		return host == module.host or host == gate.lobby.host() or host == gate.breakout.host()
			or gate.jitsi_components.has(host) or stanza:get_child("conference", xmlns_focus) ~= nil;
	end

	-- Returns whether a session is in that room by the gateway's own address, since before the file named the account.
	local function is_there_itself(room_jid, session)
		local host = rawget(prosody.hosts, jid_host(room_jid));
		local service = host and host.modules.muc;
		local room = service and service.get_room_from_jid(room_jid);
		return room ~= nil and room ~= false and room:get_occupant_jid(session.full_jid) ~= nil;
	end

	local function leaves(event)
		local session, stanza = event.origin, event.stanza;
		if session.type ~= "c2s" or not session.resource or not callers.is_one(session) or not is_of_meeting(stanza) then
			return;
		end
		if not session[FIELD] and gate.is_observing() or is_there_itself(jid_bare(stanza.attr.to), session) then return; end
		stanza.attr.from = address_for(session);
	end

	local function arrives(event)
		local stanza = event.stanza;
		local session = sessions[jid_bare(stanza.attr.to)];
		if not session then return; end
		local is_for_all = gate.jids.resource(stanza.attr.to) == nil;
		stanza.attr.to = session.full_jid;
		if not is_for_all then return; end
		prosody.core_post_stanza(event.origin, stanza, false);
		return true;
	end

	local function ended(event)
		local own = event.session[FIELD];
		if own then sessions[own] = nil; end
	end

	local function watch(host)
		local known = rawget(prosody.hosts, host);
		if not known or known.type ~= "local" or watched[host] then return; end
		watched[host] = true;
		local context, PRIORITY = module:context(host), gate.PRIORITY;
		for _, kind in ipairs(KINDS) do
			for _, to in ipairs { "full", "bare", "host" } do
				gate.guard_at(context, "pre-" .. kind .. "/" .. to, PRIORITY.address, leaves);
				if to ~= "host" then gate.guard_at(context, kind .. "/" .. to, PRIORITY.address, arrives); end
			end
		end
		gate.guard_at(context, "resource-unbind", PRIORITY.last, ended);
	end
	local function watch_all()
		for address in pairs(gateways) do watch(jid_host(address)); end
	end
	module:hook_global("host-activated", watch_all);

	-- Finds callers of before a reload, and of another service's gate.
	local function find()
		for _, session in pairs(prosody.full_sessions) do
			if session[FIELD] then
				sessions[session[FIELD]] = session;
				watch(session.host);
			end
		end
	end

	-- Takes over the accounts of gateways, as the component names them. Callers who are there stay callers.
	function callers.learn(addresses)
		gateways = {};
		for _, address in ipairs(addresses) do gateways[address] = true; end
		watch_all();
		find();
	end

	return callers;
end;
