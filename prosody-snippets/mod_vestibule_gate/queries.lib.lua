-- Answers queries of the component: about a room, a person, all rooms, the server.

local jid = require "util.jid";
local jid_host, jid_node = jid.host, jid.node;

-- Pagination: a list is sorted once, at its first page. Changes meanwhile are reported separately.

local LISTS, SECONDS = 8, 60; -- lists that are kept, and how long one is that no page is asked of

-- By name: the keys in order, when a page of it was asked for, and its turn, for many are in a second.
local lists, list_count, pages = {}, 0, 0;

local function forget_list(name)
	if lists[name] then lists[name], list_count = nil, list_count - 1; end
end

local function make_room(now)
	local oldest;
	for name, list in pairs(lists) do
		if now - list.used > SECONDS then
			forget_list(name);
		elseif not oldest or list.turn < lists[oldest].turn then
			oldest = name;
		end
	end
	if list_count >= LISTS then forget_list(oldest); end
end

-- Returns the index of the first key after `after`.
local function place_after(keys, after)
	local first, last = 1, #keys + 1;
	while first < last do
		local middle = math.floor((first + last) / 2);
		if keys[middle] > after then last = middle; else first = middle + 1; end
	end
	return first;
end

-- Returns the sorted keys of a list, and the index of the first after `after`. `each` offers all keys, at the first
-- page and when the list was forgotten.
local function read_list(name, after, each)
	local now = os.time();
	local list = after ~= "" and lists[name];
	if not list then
		list = { keys = {} };
		local keys, number = list.keys, 0;
		each(function (key) number = number + 1; keys[number] = key; end);
		table.sort(keys);
		forget_list(name);
		make_room(now);
		lists[name], list_count = list, list_count + 1;
	end
	pages = pages + 1;
	list.used, list.turn = now, pages;
	return list.keys, place_after(list.keys, after);
end

return function (gate)
	local LIMIT, cut, muc = gate.LIMIT, gate.text.cut, gate.muc;
	local xmlns_gate = gate.xmlns;

	local function flag(value) return value and "true" or nil; end

	-- A page must fit into one stanza of the link, so claims and texts are counted as they are added.
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

	-- Offers the people of a room in a stable order: owners and admins, those who wait, each session inside. A page
	-- ends at a key, and the next page continues there.
	local NOBODY = "4"; -- after all keys
	local function rules(affiliation) return affiliation == "owner" or affiliation == "admin"; end
	local function offer_people(room, offer)
		for bare, affiliation in room:each_affiliation() do
			if rules(affiliation) then offer("1" .. bare); end
		end
		for bare in pairs(gate.lobby_queue.people(room.jid)) do offer("2" .. bare); end
		gate.breakout.each(room, function (occupant, place)
			if place ~= room and gate.is_service(occupant.bare_jid) then return; end -- it is in the main room, too
			for address, presence in occupant:each_session() do
				if presence.attr.type == nil then offer("3" .. address); end
			end
		end);
		gate.visitors.each(room, function (one) offer("3" .. one.jid); end);
	end
	-- Returns who a key stands for now; nil: nobody any more.
	local find_one = {
		["1"] = function (room, bare)
			local affiliation = room._affiliations[bare];
			return rules(affiliation) and affiliation or nil;
		end;
		["2"] = function (room, bare) return gate.lobby_queue.people(room.jid)[bare]; end;
		["3"] = function (room, address)
			local occupant = gate.breakout.find(room, address) or gate.visitors.find(room, address);
			local presence = occupant and occupant.sessions[address];
			return presence and presence.attr.type == nil and occupant or nil;
		end;
	};

	local add_one = {
		["1"] = function (reply, _, data, bare, affiliation)
			local attr = { jid = bare, affiliation = affiliation };
			return add_somebody(reply, "affiliation", attr, nil, data and data.people[bare]);
		end;
		["2"] = function (reply, room, data, bare, w)
			return add_somebody(reply, "waiting", gate.facts.add_session({
				jid = w.jid, nick = cut(w.nick, LIMIT.name), since = tostring(w.since),
			}, gate.callers.session(w.jid), room.jid), nil, data and data.people[bare]);
		end;
		["3"] = function (reply, room, data, address, occupant)
			local session = occupant.session or gate.callers.session(address);
			local described = gate.facts.describe(room, occupant, session, address);
			local since = occupant.since or gate.reports.arrival_of(room.jid, occupant.bare_jid);
			described.since = since and tostring(since);
			local person = gate.room_data.person(data, occupant.bare_jid, described.ticket);
			local weight = add_somebody(reply, "occupant", described, session, person);
			local may = gate.permissions.told(data, occupant.bare_jid);
			return may and weight + add_somebody(reply, "permissions", may) or weight;
		end;
	};

	local function add_room(reply, room, about, is_looked_at, after, is_revealed)
		local data, count = gate.room_data.of(room), 0;
		local occupants, moderators = gate.facts.census(room);
		local known = about and gate.room_data.person(data, about, gate.focus.ticket_of(about));
		local attr = {
			xmlns = xmlns_gate, jid = room.jid, seq = tostring(gate.last_report()), time = tostring(os.time()),
			occupants = tostring(occupants), moderators = tostring(moderators),
			waiting = tostring(gate.lobby_queue.count(room.jid)),
			generation = data and data.generation, revision = data and tostring(data.revision) or is_looked_at and "0" or nil,
			password = flag(room:get_password()), ["members-only"] = flag(room:get_members_only()),
			lobby = flag(gate.lobby.is_there()), hidden = tostring(not room:get_public()),
			persistent = tostring(gate.room_data.lasts(room)), moderated = tostring(not not room:get_moderated()),
			suspended = tostring(data ~= nil and data.suspended == true), ["moderated-media"] = gate.media.moderated(room),
			forgets = flag(data and data.count >= LIMIT.people), unasked = flag(room._data.vestibule_unasked),
			["person-affiliation"] = about and gate.affiliation_of(room, about), ["person-ticket"] = known and known.ticket,
		};
		local since = gate.room_data.unmoderated_since(room);
		attr["unmoderated-since"] = since and tostring(since);
		local weight = weight_of(attr);
		reply:tag("room", attr);
		if data and data.record then
			weight = weight + #data.record;
			reply:text_tag("record", data.record);
		end
		if known then reply:text_tag("person", known.text); end
		if is_revealed and room:get_password() then reply:text_tag("secret", room:get_password()); end
		if is_revealed and data and data.code then reply:text_tag("code", data.code); end
		if after ~= NOBODY then
			local list = "people of " .. room.jid;
			local keys, i = read_list(list, after or "", function (offer) offer_people(room, offer); end);
			while keys[i] and (count == 0 or (count < LIMIT.occupants and weight <= LIMIT.page_bytes)) do
				local kind, name = keys[i]:sub(1, 1), keys[i]:sub(2);
				local who = find_one[kind](room, name);
				if who then count, weight = count + 1, weight + add_one[kind](reply, room, data, name, who); end
				i = i + 1;
			end
			attr.next = keys[i] and keys[i - 1] or nil;
			if not attr.next then forget_list(list); end
		end
		reply:up();
		return count, weight;
	end

	-- Adds a room as it is stored or in memory; with `about`, only if it knows that person, and what it knows.
	local function add_stored(reply, room_jid, contents, affiliations, about)
		local room, count = { jid = room_jid, _data = contents }, 0;
		for key, affiliation in pairs(affiliations) do
			-- The store also holds other values than affiliations.
			if type(affiliation) == "string" and gate.AFFILIATION[affiliation] and key ~= "_jid" then count = count + 1; end
		end
		local data = gate.room_data.of(room);
		local known, affiliation = data and data.people[about or false], about and affiliations[about];
		local opened = about and data and data.record and data.record:find(about, 1, true);
		affiliation = gate.AFFILIATION[affiliation or false] and affiliation ~= "none" and affiliation or nil;
		if about and not (known or affiliation or opened) then return 0; end
		local attr = {
			about = about or nil, ["person-affiliation"] = affiliation,
			jid = room_jid, generation = data and data.generation, revision = tostring(data and data.revision or 0),
			password = flag(contents.password), ["members-only"] = flag(contents.members_only),
			hidden = tostring(contents.hidden == true), moderated = tostring(contents.moderated == true),
			persistent = tostring(gate.room_data.lasts(room)), unasked = flag(contents.vestibule_unasked),
			affiliations = tostring(count), lobby = flag(gate.lobby.is_there()),
		};
		reply:tag("room", attr);
		if data and data.record then reply:text_tag("record", data.record); end
		if known then reply:text_tag("person", known.text); end
		reply:up();
		return weight_of(attr) + #(data and data.record or "") + #(known and known.text or "");
	end

	local function live_rooms()
		local live = {};
		for room in muc.live_rooms() do live[room.jid] = room; end
		return live;
	end

	local function add_stored_page(reply, page, after, people)
		local configs, live = module:open_store("config"), live_rooms();
		local names, i = read_list("stored", after, function (offer)
			for name in pairs(module:open_store("persistent"):get(nil) or {}) do offer(name); end
		end);
		local weight, last = 0, i + LIMIT.stored;
		while names[i] and i < last and weight < LIMIT.page_bytes do
			local name, room = names[i], live[names[i]];
			local frozen = not room and configs:get(jid_node(name)) or nil;
			local contents = room and room._data or frozen and frozen._data;
			-- The older format of the store has the affiliations apart.
			local affiliations = room and room._affiliations or frozen and (frozen._affiliations or frozen);
			for _, about in ipairs(contents and not contents.destroyed and people or {}) do
				weight = weight + add_stored(reply, name, contents, affiliations, about);
			end
			i = i + 1;
		end
		page.next = names[i] and names[i - 1] or nil;
		if not page.next then forget_list("stored"); end
	end

	local queries = {
		stored = function (reply, attr, query)
			local page, people = { xmlns = xmlns_gate }, {};
			for person in query:childtags("about") do people[#people + 1] = person.attr.jid; end
			reply:tag("stored", page);
			add_stored_page(reply, page, attr.after or "", people[1] and people or { false });
			return reply;
		end;
		["room-query"] = function (reply, attr)
			-- An operator who names a breakout room is told its main room.
			local room = gate.get_room(attr.room or "") or gate.breakout.search_main(attr.room or "");
			if not room then return nil; end
			local after = attr.people == "false" and NOBODY or attr.after;
			add_room(reply, room, attr.person, true, after, attr.secret == "true");
			return reply;
		end;
		-- Answers which of the named rooms exist: in memory, or swapped out with occupants.
		loaded = function (reply, _, query)
			local live = live_rooms();
			reply:tag("loaded", { xmlns = xmlns_gate, seq = tostring(gate.last_report()) });
			for named in query:childtags("room") do
				local at = named.attr.jid or "";
				local room = live[at];
				local is_there = room and not room._data.destroyed or not room and gate.reports.occupied[at];
				if is_there then reply:tag("room", { jid = at }):up(); end
			end
			return reply;
		end;
		-- Answers with a person's sessions, and with what a session of that address would be at least.
		sessions = function (reply, attr)
			local about, room_jid = attr.person, attr.room;
			if not about or not room_jid then return nil; end
			reply:tag("sessions", { xmlns = xmlns_gate });
			local weight = add_somebody(reply, "supposed", gate.identity.suppose({ jid = about }, jid_host(about)));
			for _, session in pairs(gate.callers.sessions(about)) do
				local address = cut(gate.callers.address(session), LIMIT.address);
				local described = gate.facts.add_session({ jid = address }, session, room_jid);
				weight = weight + add_somebody(reply, "session", described, session);
				if weight > LIMIT.page_bytes then break; end
			end
			return reply;
		end;
		snapshot = function (reply, attr)
			local live, after, max = live_rooms(), attr.after or "", math.min(tonumber(attr.max) or LIMIT.page, LIMIT.page);
			local rooms, i = read_list("rooms", after, function (offer)
				for room_jid, room in pairs(live) do
					if not room._data.destroyed then offer(room_jid); end
				end
				for room_jid in pairs(gate.reports.occupied) do
					if not live[room_jid] then offer(room_jid); end
				end
			end);
			local page, count, weight, last = { xmlns = xmlns_gate, seq = tostring(gate.last_report()) }, 0, 0, i + max;
			reply:tag("snapshot", page);
			while rooms[i] and i < last and count < LIMIT.occupants and weight < LIMIT.page_bytes do
				-- A room that was swapped out is loaded for it.
				local room = live[rooms[i]] or gate.reports.occupied[rooms[i]] and gate.get_room(rooms[i]);
				if room and not room._data.destroyed then
					local more, heavier = add_room(reply, room);
					count, weight = count + more, weight + heavier;
				end
				i = i + 1;
			end
			page.next = rooms[i] and rooms[i - 1] or nil;
			if not page.next then forget_list("rooms"); end
			return reply;
		end;
		inventory = module:require "server_inventory"(gate);
	};

	return queries;
end;
