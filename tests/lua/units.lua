-- Tests those files of the gate that are pure functions, or nearly: what they use of the rest is given to them here.
-- luacheck: globals prosody

local harness = dofile((arg[0]:match("^(.*)/") or ".") .. "/harness.lua");
local st = require "util.stanza";

local LIMIT = {
	record = 40, person = 20, people = 3, items = 64, text = 1024, name = 256, stanza = 65536, address = 1023,
};
local AFFILIATION = { outcast = -1, none = 0, member = 1, admin = 2, owner = 3 };
local ROLE = { none = 0, visitor = 1, participant = 2, moderator = 3 };
local text, messages = harness.load "text", harness.load "messages";

local sent = {};
local tests, names = {}, {};
setmetatable(tests, { __newindex = function (_, name, test)
	names[#names + 1] = name;
	rawset(tests, name, test);
end });

local function nothing() return nil; end
local function equal(got, expected, what)
	if got ~= expected then
		error(("%s: %s, not %s"):format(what or "got", tostring(got), tostring(expected)), 2);
	end
end

module = { log = nothing };
function module.send(_, stanza) sent[#sent + 1] = stanza; end
function module.context() return { get_option_string = nothing, send = module.send }; end
function module.require(_, name) return harness.load(name); end
local client_response = harness.load "client_response";

-- text

function tests.a_text_is_cut_between_characters()
	equal(text.cut("abc", 3), "abc");
	equal(text.cut("abc", 2), "ab");
	equal(text.cut("a\195\182c", 2), "a", "half an ö");
	equal(text.cut("a\195\182c", 3), "a\195\182");
	equal(text.cut("\240\159\166\128", 3), "", "a crab");
	equal(text.cut(nil, 3), nil);
	equal(text.cut("", 0), "");
end

function tests.a_person_s_words_stay_within_the_sentence()
	equal(text.in_sentence("Zo\195\171 \208\155"), "Zo\195\171 \208\155");
	equal(text.in_sentence("a\nb\194\133c\226\128\168d\0e"), "a b c d e");
	equal(text.in_sentence("\226\128\174a\226\129\166b\216\156c\226\128\143d"), "abcd");
end

function tests.xml_that_is_written_as_text_is_escaped()
	text.begin("<a ");
	text.attribute("x", "'<&>\"");
	text.attribute("y", nil);
	text.attribute("z", 1);
	text.attribute("w", "plain");
	text.write("/>");
	local written = text.written();
	assert(not written:find("y="), written);
	assert(written:find("x='&apos;&lt;&amp;&gt;", 1, true) and written:find("z='1'", 1, true), written);
	assert(written:find("&quot;' z='1' w='plain' />", 1, true), written);
	text.begin("");
	text.element("b", { c = "&" }, "1 < 2 & 3");
	equal(text.written(), "<b c='&amp;' >1 &lt; 2 &amp; 3</b>");
	text.begin("");
	text.element("b", {}, nil);
	equal(text.written(), "<b ></b>", "the buffer begins again");
end

function tests.json_holds_what_xml_cannot()
	for _, good in ipairs { "", "a\tb\nc\rd", "Zo\195\171", "\239\191\189", "\127" } do
		assert(text.fits_xml(good), good);
	end
	for _, bad in ipairs { "\0", "a\1b", "\31", "\239\191\190", "a\239\191\191", "\237\160\128", "\195" } do
		assert(not text.fits_xml(bad), bad);
	end
end

-- jids

function tests.an_address_is_split_as_prosody_splits_it()
	local jids, jid = harness.load "jids", require "util.jid";
	local addresses = { "a@b/c", "a@b", "b", "b/c", "@b", "a@", "a@b/", "a@b/c/d@e", "", "/", "a/b@c", "other@b/c" };
	for i = 1, 2000 do
		local address = addresses[i % 7 == 0 and 100 or math.random(#addresses)];
		for _, part in ipairs { "bare", "node", "host", "resource" } do
			equal(jids[part](address), jid[part](address), part .. " of " .. tostring(address));
		end
	end
	for _ = 1, 2 do assert(not pcall(jids.bare, true), "what is no text is not remembered with the parts of another"); end
end

-- facts

function tests.nothing_of_one_question_is_in_the_next()
	local gate = {
		LIMIT = setmetatable({ language = 35 }, { __index = LIMIT }), text = text, jids = harness.load "jids",
		focus = { describe = function (session) return session.client, session.ticket; end },
		identity = {
			add = function (attr, session)
				attr.host = session.host;
				if session.subject then attr["token-subject"] = session.subject; end
			end,
			has_claims = nothing, each_claim = nothing,
		},
		callers = { gateway = function (_, session) return session.gateway; end },
		breakout = {
			find = function (room, from) return room.inside[from]; end,
			is_sent = function () return true; end,
			is_changing = function (room) return room.changes; end,
		},
		names = { shown = function (occupant) return occupant and occupant.name; end },
		messages = { language_of = function (stanza) return stanza.attr["xml:lang"]; end },
		room_data = { person = nothing },
	};
	local facts = harness.load "facts"(gate);
	local function question(kind, from, session, room, more, language)
		text.begin("");
		facts.write_requester({
			kind = kind, from = from, room = "tea@rooms", origin = session, more = more,
			stanza = st.message({ ["xml:lang"] = language }),
		}, nil, room);
		return text.written();
	end
	local ann = { host = "one", client = "jitsi", ticket = "t", subject = "s", gateway = "g@one" };
	local room = { inside = {}, changes = true };
	function room.get_affiliation() return room.affiliation; end
	local first = question("request", "ann@one/a", ann, room, { place = "b@breakout", name = "Ann", nick = "ann" }, "de");
	for _, name in ipairs {
		"client", "ticket", "token-subject", "gateway", "breakout", "sent", "changes", "name", "nick", "language",
	} do
		assert(first:find(name .. "='", 1, true), name);
	end
	room.changes = false;
	local bare = "<requester jid='bob@two/b' affiliation='none' role='none' host='two' ></requester>";
	local function sorted(written)
		local list = {};
		for attribute in written:gmatch("[%w-]+='[^']*'") do list[#list + 1] = attribute; end
		table.sort(list);
		return table.concat(list, " ");
	end
	equal(sorted(question("invite", "bob@two/b", { host = "two" }, room)), sorted(bare));
	-- What changes is in the next question of the same session.
	local bob = { host = "two" };
	local function seen(name)
		local written = question("invite", "bob@two/b", bob, room);
		return written:match(" " .. name:gsub("-", "%%-") .. "='([^']*)'");
	end
	for name, change in pairs {
		client = function (value) bob.client = value; end, ticket = function (value) bob.ticket = value; end,
		host = function (value) bob.host = value; end, ["token-subject"] = function (value) bob.subject = value; end,
		gateway = function (value) bob.gateway = value; end, affiliation = function (value) room.affiliation = value; end,
		nick = function (value) room.inside["bob@two/b"] = { nick = "tea@rooms/" .. value, name = "x" }; end,
		name = function (value) room.inside["bob@two/b"].name = value; end,
		role = function (value) room.inside["bob@two/b"].role = value; end,
	} do
		if not room.inside["bob@two/b"] then room.inside["bob@two/b"] = { nick = "tea@rooms/before", name = "x" }; end
		for _, value in ipairs { "member", "owner" } do
			change(value);
			equal(seen(name), value, name);
		end
	end
end

-- hooks

local hooks = harness.load "hooks";

function tests.a_hook_has_a_number_and_the_last_is_last()
	for name, priority in pairs(hooks.PRIORITY) do
		equal(type(priority), "number", name);
		assert(priority >= hooks.PRIORITY.last and priority <= hooks.PRIORITY.address, name);
	end
end

function tests.what_decides_in_a_join_is_in_its_order()
	local at = hooks.PRIORITY;
	local order = { "nick", "verdict", "raise", "password", "words_of_join" };
	for i = 2, #order do assert(at[order[i - 1]] > at[order[i]], order[i]); end
	assert(at.lone > -1 and at.lone_over < -1 and at.address > at.entrance);
end

function tests.what_changes_a_room_passes_for_nobody_outside()
	for _, name in ipairs { "muc#admin query", "muc#owner query" } do
		local row = hooks.PASSES.room["http://jabber.org/protocol/" .. name];
		assert(row.get ~= hooks.ANYBODY and row.set ~= hooks.ANYBODY and row.get and row.set, name);
	end
	for name, row in pairs(hooks.PASSES.service) do equal(row.set, nil, name); end
end

-- messages

function tests.without_texts_of_the_operator_english_is_spoken()
	messages.learn({}, nil);
	local english, language = messages.of("gate-read", nil);
	equal(language, "en");
	equal(messages.of("gate-read", st.message { ["xml:lang"] = "de-AT" }), english);
	equal(messages.of("no such text", nil), nil);
end

function tests.the_nearest_language_is_spoken()
	messages.learn({
		{ name = "gate-read", language = "de", text = "nein" }, { name = "gate-read", language = "de-CH", text = "nei" },
		{ name = "gate-read", language = "fr", text = "non" },
	}, "fr");
	for asked, expected in pairs {
		["de"] = "nein", ["DE-at"] = "nein", ["de-CH-1996"] = "nei", ["fr"] = "non", ["es"] = "non",
	} do
		equal(messages.of("gate-read", st.message { ["xml:lang"] = asked }), expected, asked);
	end
	local _, language = messages.of("gate-read", st.message { ["xml:lang"] = "de-CH-1996" });
	equal(language, "de-CH");
	-- Prosody writes `en` where nothing was said, so it counts as nothing.
	equal(messages.of("gate-read", st.message { ["xml:lang"] = "en" }), "non");
	assert(messages.of("gate-read", st.message { ["xml:lang"] = "en-GB" }):find("moderators"));
	assert(messages.of("gate-full", st.message { ["xml:lang"] = "de" }):find("waiting"), "what has no text is in English");
end

-- client_response

local function refused(way, stanza, ...)
	local reply;
	local event = { stanza = stanza, origin = { type = "c2s", send = function (it) reply = it; end } };
	assert(client_response[way](event, ...));
	return reply;
end
local function join(attr)
	attr = attr or {};
	return st.presence { from = "a@b/c", to = "r@m/n", id = "1", type = attr.type }
		:tag("x", { xmlns = "http://jabber.org/protocol/muc" }):up();
end
local function conference()
	return st.iq { type = "set", from = "a@b/c", to = "focus@m", id = "1" }
		:tag("conference", { xmlns = "http://jitsi.org/protocol/focus", room = "r@m" }):up();
end

function tests.a_plain_refusal_has_its_text_in_its_language()
	local reply = refused("plain", join(), "auth", "forbidden", "nein", "de");
	local kind, condition, said = reply:get_error();
	equal(kind, "auth"); equal(condition, "forbidden"); equal(said, "nein");
	equal(reply:get_child("error"):get_child("text", "urn:ietf:params:xml:ns:xmpp-stanzas").attr["xml:lang"], "de");
	equal(reply:get_child("error").attr.by, "r@m", "the room");
end

function tests.an_answer_gets_no_answer()
	for _, kind in ipairs { "error", "result" } do
		equal(refused("plain", st.iq { type = kind, from = "a@b/c", to = "r@m", id = "1" }, "cancel", "gone"), nil);
	end
end

function tests.a_lobby_is_named_twice_and_without_one_it_is_a_plain_refusal()
	local reply = refused("lobby", join(), "auth", "registration-required", "wait", "en", "r@lobby.m");
	equal(reply:get_child("error"):get_child_text("lobbyroom", "http://jitsi.org/jitmeet"), "r@lobby.m");
	equal(reply:get_child_text("lobbyroom"), "r@lobby.m", "for older clients");
	equal(reply:get_child("error").attr.code, "407");
	reply = refused("lobby", join(), "auth", "registration-required", "wait", "en", nil);
	equal(reply:get_child("error").attr.code, nil);
	local _, condition, said = reply:get_error();
	equal(condition, "registration-required"); equal(said, "wait");
end

function tests.a_log_in_is_offered_as_each_kind_of_request_knows_it()
	local _, condition = refused("log-in", conference(), "cancel", "not-allowed", "log in", "en"):get_error();
	equal(condition, "not-authorized");
	local reply = refused("log-in", join(), "cancel", "not-allowed", "log in", "en");
	assert(reply:get_child("error"):get_child("authentication-required", "http://jitsi.org/jitmeet"));
end

function tests.jitsi_clients_are_told_in_their_way()
	assert(refused("name-required", join()):get_child("error")
		:get_child("displayname-required", "http://jitsi.org/jitmeet"));
	local _, condition, said = refused("retry", join()):get_error();
	equal(condition, "not-allowed"); equal(said, "Room creation is restricted", "the words that clients look for");
	local destroyed = refused("destroyed", join(), nil, nil, "over: go");
	equal(destroyed.attr.type, "unavailable");
	local x = destroyed:get_child("x", "http://jabber.org/protocol/muc#user");
	equal(x:get_child("destroy"):get_child_text("reason"), "over\226\136\182 go", "no colon, which would be cut");
	local reservation = refused("reservation", conference(), nil, nil, "full", "en"):get_child("error");
	equal(reservation:get_child("reservation-error", "http://jitsi.org/protocol/focus").attr["error-code"], "403");
	local not_ready = refused("not-ready", conference()):get_child("conference", "http://jitsi.org/protocol/focus");
	equal(not_ready.attr.ready, "false"); equal(not_ready.attr.room, "r@m");
end

function tests.a_refusal_to_another_server_is_routed()
	sent = {};
	local origin = { type = "s2sin", send = function () error("the stream may have ended"); end };
	client_response.plain({ stanza = join(), origin = origin }, "auth", "forbidden");
	equal(#sent, 1);
end

-- answer

local answer = harness.load "answer" {
	LIMIT = LIMIT, AFFILIATION = AFFILIATION, ROLE = ROLE, client_response = client_response,
};
local function answered(attr, build)
	local element = st.stanza("answer", attr);
	if build then build(element); end
	return answer.read(element);
end
local function deny(attr, condition)
	return answered({ verdict = "deny" }, function (a)
		attr.condition = condition or "forbidden";
		a:tag("error", attr):text_tag("text", "no", { ["xml:lang"] = "en" }):up();
	end);
end

function tests.an_answer_has_a_verdict_that_is_known()
	equal(answered({ verdict = "allow" }).verdict, "allow");
	equal(answered({ verdict = "perhaps" }), nil);
	equal(answered({}), nil);
	equal(answered({ verdict = "deny" }), nil, "a refusal has an error");
end

function tests.a_refusal_names_a_way_that_there_is()
	local fx = deny { as = "lobby", type = "auth" };
	equal(fx.way, "lobby"); equal(fx.error[1], "auth"); equal(fx.error[2], "forbidden");
	equal(fx.error[3], "no"); equal(fx.error[4], "en");
	equal(deny {}.way, "plain");
	equal(deny { as = "song" }, nil);
	equal(deny({}, "for<bidden"), nil);
end

function tests.an_effect_that_is_not_known_makes_the_answer_none()
	local function with(name, attr, said)
		return answered({ verdict = "allow" }, function (a) a:tag(name, attr or {}):text(said or ""):up(); end);
	end
	assert(with("record", nil, ("x"):rep(LIMIT.record)) and not with("record", nil, ("x"):rep(LIMIT.record + 1)));
	assert(with("person", { jid = "a@b" }, "x") and not with("person", nil, "x"));
	assert(not with("person", { jid = "a@b" }, ("x"):rep(LIMIT.person + 1)));
	assert(with("requester", { affiliation = "owner", role = "moderator" }));
	assert(not with("requester", { affiliation = "king" }) and not with("requester", { role = "king" }));
	assert(with("room", { hidden = "true" }).room.hidden == true and not with("room", { hidden = "1" }));
	assert(with("room", { ["moderated-media"] = "audio video" }) and not with("room", { ["moderated-media"] = "smell" }));
	assert(with("say", { to = "moderators" }, "{password}") and not with("say", { to = "room" }, "{password}"));
	assert(not with("say", { to = "world" }, "hello"));
	assert(with("demote", { jid = "a@b/c", affiliation = "none" }).demote[1].jid == "a@b");
	assert(not with("demote", { jid = "a@b", affiliation = "owner" }));
	assert(with("affiliate", { jid = "a@b", affiliation = "member" }));
	assert(not with("affiliate", { jid = "a@b", affiliation = "outcast" }));
	assert(with("permissions", { jid = "a@b", chat = "no" }).may[1].degrees.chat == "no");
	assert(not with("permissions", { jid = "a@b", chat = "never" }) and not with("permissions", { chat = "no" }));
	assert(not with("knock", { expires = "soon" }) and with("knock", { expires = "60" }).knock == 60);
	assert(with("song", { xmlns = "urn:example:other" }), "an element of another namespace is no effect");
	equal(with("record", { xmlns = "urn:example:other" }, "x").record, nil);
	assert(not with("only", { when = "unmoderated" }), "of commands alone");
	assert(not with("explode"));
end

function tests.of_a_command_some_effects_are_refused()
	local command = st.stanza("do"):tag("only", { when = "inside", jid = "a@b/c" }):up();
	equal(answer.read_effects(command, { requester = true }).only[1].jid, "a@b");
	command = st.stanza("do"):tag("requester", { role = "moderator" }):up();
	equal(answer.read_effects(command, { requester = true }), nil);
	equal(answer.read_effects(st.stanza("do"):tag("only", { when = "inside" }):up(), {}), nil);
end

-- round_robin

local round_robin = harness.load "round_robin";

local function served(rotation, count)
	local items = {};
	for i = 1, count do items[i] = round_robin.next(rotation); end
	return table.concat(items, " ");
end

function tests.turns_go_round_by_group_then_domain_then_account()
	local rotation, places = round_robin.new(), {};
	for i = 1, 3 do places[i] = round_robin.add(rotation, "flood" .. i, "net", "d", "eve"); end
	round_robin.add(rotation, "bob", "home", "d", "bob");
	round_robin.add(rotation, "ann", "net", "e", "ann");
	equal(served(rotation, 4), "flood1 bob ann bob", "an item keeps its place until that is dropped");
	round_robin.drop(places[1]);
	equal(served(rotation, 3), "flood2 bob ann");
end

function tests.a_group_that_may_not_go_is_passed_over()
	local rotation = round_robin.new();
	round_robin.add(rotation, "a", "x", "d", "1");
	round_robin.add(rotation, "b", "y", "d", "1");
	local function only_y(group) return group == "y"; end
	equal(round_robin.peek(rotation, only_y).item, "b");
	equal(round_robin.next(rotation, function () return false; end), nil);
	equal(round_robin.next_of(rotation, "y"), "b");
	equal(round_robin.next_of(rotation, "z"), nil);
	local group, domain, account = round_robin.keys(round_robin.peek(rotation));
	equal(group .. domain .. account, "xd1");
	equal(#round_robin.groups(rotation, 1), 1); equal(#round_robin.groups(rotation, 9), 2);
end

function tests.what_is_dropped_leaves_nothing_behind()
	local rotation, places = round_robin.new(), {};
	for i = 1, 200 do places[i] = round_robin.add(rotation, i, "g" .. i % 7, "d" .. i % 3, "a" .. i % 11); end
	equal(rotation.count, 200);
	local found = {};
	round_robin.collect(rotation, function (item) return item % 2 == 0; end, found);
	equal(#found, 100);
	for i = 200, 1, -1 do round_robin.drop(places[i]); end
	equal(rotation.count, 0); equal(rotation.first, nil); equal(next(rotation.by or {}), nil);
	equal(round_robin.next(rotation), nil);
end

function tests.nobody_waits_longer_for_more_items_of_another()
	local rotation = round_robin.new();
	for i = 1, 100 do round_robin.add(rotation, i, "net", "d", "eve" .. i); end
	round_robin.add(rotation, "bob", "home", "d", "bob");
	local turns = 0;
	repeat turns = turns + 1; until round_robin.next(rotation) == "bob";
	assert(turns <= 2, turns);
end

-- room_data

local tickets = {};
local gate = {
	LIMIT = LIMIT, jids = harness.load "jids", focus = { ticket_of = function (bare) return tickets[bare]; end },
};
gate.facts = { has_moderator = function (room) return room.is_moderated; end };
function gate.affiliation_of(room, bare) return room._affiliations[bare] or "none"; end
local room_data = harness.load "room_data"(gate);
local function new_room(kept)
	local room = { jid = "r@m", _data = {}, _affiliations = {}, _affiliation_data = {}, _occupants = {}, _jid_nick = {} };
	function room.has_occupant() return next(room._occupants) ~= nil; end
	local data = room_data.new(room);
	if kept then room_data.keep_room(data, true); end
	return room, data;
end
local function remember(data, bare, said) room_data.keep(data, { person = { { jid = bare, text = said } } }); end

function tests.a_record_that_is_none_is_no_record()
	for _, broken in ipairs { "text", {}, { generation = 1, people = {} }, { generation = "g" } } do
		equal(room_data.of { _data = { vestibule = broken } }, nil);
	end
	equal(room_data.of(nil), nil); equal(room_data.of { _data = {} }, nil);
	local room, data = new_room();
	equal(room_data.of(room), data);
end

function tests.each_record_has_a_revision()
	local _, data = new_room();
	room_data.keep(data, { record = "one" });
	room_data.keep(data, { record = "two" });
	room_data.keep(data, {});
	equal(data.revision, 2); equal(data.record, "two");
end

function tests.of_too_many_people_the_oldest_is_forgotten()
	local _, data = new_room();
	for i = 1, LIMIT.people + 1 do remember(data, "p" .. i .. "@b", "x"); end
	equal(data.count, LIMIT.people); equal(data.people["p1@b"], nil); assert(data.people["p2@b"]);
	remember(data, "p2@b", "y");
	equal(data.count, LIMIT.people, "the same person"); equal(data.people["p2@b"].text, "y");
	remember(data, "p2@b", "");
	equal(data.count, LIMIT.people - 1); equal(data.people["p2@b"], nil);
end

function tests.the_bearer_of_a_ticket_is_one_person_under_every_address()
	local _, data = new_room();
	tickets["a@b"] = "T";
	remember(data, "a@b", "x");
	tickets["a@b"] = nil;
	equal(room_data.person(data, "other@b", "T").text, "x");
	equal(room_data.person(data, "other@b", "U"), nil); equal(room_data.person(data, "other@b", nil), nil);
	equal(room_data.person(nil, "a@b", "T"), nil);
	room_data.recognise(data, "other@b", "T");
	equal(data.people["a@b"], nil); equal(data.people["other@b"].text, "x"); equal(data.count, 1);
end

function tests.a_room_that_stays_gets_back_what_it_had()
	local room, data = new_room(true);
	room._data.password, room._data.hidden, room._affiliations["a@b"] = "own", true, "member";
	room_data.noting(room, function () room._data.password, room._data.hidden = "ours", false; end);
	room_data.noting(room, function () room._data.password = "ours again"; end);
	room._data.hidden = true; -- a person has changed it since
	room_data.lend(room, "a@b", "member", "owner");
	room._affiliations["a@b"] = "owner";
	room_data.take(room, "b@b", "admin");
	gate.muc = { live_rooms = function () return coroutine.wrap(function () coroutine.yield(room); end); end };
	local saved = false;
	function room.save() saved = true; end
	function module.open_store() return { get = nothing, set = nothing }; end
	assert(data.keep.password.was == "own");
	room_data.release_all();
	equal(room._data.password, "own"); equal(room._data.hidden, true);
	equal(room._affiliations["a@b"], "member"); equal(room._affiliations["b@b"], "admin", "what a removal took");
	equal(room._data.vestibule, nil); assert(saved);
end

function tests.what_is_lent_is_given_back_when_the_last_session_leaves()
	local room = new_room(true);
	room_data.lend(room, "a@b", "none", "owner");
	room._affiliations["a@b"] = "owner";
	room._occupants["r@m/a"] = { bare_jid = "a@b" };
	equal(room_data.give_back(room, "a@b"), nil, "one session is inside");
	room._occupants["r@m/a"] = nil;
	equal(room_data.give_back(room, "a@b"), "none");
	equal(room_data.give_back(room, "a@b"), nil, "once");
	room_data.lend(room, "a@b", "none", "owner");
	room._affiliations["a@b"] = "admin"; -- by another person
	equal(room_data.give_back(room, "a@b"), nil);
end

function tests.a_room_of_a_meeting_lends_nothing()
	local room, data = new_room(false);
	room_data.lend(room, "a@b", "none", "owner");
	room_data.take(room, "a@b", "owner");
	equal(data.lent, nil); equal(data.taken, nil);
end

function tests.a_room_is_unmoderated_since_its_moderator_left()
	local room = new_room();
	equal(room_data.unmoderated_since(room), nil, "none ever was");
	room.is_moderated = true;
	equal(room_data.unmoderated_since(room), nil);
	room.is_moderated = false;
	local since = room_data.unmoderated_since(room);
	assert(since and since <= os.time());
	equal(room_data.unmoderated_since(room), since);
	room.is_moderated = true;
	equal(room_data.unmoderated_since(room), nil);
end

function tests.a_room_lasts_unless_it_is_borrowed_time()
	for _, case in ipairs {
		{ true, {} }, { false, { persist_lobby = true } }, { false, { breakout_rooms = {} } },
	} do
		local room = new_room();
		room._data.persistent = true;
		for key, value in pairs(case[2]) do room._data[key] = value; end
		equal(room_data.lasts(room), case[1]);
	end
	local room, data = new_room();
	room._data.persistent = true;
	room_data.keep_room(data, false);
	equal(room_data.lasts(room), false, "it passes with its meeting");
end

-- permissions

local hooked = {};
local is_observing, is_service = false, {};
prosody = { full_sessions = {}, hosts = {} };
local function hook(name, priority, handler) hooked[name .. " " .. priority] = handler; end
function module.hook(_, name, handler, priority) hook(name, priority, handler); end
local said = {};
for name, value in pairs {
	PRIORITY = hooks.PRIORITY, PASSES = hooks.PASSES, LIMIT = LIMIT, mark = {}, text = text, messages = messages,
	room_data = room_data, client_response = client_response, guard = hook, guard_room = hook,
	effects = { say = function (_, list, to) said[#said + 1] = { text = list[1].text, to = to }; end },
	media = { settle = nothing }, buttons = { settle = nothing }, report_refusal = nothing,
	visitors = { settle = nothing, is_inside = nothing, guarded = {} },
	breakout = harness.load "breakout"(gate), requests = harness.load "requests"(LIMIT, {}, {}, text.fits_xml),
	is_observing = function () return is_observing; end, is_service = function (bare) return is_service[bare]; end,
} do
	gate[name] = value;
end
function gate.breakout.guard(name, priority, handler)
	hook(name, priority, function (event, room, payload)
		room = room or event.room;
		return handler(event, room, payload, room);
	end);
end
local permissions = harness.load "permissions"(gate);
gate.permissions = permissions;

local function seated(role, degrees)
	local room, data = new_room();
	local occupant = { bare_jid = "a@b", nick = "r@m/a", role = role };
	room._occupants[occupant.nick], room._jid_nick["a@b/c"] = occupant, occupant.nick;
	if degrees then data.may = { ["a@b"] = degrees }; end
	function room.get_occupant_by_real_jid() return occupant; end
	function room.get_occupant_jid() return occupant.nick; end
	function room.get_occupant_by_nick(_, nick) return room._occupants[nick]; end
	return room, occupant, data;
end

function tests.a_permission_is_compared_with_the_role_of_the_moment()
	for degree, by_role in pairs {
		yes = { true, true }, given = { true, true }, moderator = { false, true }, no = { false, false },
	} do
		for i, role in ipairs { "participant", "moderator" } do
			local room, occupant = seated(role, { chat = degree });
			equal(permissions.may(room, occupant, "chat"), by_role[i], degree .. " " .. role);
		end
	end
end

function tests.of_whom_nothing_is_said_what_is_for_moderators_is_not_permitted()
	local room, occupant = seated("participant", nil);
	for _, what in ipairs { "chat", "audio", "rename" } do equal(permissions.may(room, occupant, what), true, what); end
	for _, what in ipairs { "record", "dial", "form", "secret" } do
		equal(permissions.may(room, occupant, what), false, what);
	end
	room, occupant = seated("moderator", nil);
	assert(permissions.may(room, occupant, "form") and permissions.may(room, occupant, "secret"));
end

function tests.in_a_room_that_is_suspended_only_moderators_are_permitted_anything()
	for role, expected in pairs { participant = false, moderator = true } do
		local room, occupant, data = seated(role, { chat = "given" });
		data.suspended = true;
		equal(permissions.may(room, occupant, "chat"), expected, role);
	end
end

function tests.services_are_free_and_so_is_everybody_where_a_gate_observes()
	local room, occupant = seated("participant", { chat = "no" });
	is_service["a@b"] = true;
	assert(permissions.may(room, occupant, "chat"));
	is_service["a@b"], is_observing = nil, true;
	assert(permissions.may(room, occupant, "chat"));
	is_observing = false;
	assert(not permissions.may(room, occupant, "chat"));
end

function tests.an_answer_replaces_what_was_permitted()
	local room, occupant, data = seated("participant", { chat = "no" });
	permissions.apply(room, { { jid = "a@b", degrees = { audio = "no" } } });
	assert(permissions.may(room, occupant, "chat") and not permissions.may(room, occupant, "audio"));
	equal(permissions.told(data, "a@b").audio, "no"); equal(permissions.told(data, "b@b"), nil);
	permissions.apply(room, { { jid = "a@b", degrees = {} } });
	equal(data.may, nil, "everything");
	permissions.apply(room, { { jid = "elsewhere@b", degrees = { chat = "no" } } });
	equal(data.may, nil, "of nobody who is not inside");
end

local function chat(build)
	local stanza = st.message { type = "groupchat", from = "a@b/c", to = "r@m", id = "1" };
	build(stanza);
	local reply;
	local event = { stanza = stanza, origin = { type = "c2s", send = function (it) reply = it; end } };
	local room, occupant = seated("participant", { chat = "no" });
	return permissions.refuse_chat(event, room, occupant), reply;
end

function tests.who_may_not_write_may_still_type_and_read()
	messages.learn({}, nil);
	local is_refused, reply = chat(function (s) s:text_tag("body", "hello"); end);
	assert(is_refused and reply:get_error() == "auth");
	assert(not chat(function (s) s:tag("composing", { xmlns = "http://jabber.org/protocol/chatstates" }):up(); end));
	assert(not chat(function (s) s:tag("no-store", { xmlns = "urn:xmpp:hints" }):up(); end));
	local long = ("x"):rep(LIMIT.text);
	for what, build in pairs {
		attribute = function (s)
			s:tag("composing", { xmlns = "http://jabber.org/protocol/chatstates", said = long }):up();
		end,
		child = function (s) s:tag("composing", { xmlns = "http://jabber.org/protocol/chatstates" }):text("hi"):up(); end,
		other = function (s) s:tag("reactions", { xmlns = "urn:xmpp:reactions:0" }):up(); end,
		both = function (s)
			s:tag("composing", { xmlns = "http://jabber.org/protocol/chatstates" }):up():text_tag("body", "hello");
		end,
	} do
		assert(chat(build), what);
	end
end

function tests.who_may_not_write_says_nothing_in_a_presence_either()
	local room = seated("participant", { chat = "no" });
	local presence = st.presence { from = "a@b/c", to = "r@m/a" }:text_tag("status", "hello"):text_tag("show", "away");
	presence:tag("a"):tag("b"):text_tag("status", "hello"):text_tag("c", "more"):up():up();
	hooked["presence/full " .. hooks.PRIORITY.words]({ stanza = presence }, room);
	equal(presence:get_child("status"), nil);
	equal(tostring(presence:get_child("a")), "<a><b><c>more</c></b></a>"); equal(presence:get_child_text("show"), "away");
	local failed = st.message { type = "error", from = "a@b/c", to = "r@m" }
		:tag("error", { type = "cancel" }):tag("gone"):up():text_tag("text", "hello"):up();
	hooked["message/bare " .. hooks.PRIORITY.words]({ stanza = failed }, room);
	assert(failed:get_child("error"):get_child("gone") and not failed:get_child("error"):get_child("text"));
end

function tests.many_elements_are_removed_in_one_pass()
	local remove, stanza = gate.requests.remove, st.message();
	for i = 1, 30000 do stanza:tag("nick"):up():text("a"):tag(i % 10000 == 0 and "body" or "nick"):up(); end
	local began = os.clock();
	remove(stanza, function (tag) return tag.name == "nick"; end);
	assert(os.clock() - began < 1);
	equal(#stanza.tags, 3); equal(#stanza, 30003); equal(stanza:get_child("nick"), nil);
	remove(stanza, function () return false; end);
	equal(#stanza.tags, 3); equal(#stanza, 30003);
end

function tests.a_refused_name_is_told_once()
	local room, occupant = seated("participant", { rename = "no" });
	local presence = st.presence { from = "a@b/c" };
	said = {};
	for _ = 1, 3 do permissions.inform(room, occupant, "rename", "Zoe", presence); end
	equal(#said, 1); equal(said[1].to, "a@b/c");
	permissions.inform(room, occupant, "rename", "Yan", presence);
	equal(#said, 2);
end

function tests.who_may_not_share_the_screen_shows_no_video_and_is_told_once()
	local room = seated("participant", { desktop = "no" });
	said = {};
	for _ = 1, 2 do
		local presence = st.presence { from = "a@b/c", to = "r@m/a" };
		presence:text_tag("shared-video", "loud"):text_tag("show", "away");
		hooked["presence/full " .. hooks.PRIORITY.words]({ stanza = presence, origin = {} }, room);
		equal(presence:get_child("shared-video"), nil); equal(presence:get_child_text("show"), "away");
	end
	equal(#said, 1);
end

function tests.end_to_end_encryption_is_claimed_among_the_features()
	local function claims(var)
		return permissions.claims_e2ee(st.presence():tag("features"):tag("feature", { var = var }):up():up());
	end
	assert(claims("https://jitsi.org/meet/e2ee") and not claims("https://jitsi.org/meet/e2ee/not"));
	assert(not permissions.claims_e2ee(st.presence()));
end

-- names

local names_lib = harness.load "names"(gate);
local NICK = "http://jabber.org/protocol/nick";

local function presence_with(...)
	local presence = st.presence { from = "a@b/c", to = "r@m/a" };
	for _, name in ipairs { ... } do presence:text_tag("nick", name, { xmlns = NICK }); end
	return presence;
end
local function count_nicks(presence)
	local count = 0;
	for _, tag in ipairs(presence.tags) do if tag.name == "nick" then count = count + 1; end end
	return count;
end

function tests.the_first_of_several_names_is_the_one_that_is_judged()
	local presence = presence_with("Ann", "Bob");
	equal(names_lib.tidy(presence), "Ann"); equal(count_nicks(presence), 1);
	equal(presence:get_child_text("nick", NICK), "Ann");
end

function tests.a_name_of_another_namespace_is_a_name()
	local presence = st.presence():text_tag("nick", "Ann", { xmlns = "urn:x" });
	equal(names_lib.tidy(presence), "Ann");
	equal(presence:get_child_text("nick", NICK), "Ann"); equal(count_nicks(presence), 1);
end

function tests.no_more_of_a_name_than_is_judged_is_shown()
	local presence = presence_with(("x"):rep(LIMIT.name + 1));
	equal(#names_lib.tidy(presence), LIMIT.name);
	equal(#presence:get_child_text("nick", NICK), LIMIT.name);
end

function tests.without_a_name_nothing_is_added()
	local presence = presence_with();
	equal(names_lib.tidy(presence), nil); equal(count_nicks(presence), 0);
end

local function renamed(now, before, degrees)
	local room, occupant, data = seated("participant", degrees);
	local shown = presence_with(before);
	function occupant.get_presence() return shown; end
	gate.facts.describe = function () return {}; end
	function gate.get_room() return room; end
	gate.report = nothing;
	gate.is_reserved = function (name) return name == "Admin"; end
	gate.report_refusal = nothing;
	local asked = {};
	function gate.put(_, kind, more) asked[#asked + 1] = kind .. " " .. more.name; return true; end
	said = {};
	local presence = presence_with(now);
	hooked["presence/full " .. hooks.PRIORITY.rename]({ stanza = presence, origin = {} }, room, data);
	return presence:get_child_text("nick", NICK), asked;
end

function tests.a_new_name_is_asked_about_and_the_old_one_goes_on()
	local shown, asked = renamed("Zoe", "Ann");
	equal(shown, "Ann"); equal(asked[1], "rename Zoe");
	shown, asked = renamed("Ann", "Ann");
	equal(shown, "Ann"); equal(#asked, 0);
end

function tests.a_reserved_name_is_asked_about_by_nobody()
	local shown, asked = renamed("Admin", "Ann");
	equal(shown, "Ann"); equal(#asked, 0); equal(#said, 1);
end

function tests.who_may_not_change_a_name_is_told_so()
	local shown, asked = renamed("Zoe", "Ann", { rename = "no" });
	equal(shown, "Ann"); equal(#asked, 0); equal(#said, 1);
end

-- config_places

local function configured(files)
	local folder = os.tmpname();
	os.remove(folder);
	assert(os.execute("mkdir -p " .. folder .. "/conf.d " .. folder .. "/conf.avail"));
	local paths = {};
	for name, lines in pairs(files) do
		local file = assert(io.open(folder .. "/" .. name, "w"));
		file:write(lines); file:close();
		paths[#paths + 1] = folder .. "/" .. name:gsub("^conf.avail", "conf.d");
		if name:find("^conf.avail") then os.execute(("ln -s ../%s %s"):format(name, paths[#paths])); end
	end
	package.loaded["core.configmanager"] = { files = function () return paths; end };
	prosody.config_file = folder .. "/prosody.cfg.lua";
	local places = harness.load "config_places"();
	os.execute("rm -r " .. folder);
	return function (host, kind, name)
		local place = places(host);
		if kind then place = place[kind][name]; end
		return place and place.file and place.file:sub(#folder + 2) .. ":" .. tostring(place.line);
	end
end

function tests.an_option_is_where_the_configuration_has_it()
	local at = configured {
		["prosody.cfg.lua"] = [==[
admins = { "a@b" } -- admins = 1
--[[
gc = 1
]]
modules_enabled = {
	"roster"; "bosh";
	-- "s2s";
}
Include "conf.d/*.cfg.lua"
gc = 2
]==],
		["conf.avail/m.cfg.lua"] = [[
storage = "memory"
VirtualHost "M.example"
	authentication = "anonymous"
	admins = { "c@d" }; modules_enabled = { "lobby" }
Component "muc.m.example" "muc" {
	modules_enabled = { "gate" };
	storage = "internal"; admins = { };
}
gc = 1
Component("other") "muc"
]],
	};
	equal(at("*"), "prosody.cfg.lua:nil");
	equal(at("*", "options", "admins"), "prosody.cfg.lua:1");
	equal(at("*", "options", "gc"), "prosody.cfg.lua:10", "the last counts, and comments do not");
	equal(at("*", "options", "storage"), "conf.avail/m.cfg.lua:1");
	equal(at("*", "modules", "bosh"), "prosody.cfg.lua:6");
	equal(at("*", "modules", "s2s"), nil);
	equal(at("m.example"), "conf.avail/m.cfg.lua:2");
	equal(at("m.example", "options", "admins"), "conf.avail/m.cfg.lua:4");
	equal(at("m.example", "modules", "lobby"), "conf.avail/m.cfg.lua:4");
	equal(at("muc.m.example", "options", "storage"), "conf.avail/m.cfg.lua:7");
	equal(at("muc.m.example", "modules", "gate"), "conf.avail/m.cfg.lua:6");
	equal(at("other"), "conf.avail/m.cfg.lua:10");
	equal(at("none"), nil);
end

function tests.a_configuration_that_cannot_be_read_has_no_places()
	package.loaded["core.configmanager"] = { files = function () return { "/none/x" }; end };
	prosody.config_file = "/none/prosody.cfg.lua";
	local at = harness.load "config_places"();
	equal(at("*").file, "/none/prosody.cfg.lua");
	equal(at("m").file, nil);
end

-- server_inventory

function tests.the_inventory_names_what_runs_and_no_secret()
	local options = { component_secret = "geheim", authentication = "anonymous", admins = { "a@b" } };
	package.loaded["core.modulemanager"] = { get_modules = function () return { tls = {} }; end };
	package.loaded["core.portmanager"] = {
		get_active_services = function () return { iter = function () return nothing; end }; end,
	};
	module.host = "m";
	function module.context() return { get_option = function (_, name) return options[name]; end }; end
	prosody.hosts = { m = { type = "component", modules = { muc = {}, vestibule_gate = {} }, events = {} } };
	gate.xmlns, gate.SERVER, gate.VERSION, LIMIT.page_bytes = "urn:vestibule:gate:2", "Prosody x", "1", 131072;
	local reply = harness.load "server_inventory"(gate)(st.stanza("reply"));
	local written = tostring(reply);
	assert(not written:find("geheim", 1, true), written);
	for _, part in ipairs { "anonymous", "vestibule_gate", "a@b", "name='m'" } do
		assert(written:find(part, 1, true) or written:find(part:gsub("'", '"'), 1, true), part .. ": " .. written);
	end
	LIMIT.page_bytes = 100;
	reply = harness.load "server_inventory"(gate)(st.stanza("reply"));
	equal(reply.tags[1].attr.more, "true", "it says that it is not all");
end

-- backpressure

function tests.a_session_of_a_crowded_group_waits_and_goes_on_in_its_turn()
	local paused, tasks = {}, {};
	package.loaded["util.async"] = {
		ready = function () return true; end,
		waiter = function ()
			return function () coroutine.yield(); end, function () coroutine.resume(paused.thread); end;
		end,
	};
	package.loaded["util.timer"] = { add_task = function (_, act) tasks[#tasks + 1] = act; end };
	LIMIT.one = 2;
	local held, is_ready = 2, true;
	gate.queue = {
		is_crowded = function () return true; end, held_by_group = function () return held; end,
		origin_of = function () return "group"; end,
	};
	function gate.is_ready() return is_ready; end
	function gate.get_room() return nil; end
	local backpressure = harness.load "backpressure"(gate);
	local stopped = 0;
	local conn = { pause = function () stopped = stopped + 1; end, pausefor = nothing };
	local session = { type = "c2s", conn = conn, thread = { queue = {}, state = "ready" } };
	local event = { origin = session, stanza = join() };
	local done;
	paused.thread = coroutine.create(function () done = backpressure.hold(event); end);
	assert(coroutine.resume(paused.thread));
	equal(done, nil, "it waits"); equal(stopped, 1, "and nothing is read");
	held = 1;
	backpressure.served("group");
	while tasks[1] do table.remove(tasks, 1)(); end
	equal(done, false, "it goes on");
	-- A message to a room is no attempt; neither is a stanza of a service.
	equal(backpressure.hold { origin = session, stanza = st.message { to = "r@m", from = "a@b/c" } }, false);
	held, is_service["a@b/c"] = 2, true;
	equal(backpressure.hold(event), false);
	is_service["a@b/c"], is_ready = nil, false;
	equal(backpressure.hold(event), false, "nobody waits for a component that is away");
end

for _, name in ipairs(names) do
	local ok, err = xpcall(tests[name], debug.traceback);
	if not ok then
		io.stderr:write(name, ": ", err, "\n");
		os.exit(1);
	end
	print(name);
end
