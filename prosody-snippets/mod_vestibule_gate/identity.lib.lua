-- Finds out by what a session proved who it is: facts, from what the server's own verification has left in the session.
-- The component decides what they are worth.

local jid, base64, json = require "util.jid", require "util.encodings".base64, require "util.json";

local KIND = { c2s = "client", s2sin = "server", s2sout = "server", component = "component", ["local"] = "component" };
-- Fields of a session: they outlive a reload of this module.
local LOG_IN, TOKEN = "vestibule_log_in", "vestibule_token";

return function (gate)
	local LIMIT, cut = gate.LIMIT, gate.text.cut;
	local watched = {};
	local service; -- what Jitsi's check of tokens asks for at this service
	local identity = {};

	local function provider_of(host)
		local users = host and rawget(prosody.hosts, host) and prosody.hosts[host].users;
		return users and users.name or nil;
	end

	-- Notes the provider at the log-in: another provider, configured later, has verified nothing of this session.
	local function note(session, mechanism)
		session[LOG_IN] = { provider = provider_of(session.host), mechanism = mechanism };
	end

	-- The mechanism is known only until the log-in is complete: mod_saslauth and mod_sasl2 then drop their handler.
	local function logged_in(event)
		local handler = event.session.sasl_handler;
		note(event.session, handler and handler.selected);
	end

	-- Sessions older than the gate, or logged in without an event.
	local function bound(event)
		if not event.session[LOG_IN] then note(event.session); end
	end

	-- Jitsi's providers give a person who names a session (`?previd=`) the name of its user, on any host: the owner of
	-- an account elsewhere could be anybody of that name here. A person's own sessions are on their own host.
	local function features(event)
		local session = event.origin;
		local named = session.type == "c2s_unauthed" and session.previd;
		if not named or gate.is_observing() then return; end
		for _, other in pairs(prosody.full_sessions) do
			if other.resumption_token == named and other.host ~= session.host then
				module:log("warn", "a client at %s named the session of %s (previd): refused", session.host, other.full_jid);
				session.previd = nil;
				return;
			end
		end
	end

	local function watch(host)
		local known = rawget(prosody.hosts, host);
		if not known or known.type ~= "local" or watched[host] then return; end
		watched[host] = true;
		local context, at = module:context(host), gate.PRIORITY;
		gate.guard_at(context, "stream-features", at.log_in, features);
		gate.guard_at(context, "authentication-success", at.log_in, logged_in);
		gate.guard_at(context, "sasl2/c2s/success", at.log_in_2, logged_in);
		gate.guard_at(context, "resource-bind", at.log_in, bound);
	end

	-- Returns the hosts that Jitsi's options exempt as hosts of services, from its lobby, passwords or limits.
	local function hosts_of_services()
		local found = {};
		for host in pairs(prosody.hosts) do
			local options = module:context(host);
			for _, name in ipairs { "muc_lobby_whitelist", "muc_password_whitelist", "unlimited_jids" } do
				local list = options:get_option(name);
				for _, address in ipairs(type(list) == "table" and list or {}) do
					local of = jid.host(tostring(address));
					if of then found[of] = true; end
				end
			end
		end
		return found;
	end

	-- Returns how many accounts a host has, if its provider stores them itself.
	local function count_accounts(users)
		if not (users.name or ""):find("^internal_") then return nil; end
		local ok, count = pcall(function ()
			local count = 0;
			for _ in users.users() do
				count = count + 1;
				if count > LIMIT.items then break; end
			end
			return count;
		end);
		return ok and tostring(count) or nil;
	end

	-- Returns the hosts that people can log in to.
	function identity.hosts()
		local list, of_services = { all = true }, hosts_of_services();
		for name, host in pairs(prosody.hosts) do
			if host.type == "local" and host.users and #list < LIMIT.items then
				list[#list + 1] = {
					name = name, provider = cut(host.users.name or "null", LIMIT.name),
					accounts = count_accounts(host.users), services = of_services[name] and "true" or nil,
				};
			elseif host.type == "local" and host.users then
				list.all = false;
			end
		end
		return list;
	end

	function identity.watch()
		for host in pairs(prosody.hosts) do watch(host); end
		for _, session in pairs(prosody.full_sessions) do bound { session = session }; end
		module:hook_global("host-activated", watch);
		module:hook_global("host-deactivated", function (host) watched[host] = nil; end);
		module:hook_global("config-reloaded", function () service = nil; end);
		-- After the change is complete.
		local function tell() module:add_timer(1, function () gate.tell_hosts(); end); end
		for _, name in ipairs { "host-activated", "host-deactivated", "config-reloaded" } do
			module:hook_global(name, tell);
		end
	end

	-- A claim that XML would change is no claim.
	local function text_of(value)
		local is_short = type(value) == "string" and #value <= LIMIT.address;
		return is_short and gate.text.fits_xml(value) and not value:find("%c") and value or nil;
	end

	-- Reads the parts of a verified token that Jitsi's modules do not keep, as they read it, and again only for another
	-- token.
	local function rest_of(session)
		local text, known = session.auth_token, session[TOKEN];
		if known and known.text == text then return known; end
		known = { text = text };
		session[TOKEN] = known;
		local parts = {};
		for part in text:gmatch("[^\\.]+") do parts[#parts + 1] = part; end
		local body = #parts == 3 and parts[2]:gsub("[-_]", { ["-"] = "+", _ = "/" });
		body = body and base64.decode(body .. ("="):rep(-#body % 4));
		local claims = body and json.decode(body);
		if type(claims) ~= "table" or claims.exp and type(claims.exp) ~= "number" then return known; end
		known.is_good = true;
		known.expires = claims.exp and ("%.0f"):format(math.floor(math.max(math.min(claims.exp, 2^53), 0)));
		known.issuer, known.audience = text_of(claims.iss), text_of(claims.aud);
		local context = type(claims.context) == "table" and claims.context or { user = { id = claims.user_id } };
		known.user, known.features = context.user, context.features;
		return known;
	end

	-- Jitsi's mod_token_verification reads its options from the host above the service.
	local function service_asks()
		if not prosody.hosts[module.host].modules.token_verification then return {}; end
		if service then return service; end
		local above = module.host:gmatch("%w+.(%w.+)")();
		local options = module:context(above or "*");
		service = {};
		if options:get_option_boolean("enable_domain_verification", true) then
			local prefix, base = options:get_option_string("muc_mapper_domain_prefix", "conference"),
				options:get_option_string("muc_mapper_domain_base");
			service.prefix = prefix;
			service.domain = options:get_option_string("muc_mapper_domain", base and prefix .. "." .. base) or "";
			service.names_room = options:get_option_boolean("asap_require_room_claim", true) and "true" or nil;
		end
		return service;
	end

	-- Returns the main room of a breakout room that the session has come through: tokens are for the main room.
	local function main_room(session, room_jid)
		local address = session.jitsi_breakout_main_jid;
		local host = address and rawget(prosody.hosts, jid.host(address));
		local main = host and host.modules.muc and host.modules.muc.get_room_from_jid(address);
		return main and (main._data.breakout_rooms or {})[room_jid] and main or nil;
	end

	-- `auth_token` alone is only a parameter of an address. Jitsi's verification sets `jitsi_meet_domain`, and a module
	-- that refuses a token removes `auth_token`. A token for a Matrix server is signed by its client.
	local function has_token(session)
		return type(session.auth_token) == "string" and session.jitsi_meet_domain ~= nil
			and session.jitsi_meet_context_matrix == nil and session.auth_matrix_user_verification_is_owner == nil;
	end

	local function found_in(room_jid, pattern)
		local name = jid.node(room_jid) or "";
		local ok, found = pcall(string.match, name:match("^%[[^%]]+%](.+)$") or name, pattern:lower());
		return ok and text_of(found) or nil;
	end

	local function add_token(attr, session, room_jid)
		local rest, subject, room = rest_of(session), text_of(session.jitsi_meet_domain), text_of(session.jitsi_meet_room);
		local tenant = text_of(session.jitsi_meet_str_tenant);
		if not rest.is_good or not subject or session.jitsi_meet_room ~= nil and not room
		or session.jitsi_meet_str_tenant ~= nil and not tenant then
			return;
		end
		local context, asks, main = session.jitsi_meet_context_room, service_asks(), main_room(session, room_jid);
		attr["token-subject"], attr["token-room"], attr["token-expires"] = subject, room, rest.expires;
		attr["token-issuer"], attr["token-audience"] = rest.issuer, rest.audience;
		attr["token-tenant"], attr["token-asked-tenant"] = tenant, tenant and text_of(session.jitsi_web_query_prefix);
		attr["token-service"], attr["token-prefix"], attr["token-names-room"] = asks.domain, asks.prefix, asks.names_room;
		attr["token-main"] = main and main.jid;
		if room and type(context) == "table" and (context.regex == true or context.regex == "true") then
			attr["token-pattern"], attr["token-found"] = "true", found_in(main and main.jid or room_jid, room);
		end
		local there = tenant and (main or gate.get_room(room_jid));
		if there and there._data.allowUnauthenticatedAccess == false then attr["token-strict"] = "true"; end
	end

	-- Returns the kind of a session without a connection to this server: another server's, or a local component's.
	local function elsewhere(address)
		local domain = jid.host(address);
		local host = domain and rawget(prosody.hosts, domain);
		if not host then return domain and "server" or "unknown"; end
		return host.type == "component" and "component" or "unknown", domain;
	end

	-- Adds what is known of a session, for a room.
	function identity.add(attr, session, room_jid)
		local kind, host;
		if session then kind, host = KIND[session.type] or "unknown", session.host; else kind, host = elsewhere(attr.jid); end
		attr.session, attr.host = kind, (kind == "client" or kind == "component") and host or nil;
		if kind ~= "client" then return; end
		attr.secure, attr.address = session.secure and "true" or "false", session.ip;
		attr.provider, attr.mechanism = identity.log_in(session);
		if has_token(session) then add_token(attr, session, room_jid); end
	end

	-- Adds what is known of an account that is not connected: a log-in at that host by an unknown mechanism.
	function identity.suppose(attr, domain)
		local host = rawget(prosody.hosts, domain);
		attr.session = not host and "server" or host.type == "local" and "client" or "component";
		if host then attr.host, attr.provider = domain, provider_of(domain); end
		return attr;
	end

	-- Notes how a session of another server logged in there.
	function identity.suppose_log_in(session, provider, mechanism)
		session[LOG_IN] = { provider = provider, mechanism = mechanism };
	end

	-- Returns how a session logged in: the provider and the mechanism.
	function identity.log_in(session)
		local log_in = session[LOG_IN] or {};
		return log_in.provider, cut(text_of(log_in.mechanism), LIMIT.name);
	end

	function identity.has_claims(session) return session and has_token(session); end

	-- Calls `act` with each claim of a verified token. A claim in the session counts only where the token has the same:
	-- Jitsi's permissions give a session the features of the person who makes its bearer a moderator.
	function identity.each_claim(session, act)
		local rest = rest_of(session);
		local function each(found, verified)
			if type(found) ~= "table" or type(verified) ~= "table" then return; end
			for name, value in pairs(found) do
				if value == verified[name] then act(name, value); end
			end
		end
		each(session.jitsi_meet_context_user, rest.user);
		each(session.jitsi_meet_context_features, rest.features);
	end

	return identity;
end;
