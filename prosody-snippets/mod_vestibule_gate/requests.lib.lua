-- Reads what clients ask of a room, once, and builds from what was read the stanza that goes on into the room.
-- Pure functions of stanzas, texts and tables: they need no room and no server, and are tested without.
--
-- A reader returns what it has read, or nil and the name of what is wrong. What it does not read goes nowhere.

local st, datetime, jid = require "util.stanza", require "util.datetime", require "util.jid";
local json = require "util.json";
local resourceprep = require "util.encodings".stringprep.resourceprep;
local jid_prep, t_insert = jid.prep, table.insert;

local xmlns_muc, xmlns_form, xmlns_register = "http://jabber.org/protocol/muc", "jabber:x:data", "jabber:iq:register";
local xmlns_user, xmlns_admin, xmlns_owner = xmlns_muc .. "#user", xmlns_muc .. "#admin", xmlns_muc .. "#owner";
local xmlns_request, xmlns_config = xmlns_muc .. "#request", xmlns_muc .. "#roomconfig";

local BOOLEAN = { ["1"] = "1", ["true"] = "1", ["0"] = "0", ["false"] = "0" };
local xmlns_jitsi = "http://jitsi.org/jitmeet";
local NOTHING = {};
-- Keys of a Jitsi room's metadata that modules look into, and what they look for; OPEN: more than is listed here.
local OPEN = {};
local METADATA = {
	recording = { "isTranscribingEnabled", "isRecordingRequested" }, audioTranslation = { "enabled" },
	startMuted = { "audio", "video", "desktop" }, permissions = { "groupChatRestricted", "pollCreationRestricted" },
	visitors = OPEN,
};
local RECORDS = { recording = true, audioTranslation = true };
local SERVERS_OWN = { lobbyEnabled = true }; -- in addition to those that Jitsi's module refuses itself

return function (LIMIT, AFFILIATION, ROLE, fits_xml)
	local requests = {};

	-- Stanzas

	-- Returns whether a text is a language tag (RFC 5646).
	local function is_language(text)
		if text:find("^%a%a%a?$") then return true; end -- as nearly all are
		for part in (text .. "-"):gmatch("([^-]*)-") do
			if not part:match("^%w+$") or #part > 8 then return false; end
		end
		return #text <= LIMIT.language and text:match("^%a") ~= nil;
	end

	local function language_of(stanza)
		local tag = stanza.attr["xml:lang"];
		return tag and is_language(tag) and tag or nil;
	end

	-- Finishes a stanza that was built: each element names its namespace, as after parsing.
	local function finish(built)
		local function qualify(tag)
			for _, child in ipairs(tag.tags) do
				child.attr.xmlns = child.attr.xmlns or tag.attr.xmlns;
				qualify(child);
			end
		end
		qualify(built);
		return built:reset();
	end

	local function stanza_like(stanza)
		local attr = stanza.attr;
		return st.stanza(stanza.name, {
			from = attr.from, to = attr.to, type = attr.type, id = attr.id, ["xml:lang"] = language_of(stanza),
		});
	end

	-- Reduces a stanza that is not asked about to what was built.
	function requests.reduce(stanza, built)
		stanza.attr["xml:lang"] = built.attr["xml:lang"];
		for i = #stanza, 1, -1 do stanza[i] = nil; end
		for i = #stanza.tags, 1, -1 do stanza.tags[i] = nil; end
		for _, tag in ipairs(built.tags) do stanza:add_direct_child(tag); end
	end

	-- Removes the children of an element for which `is_one` (element) holds. Prosody's `maptags` moves all that follow
	-- for each: tens of thousands in one stanza would keep the whole server waiting for seconds.
	function requests.remove(parent, is_one)
		local tags, children, count, tag_count = parent.tags, #parent, 0, 0;
		for i = 1, children do
			local child = parent[i];
			local is_tag = type(child) == "table";
			if not is_tag or not is_one(child) then
				count = count + 1;
				parent[count] = child;
				if is_tag then
					tag_count = tag_count + 1;
					tags[tag_count] = child;
				end
			end
		end
		for i = count + 1, children do parent[i] = nil; end
		for i = #tags, tag_count + 1, -1 do tags[i] = nil; end
	end

	-- Removes the elements below the children of a stanza for which `is_one` (element) holds, at any depth.
	function requests.remove_nested(parent, is_one)
		for _, tag in ipairs(parent.tags) do
			if #tag.tags > 0 then
				requests.remove(tag, is_one);
				requests.remove_nested(tag, is_one);
			end
		end
	end

	-- Returns the text of the only child of that name: nil without one; false if there are several, or if it is too
	-- long.
	local function only_text(parent, name, limit)
		local text;
		for tag in parent:childtags(name, parent.attr.xmlns) do
			local content = tag:get_text();
			if text ~= nil or not content or #content > limit then return false; end
			text = content;
		end
		return text;
	end

	-- Forms (XEP-0004)

	-- Reads a submitted form: a list of names, and their values by name.
	local function read_form(x)
		local form = { names = {}, values = {} };
		for tag in x:childtags("field", xmlns_form) do
			local var, values = tag.attr.var, {};
			if var then -- without, it is a heading
				if #var > LIMIT.name or form.values[var] or #form.names >= LIMIT.items then return nil, var; end
				for value in tag:childtags("value", xmlns_form) do
					local text = value:get_text();
					if not text or #values >= LIMIT.items then return nil, var; end
					t_insert(values, text);
				end
				form.values[var] = values;
				t_insert(form.names, var);
			end
		end
		return form;
	end

	local function add_form(parent, form, form_type)
		parent:tag("x", { xmlns = xmlns_form, type = "submit" });
		if form_type then
			parent:tag("field", { var = "FORM_TYPE", type = "hidden" }):text_tag("value", form_type):up();
		end
		for _, var in ipairs(form.names) do
			parent:tag("field", { var = var });
			for _, value in ipairs(form.values[var]) do parent:text_tag("value", value); end
			parent:up();
		end
		return parent:up();
	end

	-- Removes and returns the FORM_TYPE of a form; false if it has not exactly one value.
	local function take_type(form)
		local values = form.values.FORM_TYPE;
		if not values then return nil; end
		form.values.FORM_TYPE = nil;
		for i, var in ipairs(form.names) do
			if var == "FORM_TYPE" then table.remove(form.names, i); break; end
		end
		return #values == 1 and values[1];
	end

	local function has_option(field, text)
		for _, option in ipairs(field.options or NOTHING) do
			if (type(option) == "table" and option.value or option) == text then return true; end
		end
		return false;
	end

	-- Validators of XEP-0122: return the text in canonical form, or nil.
	local DATATYPE = {
		["xs:integer"] = function (text, field)
			local number = #text <= 11 and text:match("^%-?%d+$") and tonumber(text);
			local least, most = field.range_min or -LIMIT.int, field.range_max or LIMIT.int;
			return number and number >= least and number <= most and ("%d"):format(number) or nil;
		end;
		["xs:language"] = function (text)
			return (text == "" or is_language(text)) and text or nil;
		end;
		["xs:dateTime"] = function (text)
			local is_read, time = pcall(datetime.parse, text);
			return is_read and time and text or nil;
		end;
	};

	-- Bounds in addition to those of the room's own form: docs/protocol.md, section 10.
	local LENGTH = { ["muc#roomconfig_roomname"] = LIMIT.text, ["muc#roomconfig_roomsecret"] = LIMIT.name };
	local RANGE = {
		["muc#roomconfig_historylength"] = { range_min = 0, range_max = LIMIT.history },
		["muc#roomconfig_defaulthistorymessages"] = { range_min = 0, range_max = LIMIT.history },
	};

	local CHECK = {
		boolean = function (values) return #values == 1 and BOOLEAN[values[1]] and { BOOLEAN[values[1]] } or nil; end;
		["list-single"] = function (values, field)
			return #values == 1 and has_option(field, values[1]) and values or nil;
		end;
		["list-multi"] = function (values, field) -- none: Prosody's handlers take an empty list for an error of their own
			local seen = {};
			for _, text in ipairs(values) do
				if seen[text] or not has_option(field, text) then return nil; end
				seen[text] = true;
			end
			return values[1] and values;
		end;
		["jid-single"] = function (values)
			local address = #values == 1 and jid_prep(values[1], true);
			return address and { address } or nil;
		end;
		["jid-multi"] = function (values)
			local addresses = {};
			for _, text in ipairs(values) do t_insert(addresses, jid_prep(text, true) or nil); end
			return #addresses == #values and addresses or nil;
		end;
		["text-multi"] = function (values)
			return #table.concat(values, "\n") <= LIMIT.value and values or nil;
		end;
		fixed = function () return nil; end;
	};
	-- Returns whether a text is a single line (XEP-0004, 3.3), without controls of ASCII and ISO 6429.
	local function is_line(text)
		return not text:find("%c") and not text:find("\194[\128-\159]") and not text:find("\226\128[\168\169]");
	end

	local function check_text(values, field)
		local text, datatype = values[1] or "", DATATYPE[field.datatype or false];
		if #values > 1 or not is_line(text) or #text > (LENGTH[field.var or field.name] or LIMIT.value) then return nil; end
		if datatype then text = datatype(text, RANGE[field.var or field.name] or field); end
		return text and { text };
	end

	-- Checks values against the field in the room's form: type, options and bounds. Returns them in canonical form, or
	-- nil.
	local function check(field, values)
		return (CHECK[field.type or false] or check_text)(values, field);
	end

	-- Returns the present value of a field as a client would send it back: its values, a line each, in order.
	local function present_text(field)
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

	-- Returns whether the values equal the present ones.
	local function is_same(field, values)
		local sorted = {};
		for i, text in ipairs(values) do sorted[i] = text; end
		table.sort(sorted);
		local text, present = table.concat(sorted, "\n"), present_text(field);
		if text == present then return true; end
		if field.type == "boolean" then return BOOLEAN[text] ~= nil and BOOLEAN[text] == (BOOLEAN[present] or "0"); end
		return tonumber(text) ~= nil and tonumber(text) == tonumber(present);
	end
	requests.is_same = is_same;

	local function by_name(layout)
		local fields = {};
		for _, field in ipairs(layout) do
			if field.name then fields[field.var or field.name] = field; end
		end
		return fields;
	end
	requests.by_name = by_name;

	-- Checks each field of a form. A field unknown to the layout stays if `others`: it is judged by its name.
	local function check_form(form, layout, others)
		local fields, checked = by_name(layout), { names = {}, values = {} };
		for _, var in ipairs(form.names) do
			local field, values = fields[var], form.values[var];
			if field then
				values = check(field, values);
			elseif #table.concat(values, "\n") > LIMIT.value then
				values = nil;
			end
			-- A present value beyond a bound is no change, and is left out.
			if not values and not (field and is_same(field, form.values[var])) then return nil, var; end
			if values and (field or others) then
				t_insert(checked.names, var);
				checked.values[var] = values;
			end
		end
		return checked;
	end

	-- The configuration of a room, and its end: <query xmlns='…muc#owner'/>

	-- Reads a request of an owner: `destroy`, with a reason and an alternate venue; `cancel`; or a form.
	function requests.read_owner(query)
		local child = query.tags[1];
		if not child or query.tags[2] then return nil, "query"; end
		if child.name == "destroy" and child.attr.xmlns == xmlns_owner then
			local reason, venue = only_text(child, "reason", LIMIT.text), child.attr.jid;
			if reason == false then return nil, "reason"; end
			if venue then
				venue = jid_prep(venue, true);
				if not venue then return nil, "jid"; end
			end
			return { name = "destroy", reason = reason, venue = venue };
		elseif child.name ~= "x" or child.attr.xmlns ~= xmlns_form then
			return nil, child.name;
		elseif child.attr.type == "cancel" then
			return { name = "cancel" };
		elseif child.attr.type ~= "submit" then
			return nil, "type";
		end
		local form, wrong = read_form(child);
		if not form then return nil, wrong; end
		local form_type = take_type(form); -- none at all: an instant room (XEP-0045, 10.1.2), or what the room refuses
		if form_type ~= nil and form_type ~= xmlns_config then return nil, "FORM_TYPE"; end
		return { name = "submit", form = form, form_type = form_type };
	end

	-- Checks a form against the room's own; `is_hidden`: the form does not show the room's password.
	function requests.check_configuration(request, layout, is_hidden)
		local form, wrong = check_form(request.form, layout, true);
		if not form then return nil, wrong; end
		local secret = "muc#roomconfig_roomsecret";
		if is_hidden and form.values[secret] and table.concat(form.values[secret]) == "" then
			form.values[secret] = nil; -- sent back as it was shown
			for i, var in ipairs(form.names) do
				if var == secret then table.remove(form.names, i); break; end
			end
		end
		return { name = "submit", form = form, form_type = request.form_type };
	end

	-- Builds a request of an owner. `instead`: values by name that the policy substitutes.
	function requests.build_owner(stanza, request, instead)
		local built = stanza_like(stanza):tag("query", { xmlns = xmlns_owner });
		if request.name == "destroy" then
			built:tag("destroy", { jid = request.venue });
			if request.reason then built:text_tag("reason", request.reason); end
			return finish(built);
		elseif request.name == "cancel" then
			built:tag("x", { xmlns = xmlns_form, type = "cancel" });
			return finish(built);
		end
		local form = { names = {}, values = {} };
		for _, var in ipairs(request.form.names) do
			t_insert(form.names, var);
			form.values[var] = request.form.values[var];
		end
		for var, value in pairs(instead or NOTHING) do
			if not form.values[var] then t_insert(form.names, var); end
			form.values[var] = { value };
		end
		return finish(add_form(built, form, request.form_type or next(instead or NOTHING) and xmlns_config or nil));
	end

	-- Builds a change of the room's picture, which only clients read.
	function requests.build_vcard(stanza, vcard)
		local built = stanza_like(stanza);
		built:add_direct_child(st.clone(vcard));
		return built;
	end

	-- Messages to Jitsi's components

	function requests.build_end_conference(stanza) return finish(stanza_like(stanza):tag("end_conference")); end

	-- What a message about breakout rooms has to name, by what it asks for.
	local BREAKOUT = {
		add = {}, remove = { "breakoutRoomJid" }, rename = { "breakoutRoomJid", "subject" },
		["move-to-room"] = { "participantJid", "roomJid" },
	};

	-- Reads what a moderator asks of the breakout rooms; or nil and the attribute that is wrong.
	function requests.read_breakout(command)
		local asked = (command.attr.type or ""):match("^features/breakout%-rooms/(.+)$");
		local names = BREAKOUT[asked or false];
		if not names then return nil, "type"; end
		local request = { asked = asked, attr = { type = command.attr.type, subject = command.attr.subject } };
		if #(request.attr.subject or "") > LIMIT.text then return nil, "subject"; end
		for _, name in ipairs(names) do
			request.attr[name] = command.attr[name];
			if not request.attr[name] then return nil, name; end
		end
		return request;
	end

	function requests.build_breakout(stanza, request)
		return finish(stanza_like(stanza):tag("breakout_rooms", request.attr));
	end

	local function true_or_false(value)
		if type(value) == "boolean" then return value; end
		if value == "true" or value == "false" then return value == "true"; end
	end

	-- Reads one key of a room's metadata. Keys that the server's modules read hold an object, of which only the
	-- booleans that they look for are kept. Unknown content is dropped, as readers of JSON differ between Jitsi's
	-- releases.
	function requests.read_metadata(command)
		local text = command:get_text() or "";
		local content = #text <= LIMIT.value and json.decode(text);
		local key, data = type(content) == "table" and content.key, type(content) == "table" and content.data;
		if type(key) ~= "string" or key == "" or #key > LIMIT.name or not fits_xml(key) then return nil, "key"; end
		if data == nil or data == json.null or not fits_xml(json.encode(data)) then return nil, "data"; end
		if SERVERS_OWN[key] then return nil, key; end
		local request, names = { key = key, data = data }, METADATA[key];
		if not names then return request; end
		if type(data) ~= "table" then return nil, key; end
		if names == OPEN then return request; end
		request.data = {};
		for _, name in ipairs(names) do
			local value = true_or_false(data[name]);
			if value == nil and data[name] ~= nil then return nil, name; end
			request.data[name] = value;
		end
		if next(request.data) == nil then return nil, "data"; end
		if RECORDS[key] then
			request.records = false;
			for _, value in pairs(request.data) do request.records = request.records or value; end
		end
		return request;
	end

	function requests.build_metadata(stanza, room, request)
		local text = json.encode({ key = request.key, data = request.data });
		return finish(stanza_like(stanza):text_tag("room_metadata", text, { xmlns = xmlns_jitsi, room = room }));
	end

	-- Reads a request for audio translation: languages by source, "" to stop.
	function requests.read_translations(command)
		local text = command:get_text() or "";
		local wanted, count = #text <= LIMIT.value and json.decode(text), 0;
		if type(wanted) ~= "table" then return nil, "audio-translation"; end
		local request = { wanted = wanted, stops = true };
		for of, language in pairs(wanted) do
			count = count + 1;
			if type(of) ~= "string" or type(language) ~= "string" then return nil, "audio-translation"; end
			request.stops = request.stops and language == "";
		end
		if count == 0 then return nil, "audio-translation"; end
		return request;
	end

	function requests.build_translations(stanza, request)
		local text = json.encode(request.wanted);
		return finish(stanza_like(stanza):text_tag("audio-translation", text, { xmlns = xmlns_jitsi }));
	end

	-- Affiliations and roles: <query xmlns='…muc#admin'/>

	-- Reads a list of items: either all set affiliations, or all set roles.
	function requests.read_items(query)
		local items = {};
		if #query.tags == 0 or #query.tags > LIMIT.items then return nil, "item"; end
		for _, tag in ipairs(query.tags) do
			if tag.name ~= "item" or tag.attr.xmlns ~= xmlns_admin then return nil, tag.name; end
			local attr, reason = tag.attr, only_text(tag, "reason", LIMIT.text);
			local item = { affiliation = attr.affiliation, role = attr.role, reason = reason or nil };
			if reason == false then return nil, "reason"; end
			if attr.affiliation and not AFFILIATION[attr.affiliation] then return nil, "affiliation"; end
			if attr.role and not ROLE[attr.role] then return nil, "role"; end
			if (attr.affiliation == nil) == (attr.role == nil) then return nil, "item"; end
			if (item.role == nil) ~= ((items[1] or item).role == nil) then return nil, "item"; end
			if attr.jid then
				-- An address that was stored in another form than today's can still be removed.
				item.jid = jid_prep(attr.jid, attr.affiliation ~= "none");
				if not item.jid then return nil, "jid"; end
			end
			if attr.nick then
				item.nick = resourceprep(attr.nick, true);
				if not item.nick or item.nick == "" then return nil, "nick"; end
			end
			if not item.jid and not item.nick then return nil, "item"; end
			t_insert(items, item);
		end
		return items;
	end

	function requests.build_item(stanza, item)
		local built = stanza_like(stanza):tag("query", { xmlns = xmlns_admin })
			:tag("item", { affiliation = item.affiliation, role = item.role, jid = item.jid, nick = item.nick });
		if item.reason then built:text_tag("reason", item.reason); end
		return finish(built);
	end

	-- Registration: <query xmlns='jabber:iq:register'/>

	-- Reads a registration under a nick, or (`remove`) its end.
	function requests.read_registration(query, layout)
		local child = query.tags[1];
		if not child or query.tags[2] then return nil, "query"; end
		if child.name == "remove" and child.attr.xmlns == xmlns_register then return { remove = true }; end
		if child.name ~= "x" or child.attr.xmlns ~= xmlns_form or child.attr.type ~= "submit" then return nil, child.name; end
		local form, wrong = read_form(child);
		if not form then return nil, wrong; end
		if take_type(form) ~= xmlns_muc .. "#register" then return nil, "FORM_TYPE"; end
		form, wrong = check_form(form, layout);
		if not form then return nil, wrong; end
		local nicks = form.values["muc#register_roomnick"];
		local nick = nicks and nicks[1] ~= "" and resourceprep(nicks[1], true);
		if not nick then return nil, "muc#register_roomnick"; end
		form.values["muc#register_roomnick"] = { nick };
		return { nick = nick, form = form };
	end

	function requests.build_registration(stanza, request)
		local built = stanza_like(stanza):tag("query", { xmlns = xmlns_register });
		if request.remove then return finish(built:tag("remove")); end
		return finish(add_form(built, request.form, xmlns_muc .. "#register"));
	end

	-- Messages to a room

	-- Reads all mediated invitations of a message, or one decline (XEP-0045, 7.8.2). False: it has neither.
	function requests.read_invitations(stanza)
		local read, is_any = {}, false;
		for x in stanza:childtags("x", xmlns_user) do
			for _, tag in ipairs(x.tags) do
				is_any = true;
				local reason = only_text(tag, "reason", LIMIT.text);
				local target = tag.attr.to and jid_prep(tag.attr.to, true);
				if tag.attr.xmlns ~= xmlns_user or tag.name ~= "invite" and tag.name ~= "decline" then return nil, tag.name; end
				if reason == false then return nil, "reason"; end
				if not target then return nil, "to"; end
				local is_alone = tag.name == "invite" and not (read[1] and read[1].name == "decline") or not read[1];
				if #read >= LIMIT.items or not is_alone then return nil, tag.name; end
				t_insert(read, { name = tag.name, to = target, reason = reason });
			end
		end
		return is_any and read;
	end

	function requests.build_invitation(stanza, invitation)
		local built = stanza_like(stanza):tag("x", { xmlns = xmlns_user }):tag(invitation.name, { to = invitation.to });
		if invitation.reason then built:text_tag("reason", invitation.reason); end
		return finish(built);
	end

	local REQUEST_FORM = {
		{ name = "muc#jid", type = "jid-single" },
		{ name = "muc#roomnick", type = "text-single" },
		{ name = "muc#role", type = "list-single", options = { "none", "visitor", "participant", "moderator" } },
		{ name = "muc#request_allow", type = "boolean" },
		{ name = "vestibule#knock", type = "hidden" },
	};

	local function says_request(x)
		for field in x:childtags("field", xmlns_form) do
			for value in field:childtags("value", xmlns_form) do
				if field.attr.var == "FORM_TYPE" and value:get_text() == xmlns_request then return true; end
			end
		end
		return false;
	end

	-- Reads the form that requests or grants voice (XEP-0045, 7.13 and 8.6), or answers a knock. False: the message has
	-- none.
	function requests.read_request(stanza)
		local count, found = 0, nil;
		for x in stanza:childtags("x", xmlns_form) do
			count, found = count + 1, says_request(x) and x or found;
		end
		if not found then return false; end
		if count > 1 then return nil, "x"; end
		local form, wrong = read_form(found);
		if not form then return nil, wrong; end
		if take_type(form) ~= xmlns_request then return nil, "FORM_TYPE"; end
		form, wrong = check_form(form, REQUEST_FORM);
		if not form then return nil, wrong; end
		local function first(var) return form.values[var] and form.values[var][1]; end
		return {
			knock = first("vestibule#knock"), jid = first("muc#jid"), nick = first("muc#roomnick"),
			role = first("muc#role"), allows = first("muc#request_allow") == "1",
		};
	end

	-- Builds a request for voice or, with `address` and `nick`, its grant.
	function requests.build_voice(stanza, address, nick)
		local form = { names = { "muc#role" }, values = { ["muc#role"] = { "participant" } } };
		if address then
			form.names = { "muc#role", "muc#jid", "muc#roomnick", "muc#request_allow" };
			form.values["muc#jid"], form.values["muc#roomnick"] = { address }, { nick };
			form.values["muc#request_allow"] = { "1" };
		end
		return finish(add_form(stanza_like(stanza), form, xmlns_request));
	end

	-- Reads a change of the subject (XEP-0045, 8.1). False: the message is none.
	function requests.read_subject(stanza)
		if not stanza:get_child("subject") or stanza:get_child("body") or stanza:get_child("thread") then return false; end
		local text = stanza:get_child("subject"):get_text();
		if not text or #text > LIMIT.value then return nil, "subject"; end
		return text;
	end

	function requests.build_subject(stanza, text) return finish(stanza_like(stanza):text_tag("subject", text)); end

	-- Joins

	-- A bound of XEP-0045, 7.2.14: a non-negative xs:int.
	local function bound(number) return math.floor(math.max(0, math.min(number, LIMIT.int))); end
	local function read_bound(text)
		local number = tonumber(text);
		return number and number == number and ("%d"):format(bound(number)) or nil;
	end

	local function is_of_muc(tag, name) return tag.name == name and tag.attr.xmlns == xmlns_muc; end

	-- Returns the password in the MUC element of a join, if there is exactly one, and how many there are.
	function requests.read_password(stanza)
		local password, count = nil, 0;
		for _, tag in ipairs(stanza:get_child("x", xmlns_muc).tags) do
			if is_of_muc(tag, "password") then password, count = tag:get_text(), count + 1; end
		end
		return count == 1 and password or nil, count;
	end

	-- Reads the MUC element of a join: the password (one or several), and the requested history. Invalid bounds are
	-- dropped, as Prosody does.
	function requests.read_join(stanza)
		local x = stanza:get_child("x", xmlns_muc);
		local password, passwords = requests.read_password(stanza);
		local join, history = { password = password, passwords = passwords }, x:get_child("history", xmlns_muc);
		if history then
			local is_read, since = pcall(datetime.parse, history.attr.since);
			join.history = {
				maxchars = read_bound(history.attr.maxchars), maxstanzas = read_bound(history.attr.maxstanzas),
				seconds = read_bound(history.attr.seconds), since = is_read and since and datetime.datetime(bound(since)) or nil,
			};
		end
		return join;
	end

	local function has_only_namespace(tag) return next(tag.attr, next(tag.attr)) == nil; end
	-- Returns whether the MUC element of a join is what it would be replaced by: empty, or with a password alone.
	local function is_as_built(x)
		local password = x.tags[1];
		return has_only_namespace(x) and (#x == 0 or #x == 1 and password ~= nil and is_of_muc(password, "password")
			and #password.tags == 0 and #password > 0 and has_only_namespace(password));
	end

	-- Replaces the MUC elements of a join by what was read; the rest of the presence stays. Its language becomes that
	-- of a room that it opens.
	function requests.rebuild_join(stanza)
		stanza.attr["xml:lang"] = language_of(stanza);
		local first, count = nil, 0;
		for _, tag in ipairs(stanza.tags) do
			if is_of_muc(tag, "x") then first, count = first or tag, count + 1; end
		end
		if not first then return; end
		if count == 1 and is_as_built(first) then return; end -- as most are
		local join = requests.read_join(stanza);
		local x = st.stanza("x", { xmlns = xmlns_muc });
		if join.password then x:text_tag("password", join.password); end
		if join.history then x:tag("history", join.history):up(); end
		stanza:remove_children("x", xmlns_muc);
		stanza:add_direct_child(finish(x));
	end

	return requests;
end;
