-- Gates audio, video and screen sharing: Jitsi's av_moderation_component keeps the lists of who may send them, and
-- Jitsi's focus enforces these. The gate has moderation on from the start, and puts people on the lists.

local jid, st, json = require "util.jid", require "util.stanza", require "util.json";
local array = require "util.array";

local xmlns_jitsi = "http://jitsi.org/jitmeet";

return function (gate)
	local PRIORITY = gate.PRIORITY;
	local host, looked; -- the service that moderates, and when it was last looked for
	local media = {};

	-- Returns a tenant's room address as clients and the focus know it: see focus.lib.lua.
	local function external(address)
		local node, _, resource = jid.split(address);
		local tenant, name = node:match("^%[([^%]]+)%](.+)$");
		local prefix, base = module.host:match("^([^.]+)%.(.+)$");
		if not tenant or not prefix then return address; end
		return jid.join(name, prefix .. "." .. tenant .. "." .. base, resource);
	end
	media.external = external;

	local function moderated_in(room)
		local data = not gate.is_observing() and gate.room_data.of(room);
		return data and data.media or {};
	end

	local function say_to(address, content)
		content.type = "av_moderation";
		module:context(host):send(st.message({ from = host, to = address })
			:text_tag("json-message", json.encode(content), { xmlns = xmlns_jitsi }));
	end

	local function lists_of(room)
		local lists = {};
		for kind, list in pairs(room.av_moderation or {}) do lists[kind] = array(list); end
		return lists;
	end

	-- Informs those who see the lists: moderators, and the focus, which is one.
	local function tell_lists(room, kind)
		gate.effects.each_session(room, "moderator", function (address)
			say_to(address, { room = external(room.jid), mediaType = kind, whitelists = lists_of(room) });
		end);
	end

	local function refuse(event, room, kind)
		local text, language = gate.messages.of("gate-media", event.stanza);
		gate.permissions.report_once(room, event.stanza.attr.from, kind);
		gate.client_response.plain(event, "cancel", "not-acceptable", text, language);
		gate.effects.say(room, { { to = "requester", text = text } }, event.stanza.attr.from, nil);
		return true;
	end

	local function command_of(event, room, command)
		local kind, target = command.attr.mediaType, command.attr.jidToWhitelist;
		local is_ours = false;
		for _, moderated in ipairs(moderated_in(room)) do is_ours = is_ours or moderated == kind; end
		if not is_ours or not room:get_occupant_by_real_jid(event.stanza.attr.from) then return; end
		if command.attr.enable and command.attr.enable ~= "true" then return refuse(event, room, kind); end
		for _, occupant in pairs(target and room._occupants or {}) do
			local is_meant = occupant.nick == target or external(occupant.nick) == target;
			local degree = is_meant and gate.permissions.degree(room, occupant, kind);
			if degree == "no" then return refuse(event, room, kind); end
		end
	end
	gate.jitsi_components.hear("av_moderation_component", { element = "av_moderation", act = command_of });

	-- Returns whether a service moderates media. Its module can be loaded after this one.
	local function is_there()
		if host and rawget(prosody.hosts, host) then return true; end
		if looked == os.time() then return false; end
		looked, host = os.time(), gate.jitsi_components.find("av_moderation_component");
		return host ~= nil;
	end

	local function by_us(room) return room.jid .. "/focus"; end

	-- The setting of newcomers' microphones is saved where the module itself saves it, and restored later.
	local function start_muted(room, kind, is_on)
		local metadata, before = room.jitsiMetadata, room.av_moderation_startMuted_restore or {};
		if not metadata then return; end
		-- Clients can put anything there.
		if type(metadata.startMuted) ~= "table" then metadata.startMuted = {}; end
		room.av_moderation_startMuted_restore = before;
		if is_on and before[kind] == nil then before[kind] = metadata.startMuted[kind] or false; end
		metadata.startMuted[kind] = is_on or before[kind] or nil;
		if not is_on then before[kind] = nil; end
	end

	-- Keeps moderated media muted, whatever a moderator sets for newcomers' microphones.
	function media.keep_muted(room, request)
		if request.key ~= "startMuted" then return; end
		for _, kind in ipairs(moderated_in(room)) do
			if (room.av_moderation or {})[kind] then request.data[kind] = true; end
		end
	end
	-- Older clients set it by presence, and that module makes metadata of it.
	gate.guard("room-metadata-changed", PRIORITY.backstop, function (event)
		for _, kind in ipairs(moderated_in(event.room)) do
			if (event.room.av_moderation or {})[kind] then start_muted(event.room, kind, true); end
		end
	end);

	-- Starts moderation as if the focus had switched it on.
	local function start(room)
		local kinds = moderated_in(room);
		if #kinds == 0 or not is_there() then return false; end
		room.av_moderation, room.av_moderation_actors = room.av_moderation or {}, room.av_moderation_actors or {};
		for _, kind in ipairs(kinds) do
			room.av_moderation[kind] = room.av_moderation[kind] or array();
			room.av_moderation_actors[kind] = room.av_moderation_actors[kind] or by_us(room);
			start_muted(room, kind, true);
		end
		return true;
	end

	local function keep(room, kinds) gate.room_data.of(room).media = #kinds > 0 and kinds or nil; end

	function media.preset(room, kinds)
		keep(room, kinds);
		if #kinds > 0 and not start(room) and not gate.is_observing() then
			module:log("warn", "%s: no component on this server moderates %s", room.jid, table.concat(kinds, ", "));
		end
	end

	-- Returns those of the policy's media that are in fact moderated.
	function media.moderated(room)
		local kinds = {};
		for _, kind in ipairs(moderated_in(room)) do
			if (room.av_moderation or kinds)[kind] then kinds[#kinds + 1] = kind; end
		end
		return kinds[1] and table.concat(kinds, " ");
	end

	local function tell_all(room, kind, enabled)
		local actor = external(by_us(room));
		gate.effects.each_session(room, nil, function (address)
			say_to(address, { room = external(room.jid), mediaType = kind, enabled = enabled, actor = actor });
		end);
	end

	-- Changes moderation while people are inside. What moderators have switched on stays on.
	function media.switch(room, kinds)
		if gate.is_observing() or not is_there() then return keep(room, kinds); end
		local before, wanted = lists_of(room), {};
		for _, kind in ipairs(kinds) do wanted[kind] = true; end
		for _, kind in ipairs(moderated_in(room)) do
			if not wanted[kind] and room.av_moderation and room.av_moderation_actors[kind] == by_us(room) then
				room.av_moderation[kind], room.av_moderation_actors[kind] = nil, nil;
				start_muted(room, kind, nil);
				tell_all(room, kind, false);
			end
		end
		if room.av_moderation and next(room.av_moderation) == nil then room.av_moderation = nil; end
		media.preset(room, kinds);
		for _, occupant in pairs(#kinds > 0 and room._occupants or {}) do media.settle(room, occupant); end
		for _, kind in ipairs(kinds) do
			if not before[kind] then
				tell_lists(room, kind);
				tell_all(room, kind, true);
			end
		end
	end
	-- Its module creates the room's metadata when the room exists.
	gate.guard("muc-room-created", PRIORITY.seated, function (event) start(event.room); end);

	-- A focus that is an administrator of the server is informed of nothing by the module itself.
	local function tell_focus(room, address)
		if not start(room) then return; end
		for _, kind in ipairs(moderated_in(room)) do
			say_to(address, {
				room = external(room.jid), mediaType = kind, enabled = true, actor = external(room.av_moderation_actors[kind]),
			});
		end
		say_to(address, { room = external(room.jid), whitelists = lists_of(room) });
	end

	local function take_out(list, name)
		local found = false;
		for i = #list, 1, -1 do -- the module itself puts people there twice
			if list[i] == name then found = true; table.remove(list, i); end
		end
		return found;
	end

	local function has(list, name)
		for _, one in ipairs(list) do if one == name then return true; end end
		return false;
	end

	-- Puts an occupant on the lists that they belong on, and removes them from the others.
	function media.settle(room, occupant)
		if gate.focus.is_one(occupant.bare_jid) or not start(room) then return; end
		local name = external(occupant.nick);
		for _, kind in ipairs(moderated_in(room)) do
			local list, is_permitted = room.av_moderation[kind], gate.permissions.may(room, occupant, kind);
			if is_permitted ~= has(list, name) then
				if is_permitted then list:push(name); else take_out(list, name); end
				tell_lists(room, kind);
				-- Clients ask a person who is approved to take part; a moderator's knows that they may.
				local is_told = not is_permitted or occupant.role ~= "moderator";
				for address in occupant:each_session() do
					if is_told then
						say_to(address, {
							room = external(room.jid), mediaType = kind,
							approved = is_permitted or nil, removed = not is_permitted or nil,
						});
					end
				end
			end
		end
	end

	-- Removes a nick from the lists: its next bearer is another person. A person who changes nick stays.
	local function forget(room, occupant, next_nick)
		for kind, list in pairs(#moderated_in(room) > 0 and room.av_moderation or {}) do
			if take_out(list, external(occupant.nick)) then
				if next_nick then list:push(external(next_nick)); end
				tell_lists(room, kind);
			end
		end
	end

	gate.guard("muc-occupant-joined", PRIORITY.seated, function (event)
		if gate.focus.is_one(event.occupant.bare_jid) then tell_focus(event.room, event.stanza.attr.from); end
	end);
	gate.guard("muc-occupant-left", PRIORITY.last, function (event)
		local stanza = event.stanza;
		forget(event.room, event.occupant, stanza and stanza.attr.type == nil and stanza.attr.to or nil);
	end);
	gate.guard("muc-broadcast-presence", PRIORITY.seated, function (event)
		local known = event.room[gate.mark]; -- the role before: reports.lib.lua learns the new one after this
		local before = known and known[event.occupant.nick];
		if not before or not event.occupant.role or before == event.occupant.role then return; end
		media.settle(event.room, event.occupant);
		gate.buttons.settle_later(event.room, event.occupant);
	end);
	-- The module itself puts every new owner on the lists.
	gate.guard("muc-set-affiliation", PRIORITY.seated, function (event)
		for _, occupant in pairs(event.affiliation == "owner" and event.room._occupants or {}) do
			if occupant.bare_jid == event.jid then media.settle(event.room, occupant); end
		end
	end);

	return media;
end;
