-- Keeps the list of those who wait to be let in: on a plain service by knocking, else in the service's own lobby.

local jid, new_id, now = require "util.jid", require "util.id", require "util.time".now;
local dataforms = require "util.dataforms";
local jid_bare, jid_resource = jid.bare, jid.resource;

local NOTHING = {};
local xmlns_request = "http://jabber.org/protocol/muc#request";

return function (gate)
	local LIMIT, cut = gate.LIMIT, gate.text.cut;
	local lists = {}; -- by room: who waits, by bare address

	local function forget_waiting(room, bare)
		local list = lists[room.jid];
		local w = list and list.people[bare];
		if not w then return nil; end
		list.people[bare], list.count = nil, list.count - 1;
		if list.count == 0 then lists[room.jid] = nil; end
		gate.report("gone", room, { jid = w.jid, nick = cut(w.nick, LIMIT.name) });
		return w;
	end

	local knock_form = dataforms.new {
		title = "Request to join";
		{ name = "FORM_TYPE", type = "hidden", value = xmlns_request };
		{ name = "muc#role", type = "list-single", label = "Role", value = "participant", options = { "participant" } };
		{ name = "muc#jid", type = "jid-single", label = "Address" };
		{ name = "muc#roomnick", type = "text-single", label = "Name" };
		{ name = "muc#request_allow", type = "boolean", label = "Let this person in?", value = false };
		{ name = "vestibule#knock", type = "hidden" };
	};

	local function send_knock(room, w, moderator)
		local values = { nick = w.nick, address = jid_bare(w.jid) };
		local text = gate.messages.of("gate-knock"):gsub("{(%a+)}", values);
		module:send(gate.effects.message(room, moderator, "normal", text)
			:add_child(knock_form:form({ ["muc#jid"] = w.jid, ["muc#roomnick"] = w.nick, ["vestibule#knock"] = w.id })));
	end
	local function send_knocks(room, moderator)
		if not lists[room.jid] or gate.lobby.is_there() then return; end -- owners see the service's own lobby
		for _, w in pairs(lists[room.jid].people) do send_knock(room, w, moderator); end
	end

	local function waits(room, address, nick, seconds)
		local bare = jid_bare(address);
		local list = lists[room.jid] or { count = 0, people = {} };
		local known = list.people[bare];
		if not known and list.count >= LIMIT.waiting then return; end
		local w = known or { id = new_id.medium(), since = os.time() };
		local is_told = known and known.nick == nick;
		w.jid, w.nick, w.expires = address, nick, now() + (seconds or gate.room_data.of(room).wait or LIMIT.wait);
		if is_told then return; end -- knocking twice asks the moderators once
		lists[room.jid], list.people[bare], list.count = list, w, list.count + (known and 0 or 1);
		gate.run_sweep();
		local attr = { jid = w.jid, nick = cut(w.nick, LIMIT.name) };
		local session = gate.callers.session(address);
		gate.report("waiting", room, gate.facts.add_session(attr, session, room.jid), session);
		return w;
	end

	local function remember_knock(room, e, seconds)
		if gate.lobby.is_there() then
			gate.room_data.of(room).wait = seconds;
			gate.lobby.pass(room, jid_bare(e.from), seconds, {
				name = gate.names.tidy(e.stanza), nick = jid_resource(e.stanza.attr.to),
			});
			return gate.run_sweep();
		end
		local w = waits(room, e.from, jid_resource(e.stanza.attr.to), seconds);
		if w then gate.effects.each_session(room, "moderator", function (address) send_knock(room, w, address); end); end
	end

	local lobby_queue = {
		forget = forget_waiting, tell = send_knocks, add = waits, remember = remember_knock,
	};

	function lobby_queue.people(room_jid) return lists[room_jid] and lists[room_jid].people or NOTHING; end
	-- Returns how many people wait, without the one with that bare address.
	function lobby_queue.count(room_jid, but)
		local list = lists[room_jid];
		return list and list.count - (list.people[but] and 1 or 0) or 0;
	end

	-- Returns the name of a person who waits or is sent to the lobby.
	function lobby_queue.name_of(room, bare)
		local w = lobby_queue.people(room.jid)[bare];
		return w and w.nick or gate.lobby.name_of(room, bare);
	end

	-- Handles the unavailable presence of a session that has knocked.
	function lobby_queue.left(room_jid, address)
		local bare = jid_bare(address);
		local w = lobby_queue.people(room_jid)[bare];
		if w and w.jid == address and not gate.lobby.is_there() then forget_waiting({ jid = room_jid }, bare); end
	end

	-- Sessions on other servers are unknown here, so they count as present.
	local function is_gone(bare)
		local host = prosody.hosts[jid.host(bare)];
		return host and host.type == "local" and next(gate.callers.sessions(bare)) == nil;
	end

	-- Forgets people who have waited too long or disconnected; returns whether others are left.
	function lobby_queue.sweep()
		local time = now();
		for room_jid, list in pairs(lists) do
			for bare, w in pairs(list.people) do
				if is_gone(bare) then
					forget_waiting({ jid = room_jid }, bare);
				elseif w.expires < time then
					local text = gate.messages.of("gate-nobody");
					local room = gate.lobby.is_there() and gate.get_room(room_jid);
					forget_waiting({ jid = room_jid }, bare);
					if room then
						gate.lobby.dismiss(room, bare, text);
					elseif not gate.lobby.is_there() then
						module:send(gate.effects.message({ jid = room_jid }, w.jid, "normal", text));
					end
				end
			end
		end
		return next(lists) ~= nil;
	end

	-- Speaks to everyone who waits: in the service's own lobby, or as the room.
	function lobby_queue.say(room, text)
		if gate.lobby.is_there() then return gate.lobby.say(room, text); end
		for _, w in pairs(lobby_queue.people(room.jid)) do
			module:send(gate.effects.message(room, w.jid, "normal", text));
		end
	end

	function lobby_queue.save() return lists; end
	function lobby_queue.restore(saved) lists = saved or {}; end

	return lobby_queue;
end;
