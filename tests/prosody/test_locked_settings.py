"""Locked settings stay locked: whatever an owner sends, and whoever he is."""

import pytest
from lab import SERVICE, Crowd
from lab.policy import OPERATOR, PRESET, SECRET, rooms
from lab.stanza import MUC_OWNER, element, submission

BETTER = "nine wide copper kettles"
PASSWORD = "muc#roomconfig_roomsecret"
MEMBERS = "muc#roomconfig_membersonly"
PUBLIC = "muc#roomconfig_publicroom"
PERSISTENT = "muc#roomconfig_persistentroom"
POLICY = SERVICE + OPERATOR + '[policy.access]\npersistent = false\n' + PRESET + rooms({
    "kept": 'access.persistent = "keep"\naccess.create = ["account", "guest"]',
    "fixed": 'password = { change = "nobody" }',
    "operators": 'password = { change = "operator" }',
    "lobby": 'lobby = { admission = "lobby" }',
    "loose": 'password = { required = false }\naccess = { hidden = false, persistent = true }\nclose = { hold_until = [] }\nlobby = { admission = "open" }',
})


async def opened(door, crowd, name="room"):
    """A new room, whoever opened it, and somebody who is in."""
    room = door.room(name)
    alice = await crowd.connect("alice@localhost")
    bob = await crowd.connect("bob@localhost")
    assert (await alice.join(room, "Alice", SECRET)).joined
    if name != "lobby":
        assert (await bob.join(room, "Bob", SECRET)).joined
    return room, alice, bob


@pytest.mark.parametrize(
    ("name", "fields", "rule", "words"),
    [
        ("room", {PASSWORD: ""}, "password.required", "must have a password"),
        ("room", {PASSWORD: "short"}, "password.min_length", "too easy"),
        ("room", {PASSWORD: "password123"}, "password.min_score", "too easy"),
        ("fixed", {PASSWORD: BETTER}, "password.change", "set by the server"),
        ("operators", {PASSWORD: BETTER}, "password.change", "set by the server"),
        ("lobby", {MEMBERS: False}, "lobby.admission", "lobby"),
        ("room", {PUBLIC: True}, "access.hidden", "never listed"),
        ("room", {PERSISTENT: True}, "access.persistent", "server decides"),
        ("room", {PASSWORD: BETTER, PUBLIC: True}, "access.hidden", "never listed"),
    ],
)
async def test_an_owner_s_form_is_refused_with_the_reason(door, name, fields, rule, words):
    async with Crowd(door.server) as crowd:
        room, alice, _ = await opened(door, crowd, name)
        before = await alice.configuration(room)
        reply = await alice.configure(room, fields)
        assert reply.error and words in reply.error[2], reply
        await door.decision(kind="configure", room=room, rule=rule, verdict="deny")
        assert await alice.configuration(room) == before


async def test_a_form_without_a_field_changes_nothing_there(door):
    async with Crowd(door.server) as crowd:
        for name in ("room", "lobby"):
            room, alice, _ = await opened(door, crowd, name)
            before = await alice.configuration(room)
            assert not (await alice.configure(room, {"muc#roomconfig_roomname": "Tea"})).error
            after = await alice.configuration(room)
            assert after["muc#roomconfig_roomname"] == "Tea"
            changed = {name for name in after if after[name] != before[name]}
            assert changed <= {"muc#roomconfig_roomname"}


async def test_the_whole_form_sent_back_is_no_change(door):
    async with Crowd(door.server) as crowd:
        room, alice, _ = await opened(door, crowd)
        before = await alice.configuration(room)
        assert not (await alice.configure(room, before)).error
        assert await alice.configuration(room) == before


async def test_a_good_password_may_be_chosen_and_moderators_are_told(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await opened(door, crowd)
        guest = await crowd.connect("guest.localhost")
        assert not (await alice.configure(room, {PASSWORD: BETTER})).error
        told = await alice.wait_for(lambda seen: seen.sender == room and BETTER in (seen.body or ""))
        assert told.type == "groupchat"
        assert (await guest.join(room, "Guest", SECRET)).condition == "not-authorized"
        assert (await guest.join(room, "Guest", BETTER)).joined
        await bob.ping()
        assert not any(BETTER in repr(seen) for seen in [*bob.seen, *guest.seen])


async def test_an_operator_may_change_what_is_kept_for_operators(door):
    async with Crowd(door.server) as crowd:
        room, _, _ = await opened(door, crowd, "operators")
        root = await crowd.connect("root@localhost")
        assert (await root.join(room, "Root")).joined
        assert not (await root.configure(room, {PASSWORD: BETTER})).error
        assert (await root.configuration(room))[PASSWORD] == BETTER


async def test_what_the_file_does_not_ask_for_is_free(door):
    async with Crowd(door.server) as crowd:
        room, alice, _ = await opened(door, crowd, "loose")
        assert not (await alice.configure(room, {PASSWORD: "", PUBLIC: True})).error
        assert not (await alice.configuration(room))[PASSWORD]
        guest = await crowd.connect("guest.localhost")
        assert (await guest.join(room, "Guest")).joined


@pytest.mark.parametrize("first", [True, False])
async def test_a_field_written_twice_is_no_way_around(door, first):
    async with Crowd(door.server) as crowd:
        room, alice, _ = await opened(door, crowd)
        values = ["", SECRET] if first else [SECRET, ""]
        fields = "".join(f"<field var='{PASSWORD}'><value>{v}</value></field>" for v in values)
        reply = await raw_form(alice, room, fields)
        assert reply.error
        assert (await alice.configuration(room))[PASSWORD] == SECRET


@pytest.mark.parametrize(
    "field",
    [
        f"<field var='{PASSWORD}'/>",
        f"<field var='{PASSWORD}'><value/></field>",
        f"<field var='{PASSWORD}'><value/><value>{SECRET}</value></field>",
        f"<field var='{PASSWORD}'><value>{SECRET}</value><value>x</value></field>",
        f"<field var='{PASSWORD}'><value> </value></field>",
        f"<field var='{PUBLIC}'><value>true</value></field>",
        f"<field var='{PUBLIC}'><value>1</value><value>0</value></field>",
        f"<field var='{PUBLIC}'><value>0</value><value>1</value></field>",
        f"<field var='{PUBLIC}'><value> 1 </value></field>",
    ],
)
async def test_a_field_written_oddly_does_not_loosen_the_room(door, field):
    async with Crowd(door.server) as crowd:
        room, alice, _ = await opened(door, crowd)
        before = await alice.configuration(room)
        await raw_form(alice, room, field)
        assert await alice.configuration(room) == before


async def raw_form(person, room, fields):
    """Submits a form of hand-written fields; returns the reply."""
    form = (
        f"<iq type='set' to='{room}' id='raw'><query xmlns='{MUC_OWNER}'>"
        f"<x xmlns='jabber:x:data' type='submit'>{fields}</x></query></iq>"
    )
    since = person.mark()
    person.send_raw(form)
    return await person.wait_for(lambda seen: seen.name == "iq" and seen.id == "raw", since=since)


async def test_who_is_no_owner_configures_nothing(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await opened(door, crowd)
        guest = await crowd.connect("guest.localhost")
        # Outside, nobody is told more than that they are.
        for person, condition in ((bob, "forbidden"), (guest, "not-acceptable")):
            assert (await person.configure(room, {PASSWORD: BETTER})).error[1] == condition
            read = await person.iq(room, "get", element(MUC_OWNER, "query"))
            assert read.error and SECRET not in repr(read)
            assert (await person.destroy(room)).error[1] == condition
        assert (await alice.configuration(room))[PASSWORD] == SECRET


async def test_a_cancelled_form_changes_nothing(door):
    async with Crowd(door.server) as crowd:
        room, alice, _ = await opened(door, crowd)
        query = element(MUC_OWNER, "query")
        query.append(submission({}, kind="cancel"))
        await alice.iq(room, "set", query)
        assert (await alice.configuration(room))[PASSWORD] == SECRET


async def test_a_new_room_is_open_at_once_and_the_gate_undoes_no_lock(door):
    """A service that locks new rooms (XEP-0045, 10.1.2) is configured by their opener."""
    async with Crowd(door.server) as crowd:
        room, alice, guest = await door.meeting(crowd, "alice@localhost", "guest.localhost")


async def test_a_room_lasts_where_a_moderator_with_an_account_says_so(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await opened(door, crowd, "kept")
        assert not (await alice.configure(room, {PERSISTENT: True})).error
        await alice.leave(room, "Alice")
        await bob.leave(room, "Bob")
        assert (await alice.join(room, "Alice")).presence.item["affiliation"] == "owner"
        assert not (await alice.configure(room, {PERSISTENT: False})).error
        other = door.room("kept")
        guest = await crowd.connect("guest.localhost")
        assert (await guest.join(other, "Guest", SECRET)).presence.item["role"] == "moderator"
        refused = await guest.configure(other, {PERSISTENT: True})
        assert refused.error and "server decides" in refused.error[2]
