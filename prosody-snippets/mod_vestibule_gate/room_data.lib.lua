-- Keeps what the component has a room remember, of itself and of people, and undoes what was lent to a room that stays.

local new_id, jid_node = require "util.id", require "util.jid".node;

local NOTHING = {};

return function (gate)
	-- Returns the gate's data of a room, if it is sound. It is in `_data`, because a room that was swapped out returns
	-- as another object.
	local function of(room)
		local data = room and room._data.vestibule;
		return type(data) == "table" and type(data.generation) == "string" and type(data.people) == "table" and data or nil;
	end
	-- Returns the room's host code, or nil.
	local function code_of(room) return (of(room) or NOTHING).code; end
	local function keep_new(room)
		room._data.vestibule = { generation = new_id.medium(), revision = 0, people = {}, count = 0, clock = 0 };
		return room._data.vestibule;
	end

	local function forget_person(data, bare)
		local person = data.people[bare];
		if not person then return; end
		data.people[bare], data.count = nil, data.count - 1;
		if person.ticket and data.tickets[person.ticket] == bare then data.tickets[person.ticket] = nil; end
	end

	-- Binds a ticket to this address from now on.
	local function recognise(data, bare, ticket)
		if not ticket then return; end
		data.tickets = data.tickets or {};
		local people, other = data.people, data.tickets[ticket];
		local person = people[bare] or other and people[other];
		if not person then return; end
		data.former = data.former or {};
		data.former[bare] = nil;
		if other and other ~= bare then
			forget_person(data, other);
			data.former[other] = true;
		end
		if not people[bare] then
			data.count = data.count + 1;
			people[bare] = { text = person.text, at = person.at };
		end
		local former = people[bare].ticket;
		if former and former ~= ticket and data.tickets[former] == bare then data.tickets[former] = nil; end
		people[bare].ticket, data.tickets[ticket] = ticket, bare;
	end

	local function keep(data, fx)
		if fx.record then data.record, data.revision = fx.record, data.revision + 1; end
		for _, person in ipairs(fx.person or NOTHING) do
			local people, before = data.people, data.people[person.jid];
			forget_person(data, person.jid);
			if person.text ~= "" then
				data.clock, data.count = data.clock + 1, data.count + 1;
				people[person.jid] = { text = person.text, at = data.clock };
				recognise(data, person.jid, gate.focus.ticket_of(person.jid) or before and before.ticket);
			end
			if data.count > gate.LIMIT.people then -- the oldest goes
				local oldest = next(people);
				for bare, other in pairs(people) do
					if other.at < people[oldest].at then oldest = bare; end
				end
				forget_person(data, oldest);
			end
		end
	end

	-- Returns the data of a person: by bare address, or by the ticket under another one.
	local function person_of(data, bare, ticket)
		return data and (data.people[bare] or ticket and data.tickets and data.people[data.tickets[ticket] or false]);
	end

	-- Returns whether a room is persistent: Jitsi's lobby and breakout rooms make rooms so only while they need it.
	local function lasts(room)
		local is_borrowed, data = room._data.persist_lobby or room._data.breakout_rooms, of(room);
		return room._data.persistent and not is_borrowed and not (data and data.passes) and true or false;
	end

	-- A room that existed before is kept, or ends with its meeting. What is set in it is remembered with the value
	-- before.
	local OPTIONS = { "password", "members_only", "hidden", "persistent", "moderated" };

	local function keep_room(data, is_kept)
		if is_kept ~= nil then data.keep, data.passes = data.keep or {}, not is_kept or nil; end
	end

	-- Runs `act`, which sets options of the room, and remembers them.
	local function noting(room, act)
		local data, before = of(room), {};
		for _, option in ipairs(OPTIONS) do before[option] = room._data[option]; end
		act();
		for _, option in ipairs(data and data.keep and OPTIONS or NOTHING) do
			local is, noted = room._data[option], data.keep[option];
			if noted then
				noted.is = is;
			elseif is ~= before[option] then
				data.keep[option] = { was = before[option], is = is };
			end
		end
	end

	-- Remembers the affiliation that a removal takes in a kept room, with the reserved nick: it still is the person's
	-- own.
	local function take(room, bare, affiliation)
		local data = of(room);
		if not data or not data.keep then return; end
		data.taken = data.taken or {};
		data.taken[bare] = { is = affiliation, data = room._affiliation_data[bare] };
	end

	-- Returns and forgets the affiliation and its data that a removal took, or nil.
	local function taken(room, bare)
		local list = (of(room) or NOTHING).taken;
		local own = list and list[bare];
		if not own then return nil; end
		list[bare] = nil;
		return own.is, own.data;
	end

	-- Lends an affiliation in a kept room: it lasts while the person is inside.
	local function lend(room, bare, before, given)
		local data = of(room);
		if not data or not data.keep then return; end
		local own, details = taken(room, bare);
		if own and before == "none" then
			before, room._affiliation_data[bare] = own, room._affiliation_data[bare] or details;
		end
		if before == given then return; end
		data.lent = data.lent or {};
		data.lent[bare] = { was = data.lent[bare] and data.lent[bare].was or before, is = given };
	end

	-- Returns since when no moderator (services excepted) is inside; nil if one is, or none ever was. The time is
	-- stored with the room, so it survives a restart of the component.
	local function unmoderated_since(room)
		local data = of(room);
		if not data then return nil; end
		if gate.facts.has_moderator(room) then
			data.moderated, data.unmoderated = true, nil;
		elseif data.keep and gate.breakout.is_empty(room) then -- its meeting is over
			data.moderated, data.unmoderated = nil, nil;
		elseif data.moderated then
			data.unmoderated = data.unmoderated or os.time();
		end
		return data.unmoderated;
	end

	-- Returns whether an occupant left a nick only for another one.
	local function is_rename(event) return event.stanza ~= nil and event.stanza.attr.type == nil; end

	-- Returns the affiliation that a lent one is replaced by now, or nil.
	local function give_back(room, bare)
		local data = of(room);
		local lent = data and data.lent and data.lent[bare];
		if not lent or gate.breakout.is_inside(room, bare) then return nil; end
		data.lent[bare] = nil;
		return gate.affiliation_of(room, bare) == lent.is and lent.was or nil;
	end

	-- Takes what addresses have in a room under which people were here before, once these are gone: those who have
	-- another address with each connection come back by their ticket. In a kept room affiliations are lent.
	local function retire(room)
		local data = of(room);
		local former = data and data.former or NOTHING;
		if next(former) == nil then return; end
		local inside = {};
		gate.breakout.each(room, function (occupant) inside[occupant.bare_jid] = true; end);
		for bare in pairs(former) do
			local affiliation = not inside[bare] and gate.affiliation_of(room, bare);
			if affiliation then former[bare] = nil; end
			if affiliation and affiliation ~= "none" and affiliation ~= "outcast" and not data.keep then
				gate.effects.set_affiliation(room, bare, "none");
			end
		end
	end

	-- Restores a kept room to what it would be without the gate; returns whether it was one.
	local function release(contents, affiliations, details)
		local data = of { _data = contents };
		if not data or not data.keep then return false; end
		for option, noted in pairs(data.keep) do
			if contents[option] == noted.is then contents[option] = noted.was; end
		end
		for bare, lent in pairs(data.lent or NOTHING) do
			if affiliations[bare] == lent.is then affiliations[bare] = lent.was ~= "none" and lent.was or nil; end
		end
		for bare, own in pairs(data.taken or NOTHING) do
			if not affiliations[bare] then affiliations[bare], details[bare] = own.is, own.data; end
		end
		contents.vestibule = nil;
		return true;
	end

	-- Restores all kept rooms, in memory or not.
	local function release_all()
		local live, configs, list = {}, module:open_store("config"), module:open_store("persistent");
		for room in gate.muc.live_rooms() do
			live[room.jid] = true;
			if release(room._data, room._affiliations, room._affiliation_data) then room:save(true); end
		end
		for room_jid in pairs(list:get(nil) or NOTHING) do
			local node = not live[room_jid] and jid_node(room_jid);
			local stored = node and configs:get(node);
			local affiliations = stored and (stored._affiliations or stored); -- the older format has them apart
			if stored and stored._data then
				stored._affiliation_data = stored._affiliation_data or {};
				if release(stored._data, affiliations, stored._affiliation_data) then configs:set(node, stored); end
			end
		end
	end

	local function count_affiliations(room)
		local count = 0;
		for _ in room:each_affiliation() do count = count + 1; end
		return count;
	end

	return {
		of = of, code = code_of, new = keep_new, keep = keep, recognise = recognise, person = person_of,
		unmoderated_since = unmoderated_since, lasts = lasts, count_affiliations = count_affiliations,
		keep_room = keep_room, noting = noting, lend = lend, give_back = give_back, take = take, taken = taken,
		retire = retire,
		is_rename = is_rename, release_all = release_all,
	};
end;
