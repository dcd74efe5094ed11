-- What the component has a room remember: of itself, and of people.

local new_id = require "util.id";

local NOTHING = {};

return function (gate)
	-- What the gate keeps in a room. It lives in _data: a room that was swapped out comes back as another object.
	local function of(room)
		local data = room and room._data.vestibule;
		return type(data) == "table" and type(data.generation) == "string" and type(data.people) == "table" and data or nil;
	end
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

	-- From now on the bearer of the ticket is this address.
	local function recognise(data, bare, ticket)
		if not ticket then return; end
		data.tickets = data.tickets or {};
		local people, other = data.people, data.tickets[ticket];
		local person = people[bare] or other and people[other];
		if not person then return; end
		if other and other ~= bare then forget_person(data, other); end
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

	-- What is kept of somebody: by the bare address, or by the ticket under another one.
	local function person_of(data, bare, ticket)
		return data and (data.people[bare] or ticket and data.tickets and data.people[data.tickets[ticket] or false]);
	end

	return { of = of, new = keep_new, keep = keep, recognise = recognise, person = person_of };
end;
