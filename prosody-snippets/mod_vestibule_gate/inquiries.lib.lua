-- What the component asks of the gate: a room, a person, all rooms, the server.

local jid, t_insert = require "util.jid", table.insert;
local jid_host, jid_node = jid.host, jid.node;

return function (gate)
	local LIMIT, cut, muc = gate.LIMIT, gate.text.cut, gate.muc;
	local xmlns_gate = gate.xmlns;

	local function flag(value) return value and "true" or nil; end

	-- A page must fit into one stanza of the link, so what people and their tokens wrote is counted as it is added.
	local function weight_of(attr)
		local weight = 100;
		for name, value in pairs(attr) do weight = weight + #name + #value; end
		return weight;
	end

	local function add_somebody(reply, name, attr, session, person)
		local weight = weight_of(attr);
		reply:tag(name, attr);
		gate.facts.each_claim(session, function (claim, value)
			weight = weight + weight_of(claim) + #value;
			reply:text_tag("claim", value, claim);
		end);
		if person then
			weight = weight + #person.text;
			reply:text_tag("person", person.text);
		end
		reply:up();
		return weight;
	end

	-- The people of a room in an order that lasts: who may rule it without being in it, who waits, each session inside. At
	-- a key a page ends, and the next one goes on.
	local NOBODY = "4"; -- after all keys
	local function people_of(room, after)
		local keys, found = {}, {};
		local function offer(key, who)
			if key > after then keys[#keys + 1], found[key] = key, who; end
		end
		for bare, affiliation in room:each_affiliation() do
			if affiliation == "owner" or affiliation == "admin" then offer("1" .. bare, affiliation); end
		end
		for bare, w in pairs(gate.waiting.people(room.jid)) do offer("2" .. bare, w); end
		for _, occupant in pairs(room._occupants) do
			for address, presence in occupant:each_session() do
				if presence.attr.type == nil then offer("3" .. address, occupant); end
			end
		end
		table.sort(keys);
		return keys, found;
	end

	local add_one = {
		["1"] = function (reply, _, data, bare, affiliation)
			local attr = { jid = bare, affiliation = affiliation };
			return add_somebody(reply, "standing", attr, nil, data and data.people[bare]);
		end;
		["2"] = function (reply, room, data, bare, w)
			return add_somebody(reply, "waiting", gate.facts.add_session({
				jid = w.jid, nick = cut(w.nick, LIMIT.name), since = tostring(w.since),
			}, prosody.full_sessions[w.jid], room.jid), nil, data and data.people[bare]);
		end;
		["3"] = function (reply, room, data, address, occupant)
			local session = prosody.full_sessions[address];
			local described = gate.facts.describe(room, occupant, session, address);
			local since = gate.reports.arrival_of(room.jid, occupant.bare_jid);
			described.since = since and tostring(since);
			local person = gate.kept.person(data, occupant.bare_jid, described.ticket);
			local weight = add_somebody(reply, "occupant", described, session, person);
			local may = gate.permissions.told(data, occupant.bare_jid);
			return may and weight + add_somebody(reply, "may", may) or weight;
		end;
	};

	local function add_room(reply, room, about, is_looked_at, after)
		local data, count = gate.kept.of(room), 0;
		local occupants, moderators = gate.facts.census(room);
		local known = about and gate.kept.person(data, about, gate.focus.ticket_of(about));
		local attr = {
			xmlns = xmlns_gate, jid = room.jid, seq = tostring(gate.last_report()), time = tostring(os.time()),
			occupants = tostring(occupants), moderators = tostring(moderators), waiting = tostring(gate.waiting.count(room.jid)),
			generation = data and data.generation, revision = data and tostring(data.revision) or is_looked_at and "0" or nil,
			password = flag(room:get_password()), ["members-only"] = flag(room:get_members_only()),
			lobby = flag(gate.lobby.is_there()), hidden = tostring(not room:get_public()),
			persistent = tostring(gate.kept.lasts(room)), moderated = tostring(not not room:get_moderated()),
			suspended = tostring(data ~= nil and data.suspended == true), ["moderated-media"] = gate.media.moderated(room),
			forgets = flag(data and data.count >= LIMIT.people), unasked = flag(room._data.vestibule_unasked),
			["person-affiliation"] = about and gate.affiliation_of(room, about), ["person-ticket"] = known and known.ticket,
		};
		local since = gate.kept.unmoderated_since(room);
		attr["unmoderated-since"] = since and tostring(since);
		local weight = weight_of(attr);
		reply:tag("room", attr);
		if data and data.record then
			weight = weight + #data.record;
			reply:text_tag("record", data.record);
		end
		if known then reply:text_tag("person", known.text); end
		local keys, found = people_of(room, after or "");
		for i, key in ipairs(keys) do
			if i > 1 and (count >= LIMIT.occupants or weight > LIMIT.page_bytes) then attr.next = keys[i - 1]; break; end
			count, weight = count + 1, weight + add_one[key:sub(1, 1)](reply, room, data, key:sub(2), found[key]);
		end
		reply:up();
		return count, weight;
	end

	-- A room as it is stored, or in memory.
	local function add_stored(reply, room_jid, contents, affiliations)
		local room, count = { jid = room_jid, _data = contents }, 0;
		for key, affiliation in pairs(affiliations) do
			-- In the store, what is no affiliation stands beside them.
			if type(affiliation) == "string" and gate.AFFILIATION[affiliation] and key ~= "_jid" then count = count + 1; end
		end
		local data = gate.kept.of(room);
		local attr = {
			jid = room_jid, generation = data and data.generation, revision = tostring(data and data.revision or 0),
			password = flag(contents.password), ["members-only"] = flag(contents.members_only),
			hidden = tostring(contents.hidden == true), moderated = tostring(contents.moderated == true),
			persistent = tostring(gate.kept.lasts(room)), unasked = flag(contents.vestibule_unasked),
			affiliations = tostring(count), lobby = flag(gate.lobby.is_there()),
		};
		reply:tag("room", attr);
		if data and data.record then reply:text_tag("record", data.record); end
		reply:up();
		return weight_of(attr) + #(data and data.record or "");
	end

	local function add_stored_page(reply, page, after)
		local configs, names, live = module:open_store("config"), {}, {};
		for room in muc.live_rooms() do live[room.jid] = room; end
		for name in pairs(module:open_store("persistent"):get(nil) or {}) do
			if name > after then t_insert(names, name); end
		end
		table.sort(names);
		local weight, i = 0, 0;
		while names[i + 1] and i < LIMIT.stored and weight < LIMIT.page_bytes do
			i = i + 1;
			local room = live[names[i]];
			local frozen = not room and configs:get(jid_node(names[i])) or nil;
			local contents = room and room._data or frozen and frozen._data;
			-- The older format of the store has the affiliations apart.
			local affiliations = room and room._affiliations or frozen and (frozen._affiliations or frozen);
			if contents and not contents.destroyed then
				weight = weight + add_stored(reply, names[i], contents, affiliations);
			end
		end
		page.next = names[i + 1] and names[i] or nil;
	end

	local inquiries = {
		stored = function (reply, attr)
			local page = { xmlns = xmlns_gate };
			reply:tag("stored", page);
			add_stored_page(reply, page, attr.after or "");
			return reply;
		end;
		look = function (reply, attr)
			local room = gate.get_room(attr.room or "");
			if not room then return nil; end
			add_room(reply, room, attr.person, true, attr.people == "false" and NOBODY or attr.after);
			return reply;
		end;
		-- Of the rooms that are named, those in memory, and those that were swapped out with the people in them.
		there = function (reply, _, query)
			local live, states = {}, module:open_store("state");
			for room in muc.live_rooms() do live[room.jid] = not room._data.destroyed; end
			reply:tag("there", { xmlns = xmlns_gate });
			for named in query:childtags("room") do
				local at = named.attr.jid or "";
				local is_there = live[at];
				if is_there == nil then is_there = states:get(jid_node(at) or "") ~= nil; end
				if is_there then reply:tag("room", { jid = at }):up(); end
			end
			return reply;
		end;
		-- Somebody's sessions, and what one of that address would be at the least.
		who = function (reply, attr)
			local about, room_jid = attr.person, attr.room;
			if not about or not room_jid then return nil; end
			reply:tag("who", { xmlns = xmlns_gate });
			local weight = add_somebody(reply, "supposed", gate.identity.suppose({ jid = about }, jid_host(about)));
			local user = prosody.bare_sessions[about];
			for _, session in pairs(user and user.sessions or {}) do
				local described = gate.facts.add_session({ jid = cut(session.full_jid, LIMIT.address) }, session, room_jid);
				weight = weight + add_somebody(reply, "session", described, session);
				if weight > LIMIT.page_bytes then break; end
			end
			return reply;
		end;
		snapshot = function (reply, attr)
			local rooms, live, max = {}, {}, math.min(tonumber(attr.max) or LIMIT.page, LIMIT.page);
			for room in muc.live_rooms() do
				live[room.jid] = room;
				if room.jid > (attr.after or "") and not room._data.destroyed then t_insert(rooms, room.jid); end
			end
			for room_jid in pairs(gate.reports.occupied) do
				if room_jid > (attr.after or "") and not live[room_jid] then t_insert(rooms, room_jid); end
			end
			table.sort(rooms);
			local page, count, weight, i = { xmlns = xmlns_gate }, 0, 0, 0;
			reply:tag("snapshot", page);
			while rooms[i + 1] and i < max and count < LIMIT.occupants and weight < LIMIT.page_bytes do
				i = i + 1;
				local room = live[rooms[i]] or gate.get_room(rooms[i]); -- one that was swapped out comes back for it
				if room then
					local more, heavier = add_room(reply, room);
					count, weight = count + more, weight + heavier;
				end
			end
			page.next = rooms[i + 1] and rooms[i] or nil;
			return reply;
		end;
		posture = module:require "posture"(gate);
	};

	return inquiries;
end;
