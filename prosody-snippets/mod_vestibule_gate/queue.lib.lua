-- Queues attempts. Each room has a line, and one question outstanding; over all rooms LIMIT.asked are. In a line,
-- commands of the component come first, then what services and the room's moderators ask for, then all others. Within
-- these the turns go round by origin (round_robin.lib.lua), and so they do between the lines: a flood from one origin
-- costs all others the turns of one. While others come too, a group of which many wait has one question outstanding,
-- and rests after the answer: what it costs the server is at most a ninth of the time.

local ip, pton = require "util.ip", require "util.net".pton;
local new_cache, now, new_id = require "util.cache".new, require "util.time".now, require "util.id";
local t_insert = table.insert;

local MAPPED = ("\0"):rep(10) .. "\255\255"; -- how an IPv4 address begins that is written as IPv6
local ADDRESSES = 1000; -- whose network is remembered
local RECENTLY = 0.25; -- seconds in which another person has come, so that a group leaves time to others
local MANY = 20; -- attempts of a group that wait: it is more than a few people who come at once
local RESTS = 8; -- times as long as its attempt took
local REST = 0.05; -- seconds at most: the component may be slow
local PLACES = 4; -- of a line: so many groups can have its next turn
local NOTHING = {};

return function (gate)
	local LIMIT, round_robin = gate.LIMIT, module:require "round_robin";
	local jid_bare, jid_host = gate.jids.bare, gate.jids.host;
	local lines = {}; -- by room
	local pending, asked = {}, 0; -- the attempts that are asked about, by the id of the question; their number
	-- Those that could ask, were it not for LIMIT.asked.
	local urgent_lines, other_lines = round_robin.new(), round_robin.new();
	local is_urgent_next = false;
	local waiting, held, held_by_group = 0, {}, {}; -- the attempts in lines: all, by account, by group
	local resting = {}; -- until when, by group
	local last_group, last_turn, turn_before = nil, 0, 0; -- whose turn was the last, and when; when one was another's
	local prefix, attempts, questions = new_id.short() .. ".", 0, 0;
	local queue = { prefix = prefix };
	function queue.released() end -- an attempt of that group waits no more: backpressure.lib.lua

	-- Origins

	local networks, proxies = new_cache(ADDRESSES), nil;
	module:hook_global("config-reloaded", function () networks, proxies = new_cache(ADDRESSES), nil; end);

	local function is_proxy(address)
		if not proxies then
			proxies = {};
			for proxy in module:context("*"):get_option_set("trusted_proxies", { "127.0.0.1", "::1" }) do
				local base, bits = ip.parse_cidr(proxy);
				proxies[#proxies + 1] = { base = base, bits = bits };
			end
		end
		local parsed = ip.new_ip(address);
		for _, proxy in ipairs(proxies) do
			local base = proxy.base;
			if base and parsed.proto == base.proto and ip.match(parsed, base, proxy.bits) then return true; end
		end
		return false;
	end

	-- Returns a key for the network of an address, its /24 or /56; nil where it identifies nobody: a proxy that does
	-- not name its client, or this machine.
	local function network_of(address)
		local known = address and networks:get(address);
		if known ~= nil or not address then return known or nil; end
		local bytes = pton(address);
		if bytes and bytes:sub(1, 12) == MAPPED then bytes = bytes:sub(13); end
		local is_local = bytes and (#bytes == 4 and bytes:byte() == 127 or address == "::1");
		local network = bytes and not is_local and not is_proxy(address) and bytes:sub(1, #bytes == 4 and 3 or 7);
		networks:set(address, network or false);
		return network or nil;
	end

	-- Returns the group, domain and account of an attempt. The group is the network, else the domain where a stream
	-- carries many people, else the account.
	local function origin_of(e)
		local account, domain = jid_bare(e.from), jid_host(e.from);
		if account == domain then account = e.from; end -- each address of a service can be another person's
		local network = e.origin_type ~= "component" and network_of(e.origin.ip);
		return network or e.origin_type ~= "c2s" and domain or account, domain, account;
	end

	local function is_urgent(e)
		if gate.is_service(e.from) then return true; end
		if e.kind == "join" or e.kind == "request" or e.more and e.more.register then return false; end
		local room = gate.get_room(e.room);
		local occupant = room and gate.breakout.find(room, e.from);
		return occupant and occupant.role == "moderator";
	end

	-- Lines

	local function line_of(room_jid)
		local line = lines[room_jid];
		if not line then
			line = {
				room = room_jid,
				turn = nil, -- the attempt that is asked about, or is to be
				iq = nil, -- the id of the question that is outstanding
				since = nil, -- when that attempt had its turn
				busy = nil, -- while an answer is carried out, what it parks waits
				others = nil, -- attempts, in rotation
				joins = nil, -- of those attempts the joins, by address
				listed = nil, -- its places, in `listed_in`: urgent_lines or other_lines
			};
			-- And, of the few lines in which more than one attempt waits: `listed_in`; `commands` and `urgent`, as `others`.
			lines[room_jid] = line;
		end
		return line;
	end

	local function join_of(line, from)
		local e = line.turn;
		if e and not e.done and e.kind == "join" and e.from == from then return e; end
		return line.joins and line.joins[from];
	end

	local function add(counts, key, by)
		local sum = (counts[key] or 0) + by;
		counts[key] = sum ~= 0 and sum or nil;
	end

	local function leave_place(e)
		local place, joins = e.place, lines[e.room].joins;
		if not place then return; end
		if e.kind ~= "do" then
			local group, _, account = round_robin.keys(place);
			waiting = waiting - 1;
			add(held, account, -1);
			add(held_by_group, group, -1);
			if not held_by_group[group] then resting[group] = nil; end
			queue.released(group);
		end
		round_robin.drop(place);
		e.place = nil;
		if joins and joins[e.from] == e then joins[e.from] = nil; end
	end

	-- A group takes at most the places that it leaves to all others; only an account has a limit of its own.
	local function take_place(e, line)
		if e.kind == "do" then
			line.commands = line.commands or round_robin.new();
			e.place = round_robin.add(line.commands, e, "", "", "");
			return true;
		end
		local group, domain, account = origin_of(e);
		if (held[account] or 0) >= LIMIT.one and not gate.is_service(e.from) then return false; end
		if (held_by_group[group] or 0) >= LIMIT.all - waiting then return false; end
		local name = is_urgent(e) and "urgent" or "others";
		line[name] = line[name] or round_robin.new();
		e.place = round_robin.add(line[name], e, group, domain, account);
		waiting = waiting + 1;
		add(held, account, 1);
		add(held_by_group, group, 1);
		if e.kind == "join" then
			line.joins = line.joins or {};
			line.joins[e.from] = e;
		end
		return true;
	end

	-- Returns whether another group has had a turn recently.
	local function others_come(group)
		return now() - (group == last_group and turn_before or last_turn) < RECENTLY;
	end

	local function may_go(group)
		local till = resting[group];
		return not till or till <= now() or not others_come(group);
	end

	-- Makes a group rest, if many more of it wait and others come. Returns until when.
	local function rest(group, seconds)
		local does = (held_by_group[group] or 0) >= MANY and others_come(group);
		resting[group] = does and now() + seconds or nil;
		return resting[group];
	end

	local function begin_turn(e, line)
		local group = origin_of(e);
		line.turn, line.since = e, now();
		if group ~= last_group then last_group, turn_before = group, last_turn; end
		last_turn = line.since;
		rest(group, LIMIT.seconds);
	end

	local function end_turn(e, line)
		line.turn = nil;
		if next(resting) == nil then return; end
		local group, took = origin_of(e), math.min(RESTS * (now() - line.since), REST);
		local till = rest(group, took);
		if not till then return; end
		module:add_timer(took, function ()
			if resting[group] == till then resting[group] = nil; end
			queue.go_on_with_others();
		end);
	end

	local function unlist(line)
		for _, place in ipairs(line.listed or NOTHING) do round_robin.drop(place); end
		line.listed, line.listed_in = nil, nil;
	end

	local function is_listed(line, group)
		for _, place in ipairs(line.listed or NOTHING) do
			if round_robin.keys(place) == group then return true; end
		end
		return false;
	end

	local function list_in(rotation, line, group, ...)
		if line.listed_in ~= rotation then unlist(line); end
		line.listed, line.listed_in = line.listed or {}, rotation;
		t_insert(line.listed, round_robin.add(rotation, { line = line, group = group }, group, ...));
	end

	-- Lists a line to be served after other questions have been answered, at the next turns of the groups in it. It
	-- keeps the places that it has.
	local function list(line)
		local urgent = line.urgent and round_robin.peek(line.urgent);
		if line.listed and (line.turn or line.listed_in == urgent_lines) then
			return;
		elseif line.turn then -- it is asked about again
			resting[(origin_of(line.turn))] = nil;
			return list_in(is_urgent(line.turn) and urgent_lines or other_lines, line, origin_of(line.turn));
		elseif urgent then
			return list_in(urgent_lines, line, round_robin.keys(urgent));
		end
		for _, place in ipairs(round_robin.groups(line.others, PLACES)) do
			if not is_listed(line, (round_robin.keys(place))) then list_in(other_lines, line, round_robin.keys(place)); end
		end
	end

	local function leave_line(e)
		if e then leave_place(e); end
		return e;
	end

	-- Takes the next attempt of a line; `group`: whose turn it is.
	local function take(line, group)
		local urgent = line.urgent and round_robin.next(line.urgent);
		if urgent or not line.others then return leave_line(urgent); end
		if group then return leave_line(round_robin.next_of(line.others, group)); end
		return leave_line(round_robin.next(line.others, may_go));
	end

	local function must_be_listed() return asked >= LIMIT.asked or urgent_lines.first or other_lines.first; end

	-- Serves a line as far as possible. `queue.serve` asks about an attempt, or finishes it.
	local function pump(line, is_its_turn, group)
		while not line.iq and not line.busy do
			if line.turn and line.turn.done then end_turn(line.turn, line); end
			local command = line.commands and leave_line(round_robin.next(line.commands));
			if command then
				queue.serve(command, line);
			else
				local has_some = line.turn or line.urgent and line.urgent.first or line.others and line.others.first;
				if not has_some then
					unlist(line);
					if lines[line.room] == line then lines[line.room] = nil; end
					return;
				elseif not queue.may_serve() then
					return;
				elseif not is_its_turn and must_be_listed() then
					return list(line);
				end
				if not line.turn then
					local e = take(line, group);
					if not e then return list(line); end
					begin_turn(e, line);
				end
				group = nil;
				queue.serve(line.turn, line);
			end
		end
	end

	local function next_of(rotation)
		return round_robin.next(rotation, rotation == other_lines and may_go or nil);
	end

	-- Serves listed lines while more questions may be asked.
	local function pump_listed()
		while asked < LIMIT.asked do
			local first, second = other_lines, urgent_lines;
			if is_urgent_next then first, second = second, first; end
			is_urgent_next = not is_urgent_next;
			local place = next_of(first) or next_of(second);
			if not place then return; end
			unlist(place.line);
			pump(place.line, true, place.group);
		end
	end

	-- Numbers an attempt. A new one of the same address and nick replaces the one that waits.
	local function start(e)
		attempts = attempts + 1;
		e.attempt, e.at, e.stale = prefix .. attempts, now(), 0;
		e.origin_type = e.origin.type;
	end

	local function forget_question(line)
		pending[line.iq], line.iq, asked = nil, nil, asked - 1;
	end

	-- Takes an attempt out of the queue.
	function queue.finish(e)
		local line = lines[e.room];
		e.done = true;
		if not line then return; end
		leave_place(e);
		if line.turn == e then
			end_turn(e, line);
			if line.iq then forget_question(line); end
		end
	end

	-- Abandons an attempt. Its question stays outstanding, or repeated attempts could ask without limit.
	local function abandon(e, line)
		if line.turn == e and line.iq then e.done = true; else queue.finish(e); end
	end

	-- Parks an attempt, or serves it at once; returns false if there is no place for it.
	function queue.park(e)
		local line = line_of(e.room);
		local older = e.kind == "join" and join_of(line, e.from);
		if older and older.stanza.attr.to ~= e.stanza.attr.to then
			gate.client_response.plain(older, "cancel", "conflict");
		end
		if older and line.turn == older then
			abandon(older, line);
		elseif older then
			older.stanza, older.origin = e.stanza, e.origin;
			start(older);
			return true;
		end
		start(e);
		local is_idle = not line.iq and not line.busy and not line.turn and not (line.others and line.others.first)
			and not (line.urgent and line.urgent.first);
		local may_ask = is_idle and e.kind ~= "do" and not must_be_listed() and queue.may_serve();
		if may_ask and (next(resting) == nil or may_go((origin_of(e)))) then
			begin_turn(e, line);
			queue.serve(e, line);
		elseif not take_place(e, line) then
			pump(line);
			return false;
		end
		pump(line);
		pump_listed();
		return true;
	end

	-- Registers the question about the attempt whose turn it is.
	function queue.name_question(e)
		questions = questions + 1;
		return e.attempt .. "." .. questions;
	end
	function queue.was_asked(e, iq)
		pending[iq], lines[e.room].iq, asked = e, iq, asked + 1;
	end

	-- Returns the attempt that an answer is for, or nil. The attempt keeps its turn until it is finished.
	function queue.was_answered(iq)
		local e = pending[iq];
		if e then forget_question(lines[e.room]); end
		return e;
	end

	-- Runs `act` while the room's line waits.
	function queue.hold(room_jid, act, ...)
		local line = line_of(room_jid);
		line.busy = true;
		act(...);
		line.busy = nil;
	end

	function queue.go_on(room_jid)
		if lines[room_jid] then pump(lines[room_jid]); end
		return pump_listed();
	end

	queue.go_on_with_others = pump_listed;

	-- Cancels the unanswered join of a person who leaves.
	function queue.cancel(room_jid, from)
		local line = lines[room_jid];
		local e = line and join_of(line, from);
		if not e then return; end
		abandon(e, line);
		queue.go_on(room_jid);
		return true;
	end

	-- Returns the unfinished attempts that satisfy `is_meant`.
	function queue.select(is_meant)
		local found = {};
		for _, line in pairs(lines) do
			if line.turn and is_meant(line.turn) then found[#found + 1] = line.turn; end
			if line.commands then round_robin.collect(line.commands, is_meant, found); end
			if line.urgent then round_robin.collect(line.urgent, is_meant, found); end
			if line.others then round_robin.collect(line.others, is_meant, found); end
		end
		return found;
	end

	-- Asks all outstanding questions again, on a new link.
	function queue.ask_again()
		local rooms = {};
		pending, asked = {}, 0;
		for room_jid, line in pairs(lines) do
			line.iq, rooms[#rooms + 1] = nil, room_jid;
		end
		for _, room_jid in ipairs(rooms) do queue.go_on(room_jid); end
	end

	function queue.is_crowded() return waiting >= LIMIT.one; end
	function queue.held_by_group(group) return held_by_group[group] or 0; end
	queue.origin_of = origin_of;

	function queue.is_empty() return next(lines) == nil; end

	return queue;
end;
