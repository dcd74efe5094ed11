-- The gate: holds room traffic, asks the Vestibule component, applies its answer. It decides nothing.
-- The contract with the component is docs/protocol.md. For Prosody 0.12 and 13.
--
--     Component "conference.example.org" "muc"
--         modules_enabled = { "vestibule_gate" }
--         vestibule_component = "vestibule.example.org"    -- required
--         vestibule_timeout = 5                            -- seconds for an answer, at most 10
--         vestibule_grace = 5                              -- seconds to wait for an absent component, at most 10
--         vestibule_on_unavailable = "refuse"              -- or "allow"
--         vestibule_trusted = { "focus@auth.example.org" } -- services, until the component has named them

local st, jid, new_id = require "util.stanza", require "util.jid", require "util.id";
local hashes, encodings, dataforms = require "util.hashes", require "util.encodings", require "util.dataforms";
local now, xpcall = require "util.time".now, require "util.xpcall".xpcall;
local jid_bare, jid_resource, jid_prep, t_insert = jid.bare, jid.resource, jid.prep, table.insert;

local VERSION, SERVER = "0.1.0", "Prosody " .. prosody.version;
local xmlns_gate, xmlns_muc = "urn:vestibule:gate:1", "http://jabber.org/protocol/muc";
local xmlns_user, xmlns_request = xmlns_muc .. "#user", xmlns_muc .. "#request";

-- util.events orders equal priorities at random, so every hook has a place that nothing else takes.
local PRIORITY = {
	request = 5; -- on the focus's hosts, before whatever forwards to it (0)
	reply = 5; -- on the clients' hosts, before the answer is delivered (0)
	link = 10; -- before mod_iq (0): the component's answers are not for the room service
	arrival = 5; -- before mod_muc (-2): a join is parked while there is no room object yet
	create = 98; -- after token checks (99), before anything with a side effect (0)
	presets = -2; -- after password.lib (0), which overwrites the password, and the creator's ownership (-1)
	nick = 12; -- before whatever parks joins (9, 8)
	verdict = 2.5; -- after those, above markers that only an error presence clears (2)
	raise = -3.75; -- as late as an affiliation can be given: the Jitsi lobby is at -4
	password = -3.9; -- the last place above the lobby, for the last check
	owner = 5; -- above token_verification (-1)
	admin = 12; -- above meeting_id (10) and the lobby (1), which replaces the core's handler
	message = 3; -- above the lobby (1)
	read = 20; -- above muc/vcard (10)
	backstop = 10;
	config = 1; -- before the lobby (0)
	last = -1000;
};
local AFFILIATION = { outcast = -1, none = 0, member = 1, admin = 2, owner = 3 };
local ROLE = { none = 0, visitor = 1, participant = 2, moderator = 3 };
local LIMIT = {
	seconds = 10, one = 100, room = 1000, all = 10000, items = 64, stanza = 65536,
	record = 4096, person = 512, people = 1000,
	waiting = 100, wait = 600, stale = 3, name = 256, address = 1023, text = 1024, page = 50, occupants = 256,
};

local muc = module:depends("muc");
local component = jid_prep(module:get_option_string("vestibule_component") or "");
local timeout = math.min(module:get_option_number("vestibule_timeout", 5), LIMIT.seconds);
local grace = math.min(module:get_option_number("vestibule_grace", 5), LIMIT.seconds);
local failing_open = module:get_option_string("vestibule_on_unavailable", "refuse") == "allow";
local store = module:open_store("vestibule_gate");

local state = "away"; -- away, greeting (hello sent), ready, refused (the component does not want us)
local link, greeted; -- the component's session, and when it was greeted
local heard, ready_since = 0, 0; -- when the component last answered, and when it was last ready to
local services, reserved, observing = {}, {}, false; -- observing: nothing is enforced
local parked_by = {}; -- their number by session
local queues, parked, pending = {}, 0, {}; -- attempts by room, their number, and by the id of the question sent
-- The field of this gate: in a stanza, what was answered for it; in a room, the roles by nick. Weak tables would do
-- as well, but the collector pays for those with every join.
local mark = {};
local gate = { mark = mark, PRIORITY = PRIORITY }; -- what the other files of the gate use of this one
local shown, focus, lobby = module:require "shown", module:require "focus"(gate), module:require "lobby"(gate);
local replaying; -- the verdict in force while a stanza goes through the room again
local applying = false; -- while the gate itself gives affiliations
local waiting = {}; -- by room: who knocked, by bare address
local passed_unasked = {}; -- let through while away, to be reported when the link is up
local sweeping = false;
local attempt_prefix, attempt_count, question_count = new_id.short() .. ".", 0, 0;
local pump, sweep, greet;

-- Facts

local function get_room(room_jid)
	local room = muc.get_room_from_jid(room_jid);
	-- An expired tombstone is replaced by the next join, so for the gate it is no room.
	if room and room._data.destroyed and room._data.locked < os.time() then return nil; end
	return room;
end

-- What the gate keeps in a room. It lives in _data: a room that was swapped out comes back as another object.
local function kept(room)
	local data = room and room._data.vestibule;
	return type(data) == "table" and type(data.generation) == "string" and type(data.people) == "table" and data or nil;
end
local function keep_new(room)
	room._data.vestibule = { generation = new_id.medium(), revision = 0, people = {}, count = 0, clock = 0 };
	return room._data.vestibule;
end

-- Cuts at a character: half of one would close the component's stream.
local function cut(text, limit)
	if not text or #text <= limit then return text; end
	while limit > 0 and text:byte(limit + 1) >= 0x80 and text:byte(limit + 1) < 0xC0 do limit = limit - 1; end
	return text:sub(1, limit);
end

-- What goes to the component with every join is written as text, into one buffer: in a server that collects garbage
-- all the time, a join costs what it leaves behind. It is made of what was parsed from XML, or has been checked.
local ESCAPED = { ["<"] = "&lt;", [">"] = "&gt;", ["&"] = "&amp;" };
local buffer, size = {}, 0;
local function write(text) size = size + 1; buffer[size] = text; end
local function begin(text) size = 0; write(text); end
local function written() return table.concat(buffer, "", 1, size); end
local function attributes(name, value, ...)
	if value then
		buffer[size + 1], buffer[size + 2], buffer[size + 3], buffer[size + 4] = name, "='", st.xml_escape(value), "' ";
		size = size + 4;
	end
	if ... then return attributes(...); end
end
local function write_text(text) write((text:gsub("[<>&]", ESCAPED))); end
local function element(name, attr, text)
	write("<" .. name .. " ");
	for key, value in pairs(attr) do attributes(key, value); end
	write(">");
	if text then write_text(text); end
	write("</" .. name .. ">");
end
local NOTHING = {};

local function flag(value) return value and "true" or nil; end
local function affiliation_of(room, address) return room:get_affiliation(address) or "none"; end
local function is_service(address) return services[jid_bare(address)]; end
local function fold(nick) return (encodings.stringprep.nodeprep(nick) or nick):lower(); end
local function is_reserved(nick, address) return nick and reserved[fold(nick)] and not is_service(address); end

local is_anonymous = {}; -- by host
module:hook_global("config-reloaded", function () is_anonymous = {}; end);

local function has_account(session)
	if is_anonymous[session.host] == nil then
		local method = module:context(session.host):get_option_string("authentication");
		is_anonymous[session.host] = method == "anonymous" or method == "jitsi-anonymous";
	end
	return not is_anonymous[session.host];
end

local function add_session(attr, session, stanza)
	local kind = session and session.type;
	attr.client, attr.ticket, attr.device, attr.account = focus.describe(session, stanza);
	if kind == "c2s" then
		attr.secure, attr.address = session.secure and "true" or "false", session.ip;
		attr.auth = (session.auth_token or session.jitsi_meet_context_user) and "token"
			or has_account(session) and "account" or "anonymous";
	else
		attr.auth = (kind == "s2sin" or kind == "s2sout") and "server"
			or (kind == "component" or kind == "local") and "component" or "unknown";
	end
	return attr;
end

local function write_claims(claims, room_for)
	for name, value in pairs(claims or {}) do
		local kind, text = type(value), tostring(value);
		-- Tokens are JSON: they can hold what XML cannot.
		if type(name) == "string" and (kind == "string" or kind == "boolean" or kind == "number") and room_for > 0
		and encodings.utf8.valid(name .. text) and not (name .. text):find("[%z\1-\8\11\12\14-\31]") then
			room_for = room_for - 1;
			element("claim", { name = cut(name, LIMIT.name) }, cut(text, LIMIT.text));
		end
	end
	return room_for;
end

local function census(room)
	local occupants, moderators = 0, 0;
	for _, occupant in pairs(room._occupants) do -- each_occupant() would copy each of them
		if not services[occupant.bare_jid] then
			occupants = occupants + 1;
			if occupant.role == "moderator" then moderators = moderators + 1; end
		end
	end
	return occupants, moderators;
end

local function describe(room, occupant, session, address)
	return add_session({
		nick = cut(jid_resource(occupant.nick), LIMIT.name), jid = cut(address or occupant.jid, LIMIT.address),
		affiliation = affiliation_of(room, occupant.bare_jid), role = occupant.role or "none",
		auth = nil, secure = nil, address = nil, client = nil, ticket = nil, device = nil, -- room for what is added
	}, session or prosody.full_sessions[occupant.jid]);
end

-- Answers to the requester, reports to the component

local addresses = "' from='" .. module.host .. "' to='" .. (component or "") .. "'>";
local report_opens = "<message type='normal" .. addresses .. "<report xmlns='" .. xmlns_gate .. "' ";

local function report(event_name, room, attr)
	if state ~= "ready" then return; end
	local data = room._data and kept(room); -- where there is no room any more, its address is given alone
	begin(report_opens);
	attributes("event", event_name, "room", room.jid);
	if data then attributes("generation", data.generation, "revision", data.revision); end
	for key, value in pairs(attr) do attributes(key, value); end
	write("/></message>");
	link.send(written());
end

local send_error = shown.plain;

-- A refusal that no answer stands behind. Jitsi's clients try again where they are told in their way.
local function refuse(event, reason, kind, condition, text)
	local attr = event.stanza.attr;
	local way = kind == "wait" and (event.kind == "request" and "not-ready"
		or attr.type == nil and event.stanza.name == "presence"
			and focus.describe(event.origin, event.stanza) == "jitsi" and "retry") or "plain";
	shown[way](event, kind, condition, text);
	local room_jid = type(event.room) == "string" and event.room or jid_bare(attr.to);
	report("refused", { jid = room_jid }, { jid = cut(attr.from, LIMIT.address), reason = reason });
	return true;
end

local function refuse_unanswered(e)
	return refuse(e, state == "ready" and "timeout" or "away", "wait", "remote-server-timeout",
		"The meeting policy does not answer. Try again in a moment.");
end

local function is_unguarded() return observing or failing_open and state ~= "ready"; end

local function refuse_nick(event)
	return refuse(event, "reserved-nick", "cancel", "conflict", "This nickname is reserved.");
end

-- Hooks fail closed: an error is answered and logged. They never return false, which would end the event and let
-- the stanza pass everything below.
local function guard_at(context, event_name, priority, handler)
	context:hook(event_name, function (event)
		local ok, result = xpcall(handler, debug.traceback, event);
		if ok then return result and true or nil; end
		module:log("error", "%s: %s", event_name, result);
		event.allowed = false; -- where that is how an event is vetoed
		if priority == PRIORITY.last or priority == PRIORITY.reply or not event.stanza or not event.origin then
			return nil;
		end
		return refuse(event, "error", "cancel", "internal-server-error");
	end, priority);
end
local function guard(...) return guard_at(module, ...); end

-- The queue: one for each room, first come, first served, one question at a time

local function release(e)
	local queue = queues[e.room];
	e.done = true;
	queue.count, parked = queue.count - 1, parked - 1;
	parked_by[e.from] = parked_by[e.from] > 1 and parked_by[e.from] - 1 or nil;
	if queue.joins[e.from] == e then queue.joins[e.from] = nil; end
	if queue.asking == e then queue.asking, pending[e.iq] = nil, nil; end
end

-- Runs a step of an attempt; when it fails, the attempt is refused, unless it is answered already.
local function try(e, step, ...)
	local ok, err = xpcall(step, debug.traceback, ...);
	if ok then return; end
	module:log("error", "%s in %s: %s", e.kind, e.room, err);
	if not e.done then release(e); end
	if not e.settled then refuse(e, "error", "cancel", "internal-server-error"); end
end

-- A client's session that hibernates has no connection, but it is not destroyed.
local function is_gone(e) return e.origin.destroyed and e.origin_type ~= "s2sin" and e.origin_type ~= "s2sout"; end

local function start(e)
	attempt_count = attempt_count + 1;
	e.attempt, e.at, e.stale = attempt_prefix .. attempt_count, now(), 0;
	e.origin_type = e.origin.type;
	return e;
end

local function run_sweep()
	if not sweeping then sweeping = true; module:add_timer(0.25, sweep); end
end

local function park(e)
	local queue = queues[e.room];
	local older = e.kind == "join" and queue and queue.joins[e.from];
	-- The newer takes the place of the older. With the same nick it is the same attempt: one answer serves both.
	if older and older.stanza.attr.to ~= e.stanza.attr.to then send_error(older, "cancel", "conflict"); end
	-- Who was at the head goes to the end: by repeating himself, he would hold up everybody else.
	if older and queue.asking == older then release(older); older = nil; end
	if older then
		older.stanza, older.origin = e.stanza, e.origin;
		start(older);
	elseif parked >= LIMIT.all or queue and queue.count >= LIMIT.room or
	e.kind ~= "do" and not is_service(e.from) and (parked_by[e.from] or 0) >= LIMIT.one then
		return refuse(e, "overflow", "wait", "resource-constraint", "Too many people wait here. Try again in a moment.");
	else
		if not queue then
			queue = { first = 1, last = 0, count = 0, joins = {} };
			queues[e.room] = queue;
		end
		queue.last = queue.last + 1;
		queue[queue.last] = start(e);
		queue.count, parked = queue.count + 1, parked + 1;
		parked_by[e.from] = (parked_by[e.from] or 0) + 1;
		if e.kind == "join" then queue.joins[e.from] = e; end
		run_sweep();
	end
	pump(e.room);
	return true;
end

local function write_credential(stanza, room, kind)
	local typed, count = nil, 0;
	for tag in stanza:get_child("x", xmlns_muc):childtags("password") do typed, count = tag:get_text(), count + 1; end
	if kind == "open" and not room then
		if count == 1 and typed and typed ~= "" then element("credential", NOTHING, cut(typed, LIMIT.name)); end
		return;
	end
	-- The room's password is compared here, in constant time: it can be newer than the component's record.
	local password, check = room:get_password(), "none";
	if password and count > 0 and (count > 1 or typed ~= "") then
		check = count == 1 and typed and hashes.equals(typed, password) and "right" or "wrong";
	end
	write("<credential ");
	attributes("check", check);
	write("/>");
end

-- What is kept of somebody: by the bare address, or by the ticket under another one.
local function person_of(data, bare, ticket)
	return data and (data.people[bare] or ticket and data.tickets and data.people[data.tickets[ticket] or false]);
end

local function write_somebody(name, attr, session, person)
	write("<" .. name .. " ");
	for key, value in pairs(attr) do attributes(key, value); end
	write(">");
	local room_for = session and write_claims(session.jitsi_meet_context_user, LIMIT.items);
	if session then write_claims(session.jitsi_meet_context_features, room_for); end
	if person then element("person", NOTHING, person.text); end
	write("</" .. name .. ">");
end

local function write_requester(e, data, room)
	local session, bare = e.origin, jid_bare(e.from);
	local occupant = room and room:get_occupant_by_real_jid(e.from);
	local nick = e.kind == "join" and e.stanza.attr.to or occupant and occupant.nick;
	local attr = add_session({
		jid = e.from, nick = nick and cut(jid_resource(nick), LIMIT.name),
		affiliation = room and affiliation_of(room, bare) or "none", role = occupant and occupant.role or "none",
		auth = nil, secure = nil, address = nil, client = nil, ticket = nil, device = nil,
	}, session, e.kind == "join" and e.stanza);
	write_somebody("requester", attr, session, person_of(data, bare, attr.ticket));
end

local function write_opener(e)
	local session, address = focus.opener(e.room);
	if session then write_somebody("opener", add_session({ jid = address }, session), session); end
end

local function write_state(room, data, kind)
	local has_lobby = flag(lobby.is_there());
	if not room then
		write("<state occupants='0' moderators='0' waiting='0' ");
		attributes("lobby", has_lobby);
		return write("/>");
	end
	local occupants, moderators = census(room);
	write("<state ");
	attributes("occupants", occupants, "moderators", moderators, "existing", flag(kind == "open" or kind == "request"),
		"password", flag(room:get_password()), "members-only", flag(room:get_members_only()), "lobby", has_lobby,
		"waiting", waiting[room.jid] and waiting[room.jid].count or 0);
	write(">");
	if data and data.record then element("record", NOTHING, data.record); end
	write("</state>");
end

local function ask(e, queue, room)
	local data = kept(room);
	local kind = e.kind == "join" and not data and "open" or e.kind;
	e.generation, e.revision, e.new_room = data and data.generation, data and data.revision or 0, not room;
	question_count = question_count + 1;
	e.iq = e.attempt .. "." .. question_count;
	begin("<iq type='set' id='");
	write(e.iq);
	write(addresses);
	write("<ask ");
	attributes("xmlns", xmlns_gate, "kind", kind, "attempt", e.attempt, "room", e.room,
		"register", flag(e.more and e.more.register), "generation", e.generation, "revision", data and data.revision);
	write(">");
	write_requester(e, data, room);
	write_state(room, data, kind);
	if kind == "open" and not room and focus.is_one(e.from) then write_opener(e); end
	if e.kind == "join" then write_credential(e.stanza, room, kind); elseif e.more then e.more.detail(room); end
	write("</ask></iq>");
	local question = written();
	if #e.from > LIMIT.address or #question > LIMIT.stanza then
		release(e);
		return refuse(e, "malformed", "modify", "not-acceptable", "The request is too large.");
	end
	queue.asking, pending[e.iq] = e, e;
	link.send(question);
end

-- Effects

local BOOLEAN = { ["true"] = true, ["false"] = false };
local ROOM_FLAGS = {
	["members-only"] = "members_only", hidden = "hidden", persistent = "persistent", moderated = "moderated",
};
local VERDICTS = { allow = true, hold = true, prompt = true, deny = true };

-- Each reader files one effect in fx and says whether it is sound. What has no reader makes the answer a refusal.
local function add(fx, name, item)
	local list = fx[name] or {};
	fx[name], list[#list + 1] = list, item;
end
local function read_jid(name, limit)
	return function (fx, attr, text)
		add(fx, name, { jid = jid_bare(attr.jid), text = text });
		return attr.jid and #text <= (limit or #text);
	end;
end
local read = {
	record = function (fx, _, text) fx.record = text; return #text <= LIMIT.record; end;
	person = read_jid("person", LIMIT.person);
	requester = function (fx, attr)
		fx.requester = attr;
		return AFFILIATION[attr.affiliation or "none"] and ROLE[attr.role or "none"];
	end;
	room = function (fx, attr)
		fx.room = { password = attr.password, lobby = attr.lobby == "true" };
		for name, option in pairs(ROOM_FLAGS) do
			fx.room[option] = BOOLEAN[attr[name]];
			if attr[name] and fx.room[option] == nil then return false; end
		end
		return true;
	end;
	field = function (fx, attr, text)
		fx.field = fx.field or {};
		fx.field[attr.var or ""] = text;
		return attr.var;
	end;
	say = function (fx, attr, text)
		add(fx, "say", { to = attr.to, joined = attr.when == "joined", text = text });
		if attr.to == "room" then return not text:find("{password}", 1, true); end
		return attr.to == "requester" or attr.to == "moderators";
	end;
	knock = function (fx, attr) fx.knock = tonumber(attr.expires); return fx.knock; end;
	admit = read_jid("admit"), promote = read_jid("promote"), reject = read_jid("reject"), remove = read_jid("remove");
	["end"] = function (fx, _, text) fx.ending = text; return true; end;
};

local function read_effects(parent, unless)
	local fx = { verdict = nil, base = nil, observed = nil, person = nil }; -- most have no more
	for tag in parent:childtags() do
		local reader = not unless[tag.name] and read[tag.name];
		if tag.name == "error" and not unless.error then
			local text, condition = tag:get_child("text"), tag.attr.condition;
			if not condition or not condition:match("^[a-z-]+$") or not shown[tag.attr.as or "plain"] then return nil; end
			fx.way = tag.attr.as or "plain";
			fx.error = { tag.attr.type or "cancel", condition, text and text:get_text(), text and text.attr["xml:lang"] };
		elseif not reader or not reader(fx, tag.attr, tag:get_text() or "") then
			return nil;
		end
	end
	return fx;
end

local function read_answer(answer)
	local fx = read_effects(answer, {});
	if not fx or not VERDICTS[answer.attr.verdict] then return nil; end
	fx.observed = flag(answer.attr.observe == "true");
	fx.verdict, fx.base = answer.attr.verdict, tonumber(answer.attr.base or 0);
	return (fx.verdict == "allow" or fx.error) and fx or nil;
end

-- While the gate itself gives an affiliation, no other module does.
local function set_affiliation(room, bare, affiliation)
	local outer = applying;
	applying = true;
	local ok, kind, condition = room:set_affiliation(true, bare, affiliation);
	applying = outer;
	return ok, kind, condition;
end

local function message(room, address, kind, body)
	local stanza = st.message({ from = room.jid, to = address, type = kind, id = new_id.short() });
	return body and stanza:text_tag("body", body) or stanza;
end

local function forget_waiting(room, bare)
	local list = waiting[room.jid];
	local w = list and list.people[bare];
	if not w then return nil; end
	list.people[bare], list.count = nil, list.count - 1;
	if list.count == 0 then waiting[room.jid] = nil; end
	report("gone", room, { jid = w.jid, nick = cut(w.nick, LIMIT.name) });
	return w;
end

local function admit(room, bare, is_invited)
	local w = forget_waiting(room, bare);
	if AFFILIATION[affiliation_of(room, bare)] < AFFILIATION.member then set_affiliation(room, bare, "member"); end
	for _, occupant in pairs(room._occupants) do is_invited = is_invited or occupant.bare_jid == bare; end
	if is_invited then return; end
	module:send(message(room, w and w.jid or bare, "normal")
		:tag("x", { xmlns = xmlns_user }):tag("invite", { from = room.jid })
			:text_tag("reason", "You have been admitted."):up():up()
		:tag("x", { xmlns = "jabber:x:conference", jid = room.jid }):up());
end

local function each_session(room, role, act)
	for _, occupant in room:each_occupant() do
		if not role or occupant.role == role then
			for address in occupant:each_session() do act(address); end
		end
	end
end

local function say(room, says, requester, joined)
	for _, item in ipairs(says or NOTHING) do
		local text = item.text:gsub("{password}", function () return room:get_password() or ""; end);
		local function tell(address, kind)
			local is_jitsi = focus.describe(prosody.full_sessions[address]) == "jitsi";
			local stanza = message(room, address, is_jitsi and "normal" or kind, text);
			-- Jitsi Meet shows it as a private message of the system, and a body alone to nobody in private.
			if is_jitsi then shown.add_system_message(stanza, text); end
			module:send(stanza:tag("no-store", { xmlns = "urn:xmpp:hints" }):up());
		end
		if item.joined == joined and item.to ~= "requester" then
			local role = item.to == "moderators" and "moderator" or nil;
			each_session(room, role, function (address) tell(address, "groupchat"); end);
		elseif item.joined == joined and requester then
			-- From the bare room to this session alone: clients show it as the room's own words.
			tell(requester, room:get_occupant_jid(requester) and "groupchat" or "normal");
		end
	end
end

local function forget_person(data, bare)
	local person = data.people[bare];
	if not person then return; end
	data.people[bare], data.count = nil, data.count - 1;
	if person.ticket and data.tickets[person.ticket] == bare then data.tickets[person.ticket] = nil; end
end

-- From now on the bearer of the ticket is this address.
local function recognise(data, bare, ticket)
	if not ticket then return; end
	data.tickets = data.tickets or {};
	local people, other = data.people, data.tickets[ticket];
	local person = people[bare] or other and people[other];
	if not person then return; end
	if other and other ~= bare then forget_person(data, other); end
	if not people[bare] then
		data.count = data.count + 1;
		people[bare] = { text = person.text, at = person.at };
	end
	people[bare].ticket, data.tickets[ticket] = ticket, bare;
end

local function keep(data, fx)
	if fx.record then data.record, data.revision = fx.record, data.revision + 1; end
	for _, person in ipairs(fx.person or NOTHING) do
		local people, before = data.people, data.people[person.jid];
		forget_person(data, person.jid);
		if person.text ~= "" then
			data.clock, data.count = data.clock + 1, data.count + 1;
			people[person.jid] = { text = person.text, at = data.clock };
			recognise(data, person.jid, focus.ticket_of(person.jid) or before and before.ticket);
		end
		if data.count > LIMIT.people then
			local oldest = next(people);
			for bare, other in pairs(people) do
				if other.at < people[oldest].at then oldest = bare; end
			end
			forget_person(data, oldest);
		end
	end
end

local function set_room(room, options, is_new)
	local changed = options.password and room:set_password(options.password);
	if options.members_only and not room:get_members_only() then
		-- Becoming members-only removes those without affiliation, and nobody is told that they went.
		for _, occupant in room:each_occupant() do
			if not room:get_affiliation(occupant.bare_jid) then set_affiliation(room, occupant.bare_jid, "member"); end
		end
	end
	for _, option in pairs(ROOM_FLAGS) do
		if options[option] ~= nil and room["set_" .. option](room, options[option]) then changed = true; end
	end
	if options.lobby then lobby.raise(room); end
	if changed and not is_new then
		room:broadcast_message(st.message({ type = "groupchat", from = room.jid })
			:tag("x", { xmlns = xmlns_user }):tag("status", { code = "104" }):up():up());
	end
end

-- Only raises, unless `exactly`. Returns what the address had before, if that was changed.
local function give_affiliation(room, bare, affiliation, exactly)
	local before = affiliation_of(room, bare);
	if not affiliation or before == affiliation then return nil; end
	if not exactly and AFFILIATION[affiliation] < AFFILIATION[before] then return nil; end
	return set_affiliation(room, bare, affiliation) and before or nil; -- fails for administrators
end

local function apply_before(room, fx, is_kept_later)
	local data = not is_kept_later and kept(room);
	if data then keep(data, fx); end
	if fx.room then set_room(room, fx.room); end
	if fx.room or data and (fx.record or fx.person) then
		room:save(fx.room and fx.room.persistent == false); -- forced, it also takes what was stored away
	end
end

local function apply_after(room, fx, requester, invited)
	for _, who in ipairs(fx.admit or NOTHING) do admit(room, who.jid, invited and invited[who.jid]); end
	for _, who in ipairs(fx.promote or NOTHING) do
		for nick, occupant in room:each_occupant() do
			if occupant.bare_jid == who.jid then
				give_affiliation(room, who.jid, "owner");
				if occupant.role ~= "moderator" then room:set_role(true, nick, "moderator"); end
			end
		end
	end
	for _, who in ipairs(fx.reject or NOTHING) do
		local w = forget_waiting(room, who.jid);
		local text = who.text ~= "" and who.text or "Your request to enter " .. room.jid .. " was declined.";
		if w then module:send(message(room, w.jid, "normal", text)); end
		if lobby.is_there() then lobby.dismiss(room, who.jid, text); end
	end
	for _, who in ipairs(fx.remove or NOTHING) do
		for nick, occupant in room:each_occupant() do
			if occupant.bare_jid == who.jid then room:set_role(true, nick, nil, who.text); end
		end
		if room:get_affiliation(who.jid) then set_affiliation(room, who.jid, "none"); end
	end
	if fx.ending then
		room:set_persistent(false); -- or a tombstone would take its place
		room:destroy(nil, fx.ending ~= "" and fx.ending or nil);
	else
		say(room, fx.say, requester, false);
	end
end

-- Waiting

local knock_form = dataforms.new {
	title = "Request to enter";
	{ name = "FORM_TYPE", type = "hidden", value = xmlns_request };
	{ name = "muc#role", type = "list-single", label = "Role", value = "participant", options = { "participant" } };
	{ name = "muc#jid", type = "jid-single", label = "Address" };
	{ name = "muc#roomnick", type = "text-single", label = "Name" };
	{ name = "muc#request_allow", type = "boolean", label = "Let this person in?", value = false };
	{ name = "vestibule#knock", type = "hidden" };
};

local function send_knock(room, w, moderator)
	module:send(message(room, moderator, "normal", w.nick .. " (" .. jid_bare(w.jid) .. ") asks to enter.")
		:add_child(knock_form:form({ ["muc#jid"] = w.jid, ["muc#roomnick"] = w.nick, ["vestibule#knock"] = w.id })));
end
local function send_knocks(room, moderator)
	if not waiting[room.jid] or lobby.is_there() then return; end -- owners see the service's own lobby
	for _, w in pairs(waiting[room.jid].people) do send_knock(room, w, moderator); end
end

local function waits(room, address, nick, seconds)
	local bare = jid_bare(address);
	local list = waiting[room.jid] or { count = 0, people = {} };
	local known = list.people[bare];
	if not known and list.count >= LIMIT.waiting then return; end
	local w = known or { id = new_id.medium(), since = os.time() };
	w.jid, w.nick, w.expires = address, nick, now() + (seconds or kept(room).wait or LIMIT.wait);
	if known then return; end -- knocking twice asks the moderators once
	waiting[room.jid], list.people[bare], list.count = list, w, list.count + 1;
	run_sweep();
	local attr = { jid = w.jid, nick = cut(w.nick, LIMIT.name) };
	report("waiting", room, add_session(attr, prosody.full_sessions[address]));
	return w;
end

local function remember_knock(room, e, seconds)
	if lobby.is_there() then
		kept(room).wait = seconds;
		lobby.pass(room, jid_bare(e.from), seconds);
		return run_sweep();
	end
	local w = waits(room, e.from, jid_resource(e.stanza.attr.to), seconds);
	if w then each_session(room, "moderator", function (address) send_knock(room, w, address); end); end
end

-- To somebody who is not let in, as the answer says.
local function turn_away(e, room, fx)
	local way, held = fx.way, fx.way == "lobby" and room and lobby.is_there();
	if held and lobby.lacks_name(e.stanza) then way = "name-required"; end
	shown[way](e, fx.error[1], fx.error[2], fx.error[3], fx.error[4], held and lobby.raise(room) or nil);
	return way ~= "name-required";
end

-- Settling an attempt

-- The stanza goes through the room again, marked. An origin that ended still needs a way back: routing.
local function replay(e, verdict, room)
	local origin, outer = e.origin, replaying;
	if origin.destroyed then
		origin = { type = e.origin_type, log = module._log, send = function (stanza) return module:send(stanza); end };
	end
	if e.kind ~= "join" then
		-- The room itself may refuse what the policy allows; then nothing follows from it.
		local answered_by = origin;
		origin = setmetatable({ send = function (stanza)
			verdict.failed = verdict.failed or stanza.attr and stanza.attr.type == "error";
			return answered_by.send(stanza);
		end }, { __index = answered_by, __newindex = answered_by });
	end
	e.stanza[mark], replaying = verdict, verdict;
	e.stanza.delayed_join_skip = true; -- the Jitsi rate limiter has counted this join already
	try(e, function ()
		if e.kind == "join" and room then return room:handle_normal_presence(origin, e.stanza); end
		return prosody.core_post_stanza(origin, e.stanza, false);
	end);
	replaying, e.settled = outer, true;
	if e.kind ~= "join" then return; end
	-- A join that was allowed and failed leaves nothing behind: no room without occupants, no affiliation.
	room = muc.get_room_from_jid(e.room);
	if room and verdict.created then room:save(); end
	if room and room:get_occupant_jid(e.from) then
		e.stanza[mark] = nil;
		return;
	end
	if room and verdict.created and not room:has_occupant() then
		room:set_persistent(false);
		module:fire_event("muc-room-destroyed", { room = room });
	elseif room and verdict.before then
		local bare, used = jid_bare(e.from), false;
		for _, occupant in pairs(room._occupants) do used = used or occupant.bare_jid == bare; end
		used = used or affiliation_of(room, bare) ~= verdict.given;
		if not used then set_affiliation(room, bare, verdict.before); end
	end
	-- Not passed: another module has parked it above the gate, and will bring it back.
	if verdict.passed then
		local nick = cut(jid_resource(e.stanza.attr.to), LIMIT.name);
		report("failed", room or { jid = e.room }, { jid = e.from, nick = nick });
	end
end

local function settle(e, fx, room)
	if fx.observed then return replay(e, { failing = true }, room); end
	local data, verdict = kept(room), nil;
	local is_entry = e.kind == "join" and fx.verdict == "allow"; -- remembered when it has come to pass
	local is_replayed = fx.verdict == "allow" and e.kind ~= "knock" and e.kind ~= "command";
	if room then apply_before(room, fx, is_replayed); end
	if fx.verdict ~= "allow" then
		e.settled = true;
		local is_held = turn_away(e, room, fx) and fx.verdict == "hold" and e.kind == "join";
		if is_held and room and fx.knock then remember_knock(room, e, fx.knock); end
	elseif e.kind == "request" then
		if not room then focus.ask_for(e); run_sweep(); end
		replay(e, { fx = fx }, room);
		return;
	elseif e.kind == "join" then
		data = data or {};
		replay(e, { fx = fx, exactly = not e.generation, generation = data.generation, revision = data.revision }, room);
	elseif e.more and e.more.before_replay and not e.more.before_replay(room, fx) then
		return send_error(e, "cancel", "item-not-found");
	else
		verdict = { fx = fx, invited = {} };
		if is_replayed then
			replay(e, verdict, room);
			local after = get_room(e.room);
			if verdict.failed or not kept(after) then return; end
			if fx.record or fx.person then keep(kept(after), fx); after:save(); end
		end
		if fx.requester then give_affiliation(room, jid_bare(e.from), fx.requester.affiliation); end
	end
	room = not is_entry and get_room(e.room);
	if room then apply_after(room, fx, e.from, verdict and verdict.invited); end
end

local function answered(e, stanza)
	local queue, room = queues[e.room], get_room(e.room);
	local data = kept(room);
	queue.asking, pending[e.iq], heard = nil, nil, now();
	local answer = stanza.attr.type == "result" and stanza:get_child("answer", xmlns_gate);
	local fx = answer and answer.attr.attempt == e.attempt and read_answer(answer);
	local is_stale = fx and (fx.base ~= e.revision or e.revision ~= (data and data.revision or 0)
		or e.generation ~= (data and data.generation) or e.new_room ~= not room);
	-- The policy of a room that was there before it: it lets nobody in, and the same attempt is asked again as a join.
	local is_late = fx and not is_stale and fx.verdict == "allow" and not fx.observed
		and e.kind == "join" and room and not data;
	e.stale = e.stale + (is_stale and 1 or 0);
	-- A stale answer: still at the head of the queue, the attempt is asked again.
	if is_gone(e) or not is_stale and not is_late or e.stale > LIMIT.stale then release(e); end
	if is_late and not e.done then
		try(e, function ()
			keep_new(room);
			room._data.locked = nil; -- its settings are the component's: there is no configuration to wait for
			apply_before(room, fx);
			room:save();
		end);
	end
	if e.done and not is_gone(e) then
		queue.busy = true; -- whatever this parks waits until it is done
		if fx and not is_stale then
			try(e, settle, e, fx, room);
		else
			refuse(e, (fx or not answer) and "error" or "unknown-effect", "cancel", "internal-server-error");
		end
		queue.busy = false;
	end
	return pump(e.room);
end

local function run_command(e)
	local command, room = e.stanza.tags[1], get_room(e.room);
	local fx = read_effects(command, { requester = true, field = true, knock = true, error = true });
	local data = kept(room);
	if not fx then return send_error(e, "modify", "bad-request"); end
	if not room then return send_error(e, "cancel", "item-not-found"); end
	if not data or command.attr.generation ~= data.generation or tonumber(command.attr.base) ~= data.revision then
		return send_error(e, "cancel", "conflict");
	end
	apply_before(room, fx);
	apply_after(room, fx);
	module:send(st.reply(e.stanza):tag("done", { xmlns = xmlns_gate, revision = tostring(data.revision) }));
end

function pump(room_jid)
	local queue = queues[room_jid];
	while queue and not queue.asking and not queue.busy do
		local e = queue[queue.first];
		local room = e and not e.done and get_room(room_jid);
		if not e then
			queues[room_jid] = nil;
			return;
		elseif e.done then
			queue[queue.first], queue.first = nil, queue.first + 1;
		elseif is_gone(e) then
			release(e);
		elseif room == false or room and room._data.destroyed or not room and e.kind ~= "join" and e.kind ~= "request" then
			release(e);
			send_error(e, "cancel", room and "gone" or "item-not-found");
		elseif e.kind == "do" then
			release(e);
			queue.busy = true;
			try(e, run_command, e);
			queue.busy = false;
		elseif state == "refused" then
			release(e);
			refuse(e, "away", "cancel", "internal-server-error", "The meeting policy does not work with this server.");
		elseif state == "ready" then
			try(e, ask, e, queue, room);
		else
			return;
		end
	end
end

local function expire(e)
	release(e);
	if not failing_open or e.kind == "knock" or e.kind == "command" or e.kind == "do" then return refuse_unanswered(e); end
	module:log("warn", "let %s into %s unasked (%s): the component is away", e.from, e.room, e.kind);
	if #passed_unasked < LIMIT.room then t_insert(passed_unasked, { room = e.room, jid = cut(e.from, LIMIT.address) }); end
	replay(e, { failing = true }, get_room(e.room));
end

local function each_queue(act)
	local rooms = {};
	for room_jid in pairs(queues) do t_insert(rooms, room_jid); end
	for _, room_jid in ipairs(rooms) do
		local queue = queues[room_jid] or { first = 1, last = 0 };
		for i = queue.first, queue.last do
			if act and queue[i] and not queue[i].done then act(queue[i]); end
		end
		pump(room_jid);
	end
end

local function sweep_once()
	local time = now();
	each_queue(function (e)
		-- Silence is counted from the last sign of life; whoever was parked while the component was away is asked late.
		local limit = state ~= "ready" and grace or e.at < ready_since and math.max(grace, timeout) or timeout;
		local since = state == "ready" and math.max(e.at, heard) or e.at;
		if is_gone(e) then release(e); elseif time - since >= limit or time - e.at >= LIMIT.seconds then expire(e); end
	end);
	for room_jid, list in pairs(waiting) do
		for bare, w in pairs(list.people) do
			if w.expires < time then
				local room = lobby.is_there() and get_room(room_jid);
				forget_waiting({ jid = room_jid }, bare);
				if room then lobby.dismiss(room, bare, "Nobody has let you in. Try again later."); end
			end
		end
	end
	if state == "greeting" and time - greeted >= timeout then greet(); end -- somebody waits: hello once more
end

function sweep()
	local ok, err = xpcall(sweep_once, debug.traceback);
	if not ok then module:log("error", "sweep: %s", err); end -- an error must not end the timer
	local has_passes, has_asked = lobby.sweep(), focus.sweep();
	sweeping = next(queues) ~= nil or next(waiting) ~= nil or has_passes or has_asked;
	return sweeping and 0.25 or nil;
end

-- The link

local function set_state(new_state)
	-- Questions that were written do not bounce when the component dies: they are asked again.
	state, pending = new_state, {};
	if state == "ready" then ready_since = now(); end
	for _, queue in pairs(queues) do queue.asking = nil; end
	each_queue();
end

local function learn(facts)
	services, reserved = {}, {};
	for _, list in ipairs { module:get_option_array("vestibule_trusted", {}), facts.services or {} } do
		for _, address in ipairs(list) do services[jid_prep(address) or address] = true; end
	end
	for _, nick in ipairs(facts.nicks or {}) do reserved[fold(nick)] = true; end
	focus.learn(facts.focus or {});
end

local function welcomed(hello)
	local facts = { services = {}, nicks = {}, focus = {} };
	for tag in hello:childtags("service") do
		facts.services[#facts.services + 1] = jid_prep(tag.attr.jid);
		if tag.attr.focus == "true" then facts.focus[#facts.focus + 1] = jid_prep(tag.attr.jid); end
	end
	for tag in hello:childtags("reserve") do facts.nicks[#facts.nicks + 1] = tag.attr.nick; end
	observing = hello.attr.observe == "true";
	store:set(nil, facts); -- after a restart of the server the services come back before the component does
	learn(facts);
end

local function greeting_answered(stanza)
	local hello = stanza.attr.type == "result" and stanza:get_child("hello", xmlns_gate);
	if not hello then
		local _, condition, text = stanza:get_error();
		if condition == "remote-server-timeout" then return set_state("away"); end
		module:log("error", "%s refuses this gate, so everybody is refused: %s %s", component, condition, text or "");
		return set_state("refused");
	end
	welcomed(hello);
	set_state("ready");
	for _, passed in ipairs(passed_unasked) do report("opened-failing", { jid = passed.room }, { jid = passed.jid }); end
	passed_unasked = {};
end

function greet()
	local rooms, id = 0, "hello." .. attempt_prefix .. new_id.short();
	for _ in muc.live_rooms() do rooms = rooms + 1; end
	set_state("greeting");
	greeted, pending[id] = now(), greeting_answered;
	module:send(st.iq({ type = "set", id = id, from = module.host, to = component }):tag("hello", {
		xmlns = xmlns_gate, version = "1", gate = VERSION, server = SERVER, rooms = tostring(rooms),
		failure = failing_open and "allow" or "refuse", grace = tostring(grace), timeout = tostring(timeout),
	}));
end

local function watch_component()
	local host, external = module:context(component), prosody.hosts[component].modules.component;
	local function linked(session)
		link = session;
		-- Else a question that follows a report waits 40 ms for the report to be acknowledged.
		session.conn:setoption("tcp-nodelay", true);
		greet();
	end
	host:hook("component-authenticated", function (event) linked(event.session); end);
	-- Also fired for a second connection that was turned away.
	host:hook("component-disconnected", function (event)
		if event.session == link then link = nil; set_state("away"); end
	end);
	if external and external.session then linked(external.session); end
end

local OPTIONS = {
	"component_admins_as_room_owners", "restrict_room_creation", "muc_room_cache_size", "muc_max_rooms",
	"muc_room_locking", "muc_tombstones", "muc_room_default_public", "muc_room_default_persistent",
	"muc_room_allow_public", "muc_room_allow_persistent", "allow_unaffiliated_register", "enforce_registered_nickname",
	"component_conflict_resolve", -- of the component's host
};

local function add_room(reply, room, about)
	local data, list, count = kept(room), waiting[room.jid] or { count = 0, people = {} }, 0;
	local occupants, moderators = census(room);
	local attr = {
		xmlns = xmlns_gate, jid = room.jid,
		occupants = tostring(occupants), moderators = tostring(moderators), waiting = tostring(list.count),
		generation = data and data.generation, revision = data and tostring(data.revision),
		password = flag(room:get_password()), ["members-only"] = flag(room:get_members_only()),
		lobby = flag(lobby.is_there()),
	};
	reply:tag("room", attr);
	if data and data.record then reply:text_tag("record", data.record); end
	if data and about and data.people[about] then reply:text_tag("person", data.people[about].text); end
	for _, occupant in pairs(room._occupants) do
		count = count + 1;
		if count > LIMIT.occupants then attr.more = "true"; break; end
		reply:tag("occupant", describe(room, occupant)):up();
	end
	for _, w in pairs(list.people) do
		reply:tag("waiting", add_session({
			jid = w.jid, nick = cut(w.nick, LIMIT.name), since = tostring(w.since),
		}, prosody.full_sessions[w.jid])):up();
	end
	reply:up();
	return count;
end

local inquiries = {
	look = function (reply, attr)
		local room = get_room(jid_prep(attr.room or "") or "");
		if not room then return nil; end
		add_room(reply, room, attr.person and jid_prep(attr.person));
		return reply;
	end;
	snapshot = function (reply, attr)
		local rooms, max = {}, math.min(tonumber(attr.max) or LIMIT.page, LIMIT.page);
		for room in muc.live_rooms() do
			if room.jid > (attr.after or "") and not room._data.destroyed then t_insert(rooms, room); end
		end
		table.sort(rooms, function (a, b) return a.jid < b.jid; end);
		local page, count, i = { xmlns = xmlns_gate }, 0, 0;
		reply:tag("snapshot", page);
		while rooms[i + 1] and i < max and count < LIMIT.occupants do
			i = i + 1;
			count = count + add_room(reply, rooms[i]);
		end
		page.next = rooms[i + 1] and rooms[i] and rooms[i].jid or nil;
		return reply;
	end;
	posture = function (reply)
		reply:tag("posture", { xmlns = xmlns_gate, server = SERVER, lua = _VERSION:match("[%d.]+") });
		for name in pairs(prosody.hosts[module.host].modules) do reply:tag("module", { name = name }):up(); end
		for _, name in ipairs(OPTIONS) do
			local value = (name:match("^component_c") and module:context(component) or module):get_option(name);
			if value ~= nil then reply:text_tag("option", tostring(value), { name = name }); end
		end
		return reply;
	end;
};

guard("iq/host", PRIORITY.link, function (event)
	local stanza, kind, query = event.stanza, event.stanza.attr.type, event.stanza.tags[1];
	if stanza.attr.from ~= component then return; end
	if kind == "result" or kind == "error" then
		local e, err = pending[stanza.attr.id], stanza:get_child("error");
		pending[stanza.attr.id] = nil;
		if not e then return; end -- late, or not ours
		if type(e) == "function" then
			e(stanza);
		elseif err and err:get_child("not-connected", "xmpp:prosody.im/protocol/component") then
			set_state("away");
		else
			answered(e, stanza);
		end
		return true;
	elseif not query or query.attr.xmlns ~= xmlns_gate then
		return;
	elseif kind == "get" and inquiries[query.name] then
		local reply = inquiries[query.name](st.reply(stanza), query.attr);
		module:send(reply or st.error_reply(stanza, "cancel", "item-not-found"));
		return true;
	elseif kind == "set" and query.name == "hello" then
		welcomed(query);
		module:send(st.reply(stanza));
		return true;
	elseif kind == "set" and query.name == "do" then
		local room_jid = jid_prep(query.attr.room or "") or "";
		return park { kind = "do", room = room_jid, from = component, origin = event.origin, stanza = stanza };
	end
	return send_error(event, "modify", "bad-request");
end);

-- Creating and joining

local function put(event, kind, more, room_jid)
	local stanza = event.stanza;
	return park {
		kind = kind, room = room_jid or jid_bare(stanza.attr.to), from = stanza.attr.from,
		origin = event.origin, stanza = stanza,
		more = more,
		-- Room for what is added, as a table is copied whenever it grows.
		attempt = nil, at = nil, stale = nil, origin_type = nil, done = nil, settled = nil,
		generation = nil, revision = nil, new_room = nil, iq = nil, -- and no more than 16
	};
end

function gate.put_at(event, kind, room_jid) return put(event, kind, { detail = function () end }, room_jid); end

guard("presence/full", PRIORITY.arrival, function (event)
	local stanza = event.stanza;
	local room_jid, kind = jid_bare(stanza.attr.to), stanza.attr.type;
	if kind == "unavailable" then
		local queue = queues[room_jid];
		local e = queue and queue.joins[stanza.attr.from];
		if not e then return; end
		release(e);
		pump(room_jid);
		return true;
	end
	if kind ~= nil or stanza[mark] or not stanza:get_child("x", xmlns_muc) then return; end
	if get_room(room_jid) ~= nil then return; end -- there is one, or it cannot be loaded
	if focus.is_health_check(room_jid, stanza.attr.from) then
		stanza[mark] = { failing = true };
		return;
	end
	local nick = jid_resource(stanza.attr.to);
	if not jid_prep(room_jid, true) or not encodings.stringprep.resourceprep(nick, true) then
		return refuse(event, "malformed", "modify", "jid-malformed");
	elseif is_reserved(nick, stanza.attr.from) then
		return refuse_nick(event);
	end
	return put(event, "join");
end);

-- Without a resource mod_muc throws, and leaves a room that its sender owns.
for _, event_name in ipairs { "presence/bare", "presence/host" } do
	guard(event_name, PRIORITY.arrival, function (event)
		local stanza = event.stanza;
		if stanza.attr.type ~= nil or not stanza:get_child("x", xmlns_muc) then return; end
		local room = muc.get_room_from_jid(jid_bare(stanza.attr.to));
		if room and room:get_occupant_jid(stanza.attr.from) then return; end
		return refuse(event, "malformed", "modify", "jid-malformed");
	end);
end

guard("muc-room-pre-create", PRIORITY.create, function (event)
	local verdict = event.stanza[mark];
	if not verdict then return refuse(event, "closed-way", "cancel", "not-allowed"); end
	verdict.created = true;
end);

guard("muc-room-pre-create", PRIORITY.presets, function (event)
	local room, verdict = event.room, event.stanza[mark];
	local fx = verdict.fx;
	if not fx then return; end
	room._data.locked = nil; -- its settings are the component's: there is no configuration to wait for
	local data = keep_new(room);
	keep(data, fx);
	if fx.room then set_room(room, fx.room, true); end
	local bare = jid_bare(event.stanza.attr.from);
	if fx.requester then give_affiliation(room, bare, fx.requester.affiliation or "none", true); end
	focus.opened(room.jid);
	verdict.generation, verdict.revision, verdict.kept = data.generation, data.revision, true;
end);

guard("muc-occupant-pre-join", PRIORITY.nick, function (event)
	local from, queue = event.stanza.attr.from, event.room.join_rate_presence_queue;
	if is_reserved(jid_resource(event.occupant.nick), from) then
		return refuse_nick(event);
	end
	-- The Jitsi rate limiter, when its queue is full, ends the event and so admits whoever comes.
	if queue and not observing and queue:count() >= (queue.size or LIMIT.room) and not is_service(from) then
		return refuse(event, "overflow", "wait", "resource-constraint");
	end
end);

guard("muc-occupant-pre-change", PRIORITY.nick, function (event)
	if is_reserved(jid_resource(event.dest_occupant.nick), event.stanza.attr.from) then
		return refuse_nick(event);
	end
end);

guard("muc-occupant-pre-join", PRIORITY.verdict, function (event)
	local verdict, data = event.stanza[mark], kept(event.room);
	if verdict and (event.is_new_room or verdict.failing
	or data and data.generation == verdict.generation and data.revision == verdict.revision) then
		verdict.passed = true;
	-- The answer to open is the answer to the opener's join: parked here, the room would never count as created.
	elseif not event.is_new_room and not is_service(event.stanza.attr.from) then
		event.stanza[mark] = nil;
		return put(event, "join");
	end
end);

-- Whom muc_allowners is going to make an owner. It holds back their presence until it has, and it will not.
local promised = module:shared("moderators/joining_moderator_participants");

-- The room's lobby and list of members are for people.
local function let_in_service(room, occupant, bare)
	if room._data.lobbyroom then room._data.lobby_skip_display_name_check = true; end
	local affiliation = focus.is_one(bare) and "owner" or room:get_members_only() and "member" or nil;
	give_affiliation(room, bare, affiliation);
	occupant.role = occupant.role or room:get_default_role(room:get_affiliation(bare)) or "participant";
end

guard("muc-occupant-pre-join", PRIORITY.raise, function (event)
	local verdict, room, occupant = event.stanza[mark], event.room, event.occupant;
	local bare = jid_bare(event.stanza.attr.from); -- the occupant can be another, who bears that nick
	if verdict and verdict.failing or observing then return; end
	if not verdict then
		if is_service(bare) then let_in_service(room, occupant, bare); end
		return;
	end
	if room._data.lobbyroom then room._data.lobby_skip_display_name_check = true; end
	promised[bare] = nil;
	local wanted, exactly = verdict.fx.requester, verdict.exactly;
	if not wanted then
		-- Whatever role another module has given since; the affiliation was refused to it.
		local usual = room:get_default_role(room:get_affiliation(bare));
		if occupant.role == "moderator" and usual ~= "moderator" then occupant.role = usual or "participant"; end
		return;
	end
	if not event.is_new_room then
		local affiliation = wanted.affiliation or exactly and "none";
		verdict.before = give_affiliation(room, bare, affiliation, exactly) or verdict.before;
		verdict.given = affiliation_of(room, bare);
	end
	-- The occupant was made before the affiliation was given.
	local role = room:get_default_role(room:get_affiliation(bare)) or "none";
	local wanted_role = wanted.role or "none";
	if wanted_role ~= "none" and (exactly or ROLE[wanted_role] > ROLE[role]) then role = wanted_role; end
	if role ~= "none" and (exactly or ROLE[role] > ROLE[occupant.role or "none"]) then occupant.role = role; end
end);

guard("muc-occupant-pre-join", PRIORITY.password, function (event)
	local room, stanza, verdict = event.room, event.stanza, event.stanza[mark];
	if not verdict and not is_service(stanza.attr.from) then
		return refuse(event, "closed-way", "cancel", "not-allowed");
	end
	if verdict and verdict.failing then return; end -- nobody has judged it: the room's own checks stay
	-- It is decided: the password that was typed no longer matters, and the core's check is given the right one.
	local x, password = stanza:get_child("x", xmlns_muc), room:get_password();
	if x:get_child_text("password") == password then return; end
	x:maptags(function (tag) return tag.name ~= "password" and tag or nil; end);
	if password then x:text_tag("password", password, { xmlns = xmlns_muc }); end
end);

-- Changing: those inside, and owners, ask for what they want

-- For handlers that need the room, and see each stanza once but not its replay.
local function guard_room(event_name, priority, handler)
	guard(event_name, priority, function (event)
		if event.stanza[mark] then return; end
		local room = get_room(jid_bare(event.stanza.attr.to));
		if room and not room._data.destroyed then return handler(event, room, event.stanza.tags[1]); end
	end);
end

guard_room("iq-set/bare/" .. xmlns_muc .. "#owner:query", PRIORITY.owner, function (event, room, query)
	local child = query.tags[1];
	if affiliation_of(room, event.stanza.attr.from) ~= "owner" or not child then return; end -- the core refuses
	if child.name == "destroy" then return put(event, "destroy"); end
	if child.name ~= "x" or child.attr.xmlns ~= "jabber:x:data" or child.attr.type ~= "submit" then return; end
	if #child.tags > LIMIT.items then return refuse(event, "malformed", "modify", "not-acceptable"); end
	return put(event, "configure", { detail = function (at)
		for field in child:childtags("field") do
			local values, is_secret = {}, field.attr.var == "muc#roomconfig_roomsecret";
			for value in field:childtags("value") do t_insert(values, value:get_text() or ""); end
			local text = table.concat(values, "\n");
			local is_same = is_secret and hashes.equals(text, at:get_password() or "");
			element("field", { var = cut(field.attr.var, LIMIT.name), same = flag(is_same) },
				not is_same and cut(text, is_secret and LIMIT.name or LIMIT.text));
		end
	end, before_replay = function (_, fx)
		local fields = fx.field or NOTHING;
		child:maptags(function (tag) return not fields[tag.attr.var or false] and tag or nil; end);
		for var, value in pairs(fields) do child:tag("field", { var = var }):text_tag("value", value):up(); end
		return true;
	end });
end);

-- A form without the field would have the Jitsi lobby taken down.
module:hook("muc-config-submitted", function (event)
	local fields, name = event.fields, "muc#roomconfig_membersonly";
	if fields[name] == nil and not observing then fields[name] = event.room:get_members_only() or false; end
end, PRIORITY.config);

-- What an item asks for, with everything resolved; or nil, and the error.
local function read_item(room, item)
	local nick, address = item.attr.nick and encodings.stringprep.resourceprep(item.attr.nick), jid_prep(item.attr.jid);
	if item.attr.jid and not address or item.attr.nick and not nick then return nil, "modify", "jid-malformed"; end
	if (item.attr.affiliation == nil) == (item.attr.role == nil) then return nil, "cancel", "bad-request"; end
	if item.attr.role and not nick and address then nick = jid_resource(room:get_occupant_jid(address)); end
	local bearer = nick and room:get_occupant_by_nick(room.jid .. "/" .. nick);
	if item.attr.role then
		if not bearer then return nil, "modify", "item-not-found"; end
		return { jid = bearer.bare_jid, nick = nick, role = item.attr.role, current = bearer.role or "none" };
	end
	address = jid_bare(address or bearer and bearer.bare_jid);
	if not address then return nil, "modify", "item-not-found"; end
	if is_reserved(nick, address) then return nil, "cancel", "conflict"; end
	item.attr.jid = address; -- whoever bears the nick later is somebody else
	return { jid = address, nick = nick, affiliation = item.attr.affiliation, current = affiliation_of(room, address) };
end

-- What the room remembers of those whom a question names.
local function write_others(room, others)
	local data, written_of = kept(room) or { people = {} }, {};
	for _, address in ipairs(others) do
		local bare = jid_bare(address);
		if data.people[bare] and not written_of[bare] then
			written_of[bare] = true;
			element("person", { jid = bare }, data.people[bare].text);
		end
	end
end

local function bearer_of(room, item)
	if item.role then return room:get_occupant_by_nick(room.jid .. "/" .. item.nick); end
	for _, occupant in pairs(room._occupants) do
		if occupant.bare_jid == item.jid then return occupant; end
	end
end

local function write_items(items)
	return function (room)
		local others = {};
		for _, item in ipairs(items) do
			write("<item ");
			attributes("jid", cut(item.jid, LIMIT.address), "nick", cut(item.nick, LIMIT.name),
				"affiliation", item.affiliation, "role", item.role, "current", item.current);
			write(">");
			local bearer = bearer_of(room, item);
			local session = bearer and prosody.full_sessions[bearer.jid];
			if bearer then write_somebody("bearer", describe(room, bearer), session); end
			write("</item>");
			t_insert(others, item.jid);
		end
		write_others(room, others);
	end;
end

guard_room("iq-set/bare/" .. xmlns_muc .. "#admin:query", PRIORITY.admin, function (event, room, query)
	local items, from = {}, event.stanza.attr.from;
	if #query.tags == 0 or #query.tags > LIMIT.items then return send_error(event, "cancel", "bad-request"); end
	for _, tag in ipairs(query.tags) do -- the core takes the first, whatever its name; the lobby takes each
		local item, kind, condition = read_item(room, tag);
		if not item then return send_error(event, kind, condition); end
		if (item.role == nil) ~= ((items[1] or item).role == nil) then return send_error(event, "cancel", "bad-request"); end
		t_insert(items, item);
	end
	local actor, kind = room:get_occupant_by_real_jid(from), items[1].role and "role" or "affiliation";
	-- Not left to the core, which removes the bearer of a nick before it looks at the rights of who reserves it.
	local is_moderator = kind == "role" and actor and actor.role == "moderator";
	if not is_moderator and AFFILIATION[affiliation_of(room, from)] < AFFILIATION.admin then
		return send_error(event, "cancel", "not-allowed");
	end
	return put(event, kind, { detail = write_items(items), before_replay = function (at)
		for _, item in ipairs(items) do
			local bearer = item.role and at:get_occupant_by_nick(at.jid .. "/" .. item.nick);
			if item.role and (not bearer or bearer.bare_jid ~= item.jid) then return false; end
		end
		return true;
	end });
end);

local function form_fields(form)
	local fields = {};
	for field in form:childtags("field") do fields[field.attr.var or ""] = field:get_child_text("value"); end
	return fields;
end

guard_room("iq/bare/jabber:iq:register:query", PRIORITY.owner, function (event, room, query)
	if event.stanza.attr.type ~= "set" or query:get_child("remove") then return; end
	local bare, form = jid_bare(event.stanza.attr.from), query:get_child("x", "jabber:x:data");
	local nick, current = form and form_fields(form)["muc#register_roomnick"], affiliation_of(room, bare);
	if is_reserved(nick, bare) then return refuse_nick(event); end
	local item = { jid = bare, nick = nick, affiliation = current == "none" and "member" or current, current = current };
	return put(event, "affiliation", { detail = write_items { item }, register = true });
end);

guard_room("message/bare", PRIORITY.message, function (event, room)
	local stanza, targets, invites = event.stanza, {}, false;
	local kind, occupant = stanza.attr.type, room:get_occupant_by_real_jid(stanza.attr.from);
	if kind == "groupchat" then
		local word = occupant and (stanza:get_child_text("body") or ""):match("^!([%w_-]+)%s*$");
		if not word then return; end
		return put(event, "command", {
			detail = function () element("command", { name = cut(word, LIMIT.name) }); end;
		});
	elseif kind == "error" then
		return;
	end
	for x in stanza:childtags("x", xmlns_user) do
		for tag in x:childtags("invite") do invites, targets[#targets + 1] = true, jid_prep(tag.attr.to); end
	end
	local form = stanza:get_child("x", "jabber:x:data");
	local fields = form and form_fields(form) or {};
	if not invites and fields.FORM_TYPE ~= xmlns_request then return; end
	-- A stranger's invitation to himself would bring him the password.
	local is_proper = observing or occupant and #targets <= LIMIT.items;
	if not is_proper then return send_error(event, "cancel", "not-acceptable"); end
	if invites then
		return put(event, "invite", { detail = function (at)
			for _, target in ipairs(targets) do element("target", { jid = cut(target, LIMIT.address) }); end
			write_others(at, targets);
		end });
	end
	if not occupant or occupant.role ~= "moderator" then return; end -- he asks for voice
	local knock, yes = fields["vestibule#knock"], fields["muc#request_allow"];
	yes = yes == "true" or yes == "1";
	for _, w in pairs(knock and waiting[room.jid] and waiting[room.jid].people or {}) do
		if w.id == knock then
			return put(event, "knock", { detail = function (at)
				element("target", { jid = cut(w.jid, LIMIT.address), answer = yes and "admit" or "reject" });
				write_others(at, { w.jid });
			end });
		end
	end
	if knock then return send_error(event, "cancel", "item-not-found"); end
	local speaker = yes and room:get_occupant_by_real_jid(fields["muc#jid"] or "");
	if not speaker then return; end -- the core does nothing then
	local nick = jid_resource(speaker.nick);
	local item = { jid = speaker.bare_jid, nick = nick, role = "participant", current = speaker.role };
	return put(event, "role", { detail = write_items { item } });
end);

module:hook("muc-invite", function (event) -- after password.lib (0), which puts the password into every invitation
	for x in event.stanza:childtags("x", xmlns_user) do
		if observing then return; end
		x:maptags(function (tag) return tag.name ~= "password" and tag or nil; end);
	end
	local room, bare = event.room, jid_bare(event.stanza.attr.to);
	if replaying and replaying.invited then replaying.invited[bare] = true; end -- of several, the core sends the first
	if forget_waiting(room, bare) and not room:get_affiliation(bare) then set_affiliation(room, bare, "member"); end
end, PRIORITY.last);

-- Backstops: a person's change that no answer stands behind.
guard("muc-pre-set-affiliation", PRIORITY.backstop, function (event)
	if applying or observing or event.actor and replaying then return; end
	local room, bare = event.room, jid_bare(event.jid);
	local rises = AFFILIATION[event.affiliation] >= AFFILIATION.admin
		and AFFILIATION[event.affiliation] > AFFILIATION[event.previous_affiliation or "none"];
	-- A module that makes everybody an owner, say: who moderates is the component's to say.
	if not event.actor and (not rises or is_service(bare) or not kept(room)) then return; end
	event.allowed = false;
	if event.actor then return; end
	module:log("info", "another module would have made %s %s of %s", bare, event.affiliation, room.jid);
	report("refused", room, { jid = cut(bare, LIMIT.address), reason = "module" });
end);
guard("muc-pre-set-role", PRIORITY.backstop, function (event)
	if event.actor and not replaying then event.allowed, event.error, event.condition = false, "cancel", "not-allowed"; end
end);

-- Reading: what a room tells those who are not in it

local function is_inside(room, address)
	return observing or is_service(address) or room:get_occupant_jid(address) ~= nil;
end

guard("muc-disco#info", PRIORITY.last, function (event)
	if is_inside(event.room, event.stanza.attr.from) then return; end
	event.form = nil;
	for identity in event.reply.tags[1]:childtags("identity") do identity.attr.name = nil; end
end);

for _, query in ipairs { "urn:xmpp:mam:2:query", "urn:xmpp:mam:2:metadata", "urn:xmpp:mam:1:query",
	"urn:xmpp:mam:0:query", "vcard-temp:vCard" } do
	guard_room("iq/bare/" .. query, PRIORITY.read, function (event, room)
		if not is_inside(room, event.stanza.attr.from) then return send_error(event, "auth", "forbidden"); end
	end);
end

-- Reports of what happened

guard("muc-occupant-session-new", PRIORITY.last, function (event)
	local room, occupant, verdict = event.room, event.occupant, event.stanza[mark];
	room[mark] = room[mark] or {};
	room[mark][occupant.nick] = occupant.role;
	report("joined", room, describe(room, occupant, event.origin, event.jid));
	forget_waiting(room, occupant.bare_jid);
	if occupant.role == "moderator" then send_knocks(room, event.jid); end
	local data, known = kept(room), event.origin[mark];
	if data and known then recognise(data, occupant.bare_jid, known.mark); end
	if not verdict or not verdict.fx then return; end
	if not verdict.kept and (verdict.fx.record or verdict.fx.person) then
		keep(kept(room), verdict.fx);
		room:save();
	end
	verdict.kept = true;
	say(room, verdict.fx.say, event.jid, false);
	say(room, verdict.fx.say, event.jid, true);
end);
guard("muc-broadcast-presence", PRIORITY.last, function (event)
	local room, occupant, known = event.room, event.occupant, event.room[mark];
	local before = known and known[occupant.nick];
	if not before or not occupant.role or before == occupant.role then return; end
	known[occupant.nick] = occupant.role;
	report("role", room, describe(room, occupant));
	if occupant.role == "moderator" then
		for address in occupant:each_session() do send_knocks(room, address); end
	end
end);
guard("muc-occupant-left", PRIORITY.backstop, function (event)
	local room, occupant = event.room, event.occupant;
	if room[mark] then room[mark][occupant.nick] = nil; end
	report("left", room, describe(room, occupant));
end);
guard("muc-set-affiliation", PRIORITY.last, function (event)
	local room, list = event.room, waiting[event.room.jid];
	local is_member = AFFILIATION[event.affiliation] >= AFFILIATION.member;
	-- While an answer is carried out, its own `admit` follows.
	if is_member and not replaying and list and list.people[event.jid] then admit(room, event.jid); end
	if not event.in_room then return; end
	report("role", room, { jid = cut(event.jid, LIMIT.address), affiliation = event.affiliation });
end);
guard("muc-config-submitted", PRIORITY.last, function (event)
	report("configured", event.room, { jid = cut(event.actor, LIMIT.address) });
end);
guard("muc-room-created", PRIORITY.last, function (event) report("created", event.room, {}); end);
guard("muc-room-destroyed", PRIORITY.backstop, function (event)
	local list = waiting[event.room.jid];
	report("destroyed", event.room, {});
	for bare in pairs(list and list.people or {}) do forget_waiting(event.room, bare); end
	lobby.forget(event.room.jid);
end);

-- Loading and unloading

function module.unload() -- timers end with the module, so everybody is answered now
	for _, queue in pairs(queues) do
		for i = queue.first, queue.last do
			if queue[i] and not queue[i].done and not is_gone(queue[i]) then refuse_unanswered(queue[i]); end
		end
	end
	queues, pending = {}, {};
	report("unloading", {}, {});
end
function module.save() return { waiting = waiting }; end
function module.restore(saved) waiting = saved.waiting or {}; run_sweep(); end

gate.cut, gate.kept, gate.get_room, gate.is_service, gate.refuse = cut, kept, get_room, is_service, refuse;
gate.guard_at, gate.waits, gate.forget_waiting, gate.is_observing = guard_at, waits, forget_waiting, is_unguarded;
gate.has_account = has_account;

learn(store:get(nil) or {});
if not component or component == "" then
	module:log("error", "vestibule_component is not set: everybody is refused");
elseif rawget(prosody.hosts, component) then
	watch_component();
else
	module:hook_global("host-activated", function (host) if host == component then watch_component(); end end);
end
