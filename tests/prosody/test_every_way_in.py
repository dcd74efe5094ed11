"""Every way in is the same way: invitations, registration, voice, lists, odd addresses."""

import pytest
from lab import SERVICE, Crowd
from lab.knocking import CONFERENCE, REQUEST, invited, is_invitation
from lab.policy import PRESET, SECRET, rooms
from lab.stanza import CLIENT, MUC, MUC_ADMIN, MUC_OWNER, MUC_USER, element, submission

POLICY = SERVICE + PRESET + rooms({
    "lobby": 'lobby = { admission = "lobby" }',
    "strict": 'moderators = { admit = "operator", grant = "operator" }',
})


async def meeting(door, crowd, name="room"):
    """A room with a moderator and a participant, and a stranger outside."""
    room, alice = await door.meeting(crowd, "alice@localhost", name=name)
    bob = await crowd.connect("bob@localhost")
    guest = await crowd.connect("guest.localhost")
    if name != "lobby":
        assert (await bob.join(room, "Bob", SECRET)).joined
    return room, alice, bob, guest


@pytest.mark.parametrize("name", ["room", "lobby", "strict"])
async def test_a_stranger_who_invites_himself_learns_nothing(door, name):
    async with Crowd(door.server) as crowd:
        room, alice, _, guest = await meeting(door, crowd, name)
        for target in (guest.jid, guest.bare, "friend@localhost"):
            guest.invite(room, target)
        await guest.ping()
        assert not any(is_invitation(seen, room) for seen in guest.seen)
        assert SECRET not in "".join(map(repr, guest.seen))
        errors = [seen for seen in guest.seen if seen.name == "message" and seen.error]
        assert len(errors) == 3
        assert (await guest.join(room, "Guest")).condition == "registration-required"
        assert await alice.list_affiliation(room, "member") == set()


async def test_a_stranger_s_invitation_sent_oddly_learns_nothing(door):
    async with Crowd(door.server) as crowd:
        room, _, bob, guest = await meeting(door, crowd)
        invite = f"<x xmlns='{MUC_USER}'><invite to='{guest.jid}'/></x>"
        direct = f"<x xmlns='{CONFERENCE}' jid='{room}' password=''/>"
        for person in (guest, bob):
            for attributes in (
                f"to='{room}'",
                f"to='{room}' type='normal'",
                f"to='{room}' type='headline'",
                f"to='{room}' type='groupchat'",
                f"to='{room}' type='chat'",
                f"to='{room}/Alice'",
                f"to='{door.server.service}'",
            ):
                person.send_raw(f"<message {attributes}>{invite}{direct}</message>")
            await person.ping()
        assert not any(is_invitation(seen, room) for seen in guest.seen)
        assert SECRET not in "".join(map(repr, guest.seen))
        assert (await guest.join(room, "Guest")).condition == "registration-required"


async def test_a_moderator_s_invitation_lets_in_and_tells_no_password(door):
    async with Crowd(door.server) as crowd:
        room, alice, _, guest = await meeting(door, crowd)
        alice.invite(room, guest.bare, "come in")
        invitation = await invited(guest, room)
        assert SECRET not in repr(invitation)
        assert (await guest.join(room, "Guest")).joined
        await door.decision(kind="invite", room=room, rule="moderators.admit", verdict="allow")


async def test_who_does_not_moderate_invites_nobody(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, guest = await meeting(door, crowd)
        bob.invite(room, guest.bare)
        refused = await bob.wait_for(lambda seen: seen.name == "message" and seen.error)
        assert refused.error[1] == "forbidden"
        await alice.ping()
        await guest.ping()
        assert not any(is_invitation(seen, room) for seen in guest.seen)
        assert (await guest.join(room, "Guest")).condition == "registration-required"


async def test_several_invitations_in_one_message_are_one_attempt(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, guest = await meeting(door, crowd)
        other = await crowd.connect("guest.localhost")
        wrapper = element(MUC_USER, "x")
        for person in (guest, other):
            wrapper.append(element(MUC_USER, "invite", to=person.bare))
        for person in (bob, alice):
            message = element(CLIENT, "message", to=room)
            message.append(wrapper)
            person.send(message)
            await person.ping()
        await door.decisions(kind="invite", room=room, verdict="deny", jid=bob.bare)
        await door.decisions(kind="invite", room=room, verdict="allow", jid=alice.bare)
        for person in (guest, other):
            await invited(person, room)
            assert SECRET not in "".join(map(repr, person.seen))
            assert (await person.join(room, person.bare[:4])).joined


@pytest.mark.parametrize("name", ["room", "lobby"])
async def test_membership_is_not_had_by_registration(door, name):
    async with Crowd(door.server) as crowd:
        room, alice, bob, guest = await meeting(door, crowd, name)
        for person in (bob, guest):
            query = element("jabber:iq:register", "query")
            fields = {"FORM_TYPE": f"{MUC}#register", "muc#register_roomnick": "Me"}
            query.append(submission(fields))
            reply = await person.iq(room, "set", query)
            assert reply.error
            reply = await person.iq(room, "set", element("jabber:iq:register", "query"))
            assert reply.error
        assert await alice.list_affiliation(room, "member") == set()
        assert (await guest.join(room, "Guest")).condition == "registration-required"


async def test_a_voice_request_gives_no_more_than_was_asked_for(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, guest = await meeting(door, crowd)
        assert not (await alice.set_role(room, "Bob", "visitor")).error
        await bob.wait_for(lambda seen: seen.item.get("role") == "visitor")
        for role in ("participant", "moderator"):
            fields = {"FORM_TYPE": REQUEST, "muc#role": role}
            allow = {**fields, "muc#jid": bob.jid, "muc#roomnick": "Bob", "muc#request_allow": True}
            for person in (bob, guest):
                for form in (fields, allow):
                    message = element(CLIENT, "message", to=room)
                    message.append(submission(form))
                    person.send(message)
                await person.ping()
            await alice.ping()
            assert alice.occupants(room)["Bob"]["role"] == "visitor"
        since = alice.mark()
        message = element(CLIENT, "message", to=room)
        message.append(submission({**allow, "muc#role": "moderator"}))
        alice.send(message)
        await alice.wait_for(lambda seen: seen.nick == "Bob" and seen.item.get("role"), since=since)
        assert alice.occupants(room)["Bob"]["role"] == "participant"


async def test_a_list_is_judged_item_by_item(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, guest = await meeting(door, crowd, "strict")
        lists = [
            [{"jid": "a@localhost", "affiliation": "none"}, {"jid": bob.bare, "affiliation": "owner"}],
            [{"jid": bob.bare, "affiliation": "member"}],
            [{"nick": "Bob", "role": "moderator"}],
            [{"nick": "Bob", "affiliation": "admin"}],
            [{"jid": bob.bare, "affiliation": "owner", "role": "participant"}],
            [{"nick": "Bob", "role": "participant"}, {"jid": bob.bare, "affiliation": "owner"}],
            [{"jid": "a@localhost", "affiliation": "nonsense"}],
            [{"jid": "not a jid@@", "affiliation": "owner"}],
            [{"affiliation": "owner"}],
            [],
            [{"jid": f"u{n}@localhost", "affiliation": "outcast"} for n in range(100)],
        ]
        for person in (alice, bob, guest):
            for items in lists:
                query = element(MUC_ADMIN, "query")
                query.extend(element(MUC_ADMIN, "item", **item) for item in items)
                assert (await person.iq(room, "set", query)).error, items
        assert await alice.list_affiliation(room, "owner") == {alice.bare}
        for affiliation in ("admin", "member", "outcast"):
            assert await alice.list_affiliation(room, affiliation) == set()
        assert alice.occupants(room)["Bob"]["role"] == "participant"


async def test_a_foreign_element_hides_no_item(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd, "strict")
        item = f"<item jid='{bob.bare}' affiliation='owner'/>"
        for inside in (
            f"<other/>{item}",
            f"<item xmlns='urn:x' jid='{bob.bare}' affiliation='owner'/>",
            f"{item}<other/>",
            f"<other jid='{bob.bare}' affiliation='owner'/>",
            f"<item affiliation='owner' jid='{bob.bare}' nick=''/>",
            f"<item affiliation='owner' jid='{bob.bare.upper()}'/>",
            f"<item affiliation='owner' jid='{bob.jid}'/>",
        ):
            alice.send_raw(
                f"<iq type='set' to='{room}' id='raw'><query xmlns='{MUC_ADMIN}'>{inside}</query></iq>"
            )
            since = alice.mark()
            reply = await alice.wait_for(lambda seen: seen.id == "raw", since=since)
            assert reply.error, inside
        assert await alice.list_affiliation(room, "owner") == {alice.bare}


async def test_a_room_is_not_made_by_anything_but_a_join(door):
    async with Crowd(door.server) as crowd:
        room = door.room()
        alice = await crowd.connect("alice@localhost")
        query = element(MUC_OWNER, "query")
        query.append(submission({}))
        assert (await alice.iq(room, "set", query)).error
        alice.send_raw(f"<presence to='{room}/Alice'/>")
        alice.say(room, "hello")
        alice.invite(room, "bob@localhost")
        await alice.set_affiliation(room, alice.bare, "owner")
        await alice.iq(room, "set", element("jabber:iq:register", "query"))
        await alice.ping()
        exists = door.component.run("room", room).returncode == 0
        inside = "Alice" in alice.occupants(room)
        # Some services take a presence without <x/> for a join of old (XEP-0045, 7.1): then it is judged as one.
        assert exists == inside
        if inside:
            await door.decisions(kind="open", room=room, verdict="allow")
            assert (await alice.configuration(room))["muc#roomconfig_roomsecret"] == SECRET


async def test_a_join_of_old_is_judged_as_a_join(door):
    async with Crowd(door.server) as crowd:
        room, alice, _, guest = await meeting(door, crowd)
        guest.send_raw(f"<presence to='{room}/Guest'/>")
        await guest.ping()
        await alice.ping()
        assert "Guest" not in alice.occupants(room)
        assert not [seen for seen in guest.seen if seen.room == room and seen.type != "error"]


async def test_a_second_session_of_somebody_inside_is_judged_too(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, _ = await meeting(door, crowd)
        again = await crowd.connect("bob@localhost")
        outcome = await again.join(room, "Bob", "wrong")
        # He knew the password a moment ago; his nick is shared by his sessions.
        assert outcome.joined
        stranger = await crowd.connect("carol@localhost")
        assert (await stranger.join(room, "Bob")).condition == "registration-required"
        assert (await stranger.join(room, "Bob", SECRET)).condition == "conflict"
        await alice.ping()
        assert alice.occupants(room)["Bob"]["role"] == "participant"


async def test_the_subject_and_the_status_are_no_commands(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob, guest = await meeting(door, crowd)
        for text in ("!close", "!password"):
            bob.send_raw(f"<message type='groupchat' to='{room}'><subject>{text}</subject></message>")
            bob.send_raw(f"<presence to='{room}/Bob'><status>{text}</status></presence>")
            bob.whisper(room, "Alice", text)
        await bob.ping()
        assert SECRET not in "".join(map(repr, bob.seen))
        assert (await guest.join(room, "Guest", SECRET)).joined
        assert "Alice" in alice.occupants(room)
