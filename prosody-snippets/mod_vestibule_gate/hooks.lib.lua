-- Every hook priority of the gate, and the kinds of stanza that pass to a room by their name alone: what is not named
-- here passes only where the gate handles it (joins, messages to the room), or not at all.

-- util.events orders equal priorities at random, so a hook has a place that nothing else on its event takes. Numbers in
-- brackets are the places of others.
local PRIORITY = {
	-- Any stanza
	address = 1000; -- above whatever answers a stanza
	visitors = 960; -- just below: what visitors' servers send for their people
	entrance = 950; -- just below, above all else that answers
	link = 10; -- before mod_iq (0): the component's answers are not for the room service
	-- Log-ins, on the clients' hosts
	log_in = 5; -- nothing else is decided there
	log_in_2 = 500; -- after mod_sasl2 has authenticated (1000), before another session is resumed (110)
	-- Jitsi's focus
	request = 5; -- on the focus's hosts, before whatever forwards to it (0)
	sent = 4; -- just below, where what was refused does not come
	reply = 5; -- on the clients' hosts, before the answer is delivered (0)
	-- A join: presence, muc-room-pre-create, muc-occupant-pre-join
	arrival = 5; -- before mod_muc (-2): a join is parked while there is no room object yet
	create = 98; -- after token checks (99), before anything with a side effect (0)
	presets = -2; -- after password.lib (0), which overwrites the password, and the creator's ownership (-1)
	nick = 12; -- before whatever parks joins (9, 8)
	verdict = 2.5; -- after those, above markers that only an error presence clears (2)
	raise = -3.75; -- as late as an affiliation can be given: the Jitsi lobby is at -4
	password = -3.9; -- the last check, above the lobby
	words_of_join = -3.95; -- below the last check, when the role is known
	-- Presences of occupants, and whatever else changes a name
	rename = 4; -- below the reserved nicks (12) and the arrivals (5)
	-- Requests to a room, by payload
	owner = 5; -- above token_verification (-1)
	admin = 12; -- above meeting_id (10) and the lobby (1), which replaces the core's handler
	read = 20; -- above muc/vcard (10)
	config = 1; -- before the lobby (0)
	form = 110; -- before anything that writes the form (100)
	-- Messages, and requests between occupants
	message = 3; -- above the lobby (1)
	speech = 2; -- what people say and ask for: above the core (-2)
	words = 1.9; -- just below
	members_write = 1.5; -- before the core's restriction of private messages (1)
	history = 5; -- before the core keeps a message (-1)
	-- What comes of a stanza, and what has happened
	backstop = 10; -- where a change is compared with the answer
	ended = 0.5; -- before other modules (0) and the core (-1) end a room that nobody is in
	lone = -0.99; -- just above the core, which ends such a room (-1),
	lone_over = -1.01; -- and just below it
	raised = -998; -- just above what reports the role
	loaded = -1; -- after the modules of a host are loaded (0)
	seated = -999; -- after the modules that give roles and moderate media, before what is reported (-1000)
	last = -1000;
};

-- Who may send it: everybody; occupants (by the session that is inside); occupants, and the file that handles it asks
-- the component.
local ANYBODY, INSIDE, ASKED = 1, 2, 3;

local PASSES = {
	-- Requests to a room, by namespace and name of the payload, then by type.
	room = {
		["http://jabber.org/protocol/disco#info query"] = { get = ANYBODY },
		["http://jabber.org/protocol/disco#items query"] = { get = ANYBODY },
		["urn:xmpp:ping ping"] = { get = ANYBODY },
		["jabber:iq:register query"] = { get = ANYBODY, set = ANYBODY }, -- by outsiders, too; a set is asked about
		["http://jabber.org/protocol/muc#admin query"] = { get = INSIDE, set = ASKED },
		["http://jabber.org/protocol/muc#owner query"] = { get = INSIDE, set = ASKED },
		["vcard-temp vCard"] = { get = INSIDE, set = ASKED },
		["urn:xmpp:mam:2 query"] = { get = INSIDE, set = INSIDE },
		["urn:xmpp:mam:2 metadata"] = { get = INSIDE },
		["urn:xmpp:mam:1 query"] = { get = INSIDE, set = INSIDE },
		["urn:xmpp:mam:0 query"] = { get = INSIDE, set = INSIDE },
		["urn:xmpp:fasten:0 apply-to"] = { set = INSIDE }, -- retraction by moderators (XEP-0425), in both its forms
		["urn:xmpp:message-moderate:1 moderate"] = { set = INSIDE },
		["http://jabber.org/protocol/commands command"] = { set = INSIDE, node = "^urn:xmpp:hats:" }, -- XEP-0317
	},
	-- Requests to a breakout room: its settings, affiliations and lists are the main room's.
	breakout = {
		["http://jabber.org/protocol/disco#info query"] = { get = ANYBODY },
		["http://jabber.org/protocol/disco#items query"] = { get = ANYBODY },
		["urn:xmpp:ping ping"] = { get = ANYBODY },
		["http://jabber.org/protocol/muc#admin query"] = { set = ASKED },
	},
	-- Requests to the service.
	service = {
		["http://jabber.org/protocol/disco#info query"] = { get = ANYBODY },
		["http://jabber.org/protocol/disco#items query"] = { get = ANYBODY },
		["urn:xmpp:ping ping"] = { get = ANYBODY },
		["vcard-temp vCard"] = { get = ANYBODY },
		["http://jabber.org/protocol/muc#unique unique"] = { get = ANYBODY },
	},
	-- By occupants: presences, and messages to one another; by type, `false` for none.
	presence = { [false] = true, unavailable = true, error = true, probe = true },
	private = { [false] = true, normal = true, chat = true, headline = true, error = true },
	-- Of those who may not write: elements of messages that show nobody anything, and requests to one another.
	silent = {
		["http://jabber.org/protocol/chatstates"] = true, ["urn:xmpp:chat-markers:0"] = true,
		["urn:xmpp:receipts"] = true, ["urn:xmpp:hints"] = true, ["urn:xmpp:sid:0"] = true,
	},
	calls = {
		["urn:xmpp:jingle:1"] = true, ["urn:xmpp:ping"] = true, ["urn:xmpp:time"] = true, ["jabber:iq:version"] = true,
		["jabber:iq:last"] = true, ["vcard-temp"] = true, ["http://jabber.org/protocol/disco#info"] = true,
		["http://jabber.org/protocol/disco#items"] = true, ["http://jabber.org/protocol/pubsub"] = true,
	},
};

return { PRIORITY = PRIORITY, PASSES = PASSES, ANYBODY = ANYBODY };
