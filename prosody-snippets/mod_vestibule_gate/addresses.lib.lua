-- Gates addresses: whose stanzas are taken at all. Prosody's own preparation lets pass what Unicode 3.2 does not know,
-- and of an address with such letters newer tables make another one: a look-alike of another person's. Strict
-- preparation refuses them (RFC 6122), and whatever it would refuse or change is nobody here. What is left is compared
-- byte for byte.

local jid = require "util.jid";
local jid_bare, jid_prep, jid_resource = jid.bare, jid.prep, jid.resource;

local xmlns_muc = "http://jabber.org/protocol/muc";
-- What most addresses are made of, and no preparation changes.
local USUAL = { "^[a-z0-9._-]+@[a-z0-9.-]*[a-z0-9]$", "^[a-z0-9.-]*[a-z0-9]$" };
local FOREIGN = "[\128-\255]";
local NOTHING = {};
local EVENTS = { "message/full", "message/bare", "message/host", "presence/full", "presence/bare", "presence/host",
	"iq/full", "iq/bare", "iq/host" };

return function (gate)
	-- Whether strict preparation leaves the bare address as it is. Resources are opaque.
	local function is_prepared(address)
		if not address then return true; end
		local bare = jid_bare(address);
		if not bare then return false; end
		return bare:find(USUAL[1]) or bare:find(USUAL[2]) or jid_prep(bare, true) == bare;
	end

	-- What a request asks for another person. Of these the room prepares the address itself: only what strict
	-- preparation would have refused becomes a person whom nobody meant.
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

	-- Refuses a stanza from, for or about an address that is nobody's. An answer gets none, and an occupant with such an
	-- address may leave.
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
				return not event.stanza[gate.mark] and gate.backpressure.hold(event) or refuse(event);
			end);
		end
	end

	-- Prepares what people have written, for the component: an address for each, in their order, without a JID where
	-- it is none.
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
