-- Those inside, and owners, ask for what they want: each change is a question.

local hashes, encodings, jid = require "util.hashes", require "util.encodings", require "util.jid";
local jid_bare, jid_resource, jid_prep, t_insert = jid.bare, jid.resource, jid.prep, table.insert;

local xmlns_muc = "http://jabber.org/protocol/muc";
local xmlns_user, xmlns_request = xmlns_muc .. "#user", xmlns_muc .. "#request";
local NOTHING = {};

return function (gate)
	local PRIORITY, LIMIT, AFFILIATION, mark = gate.PRIORITY, gate.LIMIT, gate.AFFILIATION, gate.mark;
	local cut, write, attributes, element = gate.text.cut, gate.text.write, gate.text.attributes, gate.text.element;

	-- For handlers that need the room, and see each stanza once but not its replay.
	local function guard_room(event_name, priority, handler)
		gate.guard(event_name, priority, function (event)
			if event.stanza[mark] then return; end
			local room = gate.get_room(jid_bare(event.stanza.attr.to));
			if room and not room._data.destroyed then return handler(event, room, event.stanza.tags[1]); end
		end);
	end

	-- Of several values the room takes the first, and what is judged would be another.
	local function is_ambiguous(field)
		local values = 0;
		for _ in field:childtags("value") do values = values + 1; end
		return values > 1 and field.attr.var ~= "muc#roomconfig_presencebroadcast"; -- the only list
	end

	-- What a field of the room's form is now, as a client would send it back: its values, a line each, in order.
	local function text_of(field)
		local value, texts = field.value, {};
		if value == nil and field.type == "list-single" then
			for _, option in ipairs(field.options or NOTHING) do
				if type(option) == "table" and option.default then value = option.value; end
			end
		end
		for _, one in ipairs(type(value) == "table" and value or { value }) do t_insert(texts, tostring(one)); end
		table.sort(texts);
		return table.concat(texts, "\n");
	end

	local FLAG = { ["1"] = "true", ["true"] = "true", ["0"] = "false", ["false"] = "false", [""] = "false" };
	local function is_same(field, values)
		table.sort(values);
		local text, present = table.concat(values, "\n"), text_of(field);
		if field.type == "boolean" then return FLAG[text] == FLAG[present]; end
		return text == present or tonumber(text) ~= nil and tonumber(text) == tonumber(present);
	end

	guard_room("iq-set/bare/" .. xmlns_muc .. "#owner:query", PRIORITY.owner, function (event, room, query)
		local child = query.tags[1];
		if gate.affiliation_of(room, event.stanza.attr.from) ~= "owner" or not child then return; end -- the core refuses
		if child.name == "destroy" then return gate.put(event, "destroy"); end
		if child.name ~= "x" or child.attr.xmlns ~= "jabber:x:data" or child.attr.type ~= "submit" then return; end
		-- It is how a focus comes in: without, it leaves again, and takes itself for broken.
		if gate.focus.is_one(event.stanza.attr.from) then return; end
		local is_bad = #child.tags > LIMIT.items;
		for field in child:childtags("field") do is_bad = is_bad or not gate.is_observing() and is_ambiguous(field); end
		if is_bad then return gate.refuse(event, "malformed", "modify", "not-acceptable"); end
		return gate.put(event, "configure", { detail = function (at)
			local form = {};
			for _, field in ipairs(at:get_form_layout(event.stanza.attr.from)) do form[field.name or false] = field; end
			for field in child:childtags("field") do
				local values, is_secret = {}, field.attr.var == "muc#roomconfig_roomsecret";
				for value in field:childtags("value") do t_insert(values, value:get_text() or ""); end
				local text, present, same = table.concat(values, "\n"), form[field.attr.var];
				if is_secret then
					same = hashes.equals(text, at:get_password() or "");
				else
					same = present and is_same(present, values);
				end
				element("field", { var = cut(field.attr.var, LIMIT.name), same = same and "true" or nil },
					not (is_secret and same) and cut(text, is_secret and LIMIT.name or LIMIT.text));
			end
		end, before_replay = function (_, fx)
			local fields = fx.field or NOTHING;
			child:maptags(function (tag) return not fields[tag.attr.var or false] and tag or nil; end);
			for var, value in pairs(fields) do child:tag("field", { var = var }):text_tag("value", value):up(); end
			return true;
		end });
	end);

	-- A form without the field would have the Jitsi lobby taken down.
	module:hook("muc-config-submitted", function (event)
		local fields, name = event.fields, "muc#roomconfig_membersonly";
		if fields[name] == nil and not gate.is_observing() then fields[name] = event.room:get_members_only() or false; end
	end, PRIORITY.config);

	-- What an item asks for, with everything resolved; or nil, and the error.
	local function read_item(room, item)
		local nick, address = item.attr.nick and encodings.stringprep.resourceprep(item.attr.nick), jid_prep(item.attr.jid);
		if item.attr.jid and not address or item.attr.nick and not nick then return nil, "modify", "jid-malformed"; end
		if (item.attr.affiliation == nil) == (item.attr.role == nil) then return nil, "cancel", "bad-request"; end
		if item.attr.role and not nick and address then nick = jid_resource(room:get_occupant_jid(address)); end
		local bearer = nick and room:get_occupant_by_nick(room.jid .. "/" .. nick);
		if item.attr.role then
			if not bearer then return nil, "modify", "item-not-found"; end
			return { jid = bearer.bare_jid, nick = nick, role = item.attr.role, current = bearer.role or "none" };
		end
		address = jid_bare(address or bearer and bearer.bare_jid);
		if not address then return nil, "modify", "item-not-found"; end
		if gate.is_reserved(nick, address) then return nil, "cancel", "conflict"; end
		item.attr.jid = address; -- whoever bears the nick later is somebody else
		local current = gate.affiliation_of(room, address);
		return { jid = address, nick = nick, affiliation = item.attr.affiliation, current = current };
	end

	-- What the room remembers of those whom a question names.
	local function write_others(room, others)
		local data, written_of = gate.kept.of(room) or { people = {} }, {};
		for _, address in ipairs(others) do
			local bare = jid_bare(address);
			if data.people[bare] and not written_of[bare] then
				written_of[bare] = true;
				element("person", { jid = bare }, data.people[bare].text);
			end
		end
	end

	local function bearer_of(room, item)
		if item.role then return room:get_occupant_by_nick(room.jid .. "/" .. item.nick); end
		for _, occupant in pairs(room._occupants) do
			if occupant.bare_jid == item.jid then return occupant; end
		end
	end

	local function write_items(items)
		return function (room)
			local others = {};
			for _, item in ipairs(items) do
				write("<item ");
				attributes("jid", cut(item.jid, LIMIT.address), "nick", cut(item.nick, LIMIT.name),
					"affiliation", item.affiliation, "role", item.role, "current", item.current);
				write(">");
				local bearer = bearer_of(room, item);
				local session = bearer and prosody.full_sessions[bearer.jid];
				if bearer then gate.facts.write_somebody("bearer", gate.facts.describe(room, bearer), session); end
				write("</item>");
				t_insert(others, item.jid);
			end
			write_others(room, others);
		end;
	end

	guard_room("iq-set/bare/" .. xmlns_muc .. "#admin:query", PRIORITY.admin, function (event, room, query)
		local items, from = {}, event.stanza.attr.from;
		if #query.tags == 0 or #query.tags > LIMIT.items then return gate.shown.plain(event, "cancel", "bad-request"); end
		for _, tag in ipairs(query.tags) do -- the core takes the first, whatever its name; the lobby takes each
			local item, kind, condition = read_item(room, tag);
			if not item then return gate.shown.plain(event, kind, condition); end
			if (item.role == nil) ~= ((items[1] or item).role == nil) then
				return gate.shown.plain(event, "cancel", "bad-request");
			end
			t_insert(items, item);
		end
		local actor, kind = room:get_occupant_by_real_jid(from), items[1].role and "role" or "affiliation";
		-- Not left to the core, which removes the bearer of a nick before it looks at the rights of who reserves it.
		local is_moderator = kind == "role" and actor and actor.role == "moderator";
		if not is_moderator and AFFILIATION[gate.affiliation_of(room, from)] < AFFILIATION.admin then
			return gate.shown.plain(event, "cancel", "not-allowed");
		end
		return gate.put(event, kind, { detail = write_items(items), before_replay = function (at)
			for _, item in ipairs(items) do
				local bearer = item.role and at:get_occupant_by_nick(at.jid .. "/" .. item.nick);
				if item.role and (not bearer or bearer.bare_jid ~= item.jid) then return false; end
			end
			return true;
		end });
	end);

	local function form_fields(form)
		local fields = {};
		for field in form:childtags("field") do fields[field.attr.var or ""] = field:get_child_text("value"); end
		return fields;
	end

	guard_room("iq/bare/jabber:iq:register:query", PRIORITY.owner, function (event, room, query)
		if event.stanza.attr.type ~= "set" or query:get_child("remove") then return; end
		local bare, form = jid_bare(event.stanza.attr.from), query:get_child("x", "jabber:x:data");
		local nick, current = form and form_fields(form)["muc#register_roomnick"], gate.affiliation_of(room, bare);
		if gate.is_reserved(nick, bare) then return gate.refuse_nick(event); end
		local item = { jid = bare, nick = nick, affiliation = current == "none" and "member" or current, current = current };
		return gate.put(event, "affiliation", { detail = write_items { item }, register = true });
	end);

	guard_room("message/bare", PRIORITY.message, function (event, room)
		local stanza, targets, invites = event.stanza, {}, false;
		local kind, occupant = stanza.attr.type, room:get_occupant_by_real_jid(stanza.attr.from);
		if kind == "groupchat" then
			local word = occupant and (stanza:get_child_text("body") or ""):match("^!([%w_-]+)%s*$");
			if word then
				return gate.put(event, "command", {
					detail = function () element("command", { name = cut(word, LIMIT.name) }); end;
				});
			end
			if not occupant or gate.permissions.refuse_chat(event, room, occupant) then return occupant and true; end
			local subject = stanza:get_child("subject"); -- with more, it is no change of it (XEP-0045, 8.1)
			if not subject or stanza:get_child("body") or stanza:get_child("thread") then return; end
			if gate.is_observing() then return; end -- held, it would come after what he says next
			return gate.put(event, "configure", { detail = function (at)
				local text = subject:get_text() or "";
				local same = text == (at._data.subject or "") and "true" or nil;
				element("field", { var = "subject", same = same }, cut(text, LIMIT.text));
			end });
		elseif kind == "error" then
			return;
		end
		for x in stanza:childtags("x", xmlns_user) do
			for tag in x:childtags("invite") do invites, targets[#targets + 1] = true, jid_prep(tag.attr.to); end
		end
		local form = stanza:get_child("x", "jabber:x:data");
		local fields = form and form_fields(form) or {};
		if not invites and fields.FORM_TYPE ~= xmlns_request then return; end
		-- A stranger's invitation to himself would bring him the password.
		local is_proper = gate.is_observing() or occupant and #targets <= LIMIT.items;
		if not is_proper then return gate.shown.plain(event, "cancel", "not-acceptable"); end
		if invites then
			return gate.put(event, "invite", { detail = function (at)
				for _, target in ipairs(targets) do element("target", { jid = cut(target, LIMIT.address) }); end
				write_others(at, targets);
			end });
		end
		if not occupant or occupant.role ~= "moderator" then return; end -- he asks for voice
		local knock, yes = fields["vestibule#knock"], fields["muc#request_allow"];
		yes = yes == "true" or yes == "1";
		for _, w in pairs(knock and gate.waiting.people(room.jid) or {}) do
			if w.id == knock then
				return gate.put(event, "knock", { detail = function (at)
					element("target", { jid = cut(w.jid, LIMIT.address), answer = yes and "admit" or "reject" });
					write_others(at, { w.jid });
				end });
			end
		end
		if knock then return gate.shown.plain(event, "cancel", "item-not-found"); end
		local speaker = yes and room:get_occupant_by_real_jid(fields["muc#jid"] or "");
		if not speaker then return; end -- the core does nothing then
		local nick = jid_resource(speaker.nick);
		local item = { jid = speaker.bare_jid, nick = nick, role = "participant", current = speaker.role };
		return gate.put(event, "role", { detail = write_items { item } });
	end);

	module:hook("muc-invite", function (event) -- after password.lib (0), which puts the password into every invitation
		for x in event.stanza:childtags("x", xmlns_user) do
			if gate.is_observing() then return; end
			x:maptags(function (tag) return tag.name ~= "password" and tag or nil; end);
		end
		local room, bare = event.room, jid_bare(event.stanza.attr.to);
		local replaying = gate.replaying();
		if replaying and replaying.invited then replaying.invited[bare] = true; end -- of several, the core sends the first
		if gate.waiting.forget(room, bare) and not room:get_affiliation(bare) then
			gate.effects.set_affiliation(room, bare, "member");
		end
	end, PRIORITY.last);

	return { guard_room = guard_room };
end;
