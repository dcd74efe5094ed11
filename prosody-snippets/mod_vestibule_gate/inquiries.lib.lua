-- What the component asks of the gate: a room, all rooms, the server.

local jid_prep, t_insert = require "util.jid".prep, table.insert;

return function (gate)
	local LIMIT, cut, muc = gate.LIMIT, gate.text.cut, gate.muc;
	local SERVER, component, xmlns_gate = gate.SERVER, gate.component, gate.xmlns;

	local function flag(value) return value and "true" or nil; end

	local OPTIONS = {
		"component_admins_as_room_owners", "restrict_room_creation", "muc_room_cache_size", "muc_max_rooms",
		"muc_room_locking", "muc_tombstones", "muc_room_default_public", "muc_room_default_persistent",
		"muc_room_allow_public", "muc_room_allow_persistent", "allow_unaffiliated_register", "enforce_registered_nickname",
		"component_conflict_resolve", -- of the component's host
	};

	local function add_room(reply, room, about)
		local data, people, count = gate.kept.of(room), gate.waiting.people(room.jid), 0;
		local occupants, moderators = gate.facts.census(room);
		local attr = {
			xmlns = xmlns_gate, jid = room.jid,
			occupants = tostring(occupants), moderators = tostring(moderators), waiting = tostring(gate.waiting.count(room.jid)),
			generation = data and data.generation, revision = data and tostring(data.revision),
			password = flag(room:get_password()), ["members-only"] = flag(room:get_members_only()),
			lobby = flag(gate.lobby.is_there()),
		};
		reply:tag("room", attr);
		if data and data.record then reply:text_tag("record", data.record); end
		if data and about and data.people[about] then reply:text_tag("person", data.people[about].text); end
		for _, occupant in pairs(room._occupants) do
			count = count + 1;
			if count > LIMIT.occupants then attr.more = "true"; break; end
			reply:tag("occupant", gate.facts.describe(room, occupant));
			local session = prosody.full_sessions[occupant.jid];
			if gate.facts.has_claims(session) then
				gate.facts.each_claim(session, function (name, value) reply:text_tag("claim", value, name); end);
			end
			reply:up();
		end
		for _, w in pairs(people) do
			reply:tag("waiting", gate.facts.add_session({
				jid = w.jid, nick = cut(w.nick, LIMIT.name), since = tostring(w.since),
			}, prosody.full_sessions[w.jid])):up();
		end
		reply:up();
		return count;
	end

	local inquiries = {
		look = function (reply, attr)
			local room = gate.get_room(jid_prep(attr.room or "") or "");
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

	return inquiries;
end;
