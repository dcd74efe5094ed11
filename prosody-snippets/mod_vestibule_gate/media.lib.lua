-- Gates audio, video and screen sharing: Jitsi's av_moderation_component keeps the lists of who may send them, and
-- Jitsi's focus enforces these. The gate has moderation on from the start, and puts people on the lists. That component
-- knows no breakout rooms, but the focus enforces the lists there as well, so the gate keeps them by itself.

local jid, st, json = require "util.jid", require "util.stanza", require "util.json";
local array = require "util.array";

local NOTHING = {};
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

	-- Returns the room of the meeting that has the policy's data. `place`: that room, or one of its breakout rooms.
	local function main_of(place) return gate.breakout.main(place.jid) or place; end

	local function moderated_in(place)
		local data = not gate.is_observing() and gate.room_data.of(main_of(place));
		return data and data.media or NOTHING;
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

	local function occupant_of(place, name)
		for _, occupant in pairs(name and place._occupants or {}) do
			if occupant.nick == name or external(occupant.nick) == name then return occupant; end
		end
	end

	local function command_of(event, room, command)
		local kind, is_ours = command.attr.mediaType, false;
		for _, moderated in ipairs(moderated_in(room)) do is_ours = is_ours or moderated == kind; end
		local actor, place = gate.breakout.find(room, event.stanza.attr.from);
		if not is_ours or not actor then return; end
		if command.attr.enable and command.attr.enable ~= "true" then return refuse(event, room, kind); end
		local admitted = occupant_of(place, command.attr.jidToWhitelist);
		if admitted and gate.permissions.degree(room, admitted, kind) == "no" then return refuse(event, room, kind); end
		-- The module itself looks for the actor in the main room, and refuses.
		if place == room or actor.role ~= "moderator" then return; end
		local concerned = admitted or occupant_of(place, command.attr.jidToBlacklist);
		if concerned then media.list(place, concerned, kind, admitted ~= nil); end
		return true;
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
	function media.keep_muted(place, request)
		if request.key ~= "startMuted" then return; end
		for _, kind in ipairs(moderated_in(place)) do
			if (place.av_moderation or {})[kind] then request.data[kind] = true; end
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

	local function stop(place, kinds)
		for _, kind in ipairs(kinds) do
			if place.av_moderation and place.av_moderation_actors[kind] == by_us(place) then
				place.av_moderation[kind], place.av_moderation_actors[kind] = nil, nil;
				start_muted(place, kind, nil);
				tell_all(place, kind, false);
			end
		end
		if place.av_moderation and next(place.av_moderation) == nil then place.av_moderation = nil; end
	end

	-- Changes moderation while people are inside. What moderators have switched on stays on.
	function media.switch(room, kinds)
		if gate.is_observing() or not is_there() then return keep(room, kinds); end
		local places, before, wanted, unwanted = gate.breakout.places(room), {}, {}, {};
		for _, kind in ipairs(kinds) do wanted[kind] = true; end
		for _, kind in ipairs(moderated_in(room)) do
			if not wanted[kind] then unwanted[#unwanted + 1] = kind; end
		end
		for _, place in ipairs(places) do
			before[place] = lists_of(place);
			stop(place, unwanted);
		end
		media.preset(room, kinds);
		for _, place in ipairs(#kinds > 0 and places or {}) do
			start(place);
			for _, occupant in pairs(place._occupants) do media.settle(place, occupant); end
			for _, kind in ipairs(kinds) do
				if not before[place][kind] then
					tell_lists(place, kind);
					tell_all(place, kind, true);
				end
			end
		end
	end
	-- Its module creates the room's metadata when the room exists.
	gate.breakout.guard("muc-room-created", PRIORITY.seated, function (event) start(event.room); end);

	local function tell_enabled(place, kind, address)
		say_to(address, {
			room = external(place.jid), mediaType = kind, enabled = true, actor = external(place.av_moderation_actors[kind]),
		});
	end

	-- A focus that is an administrator of the server is informed of nothing by the module itself.
	local function tell_focus(place, address)
		if not start(place) then return; end
		for _, kind in ipairs(moderated_in(place)) do tell_enabled(place, kind, address); end
		say_to(address, { room = external(place.jid), whitelists = lists_of(place) });
	end

	-- In the main room the module does this.
	local function tell_newcomer(place, occupant, address)
		if place == main_of(place) or not start(place) then return; end
		for _, kind in ipairs(moderated_in(place)) do
			tell_enabled(place, kind, address);
			if occupant.role == "moderator" then
				say_to(address, { room = external(place.jid), mediaType = kind, whitelists = lists_of(place) });
			end
		end
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

	-- Puts an occupant on a list, or removes them from it.
	function media.list(place, occupant, kind, is_permitted)
		-- A breakout room may be older than the gate.
		if not (place.av_moderation or {})[kind] and not start(place) then return; end
		local list, name = place.av_moderation[kind], external(occupant.nick);
		if is_permitted == has(list, name) then return; end
		if is_permitted then list:push(name); else take_out(list, name); end
		tell_lists(place, kind);
		-- Clients ask a person who is approved to take part; a moderator's knows that they may.
		if is_permitted and occupant.role == "moderator" then return; end
		for address in occupant:each_session() do
			say_to(address, {
				room = external(place.jid), mediaType = kind,
				approved = is_permitted or nil, removed = not is_permitted or nil,
			});
		end
	end

	-- Puts an occupant on the lists that they belong on, and removes them from the others.
	function media.settle(place, occupant)
		local kinds = moderated_in(place);
		if #kinds == 0 or gate.focus.is_one(occupant.bare_jid) or not start(place) then return; end
		local main = main_of(place);
		for _, kind in ipairs(kinds) do
			media.list(place, occupant, kind, gate.permissions.may(main, occupant, kind));
		end
	end

	-- Removes a nick from the lists: its next bearer is another person. A person who changes nick stays.
	local function forget(room, occupant, next_nick)
		for kind, list in pairs(#moderated_in(room) > 0 and room.av_moderation or NOTHING) do
			if take_out(list, external(occupant.nick)) then
				if next_nick then list:push(external(next_nick)); end
				tell_lists(room, kind);
			end
		end
	end

	gate.breakout.guard("muc-occupant-joined", PRIORITY.seated, function (event)
		local place, occupant, address = event.room, event.occupant, event.stanza.attr.from;
		if #moderated_in(place) == 0 then return; end
		if gate.focus.is_one(occupant.bare_jid) then return tell_focus(place, address); end
		tell_newcomer(place, occupant, address);
	end);
	gate.breakout.guard("muc-occupant-left", PRIORITY.last, function (event)
		local stanza = event.stanza;
		forget(event.room, event.occupant, stanza and stanza.attr.type == nil and stanza.attr.to or nil);
	end);
	gate.breakout.guard("muc-broadcast-presence", PRIORITY.seated, function (event)
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
