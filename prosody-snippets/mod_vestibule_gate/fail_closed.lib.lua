-- Gates changes of a room, whatever causes them: each needs an answer that names it, or it is refused.

local jid = require "util.jid";
local jid_bare, jid_resource = jid.bare, jid.resource;
local getinfo, getlocal = debug.getinfo, debug.getlocal;

return function (gate)
	local PRIORITY, LIMIT, AFFILIATION = gate.PRIORITY, gate.LIMIT, gate.AFFILIATION;
	local OURS, DEEP = "vestibule_gate", 200;

	-- Returns the client whose stanza is being handled, if any, and the module that acts. A timer, an HTTP request or
	-- the server itself has no stanza; other parts of this server and services are trusted with theirs.
	local function cause()
		local name;
		for level = 3, DEEP do
			local info = getinfo(level, "Sf");
			if not info then break; end
			local module_name = info.source:match("mod_([%w_]+)%.lua$");
			if module_name and (not name or name == "muc") and module_name ~= OURS then name = module_name; end
			if info.func == prosody.core_process_stanza then
				local _, origin = getlocal(level, 1);
				local _, stanza = getlocal(level, 2);
				local from = stanza and stanza.attr and stanza.attr.from;
				local is_client = origin and origin.type ~= "component" and not (from and gate.is_service(from));
				return is_client and (from or "") or nil, name;
			end
		end
		return nil, name;
	end

	local function has_person(room)
		return gate.breakout.each(room, function (occupant) return not gate.is_service(occupant.bare_jid) or nil; end);
	end

	-- `what`: "affiliation owner" or another, "role moderator" or another, "removed" or "ended".
	local function note(event_name, room, name, what, address)
		module:log("info", "%s: change by another module (%s) %s: %s %s", room.jid, name or "?",
			event_name == "refused" and "refused" or "allowed", what, address or "");
		if event_name == "carried-out" and what == "ended" and not has_person(room) then return; end
		gate.report_seldom(event_name, room, { jid = address and gate.text.cut(address, LIMIT.address), reason = "module",
			module = name, change = what });
	end
	local function carried_out(...) note("carried-out", ...); end
	local function refused(...) note("refused", ...); end

	-- Returns whether the answer that is being carried out names this change. `matches` is called with each of its
	-- items.
	local function is_named(verdict, room, matches)
		if verdict.failing then return true; end
		if verdict.room ~= room.jid then return false; end
		for _, item in ipairs(verdict.items or {}) do
			if matches(item) then return true; end
		end
		return false;
	end

	local function has_target(verdict, bare)
		for _, target in ipairs(verdict.targets or {}) do
			if jid_bare(target) == bare then return true; end
		end
		return false;
	end

	local function may_set_affiliation(event)
		local room, bare, verdict = event.room, jid_bare(event.jid), gate.replaying();
		local to, before = AFFILIATION[event.affiliation], AFFILIATION[event.previous_affiliation or "none"];
		if verdict and is_named(verdict, room, function (item)
			-- Jitsi revokes the affiliation of a person who is kicked.
			return item.jid == bare and (item.affiliation or item.role) == event.affiliation;
		end) then
			return true;
		elseif event.actor then
			return false;
		end
		-- A new room makes its opener an owner: to look for the cause would cost more than the rest of the opening.
		local rises = to >= AFFILIATION.admin and to > before;
		if rises and (gate.is_service(bare) or not gate.room_data.of(room)) then return true; end
		local client, name = cause();
		if rises then
			return false, name;
		elseif not client and not verdict then
			carried_out(room, name, "affiliation " .. event.affiliation, bare);
			return true;
		elseif bare == jid_bare(client or verdict.from or "") and to <= before and to >= AFFILIATION.none then
			return true; -- one's own, given up
		end
		-- Jitsi's lobby makes members of occupants, of people who enter by an answer, and of people who are let in.
		local is_member = event.affiliation == "member" and to > before and before >= AFFILIATION.none;
		local is_meant = gate.breakout.is_inside(room, bare) or verdict and verdict.room == room.jid
			and (verdict.kind == "join" and jid_bare(verdict.from) == bare or has_target(verdict, bare));
		return is_member and is_meant, name;
	end

	gate.guard("muc-pre-set-affiliation", PRIORITY.backstop, function (event)
		if gate.effects.are_being_applied() or gate.is_observing() then return; end
		local ok, name = may_set_affiliation(event);
		if ok then return; end
		event.allowed = false;
		refused(event.room, name, "affiliation " .. event.affiliation, jid_bare(event.jid));
	end);

	local function names_role(verdict, room, occupant, role)
		local nick = jid_resource(occupant.nick);
		return is_named(verdict, room, function (item)
			return item.role == (role or "none") and item.nick == nick and item.jid == occupant.bare_jid;
		end);
	end

	gate.guard("muc-pre-set-role", PRIORITY.backstop, function (event)
		if gate.is_observing() or not event.actor then return; end
		local verdict = gate.replaying();
		if verdict and names_role(verdict, event.room, event.occupant, event.role) then return; end
		event.allowed, event.error, event.condition = false, "cancel", "not-allowed";
	end);

	-- With `true` as actor, Prosody fires no event.
	local room_mt = gate.muc.room_mt;
	local set_role = room_mt.set_role;
	local function guarded_set_role(room, actor, nick, role, reason)
		local occupant = actor == true and not gate.effects.are_being_applied() and not gate.is_observing()
			and room:get_occupant_by_nick(nick);
		local verdict = gate.replaying();
		if not occupant or verdict and names_role(verdict, room, occupant, role) then
			return set_role(room, actor, nick, role, reason);
		end
		local client, name = cause();
		local what = role and role ~= "none" and "role " .. role or "removed";
		local rises = role == "moderator" and occupant.role ~= "moderator";
		local is_own = occupant.bare_jid == jid_bare(client or verdict and verdict.from or "");
		if rises and gate.room_data.of(room) or not rises and (client or verdict) and not is_own then
			refused(room, name, what, occupant.jid);
			return nil, "cancel", "not-allowed";
		end
		carried_out(room, name, what, occupant.jid);
		return set_role(room, actor, nick, role, reason);
	end
	room_mt.set_role = guarded_set_role;

	gate.guard("muc-pre-room-destroy", PRIORITY.backstop, function (event)
		local room, verdict = event.room, gate.replaying();
		if gate.effects.are_being_applied() or gate.is_observing() or not gate.room_data.of(room) then return; end
		if verdict and (verdict.failing or verdict.kind == "destroy" and verdict.room == room.jid) then return; end
		local client, name = cause();
		if not client and not verdict then return carried_out(room, name, "ended"); end
		event.allowed = false;
		refused(room, name, "ended", client or verdict.from);
	end);

	return {
		unload = function ()
			if room_mt.set_role == guarded_set_role then room_mt.set_role = set_role; end
		end;
	};
end;
