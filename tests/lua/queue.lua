-- Tests the gate's queue: limits, networks, and three hundred steps at random.

local harness = dofile((arg[0]:match("^(.*)/") or ".") .. "/harness.lua");
local st = require "util.stanza";

module = {};
function module.require(_, name) return harness.load(name); end
function module.hook_global() end
function module.context()
	return { get_option_set = function () return require "util.set".new { "127.0.0.1", "10.0.0.0/8" }; end };
end

local clock, timers = 1000, {};
package.loaded["util.time"] = { now = function () return clock; end };
function module.add_timer(_, seconds, act) timers[#timers + 1] = { at = clock + seconds, act = act }; end

-- Lets time pass, a millisecond after the other.
local function pass(seconds)
	for _ = 1, math.ceil(seconds * 1000) do
		clock = clock + 0.001;
		local due = {};
		for number = #timers, 1, -1 do
			if timers[number].at <= clock then due[#due + 1] = table.remove(timers, number); end
		end
		for _, timer in ipairs(due) do timer.act(); end
	end
end

local LIMIT = { one = 10, all = 100, asked = 4, seconds = 10 };
local moderators, refused = {}, {};
local function new_queue()
	local gate = {
		LIMIT = LIMIT, jids = harness.load "jids",
		client_response = { plain = function (e) refused[#refused + 1] = e; end },
	};
	function gate.is_service(address) return address == "focus@localhost/f"; end
	function gate.get_room() return {}; end
	gate.breakout = { find = function (_, address) return moderators[address] and { role = "moderator" } or nil; end };
	local queue = module.require(nil, "queue")(gate);
	local asked, order, is_ready = {}, {}, true;
	function queue.may_serve() return is_ready; end
	function queue.serve(e)
		order[#order + 1] = e;
		if e.kind == "do" then return queue.finish(e); end
		local id = queue.name_question(e);
		queue.was_asked(e, id);
		asked[#asked + 1] = id;
	end
	local test = { queue = queue, order = order };
	function test.count() return #asked; end
	function test.ready(is_so)
		is_ready = is_so;
		if not is_so then asked = {}; end
		queue.ask_again();
	end
	-- Answers the oldest question; returns the attempt.
	function test.answer()
		local e = queue.was_answered(table.remove(asked, 1));
		if e and not e.done then queue.finish(e); end
		queue.go_on(e.room);
		return e;
	end
	-- Each after a millisecond.
	function test.answer_all()
		for _ = 1, 10000 do
			pass(0.001);
			if #asked > 0 then test.answer(); elseif queue.is_empty() then break; end
		end
	end
	return test;
end

local function attempt(from, room, kind, address, via)
	return {
		kind = kind or "join", room = room, from = from, origin = { type = via or "c2s", ip = address },
		stanza = st.presence { from = from, to = room .. "/" .. from:match("^[^@/]+") },
	};
end

local function place_of(order, from)
	for number, e in ipairs(order) do if e.from == from then return number; end end
end

local tests = {};

function tests.each_account_has_its_turn_in_a_room()
	local test = new_queue();
	for number = 1, 3 do
		for times = 1, 9 do
			assert(test.queue.park(attempt("g" .. number .. "@guest/" .. times, "r", "affiliation")));
		end
	end
	assert(test.queue.park(attempt("bob@localhost/x", "r")));
	assert(test.count() == 1, "one question in a room");
	test.answer_all();
	assert(place_of(test.order, "bob@localhost/x") <= 1 + 3 + 1);
	assert(#test.order == 28 and test.queue.is_empty());
end

function tests.each_origin_has_its_turn_over_all_rooms()
	for _, from in ipairs { "far", "near" } do
		local test = new_queue();
		for number = 1, 40 do
			local via, address = from == "far" and "s2sin" or "c2s", from == "near" and "192.0.2." .. number or nil;
			test.queue.park(attempt("s" .. number .. "@flood.example/x", "flood" .. number, "join", address, via));
		end
		test.queue.park(attempt("bob@other.example/x", "r", "join", "203.0.113.1", "s2sin"));
		assert(test.count() == LIMIT.asked);
		test.answer_all();
		assert(place_of(test.order, "bob@other.example/x") <= LIMIT.asked + 2, from);
	end
end

function tests.a_line_keeps_its_place_however_much_comes_to_it()
	local test = new_queue();
	for number = 1, 20 do
		test.queue.park(attempt("s" .. number .. "@flood.example/x", "f" .. number, "join", nil, "s2sin"));
	end
	test.queue.park(attempt("bob@localhost/x", "r"));
	for number = 1, 30 do
		test.answer();
		test.queue.park(attempt("e" .. number .. "@flood.example/x", "r", "join", nil, "s2sin"));
		test.queue.park(attempt("n" .. number .. "@flood.example/x", "n" .. number, "join", nil, "s2sin"));
		if place_of(test.order, "bob@localhost/x") then break; end
	end
	assert(place_of(test.order, "bob@localhost/x") <= LIMIT.asked + 2);
end

function tests.commands_and_moderators_come_first()
	local test = new_queue();
	moderators["mod@localhost/x"] = true;
	for number = 1, 20 do test.queue.park(attempt("g" .. number .. "@guest/x", "r")); end
	test.queue.park(attempt("mod@localhost/x", "r", "knock"));
	test.queue.park(attempt("vestibule", "r", "do", nil, "component"));
	test.answer();
	assert(test.order[2].kind == "do" and test.order[3].kind == "knock");
end

function tests.only_an_account_s_own_excess_is_refused()
	local test = new_queue();
	test.ready(false);
	for number = 1, LIMIT.one do assert(test.queue.park(attempt("eve@localhost/" .. number, "r" .. number))); end
	assert(not test.queue.park(attempt("eve@localhost/other", "another")));
	assert(test.queue.park(attempt("bob@localhost/x", "r1")));
	for number = 1, 2 * LIMIT.one do
		assert(test.queue.park(attempt("focus@localhost/f", "s" .. number, "open")), "services have no such limit");
		assert(test.queue.park(attempt("bridge.localhost/" .. number, "r", "join", nil, "component")), "nor have addresses");
	end
end

function tests.one_group_leaves_half_of_the_places()
	local test = new_queue();
	test.ready(false);
	local taken = 0;
	for number = 1, LIMIT.all do
		local e = attempt("s" .. number .. "@flood.example/x", "f" .. number, "join", nil, "s2sin");
		taken = taken + (test.queue.park(e) and 1 or 0);
	end
	assert(taken == LIMIT.all // 2);
	for number = 1, 10 do assert(test.queue.park(attempt("b" .. number .. "@localhost/x", "r"))); end
	test.ready(true);
	test.answer_all();
	assert(test.queue.is_empty());
	test.ready(false);
	assert(test.queue.park(attempt("s1@flood.example/x", "r", "join", nil, "s2sin")), "places are free again");
end

function tests.people_of_this_machine_and_behind_proxies_are_no_network()
	for _, address in ipairs { "127.0.0.1", "127.9.9.9", "::1", "10.1.2.3", "::ffff:127.0.0.1", "nonsense" } do
		local test = new_queue();
		test.ready(false);
		for number = 1, 99 do
			assert(test.queue.park(attempt("g" .. number .. "@guest/x", "r" .. number, "join", address)), address);
		end
	end
	for _, address in ipairs { "192.0.2.", "2001:db8:0:1::", "::ffff:192.0.2." } do
		local test, taken = new_queue(), 0;
		test.ready(false);
		for number = 1, 99 do
			local e = attempt("g" .. number .. "@guest/x", "r" .. number, "join", address .. number);
			taken = taken + (test.queue.park(e) and 1 or 0);
		end
		assert(taken == LIMIT.all // 2, address);
	end
end

function tests.a_group_rests_for_those_who_come_and_not_for_those_who_came_before()
	local function seconds_for_forty(since_bob)
		local test = new_queue();
		test.queue.park(attempt("bob@localhost/x", "r"));
		test.answer_all();
		pass(since_bob);
		for number = 1, 40 do
			test.queue.park(attempt("s" .. number .. "@many.example/x", "m" .. number, "join", nil, "s2sin"));
		end
		local began = clock;
		test.answer_all();
		return clock - began;
	end
	assert(seconds_for_forty(0.3) < 0.05);
	assert(seconds_for_forty(0) > 0.1);
end

function tests.repeating_oneself_asks_no_more_than_once_at_a_time()
	local test = new_queue();
	for _ = 1, 50 do
		test.queue.park(attempt("eve@localhost/x", "r"));
		test.queue.park(attempt("eve@localhost/y", "r2"));
		test.queue.cancel("r2", "eve@localhost/y");
	end
	assert(test.count() == 2);
	test.answer_all();
	assert(test.queue.is_empty() and #test.order <= 4);
end

-- Whatever happens, each attempt is served once and nothing is left over.
function tests.at_random()
	for seed = 1, 60 do
		math.randomseed(seed);
		local test, parked = new_queue(), {};
		local function any(list) return list[math.random(#list)]; end
		for step = 1, 300 do
			local dice = math.random(10);
			if dice <= 5 then
				local via = any { "c2s", "s2sin", "component" };
				local from = any { "a", "b", "c", "d" } .. any { "@x", "@y", "@z" } .. "/" .. math.random(3);
				local e = attempt(from, any { "r1", "r2", "r3", "r4", "r5", "r6", "r7" }, any { "join", "join", "role", "do" },
					any { "192.0.2.1", "198.51.100.1", "127.0.0.1" }, via);
				if test.queue.park(e) then parked[#parked + 1] = e; end
			elseif dice <= 8 then
				if test.count() > 0 then test.answer(); end
			elseif dice == 9 then
				local e = any(parked);
				if e then test.queue.cancel(e.room, e.from); end
			elseif step % 50 == 0 then
				test.ready(false);
				test.ready(true);
			end
			assert(test.count() <= LIMIT.asked, seed);
		end
		test.answer_all();
		assert(test.queue.is_empty(), seed);
		assert(#test.queue.select(function () return true; end) == 0, seed);
		test.ready(false);
		for number = 1, LIMIT.one do assert(test.queue.park(attempt("a@x/1", "q" .. number)), "no place is lost"); end
		assert(not test.queue.park(attempt("a@x/1", "q")));
	end
end

for name, test in pairs(tests) do
	local ok, err = xpcall(test, debug.traceback);
	if not ok then error(name .. ": " .. err, 0); end
	print(name);
end
