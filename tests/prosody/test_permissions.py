"""What people inside may do: write, write privately, change their name; and voice, which moderators give."""

import pytest
from lab import SERVICE, Crowd
from lab.policy import PRESET, SECRET, rooms, trusted
from lab.stanza import CLIENT, MUC_USER, element
from storm import until

POLICY = (
    SERVICE + trusted("bot@localhost") + PRESET
    + """
[policy.moderators]
assign = ["listed", "opener"]
jids = ["chair@localhost"]
"""
    + rooms({
        "quiet": 'permissions = { chat = ["moderator"], private = ["moderator"], rename = ["moderator"] }',
        "mute": 'permissions = { chat = [], private = [], rename = [] }',
        "topic": 'permissions = { chat = [] }',
        "agenda": 'settings = { subject = "moderator" }',
        "staff": 'permissions = { chat = ["account"] }',
    })
)
NICK = "http://jabber.org/protocol/nick"
REACTIONS = "urn:xmpp:reactions:0"
STATES = "http://jabber.org/protocol/chatstates"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
JITSI = "http://jitsi.org/jitmeet"
NO_CHAT = ("auth", "forbidden", "You cannot write in this meeting.")
NO_PRIVATE = ("auth", "forbidden", "You cannot send private messages in this meeting.")
NO_RENAME = ("cancel", "not-acceptable", "You cannot change your name in this meeting.")


async def meeting(crowd, room):
    """Alice, who has opened the room and moderates it, and Bob and Carol."""
    people = []
    for name, jid in (("Alice", "alice@localhost"), ("Bob", "bob@localhost"), ("Carol", "guest.localhost")):
        people.append(await crowd.connect(jid))
        assert (await people[-1].join(room, name, SECRET)).joined
    return people


def send(person, to, kind, *payload):
    """Sends a message with anything in it; returns its id."""
    message = element(CLIENT, "message", to=to, type=kind, id=person.new_id())
    message.extend(payload)
    person.send(message)
    return message.get("id")


async def error_of(person, identity):
    seen = await person.wait_for(lambda seen: seen.id == identity and seen.type == "error")
    return seen.error


async def heard(speaker, listener, room, text):
    """Whether what one says reaches another; the order of what the server does shows what does not."""
    identity = send(speaker, room, "groupchat", element(CLIENT, "body", text))
    await speaker.wait_for(
        lambda seen: seen.name == "message" and (seen.body == text or seen.id == identity and seen.error)
    )
    await listener.ping()
    return any(seen.body == text for seen in listener.seen)


def body(text="hello"):
    return element(CLIENT, "body", text)


def bodies(person):
    return [seen.body for seen in person.seen if seen.body]


async def test_by_default_everybody_may(door):
    async with Crowd(door.server) as crowd:
        room = door.room()
        alice, bob, carol = await meeting(crowd, room)
        assert await heard(carol, alice, room, "hello all")
        carol.whisper(room, "Bob", "hello Bob")
        await bob.wait_for(lambda seen: seen.body == "hello Bob")
        carol.send(element(CLIENT, "presence", to=f"{room}/Caroline"))
        await alice.wait_for(lambda seen: seen.nick == "Caroline" and not seen.type)


@pytest.mark.parametrize(
    "payload",
    [
        [body()],
        [element(CLIENT, "subject", "my subject")],
        [element(REACTIONS, "reactions", id="x")],
        [element(JITSI, "json-message", '{"type": "olm"}')],
        [element("http://jabber.org/protocol/xhtml-im", "html")],
        [element("jabber:x:oob", "x")],
        [element(STATES, "active"), body()],
        [element(STATES, "body", "in another namespace"), body()],
        [],
    ],
    ids=lambda payload: "+".join(each.tag.rpartition("}")[2] for each in payload) or "nothing",
)
async def test_whoever_may_not_chat_says_nothing_to_the_room(door, payload):
    async with Crowd(door.server) as crowd:
        room = door.room("quiet")
        alice, bob, _ = await meeting(crowd, room)
        since = alice.mark()
        identity = send(bob, room, "groupchat", *payload)
        if payload:
            assert await error_of(bob, identity) == NO_CHAT
        await bob.ping()
        await alice.ping()
        messages = [seen for seen in alice.seen[since:] if seen.name == "message"]
        assert not payload or messages == []


@pytest.mark.parametrize("beside", ["body", "thread"])
async def test_a_subject_beside_something_else_is_no_way_around_the_right_to_it(door, beside):
    def say(person, text):
        return send(person, room, "groupchat", element(CLIENT, "subject", text), element(CLIENT, beside, "beside"))

    async with Crowd(door.server) as crowd:
        room = door.room()
        alice, bob, _ = await meeting(crowd, room)
        sent = say(bob, "Bob's subject")
        assert not (await alice.wait_for(lambda seen: (seen.id, seen.nick) == (sent, "Bob") and seen.name == "message")).subject, "the rest of it passes"
        sent = say(alice, "Alice's subject")
        assert (await bob.wait_for(lambda seen: (seen.id, seen.nick) == (sent, "Alice") and seen.name == "message")).subject == "Alice's subject"
        room = door.room("agenda")
        alice, bob, _ = await meeting(crowd, room)
        assert not (await alice.configure(room, {"muc#roomconfig_changesubject": True})).error
        assert (await error_of(bob, say(bob, "Bob's subject")))[:2] == ("auth", "forbidden")
        await alice.ping()
        assert not [seen for seen in alice.seen if seen.subject == "Bob's subject"]


@pytest.mark.parametrize(
    "payload",
    [
        element(STATES, "active", "what I think"),
        element("urn:xmpp:receipts", "received", id="what I think" * 200),
    ],
    ids=["text", "attribute"],
)
async def test_what_passes_unread_has_nothing_to_read(door, payload):
    async with Crowd(door.server) as crowd:
        room = door.room("quiet")
        alice, bob, _ = await meeting(crowd, room)
        identity = send(bob, room, "groupchat", payload)
        assert await error_of(bob, identity) == NO_CHAT
        await alice.ping()
        assert not [seen for seen in alice.seen if "what I think" in repr(seen)]


STATUS = element(CLIENT, "status", "what I think")
ERROR = element(CLIENT, "error", type="cancel")
ERROR.extend([element(STANZAS, "gone"), element(STANZAS, "text", "what I think")])
WORDS = {
    "status": ("presence", "/Bob", None, STATUS),
    "status to the room": ("presence", "", None, STATUS),
    "status of another stream": ("presence", "/Bob", None, element("jabber:server", "status", "what I think")),
    "leaving": ("presence", "/Bob", "unavailable", STATUS),
    "leaving by an error": ("presence", "/Bob", "error", ERROR),
    "an error to the room": ("message", "", "error", ERROR),
    "an error to somebody": ("message", "/Alice", "error", ERROR),
}


@pytest.mark.parametrize("what", WORDS)
async def test_whoever_may_not_chat_says_nothing_by_a_presence_or_an_error(door, what):
    name, nick, kind, payload = WORDS[what]
    async with Crowd(door.server) as crowd:
        for kinds, is_heard in (("room", True), ("quiet", False)):
            room = door.room(kinds)
            alice, bob, _ = await meeting(crowd, room)
            # The words of an error are shown where everybody knows who is who.
            assert not (await alice.configure(room, {"muc#roomconfig_whois": "anyone"})).error
            since = alice.mark()
            stanza = element(CLIENT, name, to=room + nick, type=kind)
            stanza.append(payload)
            bob.send(stanza)
            await bob.ping()
            await alice.ping()
            heard = [seen for seen in alice.seen[since:] if "what I think" in repr(seen)]
            assert bool(heard) == is_heard or what == "status of another stream" and not heard
            assert [seen for seen in alice.seen[since:] if seen.nick == "Bob"], "the rest of it passes"
            for person in (alice, bob):
                person.abort()


async def test_whoever_may_not_chat_says_nothing_by_coming_in(door):
    async with Crowd(door.server) as crowd:
        for kind, is_heard in (("room", True), ("quiet", False)):
            room = door.room(kind)
            alice, _, _ = await meeting(crowd, room)
            dora = await crowd.connect("dora@localhost")
            assert (await dora.join(room, "Dora", SECRET, extra=[element(CLIENT, "status", "what I think")])).joined
            await alice.wait_for(lambda seen: seen.nick == "Dora")
            assert bool([seen for seen in alice.seen if "what I think" in repr(seen)]) == is_heard


async def test_a_subject_is_chat_also_where_everybody_may_change_it(door):
    async with Crowd(door.server) as crowd:
        room = door.room("topic")
        alice, bob, _ = await meeting(crowd, room)
        assert not (await alice.configure(room, {"muc#roomconfig_changesubject": True})).error
        for person in (alice, bob):
            identity = send(person, room, "groupchat", element(CLIENT, "subject", "what I think"))
            assert await error_of(person, identity) == NO_CHAT
        await alice.ping()
        assert not [seen for seen in alice.seen if seen.subject]


async def test_whoever_may_not_chat_may_type_and_read(door):
    async with Crowd(door.server) as crowd:
        room = door.room("quiet")
        alice, bob, _ = await meeting(crowd, room)
        send(bob, room, "groupchat", element(STATES, "composing"))
        await alice.wait_for(lambda seen: seen.name == "message" and seen.nick == "Bob")
        assert await heard(alice, bob, room, "a moderator is heard")


async def test_words_to_the_room_are_no_chat(door):
    async with Crowd(door.server) as crowd:
        room = door.room("quiet")
        _, bob, _ = await meeting(crowd, room)
        answered = await error_of(bob, send(bob, room, "groupchat", body("!password")))
        assert answered[2] == "Only moderators can see the password."


async def test_permission_comes_and_goes_with_the_role(door):
    async with Crowd(door.server) as crowd:
        room = door.room("quiet")
        alice, bob, _ = await meeting(crowd, room)
        assert not await heard(bob, alice, room, "not yet")
        assert not (await alice.set_role(room, "Bob", "moderator")).error
        assert await heard(bob, alice, room, "now")
        assert not (await alice.set_role(room, "Bob", "participant")).error
        assert not await heard(bob, alice, room, "no more")
        assert not (await alice.set_affiliation(room, bob.bare, "owner")).error
        assert await heard(bob, alice, room, "again")
        assert not (await alice.set_affiliation(room, bob.bare, "member")).error
        assert not await heard(bob, alice, room, "and no more")


async def test_voice_lets_somebody_write_and_not_rename_himself(door):
    async with Crowd(door.server) as crowd:
        room = door.room("quiet")
        alice, bob, carol = await meeting(crowd, room)
        assert (await bob.set_role(room, "Bob", "participant")).error
        assert not await heard(bob, alice, room, "voice is not taken")
        assert not (await alice.set_role(room, "Bob", "participant")).error
        assert await heard(bob, alice, room, "voice is given")
        bob.whisper(room, "Carol", "privately, too")
        await carol.wait_for(lambda seen: seen.body == "privately, too")
        assert await renamed(bob, room, "Robert") == NO_RENAME
        assert not await heard(carol, alice, room, "to Bob alone")
        await bob.leave(room, "Bob")
        assert (await bob.join(room, "Bob", SECRET)).joined
        assert not await heard(bob, alice, room, "it ends with the visit")


async def test_a_moderator_silences_and_gives_voice_again(door):
    async with Crowd(door.server) as crowd:
        room = door.room("quiet")
        alice, bob, _ = await meeting(crowd, room)
        assert not (await alice.set_role(room, "Bob", "visitor")).error
        assert not await heard(bob, alice, room, "silenced")
        assert not (await alice.set_role(room, "Bob", "participant")).error
        assert await heard(bob, alice, room, "with a voice")


async def test_where_nobody_may_chat_moderators_cannot_give_it(door):
    async with Crowd(door.server) as crowd:
        room = door.room("mute")
        alice, bob, _ = await meeting(crowd, room)
        assert not await heard(alice, bob, room, "not even a moderator")
        assert not (await alice.set_role(room, "Bob", "participant")).error
        assert not await heard(bob, alice, room, "nor whoever he gives voice")


async def test_a_class_may_without_moderating(door):
    async with Crowd(door.server) as crowd:
        room = door.room("staff")
        alice, bob, carol = await meeting(crowd, room)
        assert await heard(bob, alice, room, "an account")
        assert not await heard(carol, alice, room, "a guest")
        assert not (await alice.set_role(room, "Carol", "moderator")).error
        assert not await heard(carol, alice, room, "a guest who moderates")


async def renamed(person, room, nick):
    """Takes another nick; the error, or None."""
    presence = element(CLIENT, "presence", to=f"{room}/{nick}", id=person.new_id())
    person.send(presence)
    seen = await person.wait_for(
        lambda seen: seen.name == "presence"
        and (seen.sender == f"{room}/{nick}" and 110 in seen.statuses or seen.id == presence.get("id") and seen.error)
    )
    return seen.error


async def test_whoever_may_not_rename_himself_keeps_his_nick(door):
    async with Crowd(door.server) as crowd:
        room = door.room("quiet")
        alice, bob, _ = await meeting(crowd, room)
        assert await renamed(bob, room, "Alice (chair)") == NO_RENAME
        assert await renamed(bob, room, "Bob") is None
        await alice.ping()
        assert set(alice.occupants(room)) == {"Alice", "Bob", "Carol"}
        assert await renamed(alice, room, "Alicia") is None


async def test_another_nick_brings_no_permission(door):
    async with Crowd(door.server) as crowd:
        room = door.room("staff")
        alice, _, carol = await meeting(crowd, room)
        assert await renamed(carol, room, "Caroline") is None
        assert not await heard(carol, alice, room, "under another name")
        again = carol.ask_to_join(room, "Caroline", SECRET)
        assert (await carol.outcome(room, again)).joined
        assert not await heard(carol, alice, room, "asking for the room anew")
        assert not (await alice.set_role(room, "Caroline", "participant")).error
        assert not await heard(carol, alice, room, "moderators may not, and cannot give it")


@pytest.mark.parametrize("to", ["occupant", "room"])
async def test_the_name_in_a_presence_stays_the_first_one(door, to):
    async with Crowd(door.server) as crowd:
        room = door.room("quiet")
        alice, bob, _ = await meeting(crowd, room)

        async def named(*names, show):
            presence = element(CLIENT, "presence", to=f"{room}/Bob" if to == "occupant" else room)
            presence.extend(element(NICK, "nick", name) for name in names)
            presence.append(element(CLIENT, "show", show))
            since = alice.mark()
            bob.send(presence)
            seen = await alice.wait_for(lambda seen: seen.text(CLIENT, "show") == show, since=since)
            return [child.text for child in seen.xml if child.tag == f"{{{NICK}}}nick"]

        # The first one is judged before it is shown.
        await named("Robert", show="away")
        await alice.wait_for(lambda seen: seen.nick == "Bob" and seen.text(NICK, "nick") == "Robert")
        for number, forged in enumerate([["Alice"], ["Robert", "Alice"], ["Alice", "Robert"], [], [""]]):
            assert await named(*forged, show=f"xa{number}") == ["Robert"], forged
        await bob.ping()
        assert bodies(bob).count(NO_RENAME[2]) == 3, "told once for each name"


@pytest.mark.parametrize("kind", ["chat", "normal", None])
async def test_whoever_may_not_write_privately_reaches_nobody(door, kind):
    async with Crowd(door.server) as crowd:
        room = door.room("quiet")
        alice, bob, carol = await meeting(crowd, room)
        assert await error_of(bob, send(bob, f"{room}/Carol", kind, body("psst"))) == NO_PRIVATE
        invitation = element("jabber:x:conference", "x", jid="trap@example.org")
        assert await error_of(bob, send(bob, f"{room}/Carol", kind, invitation)) == NO_PRIVATE
        send(bob, f"{room}/Carol", kind, element(JITSI, "json-message", '{"type": "olm", "olm": {}}'))
        await carol.wait_for(lambda seen: seen.find(JITSI, "json-message") is not None)
        forged = element(JITSI, "json-message", '{"type": "chat", "olm": "olm"}')
        assert await error_of(bob, send(bob, f"{room}/Carol", kind, forged)) == NO_PRIVATE
        alice.whisper(room, "Carol", "a moderator may")
        await carol.wait_for(lambda seen: seen.body == "a moderator may")
        assert "psst" not in bodies(carol)


async def test_whoever_may_not_write_privately_says_nothing_in_a_request(door):
    def link(words):
        query = element("jabber:iq:oob", "query")
        query.extend([element("jabber:iq:oob", "url", "https://trap.example"), element("jabber:iq:oob", "desc", words)])
        return query

    async with Crowd(door.server) as crowd:
        room = door.room("quiet")
        alice, bob, carol = await meeting(crowd, room)
        for kind in ("get", "set"):
            refused = await bob.iq(f"{room}/Carol", kind, link("psst"))
            assert refused.error == NO_PRIVATE
        call = element("urn:xmpp:jingle:1", "jingle", action="session-initiate", sid="a")
        assert (await bob.iq(f"{room}/Carol", "set", call)).error != NO_PRIVATE, "calls are no words"
        await alice.iq(f"{room}/Carol", "set", link("a moderator may"))
        await carol.ping()
        heard = [desc.text for seen in carol.seen for desc in seen.xml.iter("{jabber:iq:oob}desc")]
        assert heard == ["a moderator may"]


async def test_an_error_carries_no_message(door):
    async with Crowd(door.server) as crowd:
        room = door.room("quiet")
        _, bob, carol = await meeting(crowd, room)
        error = element(CLIENT, "error", type="cancel")
        error.append(element("urn:ietf:params:xml:ns:xmpp-stanzas", "bad-request"))
        error.append(element("urn:ietf:params:xml:ns:xmpp-stanzas", "text", "psst"))
        send(bob, f"{room}/Carol", "error", body("psst"), error)
        arrived = await carol.wait_for(lambda seen: seen.name == "message" and seen.type == "error")
        assert "psst" not in repr(arrived)


async def test_another_session_lends_no_voice(door):
    async with Crowd(door.server) as crowd:
        room = door.room("quiet")
        alice, bob, carol = await meeting(crowd, room)
        second = await crowd.connect("bob@localhost")
        assert await error_of(second, send(second, f"{room}/Carol", "chat", body("from outside")))
        assert (await second.join(room, "Bob", SECRET)).joined
        assert not await heard(second, alice, room, "a second session")
        assert await error_of(second, send(second, f"{room}/Carol", "chat", body("psst"))) == NO_PRIVATE
        third = await crowd.connect("bob@localhost")
        assert (await third.join(room, "Bobby", SECRET)).joined
        assert not await heard(third, alice, room, "another seat")
        await bob.leave(room, "Bob")
        await second.leave(room, "Bob")
        assert not await heard(third, alice, room, "the last seat")
        assert not {"psst", "from outside"} & set(bodies(carol))


async def test_nobody_outside_says_anything(door):
    async with Crowd(door.server) as crowd:
        room = door.room("quiet")
        alice, *_ = await meeting(crowd, room)
        stranger = await crowd.connect("mallory@localhost")
        for to, kind in ((room, "groupchat"), (f"{room}/Alice", "chat"), (room, "chat")):
            send(stranger, to, kind, body("from outside"))
        wrapper = element(MUC_USER, "x")
        wrapper.append(element(MUC_USER, "invite", to=stranger.bare))
        send(stranger, room, "groupchat", wrapper, body("from outside"))
        await stranger.ping()
        await alice.ping()
        assert "from outside" not in bodies(alice)


async def test_a_nick_that_was_allowed_is_nobody_s_permission(door):
    async with Crowd(door.server) as crowd:
        room = door.room("quiet")
        alice, bob, carol = await meeting(crowd, room)
        assert not (await alice.set_role(room, "Bob", "participant")).error
        await bob.leave(room, "Bob")
        await carol.leave(room, "Carol")
        assert (await carol.join(room, "Bob", SECRET)).joined
        assert not await heard(carol, alice, room, "in his place")


async def test_services_are_never_filtered(door):
    async with Crowd(door.server) as crowd:
        room = door.room("mute")
        alice, _, carol = await meeting(crowd, room)
        bot = await crowd.connect("bot@localhost")
        assert (await bot.join(room, "Bot")).joined
        assert await heard(bot, alice, room, "a service is heard")
        bot.whisper(room, "Carol", "and by one alone")
        await carol.wait_for(lambda seen: seen.body == "and by one alone")
        assert await renamed(bot, room, "Robot") is None


async def test_explain_says_what_somebody_may_inside(door):
    async with Crowd(door.server) as crowd:
        room = door.room("quiet")
        await meeting(crowd, room)
        asked = ("explain", "--live", "--room", room, "--jid", "bob@localhost", "--admitted")
        said = door.component.run(*asked, "--password", "right").stdout
        for what in ("chat", "private", "rename"):
            assert f"inside, {what}: while moderating" in said, said
        assert "audio" not in said
        said = door.component.run(*asked, "--do", "record").stdout
        assert said.startswith("deny, by permissions.record (built-in default)"), said
        assert "with being a moderator inside: allow" in said


async def test_while_the_component_is_away_permissions_hold(start_prosody, start_vestibule):
    vestibule = start_vestibule(server := start_prosody(), POLICY)
    async with Crowd(server) as crowd:
        room = f"quiet-1@{server.service}"
        alice, bob, _ = await meeting(crowd, room)
        vestibule.kill()
        assert not await heard(bob, alice, room, "nobody decides")
        assert await heard(alice, bob, room, "nobody has to")
        assert await renamed(bob, room, "Robert") == NO_RENAME
        assert await error_of(bob, send(bob, f"{room}/Carol", "chat", body("psst"))) == NO_PRIVATE
        vestibule.start()
        assert not await heard(bob, alice, room, "somebody decides again")
        assert not (await alice.set_role(room, "Bob", "participant")).error
        assert await heard(bob, alice, room, "by voice")


async def test_a_reload_holds_for_those_inside(start_prosody, start_vestibule):
    rule = '\n[[room]]\nmatch = "talk-*"\npermissions = { chat = ["moderator"], rename = [] }\n'
    vestibule = start_vestibule(server := start_prosody(), POLICY)

    async def reload(text):
        """Returns when the audit that follows has seen to it."""
        before = len([line for line in vestibule.decisions() if line.get("event") == "drift"])
        vestibule.write_config(text)
        assert vestibule.run("reload").returncode == 0

        def drifts():
            return [line["details"] for line in vestibule.decisions() if line.get("event") == "drift"][before:]

        await until(drifts, 5, "the audit to find what differs")
        await until(lambda: all(each["repaired"] for each in drifts()), 5, "it to be repaired")
        return {(each["jid"], each["rule"]) for each in drifts()}

    async with Crowd(server) as crowd:
        room = f"talk-1@{server.service}"
        alice, bob, carol = await meeting(crowd, room)
        assert await heard(bob, alice, room, "before")
        found = await reload(POLICY + rule)
        assert found == {(person.bare, "permissions.chat") for person in (alice, bob, carol)}
        assert not await heard(bob, alice, room, "after")
        assert await heard(alice, bob, room, "she moderates")
        assert await renamed(bob, room, "Robert") == NO_RENAME
        assert not (await alice.set_role(room, "Carol", "participant")).error
        assert await heard(carol, alice, room, "with a voice")
        assert {rule for _, rule in await reload(POLICY + rule.replace("[]", '["moderator"]'))} == {"permissions.rename"}
        assert await heard(carol, alice, room, "voice stays")
        await reload(POLICY)
        assert await heard(bob, alice, room, "as before")


async def test_a_component_that_only_looks_on_restricts_nobody(start_prosody, start_vestibule):
    start_vestibule(server := start_prosody(), POLICY, arguments=["--observe"])
    async with Crowd(server) as crowd:
        room = f"mute-1@{server.service}"
        alice, bob = await crowd.connect("alice@localhost"), await crowd.connect("bob@localhost")
        await alice.open(room, "Alice")
        assert (await bob.join(room, "Bob")).joined
        assert await heard(bob, alice, room, "as if there were no gate")
        assert await renamed(bob, room, "Robert") is None


async def test_a_room_that_is_forgotten_takes_what_it_knew_along(door):
    async with Crowd(door.server) as crowd:
        room = door.room("quiet")
        alice, bob, carol = await meeting(crowd, room)
        assert not (await alice.set_role(room, "Bob", "participant")).error
        for person, nick in ((alice, "Alice"), (bob, "Bob"), (carol, "Carol")):
            await person.leave(room, nick)
        alice, bob, _ = await meeting(crowd, room)
        assert not await heard(bob, alice, room, "in another life of the room")
