"""What is carried out in a room is what was judged, whatever else a stanza says."""

import pytest
from lab import SERVICE, Crowd
from lab.knocking import REQUEST, invited, is_invitation
from lab.policy import PRESET, SECRET, rooms
from lab.stanza import DATA, MUC, MUC_ADMIN, MUC_OWNER, MUC_USER

POLICY = SERVICE + '[policy.access]\ncreate = ["guest", "account"]\n' + PRESET + rooms({
    "locked": 'settings = { name = "nobody", other = "nobody" }',
})
CONFIG = f"{MUC}#roomconfig"
NAME = "muc#roomconfig_roomname"


async def meeting(door, crowd, name="room"):
    """A room with an owner and a participant, and somebody outside."""
    room = door.room(name)
    alice, bob, carol = [await crowd.connect(f"{name}@localhost") for name in ("alice", "bob", "carol")]
    assert (await alice.join(room, "Alice", SECRET)).joined
    assert (await bob.join(room, "Bob", SECRET)).joined
    return room, alice, bob, carol


async def affiliations(person, room):
    """Everybody with an affiliation."""
    kinds = "owner", "admin", "member", "outcast"
    return {kind: await person.list_affiliation(room, kind) for kind in kinds}


async def send_items(person, room, items):
    """The reply to a list of items."""
    since = person.mark()
    person.send_raw(f"<iq type='set' to='{room}' id='items'><query xmlns='{MUC_ADMIN}'>{items}</query></iq>")
    await person.wait_for(lambda seen: seen.id == "items", since=since)
    await person.ping()
    replies = [seen for seen in person.seen[since:] if seen.id == "items"]
    assert len(replies) == 1, replies
    return replies[0]


async def test_each_item_of_a_list_is_carried_out(door):
    async with Crowd(door.server) as crowd:
        room, alice, _, _ = await meeting(door, crowd)
        names = [f"user{number}@localhost" for number in range(5)]
        reply = await send_items(alice, room, "".join(f"<item jid='{n}' affiliation='member'/>" for n in names))
        assert not reply.error
        assert await alice.list_affiliation(room, "member") == set(names)
        logged = await door.decision(kind="affiliation", room=room)
        assert logged["verdict"] == "allow"
        mixed = f"<item jid='{names[0]}' affiliation='none'/><item jid='{names[1]}' affiliation='admin'/>"
        assert not (await send_items(alice, room, mixed)).error
        assert await alice.list_affiliation(room, "member") == set(names[2:])
        assert await alice.list_affiliation(room, "admin") == {names[1]}


async def test_of_a_list_of_roles_each_is_carried_out(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, carol = await meeting(door, crowd)
        assert (await carol.join(room, "Carol", SECRET)).joined
        roles = "<item nick='Bob' role='visitor'/><item nick='Carol' role='none'><reason>bye</reason></item>"
        assert not (await send_items(alice, room, roles)).error
        await carol.ping()
        inside = alice.occupants(room)
        assert inside["Bob"]["role"] == "visitor" and "Carol" not in inside
        kicked = [seen for seen in carol.seen if 307 in seen.statuses]
        assert kicked and "bye" in repr(kicked[0])


async def test_a_list_is_carried_out_whole_or_not_at_all(door):
    """The room refuses one of them: an admin changes no owner, and the last owner stays one."""
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd)
        assert not (await alice.set_affiliation(room, "bob@localhost", "admin")).error
        assert not (await alice.set_affiliation(room, "dora@localhost", "member")).error
        before = await affiliations(alice, room)
        lists = [
            (bob, "<item jid='x@localhost' affiliation='member'/><item jid='alice@localhost' affiliation='none'/>"),
            (bob, "<item jid='dora@localhost' affiliation='none'/><item jid='eve@localhost' affiliation='owner'/>"),
            (alice, "<item jid='alice@localhost' affiliation='none'/><item jid='x@localhost' affiliation='member'/>"),
        ]
        for person, items in lists:
            assert (await send_items(person, room, items)).error, items
            assert await affiliations(alice, room) == before, items
        await door.flushed()
        # What was not done is not remembered as done.
        assert not (await alice.set_affiliation(room, "eve@localhost", "member")).error
        assert alice.occupants(room)["Alice"]["role"] == "moderator"


async def test_the_same_person_twice_is_one_or_nobody(door):
    async with Crowd(door.server) as crowd:
        room, alice, _, _ = await meeting(door, crowd)
        twice = "<item jid='x@localhost/one' affiliation='member'/><item jid='x@localhost/two' affiliation='member'/>"
        assert not (await send_items(alice, room, twice)).error
        assert await alice.list_affiliation(room, "member") == {"x@localhost"}
        both = "<item jid='y@localhost' affiliation='member'/><item jid='Y@localhost' affiliation='owner'/>"
        assert (await send_items(alice, room, both)).error
        assert await alice.list_affiliation(room, "owner") == {"alice@localhost"}


ITEMS = [
    "<item xmlns='urn:x' jid='x@localhost' affiliation='member'/>",
    "<other jid='x@localhost' affiliation='member'/>",
    "<item jid='x@localhost' affiliation='member'/><other/>",
    "<item jid='x@localhost' affiliation='Member'/>",
    "<item jid='x@localhost' affiliation='member' role='participant'/>",
    "<item nick='Bob' role='king'/>",
    "<item nick='Bob' role='participant'/><item jid='x@localhost' affiliation='member'/>",
    "<item nick='Bob' jid='carol@localhost' affiliation='member'/>",
    "<item nick='Bob' jid='alice@localhost' role='none'/>",
    "<item jid='x@localhost' affiliation='member'><reason>a</reason><reason>b</reason></item>",
    "<item jid='x@localhost' affiliation='member'><reason><b/></reason></item>",
    f"<item jid='x@localhost' affiliation='member'><reason>{'r' * 2000}</reason></item>",
    "<item affiliation='member'/>",
    "<item nick='' affiliation='member'/>",
    "",
]


async def test_an_item_that_is_none_changes_nothing(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd)
        before = await affiliations(alice, room)
        for items in ITEMS:
            assert (await send_items(alice, room, items)).error, items
        assert await affiliations(alice, room) == before
        inside = alice.occupants(room)
        assert set(inside) == {"Alice", "Bob"} and inside["Bob"]["role"] == "participant"
        await bob.ping()
        assert not [line for line in door.server.complaints() if "traceback" in line.lower()]


async def test_what_an_item_carries_beside_goes_nowhere(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd)
        item = (
            "<item jid='x@localhost' affiliation='member' secret='zebra'>between"
            "<actor jid='root@localhost' nick='zebra'/><reason>because</reason><zebra xmlns='urn:z'/></item>"
        )
        since = bob.mark()
        assert not (await send_items(alice, room, item)).error
        await bob.ping()
        assert "zebra" not in "".join(map(repr, bob.seen[since:]))


def form(*fields):
    """A form that is submitted; `fields` as written, or (name, value)."""
    texts = [
        field if isinstance(field, str) else f"<field var='{field[0]}'><value>{field[1]}</value></field>"
        for field in fields
    ]
    return f"<x xmlns='{DATA}' type='submit'>{''.join(texts)}</x>"


TYPE = ("FORM_TYPE", CONFIG)


async def configure(person, room, inside):
    since = person.mark()
    person.send_raw(f"<iq type='set' to='{room}' id='form'><query xmlns='{MUC_OWNER}'>{inside}</query></iq>")
    return await person.wait_for(lambda seen: seen.id == "form", since=since)


FORMS = [
    form(TYPE, (NAME, "one"), (NAME, "two")),
    form(TYPE, TYPE, (NAME, "one")),
    form(("FORM_TYPE", f"{MUC}#register"), (NAME, "one"), TYPE),
    form(f"<field var='FORM_TYPE'><value>{CONFIG}</value><value>{CONFIG}</value></field>", (NAME, "one")),
    form(TYPE, f"<field var='{NAME}'><value>one</value><value>two</value></field>"),
    form(TYPE, f"<field var='{NAME}'><value>one<b/></value></field>"),
    form(TYPE, (NAME, "one")) + form(TYPE, (NAME, "two")),
    form((NAME, "one")),
    form(TYPE, (NAME, "one")).replace("submit", "form"),
    f"<y xmlns='urn:y'/>{form(TYPE, (NAME, 'one'))}",
    form(TYPE, (NAME, "one")).replace(DATA, "urn:x"),
    form(TYPE, *((f"f{number}", "1") for number in range(80))),
]


async def test_a_form_that_can_be_read_in_two_ways_is_refused(door):
    async with Crowd(door.server) as crowd:
        room, alice, _, _ = await meeting(door, crowd)
        before = await alice.configuration(room)
        for inside in FORMS:
            assert (await configure(alice, room, inside)).error, inside
        assert await alice.configuration(room) == before


async def test_of_a_form_only_the_fields_go_on(door):
    async with Crowd(door.server) as crowd:
        room, alice, _, _ = await meeting(door, crowd)
        inside = form(
            "<title>zebra</title>",
            TYPE,
            "<reported><field var='muc#roomconfig_roomdesc'><value>zebra</value></field></reported>",
            f"between<field xmlns='urn:x' var='{NAME}'><value>zebra</value></field>",
            f"<field var='{NAME}'>text<value xmlns='urn:x'>zebra</value><value>one</value><zebra/></field>",
            "<field type='fixed'><value>zebra</value></field>",
        )
        assert not (await configure(alice, room, inside)).error
        after = await alice.configuration(room)
        assert after[NAME] == "one" and "zebra" not in str(after)


async def test_a_field_of_no_name_that_the_room_knows_is_another_setting(door):
    async with Crowd(door.server) as crowd:
        room, alice, _, _ = await meeting(door, crowd)
        fields = {"muc#roomconfig_passwordprotectedroom": "1", "urn:unheard": ["a", "b"], NAME: "Tea"}
        assert not (await alice.configure(room, fields)).error
        assert (await alice.configuration(room))[NAME] == "Tea"
        locked, alice, _, _ = await meeting(door, crowd, "locked")
        refused = await alice.configure(locked, {"urn:unheard": "1"})
        assert refused.error
        await door.decision(kind="configure", room=locked, rule="settings.other", verdict="deny")


INVITES = [
    "<invite xmlns='urn:x' to='dora@localhost'/>",
    "<invite/>",
    "<invite to='@@'/>",
    "<invite to='dora@localhost'/><decline to='dora@localhost'/>",
    "<invite to='dora@localhost'/><other/>",
    f"<invite to='dora@localhost'><reason>{'r' * 2000}</reason></invite>",
    "<invite to='dora@localhost'><reason>a</reason><reason>b</reason></invite>",
]


async def test_an_invitation_that_is_none_is_answered_and_sent_to_nobody(door):
    async with Crowd(door.server) as crowd:
        room, alice, _, _ = await meeting(door, crowd)
        dora = await crowd.connect("dora@localhost")
        for number, inside in enumerate(INVITES):
            alice.send_raw(f"<message to='{room}' id='i{number}'><x xmlns='{MUC_USER}'>{inside}</x></message>")
            assert (await alice.wait_for(lambda seen, n=number: seen.id == f"i{n}")).error, inside
        await dora.ping()
        assert not any(is_invitation(seen, room) for seen in dora.seen)
        assert not [line for line in door.server.complaints() if "traceback" in line.lower()]


async def test_an_invitation_says_nothing_but_why(door):
    async with Crowd(door.server) as crowd:
        room, alice, _, _ = await meeting(door, crowd)
        dora, eve = [await crowd.connect(f"{name}@localhost") for name in ("dora", "eve")]
        alice.send_raw(
            f"<message to='{room}' type='normal' zebra='1'><body>zebra</body><zebra xmlns='urn:z'/>"
            f"<x xmlns='{MUC_USER}'><invite to='{dora.bare}' from='zebra@localhost'>zebra<reason>tea</reason>"
            "<continue thread='zebra'/></invite></x>"
            f"<x xmlns='{MUC_USER}'><invite to='{eve.jid}'><reason>cake</reason></invite></x></message>"
        )
        for person, why in ((dora, "tea"), (eve, "cake")):
            seen = await invited(person, room)
            assert why in repr(seen) and "zebra" not in repr(seen) and SECRET not in repr(seen)
            assert (await person.join(room, person.bare[:4])).joined


async def test_a_declined_invitation_says_nothing_but_why(door):
    async with Crowd(door.server) as crowd:
        room, alice, _, _ = await meeting(door, crowd)
        dora = await crowd.connect("dora@localhost")
        alice.invite(room, dora.bare)
        await invited(dora, room)
        dora.send_raw(
            f"<message to='{room}' id='no'><body>zebra</body><zebra xmlns='urn:z'/><x xmlns='{MUC_USER}'>"
            f"<decline to='{alice.bare}'><reason>busy</reason><zebra/></decline></x></message>"
        )
        declined = await alice.wait_for(lambda seen: "busy" in repr(seen))
        assert "zebra" not in repr(declined)


async def test_voice_is_given_to_whom_the_form_names_and_nothing_else(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, carol = await meeting(door, crowd)
        assert (await carol.join(room, "Carol", SECRET)).joined
        for nick in ("Bob", "Carol"):
            assert not (await alice.set_role(room, nick, "visitor")).error
        fields = [("FORM_TYPE", REQUEST), ("muc#request_allow", "1"), ("muc#jid", bob.jid), ("muc#role", "participant")]
        refused = [
            form(*fields, ("muc#jid", carol.jid)),
            form(*fields, ("FORM_TYPE", REQUEST)),
            form(*fields) + form(*fields),
            form(fields[0], ("muc#request_allow", "yes"), *fields[2:]),
            form(*fields[:2], ("muc#jid", "@@"), fields[3]),
            form(*fields[:3], ("muc#role", "king")),
        ]
        for number, inside in enumerate(refused):
            alice.send_raw(f"<message to='{room}' id='v{number}'>{inside}</message>")
            assert (await alice.wait_for(lambda seen, n=number: seen.id == f"v{n}")).error, inside
        assert {alice.occupants(room)[nick]["role"] for nick in ("Bob", "Carol")} == {"visitor"}
        since = alice.mark()
        alice.send_raw(f"<message to='{room}'>{form(*fields)}</message>")
        await alice.wait_for(lambda seen: seen.nick == "Bob" and seen.item.get("role") == "participant", since=since)
        since = alice.mark()
        carol.send_raw(f"<message to='{room}'><body>zebra</body>{form(fields[0], fields[3])}</message>")
        asked = await alice.wait_for(lambda seen: REQUEST in repr(seen), since=since)
        assert "zebra" not in repr(asked) and carol.jid in repr(asked)
        assert not [line for line in door.server.complaints() if "traceback" in line.lower()]


async def test_of_a_join_the_room_hears_what_was_judged(door):
    """Two passwords are a wrong one, also where the room is new and would take the first."""
    async with Crowd(door.server) as crowd:
        room, alice, _, carol = await meeting(door, crowd)
        passwords = [f"<password>{word}</password>" for word in (SECRET, "other")]
        both, x = "".join(passwords), f"<x xmlns='{MUC}'>"
        for inside in (f"{x}{both}</x>", f"{x}{passwords[1]}</x>{x}{passwords[0]}</x>"):
            since = carol.mark()
            carol.send_raw(f"<presence to='{room}/Carol'>{inside}</presence>")
            assert not (await carol.outcome(room, since)).joined, inside
        since = carol.mark()
        extra = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v'/><x xmlns='vcard-temp:x:update'/>"
        carol.send_raw(f"<presence to='{room}/Carol'><show>away</show>{x}{passwords[0]}<zebra/></x>{extra}</presence>")
        assert (await carol.outcome(room, since)).joined
        seen = await alice.wait_for(lambda seen: seen.nick == "Carol" and seen.name == "presence")
        assert "away" in repr(seen) and "caps" in repr(seen) and "vcard-temp:x:update" in repr(seen)


async def test_nobody_speaks_as_the_room_in_a_message(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd)
        for inside in ("<status code='104'/>", "<invite from='alice@localhost'/>", "<destroy/>"):
            since = alice.mark()
            claim = f"<x xmlns='{MUC_USER}'>{inside}</x>"
            bob.send_raw(f"<message to='{room}' type='groupchat' id='claim'><body>hello</body>{claim}</message>")
            seen = await alice.wait_for(lambda seen: seen.body == "hello", since=since)
            assert seen.find(MUC_USER, "x") is None


async def test_the_picture_of_a_room_is_a_setting(door, prosody_version):
    if prosody_version == "0.12":
        pytest.skip("rooms have no picture there")
    picture = "<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL>aGVsbG8=</BINVAL></PHOTO></vCard>"
    async with Crowd(door.server) as crowd:
        for kind, is_allowed in (("room", True), ("locked", False)):
            room, alice, bob, _ = await meeting(door, crowd, kind)
            for who, may in ((alice, is_allowed), (bob, False)):
                since = who.mark()
                who.send_raw(f"<iq type='set' to='{room}' id='picture'>{picture}<x xmlns='other'/></iq>")
                assert (await who.wait_for(lambda seen: seen.id == "picture", since=since)).error
                since = who.mark()
                who.send_raw(f"<iq type='set' to='{room}' id='picture'>{picture}</iq>")
                reply = await who.wait_for(lambda seen: seen.id == "picture", since=since)
                assert bool(reply.error) != may, reply
            bob.send_raw(f"<iq type='get' to='{room}' id='get'><vCard xmlns='vcard-temp'/></iq>")
            got = await bob.wait_for(lambda seen: seen.id == "get" and seen.room == room)
            assert ("aGVsbG8=" in repr(got)) == is_allowed
            logged = await door.decision(kind="configure", room=room)
            expected = ("allow", "no-objection") if is_allowed else ("deny", "settings.other")
            assert (logged["verdict"], logged["rule"]) == expected


async def test_registration_is_for_the_nick_that_was_judged(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd)
        register, nick = ("FORM_TYPE", f"{MUC}#register"), "muc#register_roomnick"
        assert not (await alice.set_affiliation(room, bob.bare, "member")).error
        for inside in (
            form(register, (nick, "One"), (nick, "Alice")),
            form(register, register, (nick, "One")),
            form((nick, "One")),
            form(register),
            form(register, (nick, "")),
            form(register, (nick, "\u200e")),
            form(register, (nick, "One")) + "<remove/>",
            "<remove xmlns='urn:x'/>",
        ):
            since = bob.mark()
            query = f"<query xmlns='jabber:iq:register'>{inside}</query>"
            bob.send_raw(f"<iq type='set' to='{room}' id='reg'>{query}</iq>")
            assert (await bob.wait_for(lambda seen: seen.id == "reg", since=since)).error, inside
        since = bob.mark()
        query = f"<query xmlns='jabber:iq:register'>{form(register, (nick, 'Bobby'))}</query>"
        bob.send_raw(f"<iq type='set' to='{room}' id='reg'>{query}</iq>")
        assert not (await bob.wait_for(lambda seen: seen.id == "reg", since=since)).error
        assert await alice.list_affiliation(room, "member") == {bob.bare}


@pytest.mark.parametrize("extra", ["", "<thread/>", "<body>hello</body>"])
async def test_a_subject_says_nothing_beside(door, extra):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd)
        since = bob.mark()
        alice.send_raw(
            f"<message type='groupchat' to='{room}'><subject>Tea</subject><subject xml:lang='de'>Kuchen</subject>{extra}"
            "<zebra xmlns='urn:z'/></message>"
        )
        await alice.ping()
        seen = await bob.wait_for(lambda seen: seen.name == "message", since=since)
        # With a body or a thread it is a message as any other, and changes no subject.
        assert ("zebra" in repr(seen)) == bool(extra)
        carol = await crowd.connect("carol@localhost")
        since = carol.mark()
        assert (await carol.join(room, "Carol", SECRET)).joined
        told = await carol.wait_for(lambda seen: seen.subject is not None and not seen.body, since=since)
        assert (told.subject == "Tea") == (not extra)
