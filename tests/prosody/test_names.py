"""Who is called what: names that look alike are one name, as a nick and as what clients show."""

import asyncio

import pytest
from lab import SERVICE, Crowd
from lab.policy import OPERATOR, PRESET, SECRET, rooms, trusted
from lab.stanza import CLIENT, MUC, MUC_ADMIN, element

NICK = "http://jabber.org/protocol/nick"
POLICY = (
    SERVICE + trusted("focus@localhost") + OPERATOR + PRESET
    + """
[policy.lobby]
admission = "password"
[policy.names]
reserved = ["focus", "Moderator"]
[policy.moderators]
assign = ["listed"]
jids = ["alice@localhost"]
[policy.close]
hold_until = []
"""
    + rooms({
        "unique": 'names.unique = "everybody"',
        "kept": 'names.unique = "moderators"',
        "protected": 'names.protected = ["Host", "Prof. Ann Smith"]',
        "latin": 'names.scripts = ["Latin"]',
    })
)
LIKE_MODERATOR = [
    "Moderator", "moderator", "M\u043eder\u0430tor", "Moderator\u3164", "\uff2d\uff4f\uff44\uff45\uff52\uff41\uff54\uff4f\uff52", "M0derat0r",
    "Mod\u00aderator", "M\u00f3derator",
]
# What no nick can be by the server's own rules, and Jitsi's clients show all the same.
SHOWN_ONLY = ["Moderator ", " Moderator", "\u202erotaredoM", "Mod\u200derator", "Mod\u2060erator", "Moder\u0335ator", "\u2800Moderator"]


def named(*names):
    return [element(NICK, "nick", name) for name in names]


async def opened(door, crowd, kind="room"):
    room = door.room(kind)
    alice = await crowd.connect("alice@localhost")
    assert (await alice.join(room, "Alice", extra=named("Alice (Moderator)"))).joined
    return room, alice


async def shown(alice, room, nick, since):
    """The names in a presence of that nick, as Alice sees it next."""
    seen = await alice.wait_for(lambda seen: seen.name == "presence" and seen.sender == f"{room}/{nick}", since=since)
    return [tag.text for tag in seen.xml if tag.tag.endswith("}nick")]


async def take(person, room, nick, *names, also=()):
    """Says another name inside."""
    presence = element(CLIENT, "presence", to=f"{room}/{nick}")
    presence.extend([*named(*names), *also])
    person.send(presence)


async def answered(person, room, since, text):
    return await person.wait_for(lambda seen: seen.name == "message" and seen.sender == room and text in (seen.body or ""), since=since)


@pytest.mark.parametrize("nick", LIKE_MODERATOR)
async def test_a_reserved_nick_is_not_had_by_its_looks(door, nick):
    async with Crowd(door.server) as crowd:
        room, alice = await opened(door, crowd)
        guest = await crowd.connect("guest.localhost")
        refused = await guest.join(room, nick, SECRET)
        assert (refused.condition, refused.text) == ("conflict", "This name is reserved. Please choose another name.")
        await alice.ping()
        assert set(alice.occupants(room)) == {"Alice"}


@pytest.mark.parametrize("name", LIKE_MODERATOR + SHOWN_ONLY)
async def test_a_reserved_name_is_not_shown_by_its_looks(door, name):
    async with Crowd(door.server) as crowd:
        room, alice = await opened(door, crowd)
        guest = await crowd.connect("guest.localhost")
        refused = await guest.join(room, "0b5c8a11", SECRET, extra=named(name))
        assert (refused.condition, refused.text) == ("conflict", "This name is reserved. Please choose another name.")
        # Inside, the old name stays, and what else the presence says goes on.
        assert (await guest.join(room, "0b5c8a11", SECRET, extra=named("Guest"))).joined
        told = guest.mark()
        for _ in range(2):
            since = alice.mark()
            await take(guest, room, "0b5c8a11", name, also=[element(CLIENT, "audiomuted", "true")])
            assert await shown(alice, room, "0b5c8a11", since) == ["Guest"]
        await answered(guest, room, told, "This name is reserved. Please choose another name.")
        await take(guest, room, "0b5c8a11", "Guest")
        await guest.ping()
        await asyncio.sleep(0.1)
        assert len([one for one in guest.seen[told:] if one.body]) == 1, "told once for each name"
        assert "0b5c8a11" in alice.occupants(room)


async def test_another_name_is_shown_when_it_is_granted(door):
    async with Crowd(door.server) as crowd:
        room, alice = await opened(door, crowd)
        guest = await crowd.connect("guest.localhost")
        assert (await guest.join(room, "Guest", SECRET, extra=named("Guest"))).joined
        since = alice.mark()
        await take(guest, room, "Guest", "Gregory", also=[element(CLIENT, "audiomuted", "true")])
        await alice.wait_for(lambda seen: seen.name == "presence" and seen.text(NICK, "nick") == "Gregory", since=since)
        decision = await door.decision(kind="rename", room=room)
        assert (decision["verdict"], decision["facts"]["who"]["name"]) == ("allow", "Gregory")
        # From then on it is his, without a question.
        since = alice.mark()
        await take(guest, room, "Guest", "Gregory", also=[element(CLIENT, "audiomuted", "false")])
        seen = await alice.wait_for(lambda seen: seen.sender == f"{room}/Guest" and seen.text(CLIENT, "audiomuted") == "false", since=since)
        assert seen.text(NICK, "nick") == "Gregory"
        assert len(await door.decisions(kind="rename", room=room)) == 1


async def test_a_name_that_nobody_has_answered_is_asked_about_again(start_prosody, start_vestibule):
    server = start_prosody(muc_options={"vestibule_timeout": 1})
    component = start_vestibule(server, POLICY)
    async with Crowd(server) as crowd:
        room = f"tea@{server.service}"
        alice, guest = await crowd.connect("alice@localhost"), await crowd.connect("guest.localhost")
        assert (await alice.join(room, "Alice")).joined
        assert (await guest.join(room, "Guest", SECRET, extra=named("Guest"))).joined
        component.freeze()
        since = guest.mark()
        await take(guest, room, "Guest", "Gregory")
        refused = await guest.wait_for(lambda seen: seen.name == "message" and seen.error, since=since)
        assert refused.error[1] == "remote-server-timeout"
        component.thaw()
        since = alice.mark()
        await take(guest, room, "Guest", "Gregory")
        await alice.wait_for(lambda seen: seen.name == "presence" and seen.text(NICK, "nick") == "Gregory", since=since)


async def test_where_names_are_unique_one_that_is_taken_inside_is_somebody_s_until_it_is_given_up(door):
    async with Crowd(door.server) as crowd:
        room, alice = await opened(door, crowd, "unique")
        guests = await crowd.connect_many(["guest.localhost", "guest.localhost"], present=False)
        for number, guest in enumerate(guests):
            assert (await guest.join(room, f"Nick{number}", SECRET)).joined

        async def may_be_gregory(number):
            await guests[number].ping()  # has seen what the other one is called
            since, told = alice.mark(), guests[number].mark()
            await take(guests[number], room, f"Nick{number}", "Gregory")
            assert await shown(alice, room, f"Nick{number}", since) != ["Gregory"], "it goes on at once, without"
            seen = await guests[number].wait_for(
                lambda seen: seen.text(NICK, "nick") == "Gregory" or "looks like this one" in (seen.body or ""), since=told
            )
            return seen.name == "presence"

        assert await may_be_gregory(0)
        assert not await may_be_gregory(1)
        await take(guests[0], room, "Nick0")
        await guests[0].ping()
        await take(guests[1], room, "Nick1", "Greg")
        await guests[1].wait_for(lambda seen: seen.text(NICK, "nick") == "Greg")
        assert await may_be_gregory(1)
        assert not await may_be_gregory(0)


async def test_where_names_are_unique_a_nick_that_is_taken_inside_is_somebody_s(door):
    async with Crowd(door.server) as crowd:
        room, alice = await opened(door, crowd, "unique")
        guests = await crowd.connect_many(["guest.localhost", "guest.localhost"], present=False)
        for number, guest in enumerate(guests):
            assert (await guest.join(room, f"Nick{number}", SECRET)).joined
        guests[0].send(element(CLIENT, "presence", to=f"{room}/Gregory"))
        await alice.wait_for(lambda seen: seen.sender == f"{room}/Gregory")
        told = guests[1].mark()
        await take(guests[1], room, "Nick1", "Gregory")
        await answered(guests[1], room, told, "looks like this one")
        told = guests[1].mark()
        await take(guests[1], room, "Nick1", "Nick0")
        await guests[1].wait_for(lambda seen: seen.text(NICK, "nick") == "Nick0", since=told)
        alice.send(element(CLIENT, "presence", to=f"{room}/Alicia"))
        await guests[0].wait_for(lambda seen: seen.sender == f"{room}/Alicia")
        refused = await (await crowd.connect("eve@localhost")).join(room, "\u0410licia", SECRET)
        assert refused.condition == "conflict"


async def test_of_several_names_one_is_judged_and_shown(door):
    async with Crowd(door.server) as crowd:
        room, alice = await opened(door, crowd)
        guest = await crowd.connect("guest.localhost")
        since = alice.mark()
        hidden = element("urn:x", "nick", "Moderator")
        assert (await guest.join(room, "Guest", SECRET, extra=[*named("Guest", "Moderator"), hidden])).joined
        assert await shown(alice, room, "Guest", since) == ["Guest"]
        since = alice.mark()
        await take(guest, room, "Guest", "Guest", "Moderator", also=[hidden])
        assert await shown(alice, room, "Guest", since) == ["Guest"]


async def test_a_message_shows_no_other_name_than_the_presence(door):
    async with Crowd(door.server) as crowd:
        room, alice = await opened(door, crowd)
        guest = await crowd.connect("guest.localhost")
        assert (await guest.join(room, "Guest", SECRET, extra=named("Guest"))).joined
        for to, kind in ((room, "groupchat"), (f"{room}/Alice", "chat")):
            since = alice.mark()
            message = element(CLIENT, "message", to=to, type=kind)
            message.extend([element(CLIENT, "body", "hello"), *named("Moderator"), element("urn:x", "nick", "Moderator")])
            guest.send(message)
            seen = await alice.wait_for(lambda seen: seen.name == "message" and seen.body == "hello", since=since)
            assert [tag.text for tag in seen.xml if tag.tag.endswith("}nick")] == ["Guest"]


@pytest.mark.parametrize("name", ["Alice (Moderator)", "al\u0456ce  (moderat\u043er)", "Alice", "AIice"])
async def test_where_names_are_unique_the_second_is_refused(door, name):
    for kind in ("unique", "kept"):
        async with Crowd(door.server) as crowd:
            room, alice = await opened(door, crowd, kind)
            guest = await crowd.connect("guest.localhost")
            refused = await guest.join(room, "0b5c8a11", SECRET, extra=named(name))
            assert (refused.condition, "choose another name" in refused.text) == ("conflict", True)
            decision = await door.decision(kind="join", room=room, denial="name-taken")
            assert decision["rule"] == "names.unique"
            assert (await guest.join(room, "0b5c8a11", SECRET, extra=named("Guest"))).joined
            since, told = alice.mark(), guest.mark()
            await take(guest, room, "0b5c8a11", name)
            await answered(guest, room, told, "choose another name")
            assert await shown(alice, room, "0b5c8a11", since) == ["Guest"]


async def test_a_unique_name_is_one_s_own_on_every_device(door):
    async with Crowd(door.server) as crowd:
        room, alice = await opened(door, crowd, "unique")
        again = await crowd.connect("alice@localhost/other")
        assert (await again.join(room, "Alice", SECRET, extra=named("Alice (Moderator)"))).joined
        # By default anybody may have it.
        other, _ = await opened(door, crowd)
        guest = await crowd.connect("guest.localhost")
        assert (await guest.join(other, "Guest", SECRET, extra=named("Alice (Moderator)"))).joined


async def test_whose_name_it_was_only_moderators_of_a_kept_room_matters(door):
    async with Crowd(door.server) as crowd:
        room, _ = await opened(door, crowd, "kept")
        bob, guest = await crowd.connect_many(["bob@localhost", "guest.localhost"])
        assert (await bob.join(room, "Bob", SECRET, extra=named("Robert"))).joined
        assert (await guest.join(room, "Guest", SECRET, extra=named("Robert"))).joined


@pytest.mark.parametrize("name", ["Host", "H\u043est", "Prof. Ann  Smith"])
async def test_a_protected_name_is_for_moderators(door, name):
    async with Crowd(door.server) as crowd:
        room, alice = await opened(door, crowd, "protected")
        guest = await crowd.connect("guest.localhost")
        refused = await guest.join(room, "Guest", SECRET, extra=named(name))
        assert refused.text == "Only moderators can use this name. Please choose another name."
        assert (await guest.join(room, "Guest", SECRET)).joined
        since = guest.mark()
        guest.send_raw(f"<presence to='{room}/{name}'/>")
        refused = await guest.wait_for(lambda seen: seen.name == "presence" and seen.error, since=since)
        assert refused.error[1] == "conflict"
        alice.send_raw(f"<presence to='{room}/{name}'/>")
        await guest.wait_for(lambda seen: seen.nick == name and not seen.type)
        assert set(guest.occupants(room)) == {name, "Guest"}


@pytest.mark.parametrize("name", ["\u0418\u0432\u0430\u043d", "\u0410nn", "\u3164", "\u202ennA"])
async def test_names_are_written_in_the_scripts_of_the_file(door, name):
    async with Crowd(door.server) as crowd:
        room, _ = await opened(door, crowd, "latin")
        guest = await crowd.connect("guest.localhost")
        refused = await guest.join(room, "Guest", SECRET, extra=named(name))
        assert (refused.type, refused.condition) == ("modify", "not-acceptable")
        assert (await guest.join(room, "Guest", SECRET, extra=named("Zo\u00eb 2"))).joined


def registration(nick):
    return f"<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>{MUC}#register</value></field>" \
        f"<field var='muc#register_roomnick'><value>{nick}</value></field></x>"


@pytest.mark.parametrize(("kind", "nick"), [("protected", "Host"), ("protected", "H\u043est"), ("latin", "\u0416\u0443\u043a")])
async def test_a_name_that_somebody_may_not_have_is_not_kept_for_them(door, kind, nick):
    async with Crowd(door.server) as crowd:
        room, alice = await opened(door, crowd, kind)
        bob = await crowd.connect("bob@localhost")
        assert (await bob.join(room, "Bob", SECRET)).joined
        assert not (await alice.set_affiliation(room, bob.bare, "member")).error
        for who, query in (
            (bob, f"<query xmlns='jabber:iq:register'>{registration(nick)}</query>"),
            (alice, f"<query xmlns='{MUC_ADMIN}'><item affiliation='member' jid='late@localhost' nick='{nick}'/></query>"),
        ):
            since = who.mark()
            who.send_raw(f"<iq type='set' to='{room}' id='keep'>{query}</iq>")
            reply = await who.wait_for(lambda seen: seen.id == "keep", since=since)
            assert reply.error[:2] == (("cancel", "conflict") if kind == "protected" else ("modify", "not-acceptable"))
        since = bob.mark()
        bob.send_raw(f"<iq type='set' to='{room}' id='keep'><query xmlns='jabber:iq:register'>{registration('Bobby')}</query></iq>")
        assert not (await bob.wait_for(lambda seen: seen.id == "keep", since=since)).error
        # For those who may have it, it is kept.
        since = alice.mark()
        alice.send_raw(f"<iq type='set' to='{room}' id='keep'><query xmlns='jabber:iq:register'>{registration('Host')}</query></iq>")
        assert not (await alice.wait_for(lambda seen: seen.id == "keep", since=since)).error


async def test_a_name_that_was_asked_for_in_vain_is_asked_for_again(start_prosody, start_vestibule):
    server = start_prosody(component_options={}, muc_options={"vestibule_grace": 1})
    component = start_vestibule(server, POLICY)
    room = f"room-1@{server.service}"
    async with Crowd(server) as crowd:
        alice, bob = await crowd.connect("alice@localhost"), await crowd.connect("bob@localhost")
        assert (await alice.join(room, "Alice")).joined
        assert (await bob.join(room, "Bob", SECRET, extra=named("Robert"))).joined
        component.shutdown()
        presence = element(CLIENT, "presence", to=f"{room}/Bob")
        presence.extend(named("Bobby"))
        bob.send(presence)
        await asyncio.sleep(10.5)
        component.start()
        since = alice.mark()
        bob.send(presence)
        await alice.wait_for(lambda seen: seen.nick == "Bob" and "Bobby" in repr(seen), since=since)


async def test_nobody_leaves_by_another_name(door):
    async with Crowd(door.server) as crowd:
        room, alice = await opened(door, crowd)
        bob = await crowd.connect("bob@localhost")
        assert (await bob.join(room, "Bob", SECRET, extra=named("Robert"))).joined
        since = alice.mark()
        leaving = element(CLIENT, "presence", to=f"{room}/Bob", type="unavailable")
        leaving.extend(named("Moderator"))
        bob.send(leaving)
        seen = await alice.wait_for(lambda seen: seen.nick == "Bob" and seen.type == "unavailable", since=since)
        assert "Moderator" not in repr(seen)


@pytest.mark.parametrize("nick", ["  ", "\u00a0", "\u0378"])
async def test_a_nick_that_no_room_takes_is_no_question(door, nick):
    async with Crowd(door.server) as crowd:
        room, _ = await opened(door, crowd)
        bob = await crowd.connect("bob@localhost")
        for at in (room, door.room()):
            refused = await bob.join(at, nick, SECRET)
            assert (refused.type, refused.condition) == ("modify", "jid-malformed")
            assert refused.text
        await door.flushed()
        assert not [line for line in door.component.decisions() if line.get("jid") == bob.bare and line.get("room") == room and line.get("verdict")]


async def test_a_nick_that_the_server_gives_is_judged(start_prosody, start_vestibule):
    server = start_prosody(muc_options={"enforce_registered_nickname": True})
    start_vestibule(server, POLICY)
    room = f"protected-1@{server.service}"
    async with Crowd(server) as crowd:
        alice, bob = await crowd.connect("alice@localhost"), await crowd.connect("bob@localhost")
        assert (await alice.join(room, "Alice")).joined
        # While Bob moderates, the name is kept for him; afterwards it is not his any more.
        assert not (await alice.set_affiliation(room, bob.bare, "admin")).error
        query = f"<query xmlns='{MUC_ADMIN}'><item affiliation='admin' jid='{bob.bare}' nick='Host'/></query>"
        alice.send_raw(f"<iq type='set' to='{room}' id='keep'>{query}</iq>")
        assert not (await alice.wait_for(lambda seen: seen.id == "keep")).error
        assert not (await alice.set_affiliation(room, bob.bare, "member")).error
        refused = await bob.join(room, "Bob", SECRET)
        assert not refused.joined and "Only moderators can use this name" in refused.text, refused


def test_the_old_key_names_the_new_one(door):
    file = door.component.home / "old.toml"
    file.write_text(SERVICE + '[policy]\nreserved_nicks = ["focus"]\n')
    told = door.component.run("check", file)
    assert told.returncode == 1
    assert "write `names.reserved`" in told.stdout


async def test_without_the_component_a_reserved_name_is_for_services_all_the_same(start_prosody, start_vestibule):
    server = start_prosody(muc_options={"vestibule_on_unavailable": "allow", "vestibule_grace": 0.2})
    component = start_vestibule(server, POLICY)
    async with Crowd(server) as crowd:
        room = f"tea@{server.service}"
        alice = await crowd.connect("alice@localhost")
        assert (await alice.join(room, "Alice")).joined
        component.kill()
        guest = await crowd.connect("guest.localhost")
        for nick, extra in (("Moderator", ()), ("M\u043eder\u0430tor", ()), ("Guest", named(" M0derator"))):
            refused = await guest.join(room, nick, SECRET, extra=extra)
            assert refused.condition == "conflict", nick
        assert (await guest.join(room, "Guest", SECRET)).joined
        since = alice.mark()
        await take(guest, room, "Guest", "MODERATOR")
        assert await shown(alice, room, "Guest", since) == []


async def test_moderators_are_told_of_a_name_that_looks_like_theirs(door):
    def told(seen):
        return bool(seen.body) and "looks like a moderator's" in seen.body

    async with Crowd(door.server) as crowd:
        room, alice = await opened(door, crowd)
        bob = await crowd.connect("bob@localhost")
        mark = alice.mark()
        assert (await bob.join(room, "\u0410lice", SECRET)).joined
        assert "\u0410lice now has a name here" in (await alice.wait_for(told, since=mark)).body
        decision = await door.decision(room=room, kind="join")
        assert decision["facts"]["namesake"] == "moderator"
        assert "the name looks like a moderator's" in door.component.run("log", "--room", room).stdout
        # And when a name becomes such a one inside, as a nick or where it is shown.
        eve = await crowd.connect("eve@localhost")
        assert (await eve.join(room, "Eve", SECRET)).joined
        mark = alice.mark()
        await take(eve, room, "Al\u0456ce")
        assert "Al\u0456ce now has" in (await alice.wait_for(told, since=mark)).body
        assert not [seen for seen in [*bob.seen, *eve.seen] if told(seen)], "nobody else is told"
