-- Reads an answer of the component: its verdict and its effects. Pure functions of elements.

local jid_bare = require "util.jid".bare;

return function (gate)
	local LIMIT, AFFILIATION, ROLE, respond = gate.LIMIT, gate.AFFILIATION, gate.ROLE, gate.client_response;

	local BOOLEAN = { ["true"] = true, ["false"] = false };
	local ROOM_FLAGS = {
		["members-only"] = "members_only", hidden = "hidden", persistent = "persistent", moderated = "moderated",
	};
	local MEDIA = { audio = true, video = true, desktop = true };
	local ABILITIES = {
		chat = true, private = true, rename = true, audio = true, video = true, desktop = true, record = true, dial = true,
		alone = true, form = true, secret = true,
	};
	local DEGREES = { yes = true, given = true, moderator = true, no = true };
	local VERDICTS = { allow = true, hold = true, prompt = true, deny = true };

	-- Each reader adds one effect to `fx` and returns whether it is sound. An element without a reader makes the answer
	-- a refusal.
	local function add(fx, name, item)
		local list = fx[name] or {};
		fx[name], list[#list + 1] = list, item;
	end
	local function read_jid(name, limit)
		return function (fx, attr, text)
			add(fx, name, { jid = jid_bare(attr.jid), text = text });
			return attr.jid and #text <= (limit or #text);
		end;
	end
	local read = {
		record = function (fx, _, text) fx.record = text; return #text <= LIMIT.record; end;
		person = read_jid("person", LIMIT.person);
		requester = function (fx, attr)
			fx.requester = attr;
			return AFFILIATION[attr.affiliation or "none"] and ROLE[attr.role or "none"];
		end;
		room = function (fx, attr)
			fx.room = {
				password = attr.password, code = attr.code, lobby = BOOLEAN[attr.lobby], suspended = BOOLEAN[attr.suspended],
				keep = BOOLEAN[attr.keep],
			};
			for name, option in pairs(ROOM_FLAGS) do
				fx.room[option] = BOOLEAN[attr[name]];
				if attr[name] and fx.room[option] == nil then return false; end
			end
			fx.room.media = attr["moderated-media"] and {};
			for kind in (attr["moderated-media"] or ""):gmatch("%S+") do
				if not MEDIA[kind] then return false; end
				add(fx.room, "media", kind);
			end
			return true;
		end;
		field = function (fx, attr, text)
			fx.field = fx.field or {};
			fx.field[attr.var or ""] = text;
			return attr.var;
		end;
		say = function (fx, attr, text)
			add(fx, "say", { to = attr.to, joined = attr.when == "joined", text = text });
			if attr.to == "room" or attr.to == "waiting" then
				return not (text:find("{password}", 1, true) or text:find("{code}", 1, true));
			end
			return attr.to == "requester" or attr.to == "moderators";
		end;
		knock = function (fx, attr) fx.knock = tonumber(attr.expires); return fx.knock; end;
		demote = function (fx, attr)
			add(fx, "demote", { jid = jid_bare(attr.jid), affiliation = attr.affiliation });
			return attr.jid and (attr.affiliation == "member" or attr.affiliation == "none");
		end;
		affiliate = function (fx, attr)
			add(fx, "affiliate", { jid = jid_bare(attr.jid), affiliation = attr.affiliation });
			return attr.jid and AFFILIATION[attr.affiliation or ""] and attr.affiliation ~= "outcast";
		end;
		admit = read_jid("admit"), promote = read_jid("promote"), reject = read_jid("reject"), remove = read_jid("remove");
		permissions = function (fx, attr)
			local degrees = {};
			for name, degree in pairs(attr) do
				if ABILITIES[name] and DEGREES[degree] then
					degrees[name] = degree;
				elseif name ~= "jid" and name ~= "xmlns" then
					return false;
				end
			end
			add(fx, "may", { jid = jid_bare(attr.jid), degrees = degrees });
			return attr.jid;
		end;
		only = function (fx, attr)
			add(fx, "only", { when = attr.when, jid = jid_bare(attr.jid) });
			return attr.when == "unmoderated" or (attr.when == "inside" or attr.when == "waiting") and attr.jid;
		end;
		["end"] = function (fx, _, text) fx.ending = text; return true; end;
	};

	local function read_effects(parent, unless)
		local fx = { verdict = nil, base = nil, attempt = nil, person = nil }; -- most have no more
		for _, tag in ipairs(parent.tags) do
			local reader = not unless[tag.name] and read[tag.name];
			local is_effect = tag.attr.xmlns == parent.attr.xmlns;
			if is_effect and tag.name == "error" and not unless.error then
				local text, condition = tag:get_child("text"), tag.attr.condition;
				if not condition or not condition:match("^[a-z-]+$") or not respond[tag.attr.as or "plain"] then return nil; end
				fx.way = tag.attr.as or "plain";
				fx.error = { tag.attr.type or "cancel", condition, text and text:get_text(), text and text.attr["xml:lang"] };
			elseif is_effect and not (reader and reader(fx, tag.attr, tag:get_text() or "")) then
				return nil;
			end
		end
		return fx;
	end

	local function read_answer(answer)
		local fx = read_effects(answer, { only = true });
		if not fx or not VERDICTS[answer.attr.verdict] then return nil; end
		fx.observed = answer.attr.observe == "true" or nil;
		fx.attempt = answer.attr.attempt;
		fx.verdict, fx.base = answer.attr.verdict, tonumber(answer.attr.base or 0);
		return (fx.verdict == "allow" or fx.error) and fx or nil;
	end

	return { read = read_answer, read_effects = read_effects, ROOM_FLAGS = ROOM_FLAGS };
end;
