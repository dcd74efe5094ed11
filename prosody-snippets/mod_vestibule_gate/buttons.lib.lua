-- Tells Jitsi's clients which of their buttons a person may not press. They take that from `permissions` in their own
-- presence, as mod_jitsi_permissions writes them; this is only ever less than that module gives.

local st = require "util.stanza";

local xmlns_jitsi, xmlns_user = "http://jitsi.org/jitmeet", "http://jabber.org/protocol/muc#user";

-- The permission that each feature of the clients takes.
local FEATURES = {
	recording = "record", livestreaming = "record", transcription = "record", ["live-translation"] = "record",
	["live-translation-subscribe"] = "record", ["outbound-call"] = "dial", ["sip-outbound-call"] = "dial",
	["send-groupchat"] = "chat", ["create-polls"] = "chat", ["file-upload"] = "chat", ["screen-sharing"] = "desktop",
};
-- What clients take for granted where nothing is said.
local UNSAID = { ["screen-sharing"] = true };
local NONE = {};

return function (gate)
	-- What mod_jitsi_permissions gives moderators whose token has no features.
	local defaults = module:get_option("jitsi_default_permissions", {
		livestreaming = true, recording = true, transcription = true, ["outbound-call"] = true, ["create-polls"] = true,
		["send-groupchat"] = true, flip = true, ["live-translation"] = true, ["live-translation-subscribe"] = true,
	});

	-- Returns the features that a client has without the policy.
	local function given(session, occupant)
		local features = session.jitsi_meet_context_features;
		if session.auth_token and features then return features; end
		return occupant.role == "moderator" and (features or defaults) or NONE;
	end

	-- Returns whether a button can be of use to an occupant: moderators can let single people share their screen, and
	-- nobody records a suspended meeting or calls into it.
	local function is_of_use(room, occupant, what)
		local data = gate.room_data.of(room);
		if data and data.suspended and (what == "record" or what == "dial") then return false; end
		if what == "desktop" then return gate.permissions.degree(room, occupant, what) ~= "no"; end
		return gate.permissions.may(room, occupant, what);
	end

	-- Returns the features of a client without the policy, as texts, and those under it.
	local function read(room, occupant, session)
		local before, after = {}, {};
		for name, value in pairs(given(session, occupant)) do
			before[name], after[name] = tostring(value), tostring(value);
		end
		for name, what in pairs(FEATURES) do
			local is_on = before[name] == "true" or before[name] == nil and UNSAID[name];
			if is_on and not is_of_use(room, occupant, what) then after[name] = "false"; end
		end
		return before, after;
	end

	local function written(features)
		local list = {};
		for name, value in pairs(features) do list[#list + 1] = name .. "=" .. value; end
		table.sort(list);
		return table.concat(list, " ");
	end

	local function tell(room, occupant, address, features)
		local presence = st.clone(occupant:get_presence(address));
		local x = st.stanza("x", { xmlns = xmlns_user });
		room:build_item_list(occupant, x, false);
		presence.attr = { from = occupant.nick, to = address };
		presence:add_child(x:tag("status", { code = "110" }):up()):tag("permissions", { xmlns = xmlns_jitsi });
		for name, value in pairs(features) do presence:tag("p", { name = name, val = value }):up(); end
		module:send(presence:up());
	end

	local buttons = {};

	-- Tells each session of an occupant what has changed. `is_new`: their client knows what Jitsi itself gives, because
	-- they have come in, or have just become a moderator. In a breakout room Jitsi gives nothing, and the client knows
	-- what it was told last.
	function buttons.settle(place, occupant, is_new)
		if gate.is_observing() then return; end
		local main = gate.breakout.main(place.jid);
		local room = main or place;
		for address, presence in occupant:each_session() do
			local session = gate.callers.session(address);
			local known = session and session[gate.mark];
			if known and known.client == "jitsi" and presence.attr.type == nil then
				local before, after = read(room, occupant, session);
				local text = written(after);
				local last = (main or not is_new) and known.buttons or written(before);
				known.buttons = text;
				if text ~= last then tell(place, occupant, address, after); end
			end
		end
	end

	-- The same after a change of role, which the client has to be told first.
	function buttons.settle_later(room, occupant)
		local nick, is_new = occupant.nick, occupant.role == "moderator";
		module:add_timer(0, function ()
			local present = not room.destroying and room:get_occupant_by_nick(nick);
			if present then buttons.settle(room, present, is_new); end
		end);
	end

	function buttons.settle_all(room)
		gate.breakout.each(room, function (occupant, place) buttons.settle(place, occupant); end);
	end

	return buttons;
end;
