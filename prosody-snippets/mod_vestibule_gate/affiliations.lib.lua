-- Gates affiliations and roles, the lists of them, and registration (XEP-0045, 7.10, 8 and 9).

local jid, st = require "util.jid", require "util.stanza";
local jid_bare, jid_node, jid_host, jid_resource = jid.bare, jid.node, jid.host, jid.resource;
local t_insert = table.insert;

local xmlns_admin = "http://jabber.org/protocol/muc#admin";

return function (gate)
	local PRIORITY, LIMIT, AFFILIATION = gate.PRIORITY, gate.LIMIT, gate.AFFILIATION;
	local requests, guard_room = gate.requests, gate.guard_room;
	local affiliations = {};
	local cut, write, attribute = gate.text.cut, gate.text.write, gate.text.attribute;

	local function occupant_of(room, nick) return nick and room:get_occupant_by_nick(room.jid .. "/" .. nick); end

	-- Returns what an item asks for, with its target and the target's present affiliation or role; or nil and the
	-- error.
	local function resolve(room, read)
		local nick, address = read.nick, jid_bare(read.jid);
		if read.role and not nick then nick = jid_resource(room:get_occupant_jid(read.jid)); end
		local bearer = occupant_of(room, nick);
		if bearer and address and bearer.bare_jid ~= address then return nil, "cancel", "conflict"; end
		local item = { jid = address or bearer and bearer.bare_jid, nick = nick, reason = read.reason };
		if not item.jid or read.role and not bearer then return nil, "modify", "item-not-found"; end
		if read.role then
			item.role, item.current = read.role, bearer.role or "none";
			return item;
		end
		if gate.is_reserved(nick, item.jid) then return nil, "cancel", "conflict"; end
		item.affiliation, item.current = read.affiliation, gate.affiliation_of(room, item.jid);
		item.reserves = address and nick; -- a nick alone says who is meant: an occupant who bears it later is another person
		return item;
	end

	local function resolve_all(room, read)
		local items, known = {}, {};
		for _, each in ipairs(read) do
			local item, kind, condition = resolve(room, each);
			if not item then return nil, kind, condition; end
			local key = item.role and item.nick or item.jid;
			local former = known[key];
			if former and (former.affiliation ~= item.affiliation or former.role ~= item.role
			or former.reserves ~= item.reserves) then
				return nil, "modify", "bad-request";
			end
			if not former then t_insert(items, item); end -- Jitsi's clients name a person once for each tab
			known[key] = former or item;
		end
		return items;
	end

	-- Calls `act` with each occupant of a meeting from that domain, and the room that they are in.
	local function each_of(room, domain, act)
		gate.breakout.each(room, function (occupant, place)
			if jid_host(occupant.bare_jid) == domain then act(occupant, place); end
		end);
	end

	-- Returns the items and, for a ban of a domain, one for each occupant from that domain.
	local function reach(room, items)
		local all, known = {}, {};
		for _, item in ipairs(items) do t_insert(all, item); known[item.jid] = true; end
		for _, item in ipairs(items) do
			local domain = item.affiliation == "outcast" and not jid.node(item.jid) and item.jid;
			each_of(room, domain, function (occupant)
				local bare = occupant.bare_jid;
				if known[bare] then return; end
				known[bare] = true;
				t_insert(all, { jid = bare, affiliation = "outcast", current = gate.affiliation_of(room, bare) });
			end);
		end
		return all;
	end

	local function bearer_of(room, item)
		if item.role then return occupant_of(room, item.nick); end
		return (gate.breakout.each(room, function (occupant) return occupant.bare_jid == item.jid; end));
	end

	-- Returns the occupants that an item removes in addition to its target: all of a domain, and the bearer of a
	-- reserved nick.
	local function displaced_by(room, item)
		local displaced, named = {}, item.reserves and occupant_of(room, item.reserves);
		if named and named.bare_jid ~= item.jid then t_insert(displaced, named); end
		if item.role or jid_node(item.jid) then return displaced; end
		each_of(room, item.jid, function (occupant)
			if occupant ~= named then t_insert(displaced, occupant); end
		end);
		return displaced;
	end

	local function write_bearer(name, room, occupant)
		gate.facts.write_somebody(name, gate.facts.describe(room, occupant), gate.callers.session(occupant.jid));
	end

	-- `place`: the breakout room that it is about.
	local function write_items(items, place)
		return function (room)
			local others, at = {}, place or room;
			for _, item in ipairs(items) do
				write("<item ");
				attribute("jid", cut(item.jid, LIMIT.address));
				attribute("nick", cut(item.nick, LIMIT.name));
				attribute("affiliation", item.affiliation);
				attribute("role", item.role);
				attribute("current", item.current);
				write(">");
				local bearer = bearer_of(at, item);
				if bearer then write_bearer("bearer", room, bearer); end
				for _, occupant in ipairs(displaced_by(at, item)) do
					write_bearer("displaced", room, occupant);
					t_insert(others, occupant.bare_jid);
				end
				write("</item>");
				t_insert(others, item.jid);
			end
			gate.facts.write_persons(room, others);
		end;
	end

	-- Orders items for execution. Prosody would carry out a list in part where one item is refused, so each becomes a
	-- stanza of its own, and what may be refused comes first: services, then others, then the actor.
	local function in_order(items, actor)
		local ordered = {};
		for _, is_turn in ipairs {
			gate.is_service,
			function (bare) return not gate.is_service(bare) and bare ~= actor; end,
			function (bare) return not gate.is_service(bare) and bare == actor; end,
		} do
			for _, item in ipairs(items) do
				if is_turn(item.jid) then t_insert(ordered, item); end
			end
		end
		return ordered;
	end

	local function undo_of(room, item)
		if item.role then
			local before = occupant_of(room, item.nick).role;
			return function (at)
				local bearer = occupant_of(at, item.nick);
				if bearer and bearer.bare_jid == item.jid then gate.effects.set_role(at, bearer.nick, before); end
			end;
		end
		local before, data = room._affiliations[item.jid], room._affiliation_data[item.jid];
		return function (at)
			gate.effects.set_affiliation(at, item.jid, before or "none", data or false);
		end;
	end

	-- Returns the steps that carry out a list of items; or nil and the error.
	local function steps_for(stanza, items)
		return function (room)
			local steps, actor = {}, jid_bare(stanza.attr.from);
			for _, item in ipairs(in_order(items, actor)) do
				local bearer = item.role and occupant_of(room, item.nick);
				if item.role and (not bearer or bearer.bare_jid ~= item.jid) then return nil, "cancel", "item-not-found"; end
				local named = occupant_of(room, item.reserves); -- by now it may be a person, who would be removed
				if named and named.bare_jid ~= item.jid then return nil, "cancel", "conflict"; end
				local built = requests.build_item(stanza, {
					jid = item.affiliation and item.jid, nick = item.role and item.nick or item.reserves or nil,
					affiliation = item.affiliation, role = item.role, reason = item.reason,
				});
				t_insert(steps, { stanza = built, undo = undo_of(room, item) });
			end
			return steps;
		end;
	end

	guard_room("iq-set/bare/" .. xmlns_admin .. ":query", PRIORITY.admin, function (event, room, query)
		local stanza, from = event.stanza, event.stanza.attr.from;
		local read, wrong = requests.read_items(query);
		if not read then
			if gate.is_observing() then return; end
			return gate.refuse_value(event, wrong);
		end
		local items, err, reason = resolve_all(room, read);
		if not items then
			if gate.is_observing() then return; end
			return gate.client_response.plain(event, err, reason);
		end
		local actor, kind = room:get_occupant_by_real_jid(from), items[1].role and "role" or "affiliation";
		-- Checked here: Prosody removes the bearer of a nick before it checks the rights of the person who reserves it.
		local is_moderator = kind == "role" and actor and actor.role == "moderator";
		if not is_moderator and AFFILIATION[gate.affiliation_of(room, from)] < AFFILIATION.admin then
			return gate.client_response.plain(event, "cancel", "not-allowed");
		end
		local judged = reach(room, items);
		-- A list too long for one question is refused: nobody could have judged it.
		if #judged > LIMIT.items then
			return gate.refuse(event, "malformed", "modify", "not-acceptable", gate.messages.of("gate-too-large", stanza));
		end
		return gate.put(event, kind, { items = items, detail = write_items(judged), rebuild = steps_for(stanza, items) });
	end);

	-- Prosody removes whom a ban is on from the main room alone.
	gate.guard("muc-set-affiliation", PRIORITY.backstop, function (event)
		local room, seats = event.room, {};
		if event.affiliation ~= "outcast" or gate.is_observing() then return; end
		gate.breakout.each(room, function (occupant, place)
			local bare = occupant.bare_jid;
			if place ~= room and (bare == event.jid or jid_host(bare) == event.jid) then
				t_insert(seats, { room = place, nick = occupant.nick });
			end
		end);
		for _, seat in ipairs(seats) do gate.effects.set_role(seat.room, seat.nick, nil, event.reason); end
	end);

	-- Affiliations that moderators give by hand to make a moderator of a person, or to end that.
	local MODERATES = { owner = "moderator", member = "participant", none = "participant" };

	-- Asks about an item that makes a moderator in a breakout room, or ends that: in the whole meeting.
	local function change_moderator(event, room, place, items)
		local stanza, item = event.stanza, items[1];
		return gate.put(event, "affiliation", {
			items = items, detail = write_items(items, place),
			granted = function (e, _, verdict)
				local main = gate.get_room(e.room);
				local seats = main and gate.breakout.seats(main, item.jid) or {};
				verdict.failed = not (seats[1] and gate.effects.set_affiliation(main, item.jid, item.affiliation));
				if verdict.failed then return gate.client_response.plain(e, "cancel", "item-not-found"); end
				local role = MODERATES[item.affiliation];
				for _, seat in ipairs(seats) do
					if seat.room ~= main and seat.role ~= role then gate.effects.set_role(seat.room, seat.nick, role); end
				end
				module:send(st.reply(stanza));
			end,
		}, room.jid);
	end

	-- In a breakout room, moderators remove people from the meeting, and make moderators of those who are there or end
	-- that. All else is changed in the main room.
	function affiliations.change_in_breakout(event, room, place)
		local stanza, from = event.stanza, event.stanza.attr.from;
		if gate.is_unguarded() or gate.is_service(from) then return; end
		local read, wrong = requests.read_items(stanza.tags[1]);
		if not read then return gate.refuse_value(event, wrong); end
		local items, err, reason = resolve_all(place, read);
		if not items then return gate.client_response.plain(event, err, reason); end
		local actor, item = place:get_occupant_by_real_jid(from), items[1];
		local is_grant = MODERATES[item.affiliation or false] and not item.reserves and bearer_of(place, item);
		if #items ~= 1 or item.role ~= "none" and not is_grant or not actor or actor.role ~= "moderator" then
			return gate.client_response.plain(event, "cancel", "not-allowed");
		end
		if is_grant then return change_moderator(event, room, place, items); end
		return gate.put(event, "role", {
			items = items, detail = write_items(items, place),
			granted = function (e, _, verdict)
				local main, there = gate.get_room(e.room), gate.breakout.place(place.jid);
				local bearer = there and occupant_of(there, item.nick);
				local ok, kind, condition = nil, "cancel", "item-not-found";
				if main and bearer and bearer.bare_jid == item.jid then
					ok, kind, condition = there:set_role(from, bearer.nick, nil, item.reason);
				end
				verdict.failed = not ok;
				if not ok then return gate.client_response.plain(e, kind, condition); end
				gate.effects.take_affiliation(main, item.jid);
				module:send(st.reply(stanza));
			end,
		}, room.jid);
	end

	-- Asks about voice that a moderator gives on request: a change of one role.
	function affiliations.give_voice(event, speaker)
		local stanza, address, nick = event.stanza, speaker.jid, jid_resource(speaker.nick);
		local item = { jid = speaker.bare_jid, nick = nick, role = "participant", current = speaker.role };
		return gate.put(event, "role", {
			items = { item }, detail = write_items { item },
			rebuild = function (room)
				local bearer = occupant_of(room, nick);
				if not bearer or bearer.bare_jid ~= item.jid then return nil, "cancel", "item-not-found"; end
				return { { stanza = gate.requests.build_voice(stanza, address, nick) } };
			end,
		});
	end

	-- Returns Prosody's registration form, with the fields that other modules add.
	local function registration_form()
		local layout = { { name = "muc#register_roomnick", type = "text-single" } };
		for _, field in ipairs(module:get_host_items("muc-registration-field")) do t_insert(layout, field); end
		return layout;
	end

	local is_for_all = module:get_option_boolean("allow_unaffiliated_register", false);

	guard_room("iq/bare/jabber:iq:register:query", PRIORITY.owner, function (event, room, query)
		local stanza = event.stanza;
		if stanza.attr.type ~= "set" then return; end
		local request, wrong = requests.read_registration(query, registration_form());
		if not request then
			if gate.is_observing() then return; end
			return gate.refuse_value(event, wrong);
		elseif request.remove then
			if not gate.is_observing() then requests.reduce(stanza, requests.build_registration(stanza, request)); end
			return;
		end
		local bare, nick = jid_bare(stanza.attr.from), request.nick;
		local current = gate.affiliation_of(room, bare);
		if gate.is_reserved(nick, bare) then return gate.refuse_nick(event); end
		-- The room would refuse these whatever the policy says (XEP-0045, 7.10).
		local bearer = occupant_of(room, nick);
		local refusal = current == "outcast" and { "auth", "forbidden" }
			or current == "none" and not is_for_all and { "auth", "registration-required" }
			or bearer and bearer.bare_jid ~= bare and { "cancel", "conflict" };
		if refusal and not gate.is_observing() then return gate.refuse(event, "closed-way", refusal[1], refusal[2]); end
		local item = { jid = bare, nick = nick, affiliation = current == "none" and "member" or current, current = current };
		return gate.put(event, "affiliation", {
			items = { item }, detail = write_items { item }, register = true,
			rebuild = function () return { { stanza = requests.build_registration(stanza, request) } }; end,
		});
	end);

	-- Reading the lists

	-- Whether a member may read a list: clients encrypt for all members of a room where everybody may know their
	-- addresses.
	local function may_list(room, address, affiliation)
		local is_open = room:get_members_only() and room:get_whois() == "anyone";
		local is_member = AFFILIATION[gate.affiliation_of(room, address)] >= AFFILIATION.member;
		return is_open and is_member and affiliation ~= "outcast" and room:get_occupant_jid(address) ~= nil;
	end

	guard_room("iq-get/bare/" .. xmlns_admin .. ":query", PRIORITY.read, function (event, room, query)
		local item, from = query.tags[1], event.stanza.attr.from;
		local is_proper = item and #query.tags == 1 and item.name == "item"
			and (item.attr.affiliation == nil) ~= (item.attr.role == nil);
		if not is_proper then return gate.client_response.plain(event, "modify", "bad-request"); end
		if gate.config_form.may_read(room, from, "form") then return; end
		if not item.attr.affiliation or not may_list(room, from, item.attr.affiliation) then
			return gate.config_form.forbid(event);
		end
	end);

	return affiliations;
end;
