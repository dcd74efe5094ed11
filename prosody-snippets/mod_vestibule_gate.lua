-- The gate: holds room traffic, asks the Vestibule component, applies its answer. It decides nothing.
-- The contract with the component is docs/protocol.md. For Prosody 0.12 and 13.
--
--     Component "conference.example.org" "muc"
--         modules_enabled = { "vestibule_gate" }
--         vestibule_component = "vestibule.example.org"   -- required
--         vestibule_timeout = 5                           -- seconds for an answer, at most 10
--         vestibule_grace = 5                             -- seconds to wait for an absent component, at most 10
--         vestibule_on_unavailable = "refuse"             -- or "allow"
--         vestibule_trusted = { "focus@auth.example.org" } -- services, until the component has named them

local st = require "util.stanza";
local jid = require "util.jid";
local hashes = require "util.hashes";
local encodings = require "util.encodings";
local dataforms = require "util.dataforms";
local new_id = require "util.id";
local now = require "util.time".now;
local jid_bare, jid_resource, jid_prep = jid.bare, jid.resource, jid.prep;
local t_insert, s_format = table.insert, string.format;

local VERSION = "0.1.0";
local xmlns_gate = "urn:vestibule:gate:1";
local xmlns_muc = "http://jabber.org/protocol/muc";
local xmlns_user = xmlns_muc .. "#user";
local xmlns_request = xmlns_muc .. "#request";
local xmlns_stanzas = "urn:ietf:params:xml:ns:xmpp-stanzas";
local xmlns_mam = { "urn:xmpp:mam:2", "urn:xmpp:mam:1", "urn:xmpp:mam:0" };

-- util.events orders equal priorities at random, so every hook has a place that nothing else takes.
local PRIORITY = {
	link = 10; -- before mod_iq (0): the component's answers are not for the room service
	arrival = 5; -- before mod_muc (-2): a join is parked while there is no room object yet
	create = 98; -- after token checks (99), before anything with a side effect (0)
	presets = -2; -- after password.lib (0), which overwrites the password, and the creator's ownership (-1)
	nick = 12; -- before whatever parks joins (9, 8)
	verdict = 2.5; -- after those, above markers that only an error presence clears (2)
	raise = -3.75; -- as late as an affiliation can be given: the lobby is at -4
	password = -3.9;
	owner = 5; -- above token_verification (-1)
	admin = 12; -- above meeting_id (10) and the lobby, which replaces the core's handler (1)
	message = 3; -- above the lobby (1)
	backstop = 10;
	config = 1; -- before the lobby (0)
	last = -1000;
};
local AFFILIATION = { outcast = -1, none = 0, member = 1, admin = 2, owner = 3 };
local ROLE = { none = 0, visitor = 1, participant = 2, moderator = 3 };
local LIMIT = {
	room = 1000, all = 10000, items = 64, stanza = 65536, record = 4096, person = 512, people = 1000,
	waiting = 100, stale = 3, name = 256, address = 1023, text = 1024, page = 50, occupants = 256,
};

local muc = module:depends("muc");
local component = jid_prep(module:get_option_string("vestibule_component") or "");
local timeout = math.min(module:get_option_number("vestibule_timeout", 5), 10);
local grace = math.min(module:get_option_number("vestibule_grace", 5), 10);
local failing_open = module:get_option_string("vestibule_on_unavailable", "refuse") == "allow";
local store = module:open_store("vestibule_gate");

local state = "away"; -- away, greeting (hello sent), ready, refused (the component does not want us)
local link; -- the component's session
local services, reserved = {}, {};
local queues, parked, pending = {}, 0, {}; -- attempts by room, their number, and by the id of the question sent
local verdicts = setmetatable({}, { __mode = "k" }); -- by stanza: what was answered for it
local replaying; -- the verdict in force while a stanza goes through the room again
local waiting = {}; -- by room, by bare address: who knocked
local passed_unasked = {}; -- let through while away, to be reported when the link is up
local sweeping = false;
local attempt_prefix, attempt_count = new_id.short() .. ".", 0;
local pump, sweep;

-- Facts ------------------------------------------------------------------------------------------------------------

local function get_room(room_jid)
	local room = muc.get_room_from_jid(room_jid);
	-- An expired tombstone is replaced by the next join, so for the gate it is no room.
	if room and room._data.destroyed and room._data.locked < os.time() then return nil; end
	return room;
end

-- What the gate keeps in a room. It lives in _data, because the room object changes when a room is swapped out.
local function kept(room)
	local data = room and room._data.vestibule;
	return type(data) == "table" and type(data.generation) == "string" and data or nil;
end

local function keep_new(room)
	room._data.vestibule = { generation = new_id.medium(), revision = 0, people = {}, seen = 0 };
	return room._data.vestibule;
end

-- Cuts at a character: half of one would close the component's stream.
local function cut(text, limit)
	if not text or #text <= limit then return text; end
	while limit > 0 do
		local byte = text:byte(limit + 1);
		if byte < 0x80 or byte >= 0xC0 then break; end
		limit = limit - 1;
	end
	return text:sub(1, limit);
end

local function flag(value) return value and "true" or nil; end

local function is_service(address) return services[jid_bare(address)]; end

local function is_reserved(nick)
	return nick and reserved[(encodings.stringprep.nodeprep(nick) or nick):lower()] or false;
end

local host_is_anonymous = {};
module:hook_global("config-reloaded", function () host_is_anonymous = {}; end);

local function authentication(session)
	local kind = session.type;
	if kind == "c2s" then
		if session.auth_token or session.jitsi_meet_context_user then return "token"; end
		local anonymous = host_is_anonymous[session.host];
		if anonymous == nil then
			local method = module:context(session.host):get_option_string("authentication");
			anonymous = method == "anonymous" or method == "jitsi-anonymous";
			host_is_anonymous[session.host] = anonymous;
		end
		return anonymous and "anonymous" or "account";
	end
	return (kind == "s2sin" or kind == "s2sout") and "server"
		or (kind == "component" or kind == "local") and "component" or "unknown";
end

local function add_session(attr, session)
	if not session then return attr; end
	attr.auth = authentication(session);
	if session.type == "c2s" then attr.secure, attr.address = flag(session.secure), session.ip; end
	return attr;
end

local function add_claims(iq, session)
	local count = 0;
	for _, claims in ipairs { session.jitsi_meet_context_user or {}, session.jitsi_meet_context_features or {} } do
		for name, value in pairs(claims) do
			local kind = type(value);
			value = tostring(value);
			-- Tokens are JSON: they can hold bytes that XML cannot.
			if type(name) == "string" and kind ~= "table" and kind ~= "function" and count < LIMIT.items
			and encodings.utf8.valid(name .. value) and not (name .. value):find("[%z\1-\8\11\12\14-\31]") then
				count = count + 1;
				iq:text_tag("claim", cut(value, LIMIT.text), { name = cut(name, LIMIT.name) });
			end
		end
	end
end

local function census(room)
	local occupants, moderators = 0, 0;
	for _, occupant in pairs(room._occupants) do -- each_occupant() copies every occupant
		if not services[occupant.bare_jid] then
			occupants = occupants + 1;
			if occupant.role == "moderator" then moderators = moderators + 1; end
		end
	end
	return tostring(occupants), tostring(moderators);
end

local function typed_password(stanza)
	local x, typed, count = stanza:get_child("x", xmlns_muc), nil, 0;
	for tag in x:childtags("password") do
		typed, count = tag:get_text(), count + 1;
	end
	if typed == "" and count == 1 then return nil, 0; end
	return typed, count;
end

-- Answers to the requester, and reports to the component -----------------------------------------------------------

local function report(event, room_jid, attr)
	if state ~= "ready" then return; end
	local data = kept(muc.get_room_from_jid(room_jid));
	attr.xmlns, attr.event, attr.room = xmlns_gate, event, room_jid;
	if data then attr.generation, attr.revision = data.generation, tostring(data.revision); end
	module:send(st.message({ type = "normal", from = module.host, to = component }):tag("report", attr));
end

local function send_error(origin, stanza, kind, condition, text, lang)
	local stanza_type = stanza.attr.type;
	if stanza_type == "error" or stanza_type == "result" then return; end
	local by = stanza.name == "presence" and jid_bare(stanza.attr.to) or nil;
	local reply = st.error_reply(stanza, kind, condition, nil, by);
	if text then
		reply:get_child("error"):text_tag("text", text, { xmlns = xmlns_stanzas, ["xml:lang"] = lang });
	end
	-- A server-to-server stream that ended discards what is sent on it; routing opens another.
	if origin.type == "c2s" then origin.send(reply); else module:send(reply); end
end

local function refuse(event, reason, kind, condition, text)
	local stanza = event.stanza;
	send_error(event.origin, stanza, kind, condition, text);
	report("refused", jid_bare(stanza.attr.to), { jid = cut(stanza.attr.from, LIMIT.address), reason = reason });
	return true;
end

local function refuse_unanswered(e)
	return refuse(e, state == "ready" and "timeout" or "away", "wait", "remote-server-timeout",
		"The meeting policy does not answer. Try again in a moment.");
end

-- Hooks fail closed: an error is answered and logged. They never return false, which would end the event and let
-- the stanza pass everything below.
local function guard(event_name, priority, handler)
	module:hook(event_name, function (event)
		local ok, result = xpcall(handler, debug.traceback, event);
		if ok then return result and true or nil; end
		module:log("error", "%s: %s", event_name, result);
		event.allowed = false;
		if not event.stanza or not event.origin then return nil; end
		return refuse(event, "error", "cancel", "internal-server-error");
	end, priority);
end

-- The queue: one for each room, first come, first served, one question at a time -----------------------------------

local function release(e)
	local queue = queues[e.room];
	e.done = true;
	queue.count, parked = queue.count - 1, parked - 1;
	if queue.joins[e.from] == e then queue.joins[e.from] = nil; end
	if queue.asking == e then queue.asking, pending[e.iq] = nil, nil; end
end

-- A client's session that hibernates has no connection but is not destroyed.
local function is_gone(e)
	return e.origin.destroyed and e.session_type ~= "s2sin" and e.session_type ~= "s2sout";
end

local function new_attempt(e)
	attempt_count = attempt_count + 1;
	e.attempt, e.at, e.stale, e.waited = attempt_prefix .. attempt_count, now(), 0, state ~= "ready";
	e.session_type = e.origin.type;
	return e;
end

local function park(e)
	local queue = queues[e.room];
	local older = e.kind == "join" and queue and queue.joins[e.from];
	if older then
		-- The newer join takes the place of the older. The same nick again is the same attempt: one answer serves both.
		if older.stanza.attr.to ~= e.stanza.attr.to then send_error(older.origin, older.stanza, "cancel", "conflict"); end
		if queue.asking == older then queue.asking, pending[older.iq] = nil, nil; end
		older.stanza, older.origin = e.stanza, e.origin;
		new_attempt(older);
		pump(e.room);
		return true;
	end
	if parked >= LIMIT.all or queue and queue.count >= LIMIT.room then
		return refuse(e, "overflow", "wait", "resource-constraint", "Too many people are waiting here. Try again in a moment.");
	end
	if not queue then
		queue = { first = 1, last = 0, count = 0, joins = {} };
		queues[e.room] = queue;
	end
	queue.last = queue.last + 1;
	queue[queue.last] = new_attempt(e);
	queue.count, parked = queue.count + 1, parked + 1;
	if e.kind == "join" then queue.joins[e.from] = e; end
	if not sweeping then sweeping = true; module:add_timer(0.25, sweep); end
	pump(e.room);
	return true;
end

local function ask(e, queue)
	local room = get_room(e.room);
	local data, stanza = kept(room), e.stanza;
	local kind = e.kind == "join" and not data and "open" or e.kind;
	e.generation, e.revision, e.new_room = data and data.generation, data and data.revision or 0, not room;
	local bare, nick = jid_bare(e.from), jid_resource(stanza.attr.to);
	local occupant = room and room:get_occupant_by_real_jid(e.from);
	if e.kind ~= "join" then nick = occupant and jid_resource(occupant.nick); end
	e.count = (e.count or 0) + 1;
	e.iq = e.attempt .. "." .. e.count;
	local iq = st.iq({ type = "set", id = e.iq, from = module.host, to = component })
		:tag("ask", {
			xmlns = xmlns_gate, kind = kind, attempt = e.attempt, room = e.room, register = flag(e.register),
			generation = e.generation, revision = data and tostring(data.revision) or nil,
		})
		:tag("requester", add_session({
			jid = e.from, nick = cut(nick, LIMIT.name),
			affiliation = room and room:get_affiliation(bare) or "none", role = occupant and occupant.role or "none",
		}, e.origin));
	add_claims(iq, e.origin);
	local person = data and data.people[bare];
	if person then iq:text_tag("person", person.text); end
	iq:up();
	if room then
		local password = room:get_password();
		local occupants, moderators = census(room);
		iq:tag("state", {
			occupants = occupants, moderators = moderators, waiting = tostring(waiting[e.room] and waiting[e.room].count or 0),
			password = flag(password), ["members-only"] = flag(room:get_members_only()), existing = kind == "open" and "true" or nil,
		});
		if data and data.record then iq:text_tag("record", data.record); end
	else
		iq:tag("state", { occupants = "0", moderators = "0", waiting = "0" });
	end
	iq:up();
	if e.kind == "join" then
		local typed, count = typed_password(stanza);
		local password = room and room:get_password();
		if kind == "open" then
			if count == 1 then iq:text_tag("credential", cut(typed, LIMIT.name)); end
		else
			-- The room's password is compared here, in constant time: it can be newer than the component's record.
			local check = (count == 0 or not password) and "none"
				or count == 1 and hashes.equals(typed, password) and "right" or "wrong";
			iq:tag("credential", { check = check }):up();
		end
	elseif e.detail then
		e.detail(iq, room);
	end
	-- Without these a question cannot reach the limit.
	if (e.detail or e.origin.auth_token or e.origin.jitsi_meet_context_user) and #tostring(iq) > LIMIT.stanza then
		release(e);
		return refuse(e, "malformed", "modify", "not-acceptable", "The request is too large.");
	end
	queue.asking, pending[e.iq] = e, e;
	module:send(iq);
end

-- Effects ----------------------------------------------------------------------------------------------------------

local BOOLEAN = { ["true"] = true, ["false"] = false };
local ROOM_FLAGS = { ["members-only"] = "members_only", hidden = "hidden", persistent = "persistent", moderated = "moderated" };
local VERDICTS = { allow = true, hold = true, prompt = true, deny = true };

-- Each reader checks one effect and files it in fx; whatever is not read here makes the whole answer a refusal.
local read = {};
function read.record(fx, tag) fx.record = tag:get_text() or ""; return #fx.record <= LIMIT.record; end
function read.person(fx, tag)
	t_insert(fx.people, { jid = tag.attr.jid, text = tag:get_text() or "" });
	return tag.attr.jid and #tag:get_text() <= LIMIT.person;
end
function read.requester(fx, tag)
	fx.requester = tag.attr;
	return AFFILIATION[tag.attr.affiliation or "none"] and ROLE[tag.attr.role or "none"];
end
function read.room(fx, tag)
	fx.room = { password = tag.attr.password };
	for name, option in pairs(ROOM_FLAGS) do
		fx.room[option] = BOOLEAN[tag.attr[name]];
		if tag.attr[name] and fx.room[option] == nil then return false; end
	end
	return true;
end
function read.field(fx, tag) fx.fields[tag.attr.var or ""] = tag:get_text(); return tag.attr.var; end
function read.say(fx, tag)
	local to, text = tag.attr.to, tag:get_text() or "";
	t_insert(fx.says, { to = to, when = tag.attr.when, text = text });
	return to == "requester" or to == "moderators" or to == "room" and not text:find("{password}", 1, true);
end
function read.knock(fx, tag) fx.knock = tonumber(tag.attr.expires); return fx.knock; end
function read.admit(fx, tag) t_insert(fx.admit, jid_bare(tag.attr.jid)); return tag.attr.jid; end
function read.reject(fx, tag) t_insert(fx.reject, jid_bare(tag.attr.jid)); return tag.attr.jid; end
function read.remove(fx, tag)
	t_insert(fx.remove, { jid = jid_bare(tag.attr.jid), reason = tag:get_text() });
	return tag.attr.jid;
end
read["end"] = function (fx, tag) fx.ending = tag:get_text() or ""; return true; end

local function read_effects(parent, forbidden)
	local fx = { people = {}, fields = {}, says = {}, admit = {}, reject = {}, remove = {} };
	for tag in parent:childtags() do
		if tag.name ~= "error" or forbidden then
			local reader = read[tag.name];
			if not reader or forbidden and forbidden[tag.name] or not reader(fx, tag) then return nil; end
		end
	end
	return fx;
end

local function read_answer(answer)
	local fx = VERDICTS[answer.attr.verdict] and read_effects(answer);
	if not fx then return nil; end
	fx.verdict, fx.base = answer.attr.verdict, tonumber(answer.attr.base or 0);
	if fx.verdict == "allow" then return fx; end
	local err = answer:get_child("error", xmlns_gate);
	local condition = err and err.attr.condition;
	if not condition or not condition:match("^[a-z-]+$") then return nil; end
	local text = err:get_child("text");
	fx.error = { err.attr.type or "cancel", condition, text and text:get_text(), text and text.attr["xml:lang"] };
	return fx;
end

local function forget_waiting(room_jid, bare)
	local list = waiting[room_jid];
	local w = list and list[bare];
	if not w then return nil; end
	list[bare], list.count = nil, list.count - 1;
	if list.count == 0 then waiting[room_jid] = nil; end
	report("gone", room_jid, { jid = w.jid, nick = w.nick });
	return w;
end

local function invite(room, address)
	module:send(st.message({ from = room.jid, to = address, type = "normal" })
		:tag("x", { xmlns = xmlns_user }):tag("invite", { from = room.jid }):text_tag("reason", "You have been admitted."):up():up()
		:tag("x", { xmlns = "jabber:x:conference", jid = room.jid }):up());
end

local function admit(room, bare)
	local w = forget_waiting(room.jid, bare);
	if AFFILIATION[room:get_affiliation(bare) or "none"] < AFFILIATION.member then room:set_affiliation(true, bare, "member"); end
	invite(room, w and w.jid or bare);
end

local function say(room, says, requester, joined)
	for _, item in ipairs(says) do
		if (item.when == "joined") == (joined or false) then
			local text = item.text:gsub("{password}", function () return room:get_password() or ""; end);
			local function tell(address, kind)
				module:send(st.message({ from = room.jid, to = address, type = kind, id = new_id.short() })
					:text_tag("body", text):tag("no-store", { xmlns = "urn:xmpp:hints" }):up());
			end
			if item.to == "requester" then
				-- From the bare room, to this session alone: clients show it as the room's own words.
				if requester then tell(requester, room:get_occupant_jid(requester) and "groupchat" or "normal"); end
			else
				for _, occupant in room:each_occupant() do
					for address in occupant:each_session() do
						if item.to == "room" or occupant.role == "moderator" then tell(address, "groupchat"); end
					end
				end
			end
		end
	end
end

local function keep(data, fx)
	if fx.record then data.record, data.revision = fx.record, data.revision + 1; end
	for _, person in ipairs(fx.people) do
		data.people[person.jid] = nil;
		if person.text ~= "" then
			data.seen = data.seen + 1;
			local count, oldest, at = 0, nil, math.huge;
			for bare, other in pairs(data.people) do
				count = count + 1;
				if other.at < at then oldest, at = bare, other.at; end
			end
			if count >= LIMIT.people then data.people[oldest] = nil; end
			data.people[person.jid] = { text = person.text, at = data.seen };
		end
	end
end

local function set_room(room, options, is_new)
	local changed = options.password and room:set_password(options.password);
	if options.members_only and not room:get_members_only() then
		-- Becoming members-only removes those without affiliation, and nobody is told that they went.
		for _, occupant in room:each_occupant() do
			if not room:get_affiliation(occupant.bare_jid) then room:set_affiliation(true, occupant.bare_jid, "member"); end
		end
	end
	for _, option in pairs(ROOM_FLAGS) do
		if options[option] ~= nil and room["set_" .. option](room, options[option]) then changed = true; end
	end
	if changed and not is_new then
		room:broadcast_message(st.message({ type = "groupchat", from = room.jid })
			:tag("x", { xmlns = xmlns_user }):tag("status", { code = "104" }):up():up());
	end
	return changed;
end

local function apply_before(room, data, fx)
	if data then keep(data, fx); end
	local forced = fx.room and set_room(room, fx.room);
	if data or forced then room:save(forced); end
end

local function apply_after(room, fx, requester)
	for _, bare in ipairs(fx.admit) do admit(room, bare); end
	for _, bare in ipairs(fx.reject) do
		local w = forget_waiting(room.jid, bare);
		if w then
			module:send(st.message({ from = room.jid, to = w.jid, type = "normal" })
				:text_tag("body", "Your request to enter " .. room.jid .. " was declined."));
		end
	end
	for _, gone in ipairs(fx.remove) do
		for nick, occupant in room:each_occupant() do
			if occupant.bare_jid == gone.jid then room:set_role(true, nick, nil, gone.reason); end
		end
		if room:get_affiliation(gone.jid) then room:set_affiliation(true, gone.jid, "none"); end
	end
	if fx.ending then
		room:set_persistent(false); -- or a tombstone would take its place
		room:destroy(nil, fx.ending ~= "" and fx.ending or nil);
	else
		say(room, fx.says, requester);
	end
end

-- Returns what the address had before, when something was changed.
local function give_affiliation(room, bare, affiliation, exactly)
	local before = room:get_affiliation(bare) or "none";
	if not affiliation or before == affiliation or not exactly and AFFILIATION[affiliation] < AFFILIATION[before] then return nil; end
	return room:set_affiliation(true, bare, affiliation) and before or nil;
end

-- Waiting ----------------------------------------------------------------------------------------------------------

local knock_form = dataforms.new {
	title = "Request to enter";
	{ name = "FORM_TYPE", type = "hidden", value = xmlns_request };
	{ name = "muc#role", type = "list-single", label = "Requested role", value = "participant", options = { "participant" } };
	{ name = "muc#jid", type = "jid-single", label = "Address" };
	{ name = "muc#roomnick", type = "text-single", label = "Name" };
	{ name = "muc#request_allow", type = "boolean", label = "Let this person in?", value = false };
	{ name = "vestibule#knock", type = "hidden" };
};

local function send_knock(room, w, moderator)
	module:send(st.message({ type = "normal", from = room.jid, to = moderator })
		:text_tag("body", s_format("%s (%s) asks to enter.", w.nick, jid_bare(w.jid)))
		:add_child(knock_form:form({ ["muc#jid"] = w.jid, ["muc#roomnick"] = w.nick, ["vestibule#knock"] = w.id })));
end

local function send_knocks(room, moderator)
	for _, w in pairs(waiting[room.jid] or {}) do
		if type(w) == "table" then send_knock(room, w, moderator); end
	end
end

local function remember_knock(room, e, seconds)
	local list, bare = waiting[e.room], jid_bare(e.from);
	if not list then list = { count = 0 }; waiting[e.room] = list; end
	local known = list[bare];
	if not known and list.count >= LIMIT.waiting then return; end
	local w = known or { id = new_id.medium(), since = os.time() };
	w.jid, w.nick, w.expires = e.from, jid_resource(e.stanza.attr.to), now() + seconds;
	list[bare] = w;
	if not sweeping then sweeping = true; module:add_timer(0.25, sweep); end
	if known then return; end -- knocking twice asks the moderators once
	list.count = list.count + 1;
	report("waiting", e.room, { jid = e.from, nick = cut(w.nick, LIMIT.name) });
	for _, occupant in room:each_occupant() do
		if occupant.role == "moderator" then
			for address in occupant:each_session() do send_knock(room, w, address); end
		end
	end
end

-- Settling an attempt ----------------------------------------------------------------------------------------------

local function is_fresh(verdict, room)
	local data = kept(room);
	return verdict.failing or data and data.generation == verdict.generation and data.revision == verdict.revision;
end

-- The stanza goes through the room again, marked. An origin that ended still needs a way back: routing.
local function replay(e, verdict, room)
	local origin, outer = e.origin, replaying;
	if origin.destroyed then
		origin = { type = e.session_type, log = module._log, send = function (stanza) return module:send(stanza); end };
	end
	verdicts[e.stanza], replaying, e.settled = verdict, verdict, true;
	e.stanza.delayed_join_skip = true; -- the rate limiter has counted this join already
	local ok, err = xpcall(function ()
		if e.kind == "join" and room then return room:handle_normal_presence(origin, e.stanza); end
		return prosody.core_post_stanza(origin, e.stanza, false);
	end, debug.traceback);
	replaying = outer;
	if not ok then
		module:log("error", "replay of %s in %s: %s", e.kind, e.room, err);
		refuse(e, "error", "cancel", "internal-server-error");
	end
end

-- A join that was allowed and failed leaves nothing behind: no room without occupants, no affiliation.
local function clean_up(e, verdict)
	local room = muc.get_room_from_jid(e.room);
	if room and room:get_occupant_jid(e.from) then return; end
	if room and verdict.created and not room:has_occupant() then
		room:set_persistent(false);
		module:fire_event("muc-room-destroyed", { room = room });
	elseif room and verdict.before then
		local bare = jid_bare(e.from);
		local used = false;
		for _, occupant in pairs(room._occupants) do used = used or occupant.bare_jid == bare; end
		if not used and (room:get_affiliation(bare) or "none") == verdict.given then room:set_affiliation(true, bare, verdict.before); end
	end
	-- Another module can have parked it again, above the gate; then it has not failed yet.
	if verdict.passed then report("failed", e.room, { jid = e.from, nick = cut(jid_resource(e.stanza.attr.to), LIMIT.name) }); end
end

local function allow(e, fx, room)
	local data = kept(room);
	local verdict = { fx = fx, exactly = not data };
	if e.kind == "knock" or e.kind == "command" then
		apply_before(room, data, fx);
	elseif e.kind == "join" then
		if room then
			data = data or keep_new(room);
			apply_before(room, data, fx);
			verdict.generation, verdict.revision = data.generation, data.revision;
		end
		replay(e, verdict, room);
		clean_up(e, verdict);
	else
		apply_before(room, data, fx);
		if e.rewrite then e.rewrite(fx.fields); end
		if not e.changed or not e.changed(room) then replay(e, verdict, room);
		else send_error(e.origin, e.stanza, "cancel", "item-not-found"); end
	end
	room = get_room(e.room);
	if not room then return; end
	if fx.requester and e.kind ~= "join" then give_affiliation(room, jid_bare(e.from), fx.requester.affiliation); end
	apply_after(room, fx, e.from);
end

local function settle(e, fx, room)
	if fx.verdict == "allow" then return allow(e, fx, room); end
	if room then apply_before(room, kept(room), fx); end
	e.settled = true;
	send_error(e.origin, e.stanza, fx.error[1], fx.error[2], fx.error[3], fx.error[4]);
	if not room then return; end
	if fx.knock and fx.verdict == "hold" and e.kind == "join" then remember_knock(room, e, fx.knock); end
	apply_after(room, fx, e.from);
end

local function answered(e, stanza)
	local queue = queues[e.room];
	queue.asking, pending[e.iq] = nil, nil;
	if is_gone(e) then release(e); return pump(e.room); end
	local room = get_room(e.room);
	local data = kept(room);
	local answer = stanza.attr.type == "result" and stanza:get_child("answer", xmlns_gate);
	local fx = answer and answer.attr.attempt == e.attempt and read_answer(answer);
	local stale = fx and (fx.base ~= e.revision or e.revision ~= (data and data.revision or 0)
		or e.generation ~= (data and data.generation) or e.new_room ~= (not room));
	if stale and e.stale < LIMIT.stale then
		e.stale = e.stale + 1; -- still at the head of the queue: it is asked again
		return pump(e.room);
	end
	release(e);
	queue.busy = true; -- whatever this parks waits until it is done
	local ok, err = xpcall(function ()
		if not fx or stale then return refuse(e, fx and "error" or "unknown-effect", "cancel", "internal-server-error"); end
		return settle(e, fx, room);
	end, debug.traceback);
	queue.busy = false;
	if not ok then
		module:log("error", "answer for %s: %s", e.room, err);
		if not e.settled then refuse(e, "error", "cancel", "internal-server-error"); end
	end
	return pump(e.room);
end

local function run_command(e)
	local command = e.stanza.tags[1];
	local fx = read_effects(command, { requester = true, field = true, knock = true, error = true });
	local room = get_room(e.room);
	local data = kept(room);
	release(e);
	if not fx then return send_error(e.origin, e.stanza, "modify", "bad-request"); end
	if not room then return send_error(e.origin, e.stanza, "cancel", "item-not-found"); end
	if not data or command.attr.generation ~= data.generation or tonumber(command.attr.base) ~= data.revision then
		return send_error(e.origin, e.stanza, "cancel", "conflict");
	end
	apply_before(room, data, fx);
	apply_after(room, fx);
	return module:send(st.reply(e.stanza):tag("done", { xmlns = xmlns_gate, revision = tostring(data.revision) }));
end

function pump(room_jid)
	local queue = queues[room_jid];
	while queue and not queue.asking and not queue.busy do
		local e = queue[queue.first];
		if not e then
			if queue.first > queue.last then queues[room_jid] = nil; end
			return;
		elseif e.done then
			queue[queue.first] = nil;
			queue.first = queue.first + 1;
		elseif is_gone(e) then
			release(e);
		elseif e.kind == "do" then
			queue.busy = true;
			local ok, err = xpcall(run_command, debug.traceback, e);
			queue.busy = false;
			if not ok then module:log("error", "command for %s: %s", room_jid, err); end
		elseif state == "refused" then
			release(e);
			refuse(e, "away", "cancel", "internal-server-error");
		elseif state ~= "ready" then
			return;
		elseif e.kind ~= "join" and not get_room(room_jid) then
			release(e);
			send_error(e.origin, e.stanza, "cancel", "item-not-found");
		else
			ask(e, queue);
		end
	end
end

local function expire(e)
	release(e);
	if not failing_open or e.kind == "knock" or e.kind == "command" or e.kind == "do" then return refuse_unanswered(e); end
	module:log("warn", "let %s into %s unasked: the component is away", e.from, e.room);
	if #passed_unasked < LIMIT.room then t_insert(passed_unasked, { room = e.room, jid = cut(e.from, LIMIT.address) }); end
	local verdict, room = { failing = true, created = not get_room(e.room) }, get_room(e.room);
	replay(e, verdict, room);
	if e.kind == "join" then clean_up(e, verdict); end
end

function sweep()
	local rooms, time, away = {}, now(), state ~= "ready";
	for room_jid in pairs(queues) do t_insert(rooms, room_jid); end
	for _, room_jid in ipairs(rooms) do
		local queue = queues[room_jid];
		for i = queue.first, queue.last do
			local e = queue[i];
			if e and not e.done then
				-- Whoever was parked while the component was away is asked late, through no fault of the component.
				local limit = away and grace or e.waited and math.max(grace, timeout) or timeout;
				if is_gone(e) then release(e); elseif time - e.at >= limit then expire(e); end
			end
		end
		pump(room_jid);
	end
	for room_jid, list in pairs(waiting) do
		for bare, w in pairs(list) do
			if type(w) == "table" and w.expires < time then forget_waiting(room_jid, bare); end
		end
	end
	sweeping = next(queues) ~= nil or next(waiting) ~= nil;
	return sweeping and 0.25 or nil;
end

-- The link ---------------------------------------------------------------------------------------------------------

local function set_state(new_state)
	state = new_state;
	for _, queue in pairs(queues) do
		-- Questions that were written do not bounce when the component dies: they are asked again.
		if queue.asking then pending[queue.asking.iq], queue.asking = nil, nil; end
		for i = queue.first, queue.last do
			if queue[i] then queue[i].waited = true; end
		end
	end
	if state ~= "ready" and state ~= "refused" then return; end
	local rooms = {};
	for room_jid in pairs(queues) do t_insert(rooms, room_jid); end
	for _, room_jid in ipairs(rooms) do pump(room_jid); end
end

local function count_rooms()
	local count = 0;
	for _ in muc.live_rooms() do count = count + 1; end
	return tostring(count);
end

local function learn(facts)
	services, reserved = {}, {};
	for _, address in ipairs(module:get_option_array("vestibule_trusted", {})) do services[jid_prep(address) or address] = true; end
	for _, address in ipairs(facts.services or {}) do services[address] = true; end
	for _, nick in ipairs(facts.nicks or {}) do
		reserved[(encodings.stringprep.nodeprep(nick) or nick):lower()] = true;
	end
end

local function greet()
	set_state("greeting");
	local id = "hello." .. attempt_prefix .. new_id.short();
	pending[id] = function (stanza)
		local hello = stanza.attr.type == "result" and stanza:get_child("hello", xmlns_gate);
		if not hello then
			local _, condition, text = stanza:get_error();
			if condition == "remote-server-timeout" then return set_state("away"); end
			module:log("error", "%s refuses this gate, so everybody is refused: %s %s", component, condition, text or "");
			return set_state("refused");
		end
		local facts = { services = {}, nicks = {} };
		for tag in hello:childtags("service") do t_insert(facts.services, jid_prep(tag.attr.jid)); end
		for tag in hello:childtags("reserve") do t_insert(facts.nicks, tag.attr.nick); end
		-- Kept on disk: after a restart of the server the services come back before the component does.
		store:set(nil, facts);
		learn(facts);
		set_state("ready");
		for _, attempt in ipairs(passed_unasked) do report("opened-failing", attempt.room, { jid = attempt.jid }); end
		passed_unasked = {};
	end;
	module:send(st.iq({ type = "set", id = id, from = module.host, to = component }):tag("hello", {
		xmlns = xmlns_gate, version = "1", gate = VERSION, server = "Prosody " .. prosody.version,
		failure = failing_open and "allow" or "refuse", grace = tostring(grace), timeout = tostring(timeout), rooms = count_rooms(),
	}));
end

local function watch_component()
	local host = module:context(component);
	host.event_handlers = module.event_handlers;
	local external = prosody.hosts[component].modules.component;
	host:hook("component-authenticated", function (event) link = event.session; greet(); end);
	-- Also fired for a second connection that was turned away.
	host:hook("component-disconnected", function (event)
		if event.session == link then link = nil; set_state("away"); end
	end);
	if external and external.session then link = external.session; greet(); end
end

local OPTIONS = {
	"component_admins_as_room_owners", "restrict_room_creation", "muc_room_cache_size", "muc_max_rooms", "muc_room_locking",
	"muc_tombstones", "muc_room_default_public", "muc_room_default_persistent", "muc_room_allow_public",
	"muc_room_allow_persistent", "allow_unaffiliated_register", "enforce_registered_nickname", "component_conflict_resolve",
};

local function add_room(reply, room, room_for)
	local data, password = kept(room), room:get_password();
	local occupants, moderators = census(room);
	local list = waiting[room.jid] or { count = 0 };
	local more = 0;
	for _ in pairs(room._occupants) do more = more + 1; end
	reply:tag("room", {
		xmlns = xmlns_gate, jid = room.jid, generation = data and data.generation, revision = data and tostring(data.revision),
		occupants = occupants, moderators = moderators, waiting = tostring(list.count), password = flag(password),
		["members-only"] = flag(room:get_members_only()), more = flag(more > room_for),
	});
	if data and data.record then reply:text_tag("record", data.record); end
	for nick, occupant in pairs(room._occupants) do
		if room_for == 0 then break; end
		room_for = room_for - 1;
		reply:tag("occupant", add_session({
			nick = cut(jid_resource(nick), LIMIT.name), jid = occupant.jid,
			affiliation = room:get_affiliation(occupant.bare_jid) or "none", role = occupant.role or "none",
		}, prosody.full_sessions[occupant.jid])):up();
	end
	for _, w in pairs(list) do
		if type(w) == "table" then
			reply:tag("waiting", { jid = w.jid, nick = cut(w.nick, LIMIT.name), since = tostring(w.since) }):up();
		end
	end
	reply:up();
	return room_for;
end

local inquiries = {};
function inquiries.look(reply, query)
	local room = jid_prep(query.attr.room) and get_room(jid_prep(query.attr.room));
	if not room then return nil; end
	add_room(reply, room, LIMIT.occupants);
	return reply;
end
function inquiries.snapshot(reply, query)
	local rooms, after = {}, query.attr.after or "";
	for room in muc.live_rooms() do
		if room.jid > after and not room._data.destroyed then t_insert(rooms, room); end
	end
	table.sort(rooms, function (a, b) return a.jid < b.jid; end);
	local max = math.min(tonumber(query.attr.max) or LIMIT.page, LIMIT.page);
	reply:tag("snapshot", { xmlns = xmlns_gate, next = rooms[max + 1] and rooms[max].jid or nil });
	for i = 1, math.min(max, #rooms) do add_room(reply, rooms[i], LIMIT.occupants); end
	return reply;
end
function inquiries.posture(reply)
	reply:tag("posture", { xmlns = xmlns_gate, server = "Prosody " .. prosody.version, lua = _VERSION:match("[%d.]+") });
	for name in pairs(prosody.hosts[module.host].modules) do reply:tag("module", { name = name }):up(); end
	for _, name in ipairs(OPTIONS) do
		local value = module:get_option(name);
		if value ~= nil then reply:text_tag("option", tostring(value), { name = name }); end
	end
	return reply;
end

-- Hooks ------------------------------------------------------------------------------------------------------------

guard("iq/host", PRIORITY.link, function (event)
	local stanza = event.stanza;
	if stanza.attr.from ~= component then return; end
	local kind = stanza.attr.type;
	if kind == "result" or kind == "error" then
		local e = pending[stanza.attr.id];
		if not e then return; end -- late, or not ours
		pending[stanza.attr.id] = nil;
		if type(e) == "function" then e(stanza); return true; end
		local err = kind == "error" and stanza:get_child("error");
		if err and err:get_child("not-connected", "xmpp:prosody.im/protocol/component") then set_state("away"); return true; end
		answered(e, stanza);
		return true;
	end
	local query = stanza.tags[1];
	if query.attr.xmlns ~= xmlns_gate then return; end
	if kind == "get" and inquiries[query.name] then
		local reply = inquiries[query.name](st.reply(stanza), query);
		module:send(reply or st.error_reply(stanza, "cancel", "item-not-found"));
		return true;
	elseif kind == "set" and query.name == "do" then
		local room_jid = jid_prep(query.attr.room or "");
		if not room_jid or not get_room(room_jid) then send_error(event.origin, stanza, "cancel", "item-not-found"); return true; end
		return park { kind = "do", room = room_jid, from = component, origin = event.origin, stanza = stanza };
	end
	send_error(event.origin, stanza, "modify", "bad-request");
	return true;
end);

guard("presence/full", PRIORITY.arrival, function (event)
	local origin, stanza = event.origin, event.stanza;
	local room_jid, kind = jid_bare(stanza.attr.to), stanza.attr.type;
	if kind == "unavailable" then
		local queue = queues[room_jid];
		local e = queue and queue.joins[stanza.attr.from];
		if not e then return; end
		release(e);
		pump(room_jid);
		return true;
	end
	if kind ~= nil or verdicts[stanza] or not stanza:get_child("x", xmlns_muc) then return; end
	if get_room(room_jid) ~= nil then return; end -- there is one, or it cannot be loaded
	local nick = jid_resource(stanza.attr.to);
	if not jid_prep(room_jid, true) or not encodings.stringprep.resourceprep(nick, true) then
		return refuse(event, "malformed", "modify", "jid-malformed");
	elseif is_reserved(nick) and not is_service(stanza.attr.from) then
		return refuse(event, "reserved-nick", "cancel", "conflict");
	end
	return park { kind = "join", room = room_jid, from = stanza.attr.from, origin = origin, stanza = stanza };
end);

-- Without a resource mod_muc throws, and leaves a room that its sender owns.
local function refuse_bare(event)
	local stanza = event.stanza;
	if stanza.attr.type ~= nil or not stanza:get_child("x", xmlns_muc) then return; end
	local room = muc.get_room_from_jid(jid_bare(stanza.attr.to));
	if room and room:get_occupant_jid(stanza.attr.from) then return; end
	return refuse(event, "malformed", "modify", "jid-malformed");
end
guard("presence/bare", PRIORITY.arrival, refuse_bare);
guard("presence/host", PRIORITY.arrival, refuse_bare);

guard("muc-room-pre-create", PRIORITY.create, function (event)
	local verdict = verdicts[event.stanza];
	if verdict then verdict.created = true; return; end
	return refuse(event, "closed-way", "cancel", "not-allowed");
end);

guard("muc-room-pre-create", PRIORITY.presets, function (event)
	local verdict = verdicts[event.stanza];
	local room, fx = event.room, verdict.fx;
	if not fx then return; end
	room._data.locked = nil; -- its settings are the component's, there is nothing to wait for
	local data = keep_new(room);
	keep(data, fx);
	if fx.room then set_room(room, fx.room, true); end
	if fx.requester then give_affiliation(room, jid_bare(event.stanza.attr.from), fx.requester.affiliation or "none", true); end
	verdict.generation, verdict.revision = data.generation, data.revision;
end);

guard("muc-occupant-pre-join", PRIORITY.nick, function (event)
	local room, from = event.room, event.stanza.attr.from;
	if is_service(from) then return; end
	if is_reserved(jid_resource(event.occupant.nick)) then return refuse(event, "reserved-nick", "cancel", "conflict"); end
	-- The Jitsi rate limiter, when its queue is full, ends the event and so admits everybody.
	local queue = room.join_rate_presence_queue;
	if queue and queue:count() >= (queue.size or LIMIT.room) then return refuse(event, "overflow", "wait", "resource-constraint"); end
end);

guard("muc-occupant-pre-change", PRIORITY.nick, function (event)
	if is_reserved(jid_resource(event.dest_occupant.nick)) and not is_service(event.stanza.attr.from) then
		return refuse(event, "reserved-nick", "cancel", "conflict");
	end
end);

guard("muc-occupant-pre-join", PRIORITY.verdict, function (event)
	local room, stanza = event.room, event.stanza;
	local verdict = verdicts[stanza];
	if verdict and (event.is_new_room or is_fresh(verdict, room)) then verdict.passed = true; return; end
	-- The answer to open is the answer to the opener's join: parked here, the room would never count as created.
	if event.is_new_room or is_service(stanza.attr.from) then return; end
	verdicts[stanza] = nil;
	return park { kind = "join", room = room.jid, from = stanza.attr.from, origin = event.origin, stanza = stanza };
end);

guard("muc-occupant-pre-join", PRIORITY.raise, function (event)
	local verdict = verdicts[event.stanza];
	local wanted = verdict and verdict.fx and verdict.fx.requester;
	if not wanted then return; end
	local room, occupant, bare = event.room, event.occupant, jid_bare(event.stanza.attr.from);
	if not event.is_new_room then
		verdict.before = give_affiliation(room, bare, wanted.affiliation or verdict.exactly and "none", verdict.exactly) or verdict.before;
		verdict.given = room:get_affiliation(bare) or "none";
	end
	local role = room:get_default_role(room:get_affiliation(bare));
	if wanted.role and wanted.role ~= "none" and (verdict.exactly or ROLE[wanted.role] > ROLE[role or "none"]) then role = wanted.role; end
	if verdict.exactly or ROLE[role or "none"] > ROLE[occupant.role or "none"] then occupant.role = role; end
end);

guard("muc-occupant-pre-join", PRIORITY.password, function (event)
	local room, stanza = event.room, event.stanza;
	local verdict = verdicts[stanza];
	if not verdict and not is_service(stanza.attr.from) then return refuse(event, "closed-way", "cancel", "not-allowed"); end
	if verdict and verdict.failing then return; end -- unasked: the room's own checks stay
	-- It is decided: the password that was typed no longer matters, and the core's check is given the right one.
	local x, password = stanza:get_child("x", xmlns_muc), room:get_password();
	x:maptags(function (tag) return tag.name ~= "password" and tag or nil; end);
	if password then x:text_tag("password", password, { xmlns = xmlns_muc }); end
end);

-- Questions of those inside

-- Parks a request of an occupant or owner until the component has judged it.
local function put(event, kind, detail, extra)
	local e = extra or {};
	e.kind, e.room, e.from, e.detail = kind, jid_bare(event.stanza.attr.to), event.stanza.attr.from, detail;
	e.origin, e.stanza = event.origin, event.stanza;
	return park(e);
end

local function refuse_core(event, kind, condition) send_error(event.origin, event.stanza, kind, condition); return true; end

-- Wraps a handler that needs the room and looks at each stanza once, not at its replay.
local function guard_room(event_name, priority, handler)
	guard(event_name, priority, function (event)
		if verdicts[event.stanza] then return; end
		local room = get_room(jid_bare(event.stanza.attr.to));
		if room then return handler(event, room, event.stanza.tags[1]); end
	end);
end

guard_room("iq-set/bare/" .. xmlns_muc .. "#owner:query", PRIORITY.owner, function (event, room, query)
	local child = query.tags[1];
	if room:get_affiliation(event.stanza.attr.from) ~= "owner" or not child then return; end -- the core refuses
	if child.name == "destroy" then return put(event, "destroy"); end
	if child.name ~= "x" or child.attr.type ~= "submit" then return; end
	if #child.tags > LIMIT.items then return refuse(event, "malformed", "modify", "not-acceptable"); end
	return put(event, "configure", function (iq, at)
		for field in child:childtags("field") do
			local values, secret = {}, field.attr.var == "muc#roomconfig_roomsecret";
			for value in field:childtags("value") do t_insert(values, value:get_text()); end
			local text = table.concat(values, "\n");
			local same = secret and hashes.equals(text, at:get_password() or "");
			iq:text_tag("field", not same and cut(text, secret and LIMIT.name or LIMIT.text) or nil,
				{ var = cut(field.attr.var, LIMIT.name), same = flag(same) });
		end
	end, { rewrite = function (fields)
		child:maptags(function (tag) return not fields[tag.attr.var or false] and tag or nil; end);
		for var, value in pairs(fields) do child:tag("field", { var = var }):text_tag("value", value):up(); end
	end });
end);

-- A moderator's client that leaves the field out would have the Jitsi lobby taken down.
guard("muc-config-submitted", PRIORITY.config, function (event)
	if event.fields["muc#roomconfig_membersonly"] == nil then
		event.fields["muc#roomconfig_membersonly"] = event.room:get_members_only() or false;
	end
end);

-- Returns what an <item/> asks for with everything resolved, or nil and the error.
local function read_item(room, item)
	local address, nick = item.attr.jid and jid_prep(item.attr.jid), item.attr.nick;
	nick = nick and encodings.stringprep.resourceprep(nick);
	if item.attr.jid and not address or item.attr.nick and not nick then return nil, "modify", "jid-malformed"; end
	if (item.attr.affiliation == nil) == (item.attr.role == nil) then return nil, "cancel", "bad-request"; end
	if item.attr.role then
		nick = nick or address and jid_resource(room:get_occupant_jid(address) or "");
		local occupant = nick and room:get_occupant_by_nick(room.jid .. "/" .. nick);
		if not occupant then return nil, "modify", "item-not-found"; end
		return { jid = occupant.bare_jid, nick = nick, role = item.attr.role, current = occupant.role or "none" };
	end
	local occupant = nick and not address and room:get_occupant_by_nick(room.jid .. "/" .. nick);
	address = jid_bare(address or occupant and occupant.bare_jid);
	if not address then return nil, "modify", "item-not-found"; end
	if is_reserved(nick) and not is_service(address) then return nil, "cancel", "conflict"; end
	item.attr.jid = address; -- whoever bears the nick later is somebody else
	return { jid = address, nick = nick, affiliation = item.attr.affiliation, current = room:get_affiliation(address) or "none" };
end

local function add_items(items)
	return function (iq)
		for _, item in ipairs(items) do
			iq:tag("item", { jid = cut(item.jid, LIMIT.address), nick = cut(item.nick, LIMIT.name),
				affiliation = item.affiliation, role = item.role, current = item.current }):up();
		end
	end;
end

guard_room("iq-set/bare/" .. xmlns_muc .. "#admin:query", PRIORITY.admin, function (event, room, query)
	local items, from = {}, event.stanza.attr.from;
	local rank, actor = AFFILIATION[room:get_affiliation(from) or "none"], room:get_occupant_by_real_jid(from);
	for tag in query:childtags("item") do
		local item, kind, condition = read_item(room, tag);
		if not item then return refuse_core(event, kind, condition); end
		if items[1] and (items[1].role == nil) ~= (item.role == nil) then return refuse_core(event, "cancel", "bad-request"); end
		t_insert(items, item);
	end
	if #items == 0 or #items > LIMIT.items then return refuse_core(event, "cancel", "bad-request"); end
	-- The core removes the bearer of a nick before it looks at the rights of who reserves it.
	if rank < AFFILIATION.admin and (items[1].affiliation or not actor or actor.role ~= "moderator") then
		return refuse_core(event, "cancel", "not-allowed");
	end
	return put(event, items[1].role and "role" or "affiliation", add_items(items), { changed = function (at)
		for _, item in ipairs(items) do
			local bearer = item.role and at:get_occupant_by_nick(at.jid .. "/" .. item.nick);
			if item.role and (not bearer or bearer.bare_jid ~= item.jid) then return true; end
		end
	end });
end);

guard_room("iq/bare/jabber:iq:register:query", PRIORITY.owner, function (event, room, query)
	if event.stanza.attr.type ~= "set" or query:get_child("remove") then return; end
	local bare, nick = jid_bare(event.stanza.attr.from), nil;
	local form = query:get_child("x", "jabber:x:data");
	for field in form and form:childtags("field") or function () end do
		if field.attr.var == "muc#register_roomnick" then nick = field:get_child_text("value"); end
	end
	if is_reserved(nick) and not is_service(bare) then return refuse(event, "reserved-nick", "cancel", "conflict"); end
	local current = room:get_affiliation(bare) or "none";
	local item = { jid = bare, nick = nick, affiliation = current == "none" and "member" or current, current = current };
	return put(event, "affiliation", add_items { item }, { register = true });
end);

local function form_fields(form)
	local fields = {};
	for field in form:childtags("field") do fields[field.attr.var or ""] = field:get_child_text("value"); end
	return fields;
end

guard_room("message/bare", PRIORITY.message, function (event, room)
	local stanza = event.stanza;
	local kind, occupant = stanza.attr.type, room:get_occupant_by_real_jid(stanza.attr.from);
	if kind == "groupchat" then
		local word = occupant and (stanza:get_child_text("body") or ""):match("^!([%w_-]+)%s*$");
		if not word then return; end
		return put(event, "command", function (iq) iq:tag("command", { name = cut(word, LIMIT.name) }):up(); end);
	elseif kind ~= nil and kind ~= "normal" then
		return;
	end
	local targets = {};
	for x in stanza:childtags("x", xmlns_user) do
		for tag in x:childtags("invite") do t_insert(targets, jid_prep(tag.attr.to)); end
		if x:get_child("invite") and #targets == 0 then return refuse_core(event, "cancel", "jid-malformed"); end
	end
	local form = stanza:get_child("x", "jabber:x:data");
	local fields = form and form_fields(form) or {};
	if #targets == 0 and fields.FORM_TYPE ~= xmlns_request then return; end
	-- A stranger's invitation to himself would bring him the password.
	if not occupant or #targets > LIMIT.items then return refuse_core(event, "cancel", "not-acceptable"); end
	if #targets > 0 then
		return put(event, "invite", function (iq)
			for _, target in ipairs(targets) do iq:tag("target", { jid = cut(target, LIMIT.address) }):up(); end
		end);
	end
	if occupant.role ~= "moderator" then return; end -- he asks for voice, and moderators answer
	local yes = fields["muc#request_allow"] == "true" or fields["muc#request_allow"] == "1";
	local knock = fields["vestibule#knock"];
	if knock then
		for _, w in pairs(waiting[room.jid] or {}) do
			if type(w) == "table" and w.id == knock then
				return put(event, "knock", function (iq)
					iq:tag("target", { jid = cut(w.jid, LIMIT.address), answer = yes and "admit" or "reject" }):up();
				end);
			end
		end
		return refuse_core(event, "cancel", "item-not-found");
	end
	local speaker = yes and room:get_occupant_by_real_jid(fields["muc#jid"] or "");
	if not speaker then return; end -- the core does nothing then
	return put(event, "role", add_items { { jid = speaker.bare_jid, nick = jid_resource(speaker.nick), role = "participant",
		current = speaker.role or "none" } });
end);

-- After password.lib (0), which puts the password into every invitation.
module:hook("muc-invite", function (event)
	for x in event.stanza:childtags("x", xmlns_user) do
		x:maptags(function (tag) return tag.name ~= "password" and tag or nil; end);
	end
	local bare = jid_bare(event.stanza.attr.to);
	if forget_waiting(event.room.jid, bare) and not event.room:get_affiliation(bare) then
		event.room:set_affiliation(true, bare, "member");
	end
end, PRIORITY.last);

-- Backstops: an actor's change that no answer stands behind.
guard("muc-pre-set-affiliation", PRIORITY.backstop, function (event)
	if event.actor and not replaying then event.allowed = false; end
end);
guard("muc-pre-set-role", PRIORITY.backstop, function (event)
	if event.actor and not replaying then event.allowed, event.error, event.condition = false, "cancel", "not-allowed"; end
end);

-- Reading before being admitted

local function is_inside(room, address) return is_service(address) or room:get_occupant_jid(address) ~= nil; end

guard("muc-disco#info", PRIORITY.last, function (event)
	if is_inside(event.room, event.stanza.attr.from) then return; end
	event.form = nil;
	event.reply.tags[1]:maptags(function (tag)
		if tag.name == "identity" then tag.attr.name = nil; end
		return tag;
	end);
end);

local function refuse_outsiders(event, room)
	if not is_inside(room, event.stanza.attr.from) then return refuse_core(event, "auth", "forbidden"); end
end
for _, xmlns in ipairs(xmlns_mam) do
	for _, what in ipairs { ":query", ":metadata" } do
		guard_room("iq-set/bare/" .. xmlns .. what, PRIORITY.owner, refuse_outsiders);
		guard_room("iq-get/bare/" .. xmlns .. what, PRIORITY.owner, refuse_outsiders);
	end
end
guard_room("iq-get/bare/vcard-temp:vCard", PRIORITY.owner, refuse_outsiders);

-- Reports

local known_roles = setmetatable({}, { __mode = "k" }); -- by room object, by nick

local function report_occupant(event_name, event, address)
	local occupant, room = event.occupant, event.room;
	report(event_name, room.jid, add_session({
		nick = cut(jid_resource(occupant.nick), LIMIT.name), jid = address or occupant.jid,
		affiliation = room:get_affiliation(occupant.bare_jid) or "none", role = occupant.role or "none",
	}, event.origin));
end

guard("muc-occupant-session-new", PRIORITY.last, function (event)
	local room, verdict = event.room, verdicts[event.stanza];
	local known = known_roles[room] or {};
	known_roles[room], known[event.nick] = known, event.occupant.role;
	report_occupant("joined", event, event.jid);
	if event.occupant.role == "moderator" then send_knocks(room, event.jid); end
	if verdict and verdict.fx then say(room, verdict.fx.says, event.jid, true); end
end);
guard("muc-broadcast-presence", PRIORITY.last, function (event)
	local known, role = known_roles[event.room], event.occupant.role;
	if not role or not known or not known[event.occupant.nick] or known[event.occupant.nick] == role then return; end
	known[event.occupant.nick] = role;
	report_occupant("role", event);
	if role == "moderator" then
		for address in event.occupant:each_session() do send_knocks(event.room, address); end
	end
end);
guard("muc-occupant-left", PRIORITY.backstop, function (event)
	if known_roles[event.room] then known_roles[event.room][event.occupant.nick] = nil; end
	report_occupant("left", event);
end);
guard("muc-set-affiliation", PRIORITY.last, function (event)
	local list = waiting[event.room.jid];
	if list and list[event.jid] and AFFILIATION[event.affiliation] >= AFFILIATION.member then admit(event.room, event.jid); end
	report("role", event.room.jid, { jid = event.jid, affiliation = event.affiliation });
end);
guard("muc-config-submitted", PRIORITY.last, function (event)
	report("configured", event.room.jid, { jid = cut(event.actor, LIMIT.address) });
end);
guard("muc-room-created", PRIORITY.last, function (event) report("created", event.room.jid, {}); end);
guard("muc-room-destroyed", PRIORITY.backstop, function (event)
	report("destroyed", event.room.jid, {});
	for bare in pairs(waiting[event.room.jid] or {}) do forget_waiting(event.room.jid, bare); end
end);

function module.unload()
	for _, queue in pairs(queues) do
		queue.asking = nil;
		for i = queue.first, queue.last do
			if queue[i] and not queue[i].done and not is_gone(queue[i]) then refuse_unanswered(queue[i]); end
		end
	end
	queues, pending = {}, {};
end
function module.save() return { waiting = waiting }; end
function module.restore(saved)
	waiting = saved.waiting or {};
	if next(waiting) then sweeping = true; module:add_timer(0.25, sweep); end
end

learn(store:get(nil) or {});
if not component or component == "" then
	module:log("error", "vestibule_component is not set: everybody is refused");
elseif rawget(prosody.hosts, component) then
	watch_component();
else
	module:hook_global("host-activated", function (host) if host == component then watch_component(); end end);
end
