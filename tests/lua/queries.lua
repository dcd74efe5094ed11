-- Tests the gate's answers to queries, page by page. Rooms and occupants are as Prosody has them, as far as they are
-- read.

-- luacheck: globals prosody table.sort

local harness = dofile((arg[0]:match("^(.*)/") or ".") .. "/harness.lua");
local st = require "util.stanza";

local rooms, occupied, waiting, restored, stored = {}, {}, {}, 0, {};
local function nothing() return nil; end

prosody = { full_sessions = {}, bare_sessions = {} };
module = {};
function module.require(_, name)
	return name == "server_inventory" and nothing or harness.load(name);
end
function module.open_store(_, name)
	return { get = function (_, key)
		if name == "persistent" then return stored; end
		return name == "config" and key and { _data = {}, _affiliations = {} } or nil;
	end };
end

local gate = {
	xmlns = "urn:vestibule:gate:2", AFFILIATION = { owner = 3, admin = 2, member = 1, none = 0, outcast = -1 },
	LIMIT = { page = 50, occupants = 256, stored = 200, page_bytes = 131072, address = 1023, name = 256, people = 1000 },
	text = module:require "text",
	muc = { live_rooms = function ()
		local name;
		return function ()
			local room;
			name, room = next(rooms, name);
			return room;
		end;
	end },
	jids = harness.load "jids",
	facts = {
		each_claim = nothing, census = function () return 0, 0; end,
		add_session = function (attr) return attr; end,
		describe = function (_, occupant, _, address) return { jid = address, nick = occupant.nick }; end,
	},
	callers = { session = nothing }, visitors = { each = nothing, find = nothing },
	room_data = { of = nothing, person = nothing, unmoderated_since = nothing, lasts = nothing },
	lobby_queue = { people = function (room) return waiting[room] or {}; end, count = function () return 0; end },
	lobby = { is_there = nothing }, media = { moderated = nothing }, permissions = { told = nothing },
	reports = { occupied = occupied, arrival_of = nothing }, last_report = function () return 0; end,
};

gate.breakout = module:require "breakout"(gate);

local function new_room(name)
	local room = { jid = name, _data = {}, _affiliations = {}, _occupants = {}, _jid_nick = {} };
	function room.each_affiliation() return pairs(room._affiliations); end
	room.get_password, room.get_members_only, room.get_public, room.get_moderated = nothing, nothing, nothing, nothing;
	return room;
end
function gate.get_room(name)
	if not rooms[name] and occupied[name] then rooms[name], restored = new_room(name), restored + 1; end
	return rooms[name];
end
local function enter(room, address)
	local nick = room.jid .. "/" .. address;
	local occupant = { nick = nick, bare_jid = address, sessions = { [address] = st.presence() } };
	function occupant.each_session() return pairs(occupant.sessions); end
	room._occupants[nick], room._jid_nick[address] = occupant, nick;
end
local function leave(room, address)
	room._occupants[room._jid_nick[address]], room._jid_nick[address] = nil, nil;
end

local queries = module:require "queries"(gate);

-- What something costs: steps of Lua, and for each list that is sorted its length times the logarithm of it.
local sorts, sort = 0, table.sort;
local steps = 0;
function table.sort(list, ...)
	sorts, steps = sorts + 1, steps + #list * math.log(#list + 1, 2);
	return sort(list, ...);
end
local function cost_of(act)
	steps = 0;
	debug.sethook(function () steps = steps + 100; end, "", 100);
	act();
	debug.sethook();
	return steps;
end

-- All pages from the first on; `ask` gives one, `between` happens after each. The elements by address, and the costs.
local function read_all(ask, between)
	local found, costs, after = {}, {}, "";
	repeat
		local page;
		costs[#costs + 1] = cost_of(function () page = ask(after); end);
		for element in page:childtags() do
			local at = element.attr.jid;
			found[at] = (found[at] or 0) + 1;
		end
		local next_one = page.attr.next;
		assert(next_one == nil or next_one > after, "a page goes on");
		after = next_one;
		if between and after then between(#costs, after); end
	until not after;
	return found, costs;
end

local function ask(kind)
	local query = st.stanza(kind);
	return function (after) return queries[kind](st.stanza("reply"), { after = after, max = "50" }, query).tags[1]; end
end
local function size(list)
	local count = 0;
	for _ in pairs(list) do count = count + 1; end
	return count;
end
local function each_once(found)
	for at, times in pairs(found) do assert(times == 1, at .. " is met more than once"); end
end
local function later_cost_less(costs)
	for i = 2, #costs do
		assert(costs[i] <= costs[1] / 2, ("page %d costs %.0f, the first %.0f"):format(i, costs[i], costs[1]));
	end
end

-- Ten thousand rooms

for number = 1, 9900 do
	local name = ("r%05d@conference.localhost"):format(number);
	rooms[name] = new_room(name);
end
for number = 9901, 10000 do occupied[("r%05d@conference.localhost"):format(number)] = true; end
sorts = 0;
local found, costs = read_all(ask "snapshot");
assert(size(found) == 10000 and #costs == 200);
each_once(found);
later_cost_less(costs);
assert(restored == 100, "those that were swapped out come back, and nobody else");
-- Each room has its people sorted, none here; all rooms only once.
assert(sorts == 1 + 10000, sorts);
print(("10,000 rooms: the first of 200 pages %.0f steps, the dearest of the others %.0f")
	:format(costs[1], math.max(table.unpack(costs, 2))));

-- Rooms that come and go meanwhile

local gone = {};
found = read_all(ask "snapshot", function (number)
	local ends = ("r%05d@conference.localhost"):format(number * 49);
	local comes = ("r%05dx@conference.localhost"):format(number * 47);
	rooms[ends], gone[ends] = nil, true;
	rooms[comes] = new_room(comes);
end);
each_once(found);
for number = 1, 10000 do
	local name = ("r%05d@conference.localhost"):format(number);
	assert(found[name] or gone[name], name .. " is there all the while");
end
-- A list that was forgotten is made again.
local page = ask "snapshot"("r05000@conference.localhost");
assert(page.tags[1].attr.jid == "r05001@conference.localhost", page.tags[1].attr.jid);

-- Ten thousand people in a room

local tea = new_room("tea@conference.localhost");
rooms = { [tea.jid] = tea };
for number = 1, 10000 do enter(tea, ("p%05d@localhost/x"):format(number)); end
tea._affiliations["owner@localhost"], tea._affiliations["member@localhost"] = "owner", "member";
waiting[tea.jid] = { ["w@localhost"] = { jid = "w@localhost/x", nick = "W", since = 0 } };
local function look(after)
	return queries["room-query"](st.stanza("reply"), { room = tea.jid, after = after ~= "" and after or nil }).tags[1];
end
sorts = 0;
found, costs = read_all(look);
assert(size(found) == 10002 and #costs == 40, size(found));
each_once(found);
later_cost_less(costs);
assert(sorts == 1, "they are sorted once");
print(("10,000 people: the first of 40 pages %.0f steps, the dearest of the others %.0f")
	:format(costs[1], math.max(table.unpack(costs, 2))));
gone = {};
found = read_all(look, function (number)
	local address = ("p%05d@localhost/x"):format(number * 250);
	if tea._jid_nick[address] then leave(tea, address); gone[address] = true; end
	enter(tea, ("p%05dx@localhost/x"):format(number * 240));
end);
each_once(found);
for number = 1, 10000 do
	local address = ("p%05d@localhost/x"):format(number);
	assert(found[address] or gone[address], address .. " is there all the while");
end
page = queries["room-query"](st.stanza("reply"), { room = tea.jid, people = "false" }).tags[1];
assert(#page.tags == 0, "without any people");

-- Many stored rooms

rooms = {};
for number = 1, 10000 do stored[("s%05d@conference.localhost"):format(number)] = true; end
sorts = 0;
found, costs = read_all(ask "stored");
assert(size(found) == 10000 and #costs == 50 and sorts == 1);
each_once(found);
later_cost_less(costs);

-- However many readings are begun and never ended, few lists are kept

gate.LIMIT.occupants = 1;
for number = 1, 1000 do
	local room = new_room(("c%05d@conference.localhost"):format(number));
	rooms[room.jid] = room;
	for _, name in ipairs { "a", "b" } do enter(room, name .. "@localhost/x"); end
end
local function read_one(number, after)
	local name = ("c%05d@conference.localhost"):format(number);
	return queries["room-query"](st.stanza("reply"), { room = name, after = after }).tags[1].attr.next;
end
for number = 1, 1000 do assert(read_one(number) == "3a@localhost/x"); end
sorts = 0;
for number = 1000, 1, -1 do assert(not read_one(number, "3a@localhost/x")); end
assert(sorts == 1000 - 8, sorts);
