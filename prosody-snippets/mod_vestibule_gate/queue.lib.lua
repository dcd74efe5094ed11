-- The queue of attempts. Each room has a line, and one question outstanding; over all rooms LIMIT.asked are. In a line,
-- commands of the component come first, then what services and the room's moderators ask for, then all others. Within
-- these the turns go round by origin (turns.lib.lua), and so they do between the lines: a flood from one origin costs
-- all others the turns of one.

local jid, ip, pton = require "util.jid", require "util.ip", require "util.net".pton;
local new_cache, now, new_id = require "util.cache".new, require "util.time".now, require "util.id";
local jid_bare, jid_host = jid.bare, jid.host;

local MAPPED = ("\0"):rep(10) .. "\255\255"; -- how an IPv4 address begins that is written as IPv6
local ADDRESSES = 1000; -- whose network is remembered

return function (gate)
	local LIMIT, turns = gate.LIMIT, module:require "turns";
	local lines = {}; -- by room
	local pending, asked = {}, 0; -- the attempts that are asked about, by the id of the question; their number
	local urgent_lines, other_lines = turns.new(), turns.new(); -- those that could ask, were it not for LIMIT.asked
	local is_urgent_next = false;
	local waiting, held, held_by_group = 0, {}, {}; -- the attempts in lines: all, by account, by group
	local prefix, attempts, questions = new_id.short() .. ".", 0, 0;
	local queue = { prefix = prefix };

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

	-- A key for the network of an address, its /24 or /56; nil where there can be anybody: behind a proxy that does not
	-- say for whom it speaks, or on this machine.
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

	-- The group, domain and account of an attempt. The group is the network, else the domain where a stream brings many
	-- people, else the account.
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
		local occupant = room and room:get_occupant_by_real_jid(e.from);
		return occupant ~= nil and occupant.role == "moderator";
	end

	-- Lines

	local function line_of(room_jid)
		local line = lines[room_jid];
		if not line then
			line = {
				room = room_jid,
				turn = nil, -- the attempt that is asked about, or is to be
				iq = nil, -- the id of the question that is outstanding
				busy = nil, -- while an answer is carried out, what it parks waits
				listed = nil, listed_in = nil, -- the place, in urgent_lines or other_lines
				commands = nil, urgent = nil, others = nil, -- rotations of attempts
				joins = nil, -- of those attempts the joins, by address
			};
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
			local group, _, account = turns.keys(place);
			waiting = waiting - 1;
			add(held, account, -1);
			add(held_by_group, group, -1);
		end
		turns.drop(place);
		e.place = nil;
		if joins and joins[e.from] == e then joins[e.from] = nil; end
	end

	-- One group takes no more places than it leaves to all others; only an account has a limit of its own.
	local function take_place(e, line)
		if e.kind == "do" then
			line.commands = line.commands or turns.new();
			e.place = turns.add(line.commands, e, "", "", "");
			return true;
		end
		local group, domain, account = origin_of(e);
		if (held[account] or 0) >= LIMIT.one and not gate.is_service(e.from) then return false; end
		if (held_by_group[group] or 0) >= LIMIT.all - waiting then return false; end
		local name = is_urgent(e) and "urgent" or "others";
		line[name] = line[name] or turns.new();
		e.place = turns.add(line[name], e, group, domain, account);
		waiting = waiting + 1;
		add(held, account, 1);
		add(held_by_group, group, 1);
		if e.kind == "join" then
			line.joins = line.joins or {};
			line.joins[e.from] = e;
		end
		return true;
	end

	local function unlist(line)
		if line.listed then turns.drop(line.listed); end
		line.listed, line.listed_in = nil, nil;
	end

	-- The line is served when other questions have been answered. It keeps the place that it has.
	local function list(line)
		local urgent = line.urgent and turns.peek(line.urgent);
		local rotation = (urgent or line.turn and is_urgent(line.turn)) and urgent_lines or other_lines;
		if line.listed and (line.listed_in == rotation or rotation == other_lines) then return; end
		unlist(line);
		line.listed_in = rotation;
		if line.turn then
			line.listed = turns.add(rotation, line, origin_of(line.turn));
		else
			line.listed = turns.add(rotation, line, turns.keys(urgent or turns.peek(line.others)));
		end
	end

	local function take(rotation)
		local e = rotation and turns.next(rotation);
		if e then leave_place(e); end
		return e;
	end

	local function must_be_listed() return asked >= LIMIT.asked or urgent_lines.first or other_lines.first; end

	-- Serves a line as far as it goes. `queue.serve` asks about an attempt, or finishes it.
	local function pump(line, is_its_turn)
		while not line.iq and not line.busy do
			if line.turn and line.turn.done then line.turn = nil; end
			local command = take(line.commands);
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
				line.turn = line.turn or take(line.urgent) or take(line.others);
				queue.serve(line.turn, line);
			end
		end
	end

	-- Serves the lines that wait for others, while there are questions left to ask.
	local function pump_listed()
		while asked < LIMIT.asked do
			local first, second = other_lines, urgent_lines;
			if is_urgent_next then first, second = second, first; end
			is_urgent_next = not is_urgent_next;
			local line = turns.next(first) or turns.next(second);
			if not line then return; end
			unlist(line);
			pump(line, true);
		end
	end

	-- A new attempt of the same address and nick takes the place of the one that waits.
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
			line.turn = nil;
			if line.iq then forget_question(line); end
		end
	end

	-- Nobody waits for the answer any more. A question that is out stays outstanding, or repeating oneself would be a
	-- way to ask without end.
	local function abandon(e, line)
		if line.turn == e and line.iq then e.done = true; else queue.finish(e); end
	end

	-- Parks an attempt, or serves it at once; false: there is no place for it.
	function queue.park(e)
		local line = line_of(e.room);
		local older = e.kind == "join" and join_of(line, e.from);
		if older and older.stanza.attr.to ~= e.stanza.attr.to then gate.shown.plain(older, "cancel", "conflict"); end
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
		if is_idle and e.kind ~= "do" and not must_be_listed() and queue.may_serve() then
			line.turn = e;
			queue.serve(e, line);
		elseif not take_place(e, line) then
			pump(line);
			return false;
		end
		pump(line);
		return true;
	end

	-- The question about the attempt whose turn it is has gone out.
	function queue.name_question(e)
		questions = questions + 1;
		return e.attempt .. "." .. questions;
	end
	function queue.was_asked(e, iq)
		pending[iq], lines[e.room].iq, asked = e, iq, asked + 1;
	end

	-- Whom the answer to a question is for; nil if to none of ours. The attempt has its turn until it is finished.
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

	-- Somebody who leaves takes the join along that has not been answered.
	function queue.cancel(room_jid, from)
		local line = lines[room_jid];
		local e = line and join_of(line, from);
		if not e then return; end
		abandon(e, line);
		queue.go_on(room_jid);
		return true;
	end

	-- Those attempts that are not finished, and for which `is_meant` says so.
	function queue.select(is_meant)
		local found = {};
		for _, line in pairs(lines) do
			if line.turn and is_meant(line.turn) then found[#found + 1] = line.turn; end
			if line.commands then turns.collect(line.commands, is_meant, found); end
			if line.urgent then turns.collect(line.urgent, is_meant, found); end
			if line.others then turns.collect(line.others, is_meant, found); end
		end
		return found;
	end

	-- The link is another: what was asked is asked again.
	function queue.ask_again()
		local rooms = {};
		pending, asked = {}, 0;
		for room_jid, line in pairs(lines) do
			line.iq, rooms[#rooms + 1] = nil, room_jid;
		end
		for _, room_jid in ipairs(rooms) do queue.go_on(room_jid); end
	end

	function queue.is_empty() return next(lines) == nil; end

	return queue;
end;
