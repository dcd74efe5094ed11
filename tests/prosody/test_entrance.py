"""What may reach a room, from outside and from inside, and who reads what of it."""

import pytest
from lab import SERVICE, Crowd, Failed
from lab.knocking import REQUEST, invited, is_invitation
from lab.policy import OPERATOR, PRESET, SECRET, rooms, trusted
from lab.stanza import DATA, MUC_ADMIN, MUC_OWNER, MUC_USER, element

BOT = "bot@localhost"
POLICY = SERVICE + trusted(BOT) + OPERATOR + PRESET + rooms({
    "untold": 'password = { show_to_moderators = false, change = "nobody" }',
    "quiet": 'permissions = { chat = ["moderator"] }',
})
NOT_INSIDE = ("cancel", "not-acceptable", "You are not in this room. Please join first.")
NO_SUCH = ("cancel", "item-not-found", "You are not in this room. Please join first.")
UNNAMED = ("cancel", "service-unavailable", "This room does not support this request.")
NOT_TAKEN = ("cancel", "not-acceptable", UNNAMED[2])
DISCO = "http://jabber.org/protocol/disco"
REGISTER = "jabber:iq:register"
ROSTER = "jabber:iq:roster"


async def meeting(door, crowd, name="room"):
    """Alice, who moderates, and Bob, who does not, inside; and Carol outside."""
    room = door.room(name)
    people = [await crowd.connect(jid) for jid in ("alice@localhost", "bob@localhost", "carol@localhost")]
    assert (await people[0].join(room, "Alice", SECRET)).joined
    assert (await people[1].join(room, "Bob", SECRET)).joined
    await people[0].ping()
    return room, *people


async def answer(person, text):
    """Sends a stanza as text; returns the answers to it that came until all was handled."""
    since = person.mark()
    person.send_raw(text)
    await person.ping()
    return [seen for seen in person.seen[since:] if seen.id == "x"]


def iq(kind, to, payload):
    return f"<iq type='{kind}' to='{to}' id='x'>{payload}</iq>"


def message(to, payload, kind=""):
    return f"<message to='{to}' id='x' {kind and f'type={kind!r}'}>{payload}</message>"


def presence(to, payload="", kind=""):
    return f"<presence to='{to}' id='x' {kind and f'type={kind!r}'}>{payload}</presence>"


def form(*fields, kind="submit"):
    inside = "".join(f"<field var='{var}'><value>{value}</value></field>" for var, value in fields)
    return f"<x xmlns='{DATA}' type='{kind}'>{inside}</x>"


def invite(*to, namespace=MUC_USER):
    each = "".join(f"<invite xmlns='{namespace}' to='{one}'/>" for one in to)
    return f"<x xmlns='{MUC_USER}'>{each}</x>"


def query(namespace, inside="", name="query", attributes=""):
    return f"<{name} xmlns='{namespace}' {attributes}>{inside}</{name}>"


# What a stranger sends, and the error; None: it gets none.
REQUESTS = {
    "owner form": iq("get", "{room}", query(MUC_OWNER)),
    "configure": iq("set", "{room}", query(MUC_OWNER, form())),
    "destroy": iq("set", "{room}", query(MUC_OWNER, "<destroy/>")),
    "list": iq("get", "{room}", query(MUC_ADMIN, "<item affiliation='owner'/>")),
    "roles": iq("get", "{room}", query(MUC_ADMIN, "<item role='moderator'/>")),
    "set": iq("set", "{room}", query(MUC_ADMIN, "<item affiliation='owner' jid='carol@localhost'/>")),
    "archive": iq("set", "{room}", query("urn:xmpp:mam:2")),
    "archive form": iq("get", "{room}", query("urn:xmpp:mam:2")),
    "vcard": iq("get", "{room}", query("vcard-temp", name="vCard")),
    "set vcard": iq("set", "{room}", query("vcard-temp", name="vCard")),
    "commands": iq("set", "{room}", query("http://jabber.org/protocol/commands", name="command")),
    "pubsub": iq("get", "{room}", query("http://jabber.org/protocol/pubsub", name="pubsub")),
    "unknown": iq("get", "{room}", query("urn:example:anything")),
    "no namespace": iq("get", "{room}", "<query/>"),
    "set disco": iq("set", "{room}", query(f"{DISCO}#info")),
    "another name": iq("get", "{room}", query(f"{DISCO}#info", name="info")),
    "occupant ping": iq("get", "{room}/Alice", query("urn:xmpp:ping", name="ping")),
    "occupant vcard": iq("get", "{room}/Alice", query("vcard-temp", name="vCard")),
    "occupant set": iq("set", "{room}/Alice", query("urn:xmpp:jingle:1", name="jingle")),
}
MESSAGES = {
    "nothing": message("{room}", ""),
    "body": message("{room}", "<body>hello</body>"),
    "groupchat": message("{room}", "<body>hello</body>", "groupchat"),
    "subject": message("{room}", "<subject>hello</subject>", "groupchat"),
    "private": message("{room}/Alice", "<body>hello</body>", "chat"),
    "no private": message("{room}/Alice", "<body>hello</body>"),
    "chat": message("{room}", "<body>hello</body>", "chat"),
    "headline": message("{room}", "<body>hello</body>", "headline"),
    "invite": message("{room}", invite("carol@localhost")),
    "invite of others": message("{room}", invite("alice@localhost")),
    "foreign invite": message("{room}", invite("carol@localhost", namespace="x")),
    "empty": message("{room}", f"<x xmlns='{MUC_USER}'/>"),
    "decline": message("{room}", f"<x xmlns='{MUC_USER}'><decline to='alice@localhost'/></x>"),
    "voice": message("{room}", form(("FORM_TYPE", REQUEST), ("muc#role", "participant"))),
    "two types": message("{room}", form(("FORM_TYPE", REQUEST), ("FORM_TYPE", "x"))),
    "odd type": message("{room}", "<body>hello</body>", "odd"),
    "marker": message("{room}", query("urn:xmpp:chat-markers:0", name="displayed"), "groupchat"),
}
PRESENCES = {
    "update": presence("{room}/Carol"),
    "bare": presence("{room}"),
    "subscribe": presence("{room}", kind="subscribe"),
    "unsubscribe": presence("{room}", kind="unsubscribe"),
}
SILENT = {
    "iq result": iq("result", "{room}", query("urn:example:anything")),
    "iq error": iq("error", "{room}", query("urn:example:anything")),
    "occupant result": iq("result", "{room}/Alice", query("vcard-temp", name="vCard")),
    "message error": message("{room}", "<body>hello</body><error type='cancel'><gone/></error>", "error"),
    "private error": message("{room}/Alice", "<body>hello</body><error type='cancel'><gone/></error>", "error"),
    "presence error": presence("{room}/Alice", "<error type='cancel'><gone/></error>", "error"),
    "left": presence("{room}/Carol", kind="unavailable"),
    "left the room": presence("{room}", kind="unavailable"),
}
OUTSIDE = [
    *((name, text, NOT_INSIDE) for name, text in {**REQUESTS, **MESSAGES}.items()),
    ("probe", presence("{room}/Alice", kind="probe"), NOT_INSIDE),
    *((name, text, NO_SUCH) for name, text in PRESENCES.items()),
    *((name, text, None) for name, text in SILENT.items()),
]


async def test_what_a_stranger_sends_is_refused_and_reaches_nobody(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, carol = await meeting(door, crowd)
        since = [person.mark() for person in (alice, bob)]
        wrong = []
        for name, text, error in OUTSIDE:
            got = [seen.error for seen in await answer(carol, text.replace("{room}", room))]
            if got != ([error] if error else []):
                wrong.append((name, got))
        assert not wrong
        for person, mark in zip((alice, bob), since, strict=True):
            await person.ping()
            assert [seen for seen in person.seen[mark:] if seen.name != "iq"] == []
        assert not [line for line in door.server.complaints() if "traceback" in line.lower()]
        details = {"jid": carol.jid, "reason": "outside"}
        await door.decisions(event="refused", room=room, details=details)


async def test_without_a_room_a_stranger_is_told_that_there_is_none(door):
    async with Crowd(door.server) as crowd:
        carol = await crowd.connect("carol@localhost")
        room = door.room()
        for name, text in {**REQUESTS, **MESSAGES, **PRESENCES}.items():
            got = [seen.error[1] for seen in await answer(carol, text.replace("{room}", room))]
            # Of `item-not-found` a client that pings itself (XEP-0410) concludes that it is inside.
            is_to_occupant = name.startswith("occupant")
            assert got == ["not-acceptable" if is_to_occupant else "item-not-found"], name
        assert door.component.run("room", room).returncode != 0


# What nobody waits for an answer to.
FINAL = {
    "error message": message("{room}/Alice", "<error/>", "error"),
    "unavailable": presence("{room}/Alice", kind="unavailable"),
    "error presence": presence("{room}/Alice", "<error/>", "error"),
    "result": iq("result", "{room}/Alice", query("urn:example:anything")),
    "error": iq("error", "{room}/Alice", "<error/>"),
    "result of the room": iq("result", "{room}", query("urn:example:anything")),
}


async def test_an_answer_gets_no_answer_where_there_is_no_room_either(door):
    async with Crowd(door.server) as crowd:
        carol = await crowd.connect("carol@localhost")
        room, _, _, dora = await meeting(door, crowd)
        for name, text in FINAL.items():
            assert await answer(carol, text.replace("{room}", door.room())) == [], name
            assert await answer(dora, text.replace("{room}", room)) == [], name


async def test_what_clients_ask_before_they_join_is_answered(door):
    async with Crowd(door.server) as crowd:
        room, _, _, carol = await meeting(door, crowd)
        assert (await carol.disco_info(room)).find(f"{DISCO}#info", "query") is not None
        assert not (await carol.disco_items(room)).error
        # Nobody on the service answers pings: what counts is that the gate lets them through.
        ping = await carol.iq(room, "get", element("urn:xmpp:ping", "ping"))
        assert ping.error[2] != NOT_INSIDE[2]
        register = await carol.iq(room, "get", element(REGISTER, "query"))
        assert register.error[1] == "registration-required"
        assert (await carol.join(room, "Carol", SECRET)).joined


def unreadable(name):
    return ("modify", "not-acceptable", f"This value is not allowed here: {name}.")


INSIDE = {
    "commands": (iq("set", "{room}", query("http://jabber.org/protocol/commands", name="command")), UNNAMED),
    "unknown": (iq("get", "{room}", query("urn:example:anything")), UNNAMED),
    "pubsub": (iq("set", "{room}", query("http://jabber.org/protocol/pubsub", name="pubsub")), UNNAMED),
    "roster": (iq("set", "{room}", query(ROSTER)), UNNAMED),
    "no namespace": (iq("get", "{room}", "<query/>"), UNNAMED),
    "chat": (message("{room}", "<body>hello</body>", "chat"), UNNAMED),
    "normal": (message("{room}", "<body>hello</body>"), UNNAMED),
    "headline": (message("{room}", "<body>hello</body>", "headline"), UNNAMED),
    "empty": (message("{room}", f"<x xmlns='{MUC_USER}'/>"), ("cancel", "bad-request", "")),
    "foreign invite": (message("{room}", invite("x@y", namespace="x")), unreadable("invite")),
    "odd type": (message("{room}/Bob", "<body>hello</body>", "odd"), ("modify", "bad-request", UNNAMED[2])),
    "two types": (message("{room}", form(("FORM_TYPE", REQUEST), ("FORM_TYPE", "x"))), unreadable("FORM_TYPE")),
    "decline": (MESSAGES["decline"], NOT_TAKEN),
}


async def test_a_request_that_is_not_named_is_refused_inside_too(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd)
        since = bob.mark()
        wrong = []
        for name, (text, error) in INSIDE.items():
            got = [seen.error for seen in await answer(alice, text.replace("{room}", room))]
            if got != [error]:
                wrong.append((name, got))
        assert not wrong
        await bob.ping()
        assert [seen for seen in bob.seen[since:] if seen.name != "iq"] == []
        assert not [line for line in door.server.complaints() if "traceback" in line.lower()]
        details = {"jid": alice.jid, "nick": "Alice", "reason": "unnamed"}
        await door.decisions(event="refused", room=room, details=details)


SERVICE_REFUSES = {
    "commands": iq("set", "{room}", query("http://jabber.org/protocol/commands", name="command")),
    "owner": iq("get", "{room}", query(MUC_OWNER)),
    "message": message("{room}", "<body>hello</body>"),
    "groupchat": message("{room}", "<body>hello</body>", "groupchat"),
    "invite": message("{room}", invite("carol@localhost")),
    "presence": presence("{room}"),
    "subscribe": presence("{room}", kind="subscribe"),
}


async def test_the_service_takes_discovery_and_no_more(door):
    async with Crowd(door.server) as crowd:
        carol = await crowd.connect("carol@localhost")
        service = door.server.service
        assert not (await carol.disco_info(service)).error
        assert not (await carol.disco_items(service)).error
        for name, text in SERVICE_REFUSES.items():
            got = [seen.error for seen in await answer(carol, text.replace("{room}", service))]
            assert len(got) == 1 and got[0], name
        for text in (presence(service, kind="unavailable"), message(service, "<error/>", "error")):
            assert await answer(carol, text) == []


async def test_what_occupants_send_one_another_goes_on(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd)
        payloads = {
            "groupchat": ["<body>hello</body>", query("http://jabber.org/protocol/chatstates", name="active"),
                          query("urn:xmpp:reactions:0", name="reactions", attributes="id='a'"),
                          query("urn:xmpp:chat-markers:0", name="displayed", attributes="id='a'"),
                          query("urn:xmpp:message-retract:1", name="retract", attributes="id='a'")],
            "chat": ["<body>hello</body>", query("urn:xmpp:receipts", name="received", attributes="id='a'")],
        }
        for kind, texts in payloads.items():
            for text in texts:
                since = alice.mark()
                bob.send_raw(message(room if kind == "groupchat" else f"{room}/Alice", text, kind))
                seen = await alice.wait_for(lambda s: s.name == "message" and s.nick == "Bob", since=since)
                assert seen.type == kind
        bob.send_raw(iq("set", f"{room}/Alice", query("urn:xmpp:jingle:1", name="jingle")))
        seen = await alice.wait_for(lambda s: s.name == "iq" and s.type == "set")
        # Her client answers by itself that it cannot; the answer finds whoever asked.
        assert (await bob.wait_for(lambda s: s.id == "x" and s.name == "iq")).sender == f"{room}/Alice"
        since = bob.mark()
        bob.send_raw(iq("get", f"{room}/Bob", query("urn:xmpp:ping", name="ping")))
        assert (await bob.wait_for(lambda s: s.id == "x", since=since)).type == "result"


# Reading

async def reads(person, room):
    """What this person can read: the form, and lists."""
    found = set()
    reply = await person.iq(room, "get", element(MUC_OWNER, "query"))
    found |= set() if reply.error else {"form"}
    found |= {"secret"} if SECRET in repr(reply) else set()
    for affiliation in ("owner", "member", "outcast"):
        try:
            await person.list_affiliation(room, affiliation)
            found.add(affiliation)
        except Failed:
            pass
    roles = element(MUC_ADMIN, "query")
    roles.append(element(MUC_ADMIN, "item", role="participant"))
    found |= set() if (await person.iq(room, "get", roles)).error else {"roles"}
    return found


ALL = {"form", "secret", "owner", "member", "outcast", "roles"}


async def test_a_moderator_inside_reads_and_nobody_else(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, carol = await meeting(door, crowd)
        assert await reads(alice, room) == ALL
        assert await reads(bob, room) == set()
        assert await reads(carol, room) == set()
        assert not (await alice.set_affiliation(room, bob.bare, "owner")).error
        assert await reads(bob, room) == ALL
        assert not (await alice.set_role(room, "Bob", "participant")).error
        assert await reads(bob, room) <= {"owner", "member"}
        await bob.leave(room, "Bob")
        assert await reads(bob, room) == set()


@pytest.mark.parametrize("how", ["kicked", "banned"])
async def test_who_was_removed_reads_nothing(door, how):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd)
        assert not (await alice.set_affiliation(room, bob.bare, "owner")).error
        if how == "kicked":
            assert not (await alice.set_role(room, "Bob", "none")).error
        else:
            assert not (await alice.set_affiliation(room, bob.bare, "outcast")).error
        await bob.wait_for(lambda seen: seen.type == "unavailable" and 110 in seen.statuses)
        assert await reads(bob, room) == set()
        nick = element(f"{DISCO}#info", "query", node="x-roomuser-item")
        assert "identity" not in repr(await bob.iq(room, "get", nick))


async def test_a_secret_that_is_told_to_nobody_is_not_in_the_form_and_stays(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, carol = await meeting(door, crowd, "untold")
        assert await reads(alice, room) == ALL - {"secret"}
        whole = await alice.configuration(room)
        assert whole["muc#roomconfig_roomsecret"] == ""
        assert not (await alice.configure(room, {**whole, "muc#roomconfig_roomname": "Tea"})).error
        assert (await alice.configuration(room))["muc#roomconfig_roomname"] == "Tea"
        assert (await carol.join(room, "Carol", "wrong")).condition in ("not-authorized", "registration-required")
        assert (await carol.join(room, "Carol", SECRET)).joined


async def test_members_of_a_room_where_all_are_known_read_its_lists(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, carol = await meeting(door, crowd)
        known = {"muc#roomconfig_whois": "anyone", "muc#roomconfig_membersonly": True}
        assert not (await alice.set_affiliation(room, bob.bare, "member")).error
        assert not (await alice.configure(room, known)).error
        assert await reads(bob, room) == {"owner", "member"}
        assert not (await alice.set_affiliation(room, carol.bare, "member")).error
        assert await reads(carol, room) == set()


async def test_reading_needs_no_component(start_prosody, start_vestibule):
    server = start_prosody()
    vestibule = start_vestibule(server, POLICY)
    room = f"room@{server.service}"
    async with Crowd(server) as crowd:
        alice, bob = await crowd.connect("alice@localhost"), await crowd.connect("bob@localhost")
        assert (await alice.join(room, "Alice", SECRET)).joined
        assert (await bob.join(room, "Bob", SECRET)).joined
        vestibule.kill()
        assert await reads(alice, room) == ALL
        assert await reads(bob, room) == set()


async def test_a_service_reads(door):
    async with Crowd(door.server) as crowd:
        room, alice, _, _ = await meeting(door, crowd)
        bot = await crowd.connect(BOT)
        assert (await bot.join(room, "Bot")).joined
        assert not (await alice.set_affiliation(room, bot.bare, "owner")).error
        assert await reads(bot, room) == ALL
        await bot.leave(room, "Bot")
        assert "form" in await reads(bot, room)


# Declines

def decline(to, *more, reason="busy"):
    return f"<x xmlns='{MUC_USER}'><decline to='{to}'><reason>{reason}</reason>{''.join(more)}</decline></x>"


async def test_whoever_was_invited_declines_once_with_a_reason_alone(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, carol = await meeting(door, crowd)
        alice.invite(room, carol.bare)
        await invited(carol, room)
        extra = "<body>smuggled</body><html xmlns='urn:x'>smuggled</html>"
        since = [person.mark() for person in (alice, bob)]
        # Whomever the client names: the decline goes to whoever invited.
        assert await answer(carol, message(room, decline(bob.jid, "<odd>smuggled</odd>") + extra)) == []
        seen = await alice.wait_for(lambda s: s.find(MUC_USER, "decline") is not None, since=since[0])
        assert seen.sender == room and seen.find(MUC_USER, "reason").text == "busy"
        assert "smuggled" not in repr(seen)
        (again,) = await answer(carol, message(room, decline(alice.jid)))
        assert again.error == NOT_INSIDE
        await bob.ping()
        assert not [s for s in bob.seen[since[1]:] if s.name == "message"]


async def test_whoever_was_invited_and_has_come_declines_nothing(door):
    async with Crowd(door.server) as crowd:
        room, alice, _, carol = await meeting(door, crowd, "quiet")
        alice.invite(room, carol.bare)
        await invited(carol, room)
        assert (await carol.join(room, "Carol", SECRET)).joined
        since = alice.mark()
        (refused,) = await answer(carol, message(room, decline(alice.jid, reason="what I think")))
        assert refused.error == NOT_TAKEN
        await alice.ping()
        assert "what I think" not in "".join(map(repr, alice.seen[since:]))


async def test_the_invitation_of_another_room_is_no_reason_to_decline_here(door):
    async with Crowd(door.server) as crowd:
        room, alice, _, carol = await meeting(door, crowd)
        other = door.room()
        assert (await alice.join(other, "Alice", SECRET)).joined
        alice.invite(other, carol.bare)
        await invited(carol, other)
        (refused,) = await answer(carol, message(room, decline(alice.jid)))
        assert refused.error == NOT_INSIDE


async def test_a_person_without_chat_says_nothing_by_declining(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd, "quiet")
        since = alice.mark()
        (refused,) = await answer(bob, message(room, decline(f"{room}/Alice", reason="what I think")))
        assert refused.error[1] == "not-acceptable"
        await alice.ping()
        assert "what I think" not in "".join(map(repr, alice.seen[since:]))


# What an affiliation does

@pytest.mark.parametrize("domain", ["localhost", "guest.localhost"])
async def test_a_domain_that_holds_a_service_is_not_banned_and_another_is(door, domain):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd)
        guest = await crowd.connect("guest.localhost")
        assert (await guest.join(room, "Guest", SECRET)).joined
        reply = await alice.set_affiliation(room, domain, "outcast")
        await bob.ping()
        if domain == "localhost":
            assert reply.error
            assert set(alice.occupants(room)) == {"Alice", "Bob", "Guest"}
        else:
            assert not reply.error
            await alice.wait_for(lambda seen: seen.nick == "Guest" and seen.type == "unavailable")


async def test_a_nick_that_somebody_bears_is_not_reserved_for_another(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, carol = await meeting(door, crowd)
        item = element(MUC_ADMIN, "item", affiliation="member", jid=carol.bare, nick="Bob")
        whole = element(MUC_ADMIN, "query")
        whole.append(item)
        assert (await alice.iq(room, "set", whole)).error[1] == "conflict"
        await alice.ping()
        assert "Bob" in alice.occupants(room)
        assert await alice.list_affiliation(room, "member") == set()
        item.set("jid", bob.bare)
        assert not (await alice.iq(room, "set", whole)).error
        assert "Bob" in alice.occupants(room)


async def test_somebody_gives_up_his_own_registration_from_outside(door):
    async with Crowd(door.server) as crowd:
        room, alice, _, carol = await meeting(door, crowd)
        assert not (await alice.set_affiliation(room, carol.bare, "member")).error
        remove = element(REGISTER, "query")
        remove.append(element(REGISTER, "remove"))
        assert not (await carol.iq(room, "set", remove)).error
        assert await alice.list_affiliation(room, "member") == set()


async def test_an_invitation_reaches_those_alone_whom_it_named(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, carol = await meeting(door, crowd)
        alice.invite(room, carol.bare)
        await invited(carol, room)
        bob.invite(room, carol.bare)
        await bob.wait_for(lambda seen: seen.name == "message" and seen.error)
        await carol.ping()
        assert len([seen for seen in carol.seen if is_invitation(seen, room)]) == 1


async def test_markers_of_somebody_who_may_not_chat_push_no_history_out(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, carol = await meeting(door, crowd, "quiet")
        alice.say(room, "what was said")
        await bob.wait_for(lambda seen: seen.body == "what was said")
        for number in range(30):
            marker = query("urn:xmpp:chat-markers:0", name="displayed", attributes=f"id='{number}'")
            bob.send_raw(message(room, marker + "<store xmlns='urn:xmpp:hints'/>", "groupchat"))
        await bob.ping()
        assert (await carol.join(room, "Carol", SECRET)).joined
        await carol.wait_for(lambda seen: seen.body == "what was said")
