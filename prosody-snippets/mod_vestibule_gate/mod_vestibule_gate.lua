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
--         vestibule_also = { "urn:example:x" }             -- requests to rooms that other modules answer
--
-- Here are the attempts, what becomes of them, and the link to the component. Each other file is named for its feature:
--
--     hooks              the order of all hooks, and what may pass at all
--     addresses          senders and their addresses        entrance           stanzas to rooms, occupants, the service
--     joins              opening and joining a room         names              nicks and displayed names
--     config_form        a room's form, subject, end        affiliations       affiliations, roles, registration
--     invitations        invitations, declines              room_messages      `!word`, voice, answers to knocks
--     permissions        chat, recording, dialling          media              microphones, cameras, screens (Jitsi)
--     lobby, lobby_queue those who wait to be let in        jitsi_components   what clients tell Jitsi's components
--     focus              Jitsi's conference requests        dialogs            reasons that Jitsi's clients show
--     breakout           Jitsi's breakout rooms             visitors           Jitsi's audiences on other servers
--     callers            people behind one account          fail_closed        changes that no answer names
--
-- What they use:
--
--     requests           reads and rebuilds client stanzas  client_response    how a refusal reaches each client
--     facts, identity    write a question                   answer, effects    read an answer and carry it out
--     queue, round_robin whose turn it is                   backpressure       stops reading from a flood
--     room_data          what a room remembers              messages, text     texts for people, XML as text
--     reports            what the component is told         queries            what the component asks
--     server_inventory   the server, for the doctor         config_places      file and line of an option
--     jids               splits addresses                link               sends to the component

local st, jid, new_id = require "util.stanza", require "util.jid", require "util.id";
local encodings = require "util.encodings";
local now, xpcall = require "util.time".now, require "util.xpcall".xpcall;
local jid_prep, t_insert = jid.prep, table.insert;

local LEVEL = "1"; -- of the protocol: the component's has to be the same
local VERSION, SERVER = "0.1.0", "Prosody " .. prosody.version;
local xmlns_gate = "urn:vestibule:gate:2";

local AFFILIATION = { outcast = -1, none = 0, member = 1, admin = 2, owner = 3 };
local ROLE = { none = 0, visitor = 1, participant = 2, moderator = 3 };
local LIMIT = {
	seconds = 10, one = 100, all = 10000, asked = 2, passed = 1000, items = 64, stanza = 65536,
	record = 4096, person = 512, people = 1000,
	waiting = 100, wait = 600, stale = 3, language = 35, name = 256, address = 1023, text = 1024, page = 50,
	value = 4096, -- of a setting; it goes into the question as it is
	history = 1000, -- messages: the server keeps every one in memory, and sends as many to each newcomer
	int = 2147483647, -- xs:int, the type of XEP-0045's numbers
	occupants = 256, stored = 200, page_bytes = 131072,
};

local muc = module:depends("muc");
local component = jid_prep(module:get_option_string("vestibule_component") or "", true);
local timeout = math.min(module:get_option_number("vestibule_timeout", 5), LIMIT.seconds);
local grace = math.min(module:get_option_number("vestibule_grace", 5), LIMIT.seconds);
local failing_open = module:get_option_string("vestibule_on_unavailable", "refuse") == "allow";
local store = module:open_store("vestibule_gate");

local state = "away"; -- away, greeting (hello sent), ready, refused (the component does not want us)
local greeted; -- when the component was
local heard, ready_since = 0, 0; -- when the component last answered, and when it was last ready to
local services, operators, reserved, observing = {}, {}, {}, false; -- observing: nothing is enforced
local counts_people = false; -- how many people are inside matters to the policy
local is_brief = false; -- the component understands brief reports
local greeting; -- the id of the hello that was not answered yet
local hooks, jids, link = module:require "hooks", module:require "jids", module:require "link";
local jid_bare, jid_resource = jids.bare, jids.resource;
local PRIORITY = hooks.PRIORITY;
-- The key of the gate's own data: in a stanza, its verdict; in a room, the roles by nick. Weak tables would do, but the
-- garbage collector pays for those with every join.
local mark = {};
-- The interface of all files of the gate to one another.
local gate = {
	PRIORITY = PRIORITY, PASSES = hooks.PASSES, ANYBODY = hooks.ANYBODY,
	LIMIT = LIMIT, AFFILIATION = AFFILIATION, ROLE = ROLE, mark = mark,
	jids = jids,
	muc = muc, component = component, xmlns = xmlns_gate, SERVER = SERVER, VERSION = VERSION, text = module:require "text",
	client_response = module:require "client_response", messages = module:require "messages",
};
gate.requests = module:require "requests"(LIMIT, AFFILIATION, ROLE, gate.text.fits_xml);
for _, name in ipairs {
	"identity", "callers", "breakout", "focus", "lobby", "room_data", "facts", "answer", "effects", "lobby_queue",
	"queries", "queue", "backpressure",
} do
	gate[name] = module:require(name)(gate);
end
local respond, focus, lobby, facts = gate.client_response, gate.focus, gate.lobby, gate.facts;
local effects, lobby_queue, queue, backpressure = gate.effects, gate.lobby_queue, gate.queue, gate.backpressure;
local cut, begin, write, written = gate.text.cut, gate.text.begin, gate.text.write, gate.text.written;
local attribute, attributes = gate.text.attribute, gate.text.attributes;
local give_affiliation, message_of, data_of = effects.give_affiliation, gate.messages.of, gate.room_data.of;
local replaying; -- the verdict in force while a stanza goes through the room again
local passed_unasked = {}; -- let through while away, to be reported when the link is up
local sweeping = false;
local sweep, greet;

-- Rooms and people

local function get_room(room_jid)
	local room = muc.get_room_from_jid(room_jid);
	-- The next join replaces an expired tombstone, so it is no room.
	if room and room._data.destroyed and room._data.locked < os.time() then return nil; end
	return room;
end

local function flag(value) return value and "true" or nil; end
local function affiliation_of(room, address) return room:get_affiliation(address) or "none"; end
local function is_service(address) return services[jid_bare(address)]; end
-- Compares names while the component cannot be asked: by look, where Prosody has ICU.
local skeleton = encodings.confusable and encodings.confusable.skeleton;
local folded, folded_count = {}, 0; -- a nick is compared several times in a join
local function fold(name)
	local nick = folded[name];
	if nick then return nick; end
	nick = name:gsub("^%s+", ""):gsub("%s+$", "");
	nick = (encodings.stringprep.nodeprep(nick) or nick):lower();
	nick = (skeleton and skeleton(nick) or nick):lower():gsub("^%s+", ""):gsub("%s+$", "");
	if folded_count >= LIMIT.waiting then folded, folded_count = {}, 0; end
	folded[name], folded_count = nick, folded_count + 1;
	return nick;
end
local function is_reserved(nick, address) return nick and reserved[fold(nick)] and not is_service(address); end

-- Answers to the requester, reports to the component

local addresses = "' from='" .. module.host .. "' to='" .. (component or "") .. "'>";
local request_opens = "<request xmlns='" .. xmlns_gate .. "' ";
local report_opens = "<message type='normal" .. addresses .. "<report xmlns='" .. xmlns_gate .. "' ";

local reported = 0;
local function write_report(event_name, room, attr, session)
	local data = room._data and data_of(room); -- where there is no room any more, its address is given alone
	begin(report_opens);
	attribute("event", event_name);
	attribute("seq", reported);
	attribute("room", room.jid);
	if data then attribute("generation", data.generation); attribute("revision", data.revision); end
	attributes(attr);
	write(">");
	if session then gate.facts.write_claims(session); end
	write("</report></message>");
	return written();
end

-- Sends a report. Each has a number, also those that cannot be sent: the component notices the gap. `session`: its
-- claims are included if the report identifies a person and they fit.
local function report(event_name, room, attr, session)
	reported = reported + 1;
	if state ~= "ready" then return; end
	local text = write_report(event_name, room, attr, session);
	if #text > LIMIT.stanza then text = write_report(event_name, room, attr); end
	link.send(text);
end

-- Reports the end of this gate, also of one that the component refuses.
local function report_end()
	reported = reported + 1;
	if link.is_up() then link.send(write_report("unloading", {}, {})); end
end

-- Rate-limits reports of which others can cause any number.
local BURST, PER_SECOND = 500, 20;
local tokens, filled, left_out = BURST, os.time(), 0;
local function report_seldom(event_name, room, attr)
	if state ~= "ready" then return; end
	local time = os.time();
	tokens, filled = math.min(BURST, tokens + math.max(time - filled, 0) * PER_SECOND), time;
	if tokens < 1 then left_out = left_out + 1; return; end
	tokens = tokens - 1;
	if left_out > 0 then attr.others, left_out = tostring(left_out), 0; end
	report(event_name, room, attr);
end
local function report_refusal(room, attr) return report_seldom("refused", room, attr); end

local send_error = respond.plain;

-- Jitsi's clients show no words of most errors: people inside are told by the room, too. What they write gets an error
-- that is shown.
local HAS_WORDS = { join = true, request = true, command = true };
local function tell_why(e, text)
	local room = text and not HAS_WORDS[e.kind or "join"] and get_room(e.room);
	if not room or focus.describe(e.origin) ~= "jitsi" then return; end
	local _, place = gate.breakout.find(room, e.from);
	if place then effects.tell(place, e.from, "groupchat", text); end
end

-- Refuses without an answer of the component. Jitsi's clients retry if they are told in their way.
local function refuse(event, reason, kind, condition, text, lang)
	local attr = event.stanza.attr;
	local way = kind == "wait" and attr.type == nil and event.stanza.name == "presence"
		and focus.describe(event.origin, event.stanza) == "jitsi" and "retry" or "plain";
	if event.kind ~= "request" then
		respond[way](event, kind, condition, text, lang);
	elseif kind == "wait" then
		focus.put_off(event, text, lang);
	else
		focus.refuse(event, text or message_of("gate-away", event.stanza), lang);
	end
	if event.kind == "join" and focus.is_one(event.from) then focus.failed(event.room, "not-ready"); end
	if event.more and event.more.unanswered then event.more.unanswered(); end
	tell_why(event, text);
	local room_jid = type(event.room) == "string" and event.room or gate.breakout.meeting(jid_bare(attr.to));
	report_refusal({ jid = room_jid }, { jid = cut(attr.from, LIMIT.address), reason = reason });
	return true;
end

local function refuse_unanswered(e)
	return refuse(e, state == "ready" and "timeout" or "away", "wait", "remote-server-timeout",
		message_of("gate-away", e.stanza));
end

local function refuse_nick(event)
	return refuse(event, "reserved-nick", "cancel", "conflict", message_of("reserved-nick", event.stanza));
end

-- Refuses an invalid value; `name`: of the field, attribute or element, `label`: what people call it.
local function refuse_value(event, name, label)
	name = cut(name, LIMIT.name);
	local stanza, text, language = event.stanza, message_of("gate-value", event.stanza);
	text = text:gsub("{field}", function () return label and label .. " (" .. name .. ")" or name; end);
	if stanza.name == "iq" then
		local room_jid = gate.breakout.meeting(jid_bare(stanza.attr.to));
		tell_why({ kind = "value", room = room_jid, from = stanza.attr.from, origin = event.origin }, text);
	end
	return refuse(event, "malformed", "modify", "not-acceptable", text, language);
end

-- Hooks fail closed: an error is answered and logged, except that of a hook that only sees what has happened. An
-- answer is dropped: nobody answers it (RFC 6120 §8.2.3). They never return false, which would end the event and let
-- the stanza pass everything below.
local own = {}; -- the gate's hooks
local function guard_at(context, event_name, priority, handler)
	local function guarded(event)
		local ok, result = xpcall(handler, debug.traceback, event);
		if ok then return result and true or nil; end
		module:log("error", "%s: %s", event_name, result);
		event.allowed = false; -- where that is how an event is vetoed
		local kind = event.stanza and event.stanza.attr.type;
		local is_answer = kind == "result" or kind == "error";
		if priority <= PRIORITY.seated or not event.stanza or not event.origin then return nil; end
		if is_answer then return true; end
		return refuse(event, "error", "cancel", "internal-server-error");
	end
	own[guarded] = true;
	context:hook(event_name, guarded, priority);
end
local function guard(...) return guard_at(module, ...); end

-- Hooks a handler that needs the room, and sees each stanza once but not its replay.
local function guard_room(event_name, priority, handler)
	guard(event_name, priority, function (event)
		if event.stanza[mark] then return; end
		local room = get_room(jid_bare(event.stanza.attr.to));
		if room and not room._data.destroyed then return handler(event, room, event.stanza.tags[1]); end
	end);
end

-- Attempts

-- Runs a step of an attempt and refuses the attempt if it fails, unless it is answered already. Returns whether it
-- succeeded.
local function try(e, step, ...)
	local ok, err = xpcall(step, debug.traceback, ...);
	if ok then return true; end
	module:log("error", "%s in %s: %s", e.kind, e.room, err);
	queue.finish(e);
	if not e.settled then refuse(e, "error", "cancel", "internal-server-error"); end
	e.settled = true;
	return false;
end

-- A hibernating session has no connection, but it is not destroyed.
local function is_gone(e) return e.origin.destroyed and e.origin_type ~= "s2sin" and e.origin_type ~= "s2sout"; end

local function run_sweep()
	if not sweeping then sweeping = true; module:add_timer(0.25, sweep); end
end

local function park(e)
	run_sweep();
	return queue.park(e) or refuse(e, "overflow", "wait", "resource-constraint", message_of("gate-full", e.stanza));
end

local function ask(e, room)
	local data = data_of(room);
	local kind = e.kind == "join" and not data and "open" or e.kind;
	e.generation, e.revision, e.new_room = data and data.generation, data and data.revision or 0, not room;
	local id = queue.name_question(e);
	begin("<iq type='set' id='");
	write(id);
	write(addresses);
	write(request_opens);
	attribute("kind", kind);
	attribute("attempt", e.attempt);
	attribute("room", e.room);
	attribute("register", flag(e.more and e.more.register));
	attribute("stops", flag(e.more and e.more.stops));
	attribute("generation", e.generation);
	attribute("revision", data and data.revision);
	write(">");
	facts.write_requester(e, data, room);
	facts.write_state(room, data, kind, e.from, counts_people and (e.kind == "join" or e.kind == "request") and e or nil);
	if kind == "open" and not room and focus.is_one(e.from) then facts.write_opener(e); end
	if e.kind == "join" then facts.write_credential(e.stanza, room, kind); elseif e.more then e.more.detail(room); end
	write("</request></iq>");
	local question = written();
	if #e.from > LIMIT.address or #question > LIMIT.stanza then
		queue.finish(e);
		return refuse(e, "malformed", "modify", "not-acceptable", message_of("gate-too-large", e.stanza));
	end
	queue.was_asked(e, id);
	link.send(question);
end

-- Settling an attempt

-- Tells a person that they are not let in, as the answer says.
local function reject(e, room, fx)
	local way, held = fx.way, fx.way == "lobby" and room and lobby.is_there();
	-- Only Jitsi's clients can be asked for one.
	local is_jitsi = held and focus.describe(e.origin, e.stanza) == "jitsi";
	if is_jitsi and lobby.lacks_name(e.stanza) then way = "name-required"; end
	if way == "reservation" then
		focus.refuse(e, fx.error[3], fx.error[4]);
	else
		respond[way](e, fx.error[1], fx.error[2], fx.error[3], fx.error[4], held and lobby.raise(room) or nil);
	end
	if e.kind == "join" and focus.is_one(e.from) then
		focus.failed(e.room, "reservation", fx.error[3], fx.error[4]);
	end
	tell_why(e, fx.error[3]);
	return way ~= "name-required";
end

-- An origin that has ended is still answered: by routing.
local function way_back(e)
	local origin = e.origin;
	if not origin.destroyed then return origin; end
	return { type = e.origin_type, log = module._log, send = function (stanza) return module:send(stanza); end };
end

-- Carries out the steps of a request, all or none: the room may refuse what the policy permits, and then nothing has
-- happened. The client gets one answer for all steps.
local function carry_out(e, verdict, steps)
	local answered_by, answer, is_over, done = way_back(e), nil, false, 0;
	local origin = setmetatable({ send = function (stanza)
		local attr = not is_over and stanza.attr or {};
		verdict.failed = verdict.failed or attr.type == "error";
		local is_answer = attr.id == e.stanza.attr.id and (attr.type == "error" or attr.type == "result");
		if #steps == 1 or not is_answer then
			e.settled = e.settled or is_answer; -- should the step fail after that, it is not answered again
			return answered_by.send(stanza);
		end
		if not answer or answer.attr.type ~= "error" then answer = stanza; end
		return true;
	end }, { __index = answered_by, __newindex = answered_by });
	local went_well = try(e, function ()
		for _, step in ipairs(steps) do
			step.stanza[mark] = verdict;
			prosody.core_post_stanza(origin, step.stanza, false);
			if verdict.failed then break; end
			done = done + 1;
		end
	end);
	is_over, verdict.failed = true, done < #steps;
	e.settled = true; -- by what comes below, or by the room
	for i = verdict.failed and done or 0, 1, -1 do
		local room = steps[i].undo and get_room(e.room);
		if room then try(e, steps[i].undo, room); end
	end
	if answer and went_well then answered_by.send(answer); end
end

-- Sends the notices that follow a change of name.
local function tell_of_change(e, verdict)
	local room = verdict.fx and get_room(e.room);
	if room and room:get_occupant_jid(e.from) then effects.say(room, verdict.fx.say, e.from, true); end
end

local function enter(e, room)
	if room then return room:handle_normal_presence(way_back(e), e.stanza); end
	return prosody.core_post_stanza(way_back(e), e.stanza, false);
end

-- Replays the stanza through the room, with its verdict: `steps`, or as it was sent.
local function replay(e, verdict, room, steps)
	if e.more and e.more.granted then
		e.settled = true;
		e.more.granted(e, verdict.fx, verdict);
		return tell_of_change(e, verdict);
	end
	local outer = replaying;
	-- What the answer names; fail_closed.lib.lua permits nothing else.
	verdict.kind, verdict.room, verdict.from = e.kind, e.room, e.from;
	if e.more then verdict.items, verdict.targets = e.more.items, e.more.targets; end
	e.stanza[mark], replaying = verdict, verdict;
	if e.kind == "join" then
		-- Jitsi's rate limiter, which keeps a throttle in each room, has counted this join already.
		if not room or room.join_rate_throttle then e.stanza.delayed_join_skip = true; end
		if not verdict.as_sent then gate.requests.rebuild_join(e.stanza); end
		try(e, enter, e, room);
	else
		carry_out(e, verdict, steps or { { stanza = e.stanza } });
	end
	replaying, e.settled = outer, true;
	if e.kind == "rename" then tell_of_change(e, verdict); end
	if e.kind ~= "join" then return; end
	-- A join that was permitted and failed leaves no trace: no empty room, no affiliation.
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
		local bare = jid_bare(e.from);
		local used = gate.breakout.is_inside(room, bare) or affiliation_of(room, bare) ~= verdict.given;
		if not used then effects.set_affiliation(room, bare, verdict.before); end
	end
	-- Otherwise another module has parked it above the gate, and will bring it back.
	if verdict.passed then
		local nick = cut(jid_resource(e.stanza.attr.to), LIMIT.name);
		report("failed", room or { jid = e.room }, { jid = e.from, nick = nick });
	end
end

-- Returns the stanzas that go on into the room for a permitted attempt; nil if none can any more, which has been
-- answered.
local function steps_of(e, fx, room)
	if not e.more or not e.more.rebuild then return { { stanza = e.stanza } }; end
	local steps, kind, condition = nil, "cancel", "item-not-found";
	if room then steps, kind, condition = e.more.rebuild(room, fx); end
	if not steps then send_error(e, kind, condition); end
	return steps;
end

local function settle(e, fx, room)
	if fx.observed then return replay(e, { failing = true, as_sent = true }, room); end
	local data, verdict = data_of(room), nil;
	local is_entry = e.kind == "join" and fx.verdict == "allow"; -- remembered when it has come to pass
	local is_answer = e.kind == "knock" and not e.more.granted or e.kind == "command";
	local is_replayed = fx.verdict == "allow" and not is_answer;
	if room then effects.before(room, fx, is_replayed); end
	if fx.verdict ~= "allow" then
		e.settled = true;
		if e.more and e.more.refused then return e.more.refused(e, fx); end
		local is_held = reject(e, room, fx) and e.kind == "join";
		if is_held and room and fx.knock then lobby_queue.remember(room, e, fx.knock); end
	elseif e.kind == "request" then
		focus.let_pass(e);
		if not room then focus.ask_for(e); run_sweep(); end
		replay(e, { fx = fx }, room);
		return;
	elseif e.kind == "join" then
		verdict = {
			fx = fx, generation = data and data.generation, revision = data and data.revision,
			kind = nil, room = nil, from = nil, passed = nil, given = nil, -- added later; most have no more than these 8
		};
		if not e.generation then verdict.exactly = true; end
		replay(e, verdict, room);
	else
		verdict = { fx = fx, invited = {} };
		if is_replayed then
			local steps = steps_of(e, fx, room);
			if not steps then return; end
			replay(e, verdict, room, steps);
			local after = get_room(e.room);
			if verdict.failed or not data_of(after) then return; end
			if fx.record or fx.person then gate.room_data.keep(data_of(after), fx); after:save(); end
		end
		if fx.requester then give_affiliation(room, jid_bare(e.from), fx.requester.affiliation); end
	end
	room = not is_entry and get_room(e.room);
	if room then effects.after(room, fx, e.from, verdict and verdict.invited); end
end

local function answered(e, stanza)
	local room = get_room(e.room);
	local data = data_of(room);
	heard = now();
	if e.done then return queue.go_on(e.room); end -- nobody waits for it any more
	local answer = stanza.attr.type == "result" and stanza:get_child("answer", xmlns_gate);
	local fx = answer and answer.attr.attempt == e.attempt and gate.answer.read(answer);
	local is_stale = fx and (fx.base ~= e.revision or e.revision ~= (data and data.revision or 0)
		or e.generation ~= (data and data.generation) or e.new_room ~= not room);
	-- The first answer for a room that existed before only applies the policy; the attempt is then asked about again as
	-- a join.
	local is_late = fx and not is_stale and fx.verdict == "allow" and not fx.observed
		and e.kind == "join" and room and not data;
	e.stale = e.stale + (is_stale and 1 or 0);
	-- After a stale answer the attempt keeps its turn, and is asked about again.
	if is_gone(e) or not is_stale and not is_late or e.stale > LIMIT.stale then queue.finish(e); end
	if is_late and not e.done then
		try(e, function ()
			gate.room_data.new(room);
			-- Its settings are the component's: there is no configuration to wait for.
			room._data.locked, room._data.vestibule_unasked = nil, nil;
			effects.before(room, fx);
			if fx.room and fx.room.media then gate.media.switch(room, fx.room.media); end
			room:save();
		end);
	end
	if e.done and not is_gone(e) then
		if fx and not is_stale then
			queue.hold(e.room, try, e, settle, e, fx, room);
		else
			refuse(e, (fx or not answer) and "error" or "unknown-effect", "cancel", "internal-server-error");
		end
	end
	return queue.go_on(e.room);
end

local function run_command(e)
	local command, room = e.stanza.tags[1], get_room(e.room);
	local fx = gate.answer.read_effects(command, { requester = true, field = true, knock = true, error = true });
	local data = data_of(room);
	if not fx then return send_error(e, "modify", "bad-request"); end
	if not room then return send_error(e, "cancel", "item-not-found"); end
	local base = command.attr.base;
	if not base and fx.record then return send_error(e, "modify", "bad-request"); end
	if not data or command.attr.generation ~= data.generation or base and tonumber(base) ~= data.revision then
		return send_error(e, "cancel", "conflict");
	end
	local is_met, met = effects.look_first(room, fx);
	local done = { xmlns = xmlns_gate, unmet = flag(not is_met), met = tostring(#met) };
	if is_met then
		effects.before(room, fx);
		effects.after(room, fx);
	end
	done.revision = tostring(data.revision);
	local reply = st.reply(e.stanza):tag("done", done);
	for i = 1, math.min(#met, LIMIT.items) do reply:tag("met", met[i]):up(); end
	link.flush(); -- the component has to know first what the command brought about
	module:send(reply);
end

queue.released = backpressure.served;
function gate.last_report() return reported; end
function gate.is_ready() return state == "ready"; end
function queue.may_serve() return state == "ready" or state == "refused"; end

function queue.serve(e)
	local room = get_room(e.room);
	if is_gone(e) then
		queue.finish(e);
	elseif room == false or room and room._data.destroyed or not room and e.kind ~= "join" and e.kind ~= "request" then
		queue.finish(e);
		send_error(e, "cancel", room and "gone" or "item-not-found");
	elseif e.kind == "do" then
		queue.finish(e);
		queue.hold(e.room, try, e, run_command, e);
	elseif state == "refused" then
		queue.finish(e);
		refuse(e, "away", "cancel", "internal-server-error", message_of("gate-mismatch", e.stanza));
	else
		try(e, ask, e, room);
	end
end

local function expire(e)
	queue.finish(e);
	local may_pass = observing or failing_open and e.kind ~= "knock" and e.kind ~= "command";
	if not may_pass or e.kind == "do" then return refuse_unanswered(e); end
	if not observing then
		module:log("warn", "component unreachable: allowed %s into %s without a decision (%s)", e.from, e.room, e.kind);
		local passed = { room = e.room, jid = cut(e.from, LIMIT.address) };
		if #passed_unasked < LIMIT.passed then t_insert(passed_unasked, passed); end
	end
	try(e, function ()
		local room = get_room(e.room);
		local steps = observing and { { stanza = e.stanza } } or e.kind ~= "join" and steps_of(e, nil, room);
		if steps ~= nil then replay(e, { failing = true, as_sent = observing }, room, steps or nil); end
	end);
end

local function sweep_once()
	local time = now();
	local late = queue.select(function (e)
		-- Silence is measured from the last sign of life; what was parked while the component was away is asked about
		-- late.
		local limit = state ~= "ready" and grace or e.at < ready_since and math.max(grace, timeout) or timeout;
		local since = state == "ready" and math.max(e.at, heard) or e.at;
		return time - since >= limit or time - e.at >= LIMIT.seconds or is_gone(e);
	end);
	for _, e in ipairs(late) do
		if e.done or is_gone(e) then queue.finish(e); else expire(e); end
		queue.go_on(e.room);
	end
	if state == "greeting" and time - greeted >= timeout then greet(); end -- a person waits: hello once more
end

function sweep()
	local ok, err = xpcall(sweep_once, debug.traceback);
	if not ok then module:log("error", "sweep: %s", err); end -- an error must not end the timer
	local some_wait, some_may, some_asked = lobby_queue.sweep(), lobby.sweep(), focus.sweep();
	sweeping = not queue.is_empty() or some_wait or some_may or some_asked;
	return sweeping and 0.25 or nil;
end

-- The link

local function set_state(new_state)
	-- Questions that were sent do not bounce when the component dies: they are asked again.
	state, greeting = new_state, nil;
	if state == "ready" then ready_since = now(); else backpressure.let_all_go_on(); end
	gate.reports.begin();
	if observing and state == "away" then
		for _, e in ipairs(queue.select(function (e) return not e.done; end)) do expire(e); end
	end
	queue.ask_again();
end

local function learn(told)
	services, operators, reserved = {}, {}, {};
	for _, address in ipairs(told.operators or {}) do operators[address] = true; end
	for _, address in ipairs(module:get_option_array("vestibule_trusted", {})) do
		local prepared = jid_prep(address, true);
		if not prepared then module:log("error", "vestibule_trusted: %s is not an address", address); end
		services[prepared or ""] = true;
	end
	for _, address in ipairs(told.services or {}) do services[address] = true; end
	for _, nick in ipairs(told.nicks or {}) do reserved[fold(nick)] = true; end
	counts_people = told.counts_people;
	focus.learn(told.focus or {});
	gate.callers.learn(told.gateways or {});
	gate.messages.learn(told.words, told.language);
end

-- The component's addresses were prepared or stamped by this server, and are compared as they are.
local function welcomed(hello)
	local told = {
		services = {}, gateways = {}, operators = {}, nicks = {}, focus = {}, words = {}, language = hello.attr.language,
		counts_people = hello.attr.people == "true",
	};
	for tag in hello:childtags("service") do
		told.services[#told.services + 1] = tag.attr.jid;
		if tag.attr.focus == "true" then told.focus[#told.focus + 1] = tag.attr.jid; end
	end
	for tag in hello:childtags("gateway") do told.gateways[#told.gateways + 1] = tag.attr.jid; end
	for tag in hello:childtags("operator") do told.operators[#told.operators + 1] = tag.attr.jid; end
	for tag in hello:childtags("reserve") do told.nicks[#told.nicks + 1] = tag.attr.nick; end
	for tag in hello:childtags("message") do
		t_insert(told.words, { name = tag.attr.name, language = tag.attr["xml:lang"] or "en", text = tag:get_text() or "" });
	end
	observing, is_brief = hello.attr.observe == "true", hello.attr.brief == "true";
	store:set(nil, told); -- after a restart of the server the services come back before the component does
	learn(told);
end

local function greeting_answered(stanza)
	local hello = stanza.attr.type == "result" and stanza:get_child("hello", xmlns_gate);
	if not hello then
		local _, condition, text = stanza:get_error();
		if condition == "remote-server-timeout" then return set_state("away"); end
		module:log("error", "%s refuses this gate, so everyone is refused: %s %s", component, condition, text or "");
		return set_state("refused");
	end
	local level = hello.attr.level or "0"; -- the first components had none
	if level ~= LEVEL then
		module:log("error", "gate and component are not of one release, so everyone is refused: install the component "
			.. "that came with this gate, and restart it (the gate protocol, level %s here and %s there)", LEVEL, level);
		return set_state("refused");
	end
	welcomed(hello);
	set_state("ready");
	for _, passed in ipairs(passed_unasked) do report("opened-failing", { jid = passed.room }, { jid = passed.jid }); end
	passed_unasked = {};
end

local function with_hosts(stanza, name, attr)
	local list = gate.identity.hosts();
	attr.hosts = list.all and "all" or nil;
	stanza:tag(name, attr);
	for _, host in ipairs(list) do stanza:tag("host", host):up(); end
	return stanza;
end

function greet()
	local rooms, id = 0, "hello." .. queue.prefix .. new_id.short();
	for _ in muc.live_rooms() do rooms = rooms + 1; end
	set_state("greeting");
	greeted, greeting = now(), id;
	module:send(with_hosts(st.iq({ type = "set", id = id, from = module.host, to = component }), "hello", {
		xmlns = xmlns_gate, version = "2", level = LEVEL, gate = VERSION, server = SERVER, rooms = tostring(rooms),
		failure = failing_open and "allow" or "refuse", grace = tostring(grace), timeout = tostring(timeout),
	}));
end

function gate.tell_hosts()
	if state ~= "ready" then return; end
	local message = st.message({ type = "normal", from = module.host, to = component });
	module:send(with_hosts(message, "report", { xmlns = xmlns_gate, event = "hosts" }));
end

local function watch_component()
	local host, external = module:context(component), prosody.hosts[component].modules.component;
	local function linked(session)
		link.attach(session);
		greet();
	end
	host:hook("component-authenticated", function (event) linked(event.session); end);
	-- Also fired for a rejected second connection.
	host:hook("component-disconnected", function (event)
		if link.detach(event.session) then set_state("away"); end
	end);
	if external and external.session then linked(external.session); end
end

guard("iq/host", PRIORITY.link, function (event)
	local stanza, kind, query = event.stanza, event.stanza.attr.type, event.stanza.tags[1];
	if stanza.attr.from ~= component then return; end
	if kind == "result" or kind == "error" then
		if stanza.attr.id == greeting then
			greeting_answered(stanza);
			return true;
		end
		local e, err = queue.was_answered(stanza.attr.id), stanza:get_child("error");
		if not e then return; end -- late, or not ours
		if err and err:get_child("not-connected", "xmpp:prosody.im/protocol/component") then
			set_state("away");
		else
			link.gather(answered, e, stanza);
		end
		return true;
	elseif not query or query.attr.xmlns ~= xmlns_gate then
		return;
	elseif kind == "get" and gate.queries[query.name] then
		local reply = gate.queries[query.name](st.reply(stanza), query.attr, query);
		module:send(reply or st.error_reply(stanza, "cancel", "item-not-found"));
		return true;
	elseif kind == "set" and query.name == "hello" then
		welcomed(query);
		module:send(st.reply(stanza));
		return true;
	elseif kind == "set" and query.name == "do" then
		return park { kind = "do", room = query.attr.room or "", from = component, origin = event.origin, stanza = stanza };
	end
	return send_error(event, "modify", "bad-request");
end);

-- What the other files use of this one

-- Parks the attempt of a stanza, of that kind, until the component has answered.
local function put(event, kind, more, room_jid)
	local stanza = event.stanza;
	if observing and state ~= "ready" then -- nothing to observe, and nobody waits for that
		stanza[mark] = { failing = true };
		return nil;
	end
	return park {
		kind = kind, room = room_jid or jid_bare(stanza.attr.to), from = stanza.attr.from,
		origin = event.origin, stanza = stanza,
		more = more,
		-- Space for fields that are added later, as tables are copied when they grow.
		attempt = nil, at = nil, stale = nil, origin_type = nil, done = nil, settled = nil,
		generation = nil, revision = nil, new_room = nil, place = nil, -- and no more than 16
	};
end

gate.get_room, gate.affiliation_of = get_room, affiliation_of;
function gate.is_open(room_jid) local room = get_room(room_jid); return room and not room._data.destroyed; end
gate.is_reserved, gate.is_service = is_reserved, is_service;
gate.report, gate.report_seldom, gate.report_refusal = report, report_seldom, report_refusal;
gate.refuse, gate.refuse_nick = refuse, refuse_nick;
gate.run_sweep, gate.put, gate.way_back = run_sweep, put, way_back;
function gate.is_own(hook) return own[hook]; end
gate.guard, gate.guard_at, gate.guard_room, gate.refuse_value = guard, guard_at, guard_room, refuse_value;
function gate.services() return services; end
function gate.is_operator(address) return operators[jid_bare(address)]; end
function gate.is_service_or_operator(address) return is_service(address) or gate.is_operator(address); end
function gate.is_observing() return observing; end
function gate.is_brief() return is_brief; end
-- Returns the attempt of which the component has kept the facts, because it has allowed it.
function gate.known_attempt(verdict) return is_brief and verdict and verdict.fx and verdict.fx.attempt; end
function gate.is_unguarded() return observing or failing_open and state ~= "ready"; end
function gate.replaying() return replaying; end

gate.cancel = queue.cancel;

for _, name in ipairs {
	"addresses", "config_form", "affiliations", "invitations", "room_messages", "permissions", "names",
	"jitsi_components", "media", "buttons", "dialogs", "fail_closed", "visitors", "entrance", "joins", "reports",
} do
	gate[name] = module:require(name)(gate);
end

gate.addresses.watch(module);
gate.jitsi_components.look();
gate.queries.prepare = gate.addresses.prepare;

-- Loading and unloading

local is_reloading = false;

function module.unload() -- timers end with the module, so everybody is answered now
	function queue.may_serve() return false; end
	state = "away";
	backpressure.unload();
	for _, e in ipairs(queue.select(function (e) return not e.done; end)) do
		queue.finish(e);
		if not is_gone(e) then refuse_unanswered(e); end
	end
	gate.fail_closed.unload();
	report_end();
	if not is_reloading then gate.room_data.release_all(); end
end
function module.save()
	is_reloading = true; -- it is called before the module is unloaded, and only if it comes back
	return {
		waiting = lobby_queue.save(), arrivals = gate.reports.save(), focus = focus.save(), visitors = gate.visitors.save(),
	};
end
function module.restore(saved)
	lobby_queue.restore(saved.waiting);
	gate.reports.restore(saved.arrivals);
	if saved.focus then focus.restore(saved.focus); end -- an older version has none
	gate.visitors.restore(saved.visitors);
	run_sweep();
end

learn(store:get(nil) or {});
gate.identity.watch();
if not component or component == "" then
	module:log("error", "vestibule_component is not set: everyone is refused");
elseif rawget(prosody.hosts, component) then
	watch_component();
else
	module:hook_global("host-activated", function (host) if host == component then watch_component(); end end);
	module:add_timer(5, function () -- the hosts of a server are loaded one after the other
		if rawget(prosody.hosts, component) then return; end
		module:log("error", "vestibule_component: this server has no Component %q, so everyone is refused", component);
	end);
end
