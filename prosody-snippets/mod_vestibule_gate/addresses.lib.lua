-- Gates addresses: whose stanzas are accepted at all. Prosody's own preparation passes characters that Unicode 3.2 does
-- not know, and newer tables map such an address to another one: a look-alike of another person's. Strict preparation
-- (RFC 6122) refuses them, and an address that it would refuse or change is nobody here. All others are compared byte
-- for byte.

local jid = require "util.jid";
local jid_prep = jid.prep;

local xmlns_muc = "http://jabber.org/protocol/muc";
-- Most addresses consist of these characters, which no preparation changes.
local USUAL = { "^[a-z0-9._-]+@[a-z0-9.-]*[a-z0-9]$", "^[a-z0-9.-]*[a-z0-9]$" };
local FOREIGN = "[\128-\255]";
local NOTHING = {};
local EVENTS = { "message/full", "message/bare", "message/host", "presence/full", "presence/bare", "presence/host",
	"iq/full", "iq/bare", "iq/host" };

return function (gate)
	local jid_bare, jid_resource = gate.jids.bare, gate.jids.resource;

	-- Returns whether strict preparation leaves the bare address unchanged. Resources are opaque.
	local function is_prepared(address)
		if not address then return true; end
		local bare = jid_bare(address);
		if not bare then return false; end
		return bare:find(USUAL[1]) or bare:find(USUAL[2]) or jid_prep(bare, true) == bare;
	end

	-- The room itself prepares the addresses in a request: only those that strict preparation would refuse become a
	-- person whom nobody meant.
	local function is_nobody(named) return named and named:find(FOREIGN) and not jid_prep(jid_bare(named), true); end
	local function names_nobody(stanza)
		for _, payload in ipairs(stanza.tags) do
			local is_of_room = (payload.attr.xmlns or ""):sub(1, #xmlns_muc) == xmlns_muc;
			for _, tag in ipairs(is_of_room and payload.tags or NOTHING) do
				local is_named = is_nobody(tag.attr.jid) and tag.attr.affiliation ~= "none" or is_nobody(tag.attr.to);
				if is_named then return true; end
			end
		end
		return false;
	end

	-- Refuses a stanza from, to or about such an address. An error or result gets no answer, and an occupant with such
	-- an address may leave.
	local function refuse(event, other)
		local stanza = event.stanza;
		local attr, kind = stanza.attr, stanza.attr.type;
		local is_answer = kind == "error" or kind == "result" or kind == "unavailable";
		if is_answer and jid_resource(attr.to) or gate.is_observing() then return; end
		if is_prepared(attr.from) and is_prepared(attr.to) and (not other or jid_prep(other, true))
		and not names_nobody(stanza) then
			return;
		end
		if is_answer then return true; end
		return gate.refuse(event, "jid-malformed", "modify", "jid-malformed", gate.messages.of("gate-address", stanza));
	end

	local function watch(context)
		for _, name in ipairs(EVENTS) do
			gate.guard_at(context, name, gate.PRIORITY.address, function (event)
				local attr = event.stanza.attr;
				if attr.from == gate.component and attr.to == module.host then return; end -- an answer, as nearly always
				return not event.stanza[gate.mark] and gate.backpressure.hold(event) or refuse(event);
			end);
		end
	end

	-- Prepares addresses that people have written, for the component: one element each, in order, without a JID if it
	-- is invalid.
	local function prepare(reply, _, query)
		if #query.tags > gate.LIMIT.items then return nil; end
		reply:tag("prepared", { xmlns = gate.xmlns });
		for tag in query:childtags("address") do
			local text = tag:get_text() or "";
			reply:tag("address", { jid = jid.prep(text, true) }):up();
		end
		return reply;
	end

	return { refuse = refuse, watch = watch, prepare = prepare };
end;
