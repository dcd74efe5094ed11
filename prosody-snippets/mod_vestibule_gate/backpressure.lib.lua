-- Gates floods by backpressure: while LIMIT.one attempts of a group wait, no further join or request from outside the
-- room is read from its connections. Nothing is refused, and occupants are not held back in their room, even if they
-- share the network.

local async, add_task, jid_bare = require "util.async", require "util.timer".add_task, require "util.jid".bare;

local REQUESTS = { get = true, set = true };
local STREAMS = { c2s = true, s2sin = true, s2sout = true };
local BACKLOG = 100; -- stanzas that have been read and not looked at; with more, the server cannot stop reading

return function (gate)
	local LIMIT, queue = gate.LIMIT, gate.queue;
	local paused = {}; -- by group: those that go on, in the order in which they came
	local is_unloaded = false;
	local backpressure = {};

	local function is_ahead(group) return gate.is_ready() and queue.held_by_group(group) >= LIMIT.one; end

	-- Data that a connection has buffered does not make it readable again; `pausefor` does.
	local function read_on(session)
		if session.destroyed then return; end
		local is_over = not session.conn or session.thread.state ~= "ready";
		if not is_over and session.conn.pausefor then session.conn:pausefor(0.001); end
	end

	-- Resumes in the next turn of the server's loop, after data of others was read. A session that has ended stays. If
	-- the stanza was no attempt, the next one of the group may go on, too.
	local function resume(waits, group)
		local session = waits.session;
		add_task(0, function ()
			if not session.destroyed then waits.go_on(); end
			add_task(0, function () -- once it has looked at all that was read
				read_on(session);
				if not is_ahead(group) then backpressure.served(group); end
			end);
		end);
	end

	local function stop_reading(conn)
		if conn.pausefor then conn:pausefor(false); end -- or it would end in between
		conn:pause();
	end

	-- BOSH does not process stanzas one at a time.
	local function can_wait(session)
		local thread = session.thread;
		return STREAMS[session.type] and session.conn and not session.bosh_version and async.ready()
			and thread and thread.queue and #thread.queue < BACKLOG;
	end

	local function is_from_outside(stanza)
		local attr = stanza.attr;
		local is_attempt = stanza.name == "presence" and attr.type == nil or stanza.name == "iq" and REQUESTS[attr.type];
		if not is_attempt then return false; end
		local room = gate.breakout.place(jid_bare(attr.to)) or gate.get_room(jid_bare(attr.to));
		return not room or not room:get_occupant_jid(attr.from);
	end

	-- Waits while the sender's group is ahead. Returns true if nothing is left to do: the session has ended meanwhile,
	-- or the module.
	function backpressure.hold(event)
		local session, from = event.origin, event.stanza.attr.from;
		if not STREAMS[session.type] or not queue.is_crowded() or gate.is_observing() then return false; end
		if gate.is_service(from) or not is_from_outside(event.stanza) then return false; end
		local group = queue.origin_of { from = from, origin = session, origin_type = session.type };
		while is_ahead(group) and can_wait(session) do
			local wait, go_on = async.waiter();
			local line = paused[group] or { first = 1, last = 0 };
			paused[group], line.last = line, line.last + 1;
			line[line.last] = { session = session, go_on = go_on };
			stop_reading(session.conn);
			wait();
			if session.destroyed then return true; end
			if is_unloaded then
				prosody.core_post_stanza(session, event.stanza, false);
				return true;
			end
		end
		return false;
	end

	-- Lets the next session of a group go on: one of its attempts has been served.
	function backpressure.served(group)
		local line = paused[group];
		if not line then return; end
		local waits = line[line.first];
		line[line.first], line.first = nil, line.first + 1;
		if line.first > line.last then paused[group] = nil; end
		return resume(waits, group);
	end

	function backpressure.unload()
		is_unloaded = true;
		backpressure.let_all_go_on();
	end

	function backpressure.let_all_go_on()
		for group in pairs(paused) do
			while paused[group] do backpressure.served(group); end
		end
	end

	return backpressure;
end;
