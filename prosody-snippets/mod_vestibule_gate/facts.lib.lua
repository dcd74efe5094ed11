-- Writes the facts of a question to the component: who attempts it, and the state of the room.

local hashes = require "util.hashes";

local NOTHING = {};

return function (gate)
	local LIMIT, jid_bare, jid_resource = gate.LIMIT, gate.jids.bare, gate.jids.resource;
	local cut, write, element = gate.text.cut, gate.text.write, gate.text.element;
	local attribute, attributes = gate.text.attribute, gate.text.attributes;

	local function flag(value) return value and "true" or nil; end
	local function affiliation_of(room, address) return room:get_affiliation(address) or "none"; end

	local function add_session(attr, session, room_jid, stanza)
		attr.client, attr.ticket, attr.device, attr.account, attr["account-provider"], attr["account-mechanism"] =
			gate.focus.describe(session, stanza);
		gate.identity.add(attr, session, room_jid);
		attr.gateway = gate.callers.gateway(attr.jid, session);
		return attr;
	end

	-- Calls `act` with the name and value of each verified claim of a person. Tokens are JSON and can hold what XML
	-- cannot.
	local function each_claim(session, act)
		if not gate.identity.has_claims(session) then return; end
		local room_for = LIMIT.items;
		gate.identity.each_claim(session, function (name, value)
			local kind, text = type(value), tostring(value);
			if type(name) == "string" and (kind == "string" or kind == "boolean" or kind == "number") and room_for > 0
			and gate.text.fits_xml(name .. text) then
				room_for = room_for - 1;
				act({ name = cut(name, LIMIT.name) }, cut(text, LIMIT.text));
			end
		end);
	end
	local function write_claim(attr, value) element("claim", attr, value); end
	local function write_claims(session) each_claim(session, write_claim); end

	local counted, moderating;
	local function note(occupant, _, services)
		if services[occupant.bare_jid] then return; end
		counted = counted + 1;
		if occupant.role == "moderator" then moderating = moderating + 1; end
	end
	local function census(room)
		counted, moderating = 0, 0;
		gate.breakout.each(room, note, gate.services());
		return counted, moderating;
	end

	local function moderates(occupant, _, services)
		return occupant.role == "moderator" and not services[occupant.bare_jid];
	end

	-- Calls `act` with each moderator inside, services excepted, until it returns true.
	local function each_moderator(room, act)
		local services = gate.services();
		return gate.breakout.each(room, function (occupant)
			return moderates(occupant, nil, services) and act(occupant);
		end) ~= nil;
	end
	local function has_moderator(room) return gate.breakout.each(room, moderates, gate.services()) ~= nil; end

	-- Union-find of people by address, ticket and account: the first key stands for the rest. The table is reused.
	local firsts, people = {}, 0;
	local function first_of(own)
		while firsts[own] and firsts[own] ~= own do own = firsts[own]; end
		return firsts[own];
	end
	-- Adds the key `own` to `person`, if there is one; returns the person.
	local function add_own(person, own)
		if not own then return person; end
		local known = first_of(own);
		if not person then
			if not known then people, known, firsts[own] = people + 1, own, own; end
			return known;
		elseif known and known ~= person then
			people = people - 1;
		end
		firsts[known or own] = person;
		return person;
	end

	-- Returns how many people are inside, without the requester and services. Sessions of one address, account or
	-- ticket are one person's. A device proves nothing, because the client chooses it: it excuses one occupant, not all
	-- that share it.
	local function count_others(room, e)
		local services, shares_device = gate.services(), false;
		local _, own_ticket, own_device, own_account = gate.focus.describe(e.origin);
		for own in pairs(firsts) do firsts[own] = nil; end
		people = 0;
		gate.breakout.each(room, function (occupant)
			if services[occupant.bare_jid] then return; end
			local _, ticket, device, account = gate.focus.describe(gate.callers.session(occupant.jid));
			add_own(add_own(add_own(nil, occupant.bare_jid), ticket), account);
			shares_device = shares_device or own_device ~= nil and device == own_device;
		end);
		local inside = people;
		add_own(add_own(add_own(nil, jid_bare(e.from)), own_ticket), own_account);
		return math.max(people - 1 - (people > inside and shares_device and 1 or 0), 0);
	end

	-- Adds what an occupant is in the room, which others can change; the rest is what the session has proved.
	local function add_seat(attr, room, occupant, address)
		local place = jid_bare(occupant.nick);
		attr.breakout, attr.visitor = place ~= room.jid and place or nil, flag(occupant.is_visitor);
		attr.nick, attr.jid = cut(jid_resource(occupant.nick), LIMIT.address), cut(address, LIMIT.address);
		attr.name = gate.names.shown(occupant, address);
		attr.affiliation, attr.role = affiliation_of(room, occupant.bare_jid), occupant.role or "none";
		return attr;
	end

	local function describe(room, occupant, session, address)
		address = address or occupant.jid;
		return add_session(add_seat({
			breakout = nil, visitor = nil, nick = nil, jid = nil, name = nil, affiliation = nil, role = nil, -- room for all
			session = nil, host = nil, provider = nil, mechanism = nil,
			secure = nil, address = nil, client = nil, ticket = nil, device = nil,
		}, room, occupant, address), session or gate.callers.session(address), room.jid);
	end

	-- Returns whether a typed password is that of the room. Blanks around it are not part of it, and one of lower-case
	-- words with hyphens, as made ones are, is also right with capitals, and with blanks for hyphens. In constant time.
	local function is_right(typed, password)
		local is_exact = hashes.equals(typed, password);
		if #typed > LIMIT.text then return is_exact; end
		local trimmed = typed:gsub("\194\160", " "):match("^%s*(.*)$"):reverse():match("^%s*(.*)$"):reverse();
		local is_made = password:find("^[%l-]+$") ~= nil;
		if is_made then trimmed = trimmed:lower():gsub("%s+", "-"); end
		local is_meant = hashes.equals(trimmed, password);
		return is_exact or is_meant;
	end

	-- Returns "true" for a new password that is the room's host code.
	local function is_code(room, typed)
		local code = gate.room_data.code(room);
		return code and is_right(typed, code) and "true" or nil;
	end

	local function write_credential(stanza, room, kind)
		local typed, count = gate.requests.read_password(stanza);
		if kind == "open" and not room then
			if typed and typed ~= "" then element("credential", NOTHING, typed); end
			return;
		end
		-- Password and host code are compared here, in constant time: they can be newer than the component's record.
		local password, code, check = room:get_password(), gate.room_data.code(room), "none";
		if (password or code) and count > 0 and (count > 1 or typed ~= "") then
			local is_password = typed and password and is_right(typed, password);
			local is_for_hosts = typed and code and is_right(typed, code);
			check = is_password and "right" or is_for_hosts and "code" or "wrong";
		end
		write("<credential check='"); write(check); write("'/>");
	end

	local function write_somebody(name, attr, session, person)
		write("<"); write(name); write(" ");
		attributes(attr);
		write(">");
		write_claims(session);
		if person then element("person", NOTHING, person.text); end
		write("</"); write(name); write(">");
	end

	local requester = {}; -- reused
	local function write_requester(e, data, room)
		local session, bare = e.origin, jid_bare(e.from);
		local occupant, place;
		if room then occupant, place = gate.breakout.find(room, e.from); end
		local is_visitor = e.more and e.more.visitor;
		local name = e.more and e.more.name or gate.names.shown(occupant, e.from);
		local nick = e.more and e.more.nick or occupant and jid_resource(occupant.nick);
		if e.kind == "join" then name, nick = gate.names.tidy(e.stanza), gate.nick_of_join(room, e.stanza); end
		for key in pairs(requester) do requester[key] = nil; end
		local attr, more = requester, e.more;
		attr.jid, attr.nick, attr.name = e.from, nick and cut(nick, LIMIT.address), name;
		attr.affiliation, attr.role = room and affiliation_of(room, bare) or "none", occupant and occupant.role or "none";
		attr.language = cut(gate.messages.language_of(e.stanza), LIMIT.language);
		attr.breakout = more and more.place or place and place ~= room and place.jid or nil;
		attr.sent = flag(more and more.place and gate.breakout.is_sent(session, more.place));
		attr.visitor = flag(is_visitor);
		attr.changes = flag(room and (e.kind == "request" or e.kind == "join" and not is_visitor)
			and gate.breakout.is_changing(room, e.from));
		add_session(attr, session, e.room, e.kind == "join" and e.stanza);
		attr.e2ee = e.kind == "join" and flag(gate.permissions.claims_e2ee(e.stanza)) or nil;
		write_somebody("requester", attr, session, gate.room_data.person(data, bare, attr.ticket));
	end

	local function write_opener(e)
		local session, address = gate.focus.opener(e.room);
		if session then write_somebody("opener", add_session({ jid = address }, session, e.room), session); end
	end

	local function write_state(room, data, kind, from, e)
		local has_lobby = flag(gate.lobby.is_there());
		if not room then
			write("<state occupants='0' moderators='0' waiting='0' ");
			attribute("lobby", has_lobby);
			return write("/>");
		end
		local occupants, moderators = census(room);
		local is_told_all = kind == "open" or kind == "request";
		write("<state ");
		attribute("occupants", occupants);
		attribute("others", e and count_others(room, e));
		attribute("moderators", moderators);
		attribute("existing", flag(is_told_all));
		attribute("password", flag(room:get_password()));
		attribute("members-only", flag(room:get_members_only()));
		attribute("lobby", has_lobby);
		attribute("waiting", gate.lobby_queue.count(room.jid, jid_bare(from)));
		attribute("persistent", flag(gate.room_data.lasts(room)));
		attribute("unasked", flag(room._data.vestibule_unasked));
		attribute("affiliations", is_told_all and gate.room_data.count_affiliations(room));
		write(">");
		if data and data.record then element("record", NOTHING, data.record); end
		write("</state>");
	end

	-- Writes what the room remembers of the people whom a question names.
	local function write_persons(room, addresses)
		local data, written_of = gate.room_data.of(room) or { people = {} }, {};
		for _, address in ipairs(addresses) do
			local bare = jid_bare(address);
			if data.people[bare] and not written_of[bare] then
				written_of[bare] = true;
				element("person", { jid = bare }, data.people[bare].text);
			end
		end
	end

	return {
		add_session = add_session, each_claim = each_claim, write_claims = write_claims,
		census = census, each_moderator = each_moderator, has_moderator = has_moderator,
		add_seat = add_seat, describe = describe,
		write_credential = write_credential, is_code = is_code,
		write_somebody = write_somebody, write_requester = write_requester,
		write_opener = write_opener, write_state = write_state, write_persons = write_persons,
	};
end;
