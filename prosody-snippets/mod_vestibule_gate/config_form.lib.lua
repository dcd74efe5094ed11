-- Gates the configuration of a room (XEP-0045, 10): its form (who changes and who reads it), subject, history, picture,
-- and its end.

local hashes = require "util.hashes";

local xmlns_owner = "http://jabber.org/protocol/muc#owner";
local SECRET = "muc#roomconfig_roomsecret";

return function (gate)
	local PRIORITY, LIMIT, requests, guard_room = gate.PRIORITY, gate.LIMIT, gate.requests, gate.guard_room;
	local element = gate.text.element;
	local config_form = {};

	-- Returns whether a form hides the room's password.
	local function is_hidden(room, fields)
		local shown = fields[SECRET] and fields[SECRET].value or "";
		return room:get_password() ~= nil and shown ~= room:get_password();
	end

	local function write_fields(form, address)
		return function (room)
			local fields = requests.by_name(room:get_form_layout(address));
			for _, var in ipairs(form.names) do
				local text, is_secret = table.concat(form.values[var], "\n"), var == SECRET;
				local is_same = not is_secret and fields[var] and requests.is_same(fields[var], form.values[var])
					-- A person who does not see the password must not learn whether they have guessed it.
					or is_secret and not is_hidden(room, fields) and hashes.equals(text, room:get_password() or "");
				local attr = { var = var, same = is_same and "true" or nil, code = is_secret and gate.facts.is_code(room, text) };
				element("field", attr, not (is_secret and is_same) and text or nil);
			end
		end;
	end

	guard_room("iq-set/bare/" .. xmlns_owner .. ":query", PRIORITY.owner, function (event, room, query)
		local stanza, from = event.stanza, event.stanza.attr.from;
		if gate.affiliation_of(room, from) ~= "owner" then return; end -- the core refuses
		local request, wrong = requests.read_owner(query);
		-- A focus reads the form when it enters: without an answer, it leaves again and reports itself broken.
		if gate.focus.is_one(from) and not (request and request.name == "destroy") then return; end
		local label;
		if request and request.name == "submit" then
			local layout = room:get_form_layout(from);
			local fields = requests.by_name(layout);
			request, wrong = requests.check_configuration(request, layout, is_hidden(room, fields));
			label = wrong and fields[wrong] and fields[wrong].label;
		end
		if not request then
			if gate.is_observing() then return; end
			return gate.refuse_value(event, wrong, label);
		elseif request.name == "cancel" then
			if not gate.is_observing() then requests.reduce(stanza, requests.build_owner(stanza, request)); end
			return;
		end
		return gate.put(event, request.name == "destroy" and "destroy" or "configure", {
			detail = request.form and write_fields(request.form, from) or function () end,
			rebuild = function (_, fx) return { { stanza = requests.build_owner(stanza, request, fx and fx.field) } }; end,
		});
	end);

	-- Without this field, Jitsi would remove the lobby.
	gate.guard("muc-config-submitted", PRIORITY.config, function (event)
		local fields, room, name = event.fields, event.room, "muc#roomconfig_membersonly";
		if gate.is_observing() then return; end
		if fields[name] == nil then fields[name] = room:get_members_only() or false; end
		if not fields[name] or room:get_members_only() then return; end
		-- Prosody would remove everyone who is no member. Services and moderators become members first.
		for _, occupant in room:each_occupant() do
			local bare, stays = occupant.bare_jid, occupant.role == "moderator" or gate.is_service(occupant.bare_jid);
			if stays and gate.affiliation_of(room, bare) == "none" and gate.effects.set_affiliation(room, bare, "member") then
				gate.room_data.lend(room, bare, "none", "member");
			end
		end
	end);

	-- The room's picture, if the server supports it.
	guard_room("iq/bare/vcard-temp:vCard", PRIORITY.read, function (event, room, vcard)
		local stanza = event.stanza;
		local is_answered = prosody.hosts[module.host].modules.vcard and stanza.attr.type == "set";
		if not is_answered or gate.affiliation_of(room, stanza.attr.from) ~= "owner" then return; end -- the core refuses
		if #tostring(vcard) > LIMIT.stanza then return gate.refuse_value(event, "vCard"); end
		return gate.put(event, "configure", {
			detail = function () element("field", { var = "vcard-temp" }, ""); end,
			rebuild = function () return { { stanza = requests.build_vcard(stanza, vcard) } }; end,
		});
	end);

	-- To Prosody, a subject with a body or thread is no subject; some clients show it as one.
	local function hold_subject(event, room, occupant)
		local stanza = event.stanza;
		local text = stanza:get_child_text("subject");
		if not text then return; end
		if occupant.role ~= "moderator" and not room:get_changesubject() then
			requests.remove(stanza, function (tag) return tag.name == "subject"; end);
			return;
		end
		return gate.put(event, "configure", {
			detail = function () element("field", { var = "subject" }, gate.text.cut(text, LIMIT.value)); end,
		});
	end

	-- Asks about a message that changes the subject.
	function config_form.ask_for_subject(event, room, occupant)
		local stanza = event.stanza;
		if gate.is_observing() then return; end -- held, it would come after the sender's next message
		local text, wrong = requests.read_subject(stanza);
		if text == false then return hold_subject(event, room, occupant); end
		if not text then return gate.refuse_value(event, wrong); end
		return gate.put(event, "configure", {
			detail = function (at)
				element("field", { var = "subject", same = text == (at._data.subject or "") and "true" or nil }, text);
			end,
			rebuild = function () return { { stanza = requests.build_subject(stanza, text) } }; end,
		});
	end

	-- Reading the form

	-- Returns whether a person may read the room's `form` (and its list of bans), or the `secret` in it.
	local function may_read(room, address, what)
		if gate.is_observing() or gate.is_service_or_operator(address) then return true; end
		local occupant = room:get_occupant_by_real_jid(address);
		return occupant ~= nil and gate.permissions.may(room, occupant, what);
	end

	local function forbid(event)
		return gate.client_response.plain(event, "auth", "forbidden", gate.messages.of("gate-read", event.stanza));
	end

	guard_room("iq-get/bare/" .. xmlns_owner .. ":query", PRIORITY.read, function (event, room)
		if not may_read(room, event.stanza.attr.from, "form") then return forbid(event); end
	end);

	-- Removes the password from the form for people who may not know it.
	module:hook("muc-config-form", function (event)
		if event.actor == nil or may_read(event.room, event.actor, "secret") then return; end
		for _, field in ipairs(event.form) do
			if field.name == SECRET then field.value = ""; end
		end
	end, PRIORITY.last);

	-- Prosody accepts any number as length of the history: a negative one makes it remove messages forever once a
	-- person speaks; one that is no integer makes the form unanswerable. A room may have it from before the gate; other
	-- values stay.
	local function bound_history(event)
		local room = event.room;
		local length = not gate.is_observing() and room._data.history_length;
		if not length or length >= 0 and length <= LIMIT.int and length % 1 == 0 then return; end
		module:log("warn", "%s: history length %s limited", room.jid, length);
		room._data.history_length = length > LIMIT.int and LIMIT.history or 0;
	end
	gate.guard("muc-add-history", PRIORITY.history, bound_history);
	gate.guard("muc-config-form", PRIORITY.form, bound_history);

	config_form.may_read, config_form.forbid = may_read, forbid;
	return config_form;
end;
