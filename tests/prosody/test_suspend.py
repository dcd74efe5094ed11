"""Suspending a meeting by one stroke: who may still do what, what takes it back, and what does not."""

import json
from pathlib import Path

from lab import SERVICE, Crowd
from lab.knocking import invited, let_in
from lab.policy import CHAIR, OPERATOR, PRESET, SECRET, admission, rooms
from lab.stanza import CLIENT, element
from storm import until

SERVER = {
    "plugin_paths": [Path(__file__).parent / "modules"],
    "muc_options": {"modules_enabled": ["vestibule_gate", "lab_drift"]},
}
POLICY = (
    SERVICE + OPERATOR + PRESET + admission("password") + CHAIR
    + """
[audit]
every = "1 second"
repair = []
"""
    + rooms({
        "quiet": 'permissions = { chat = ["moderator"] }',
        "members": 'lobby = { admission = "password-and-lobby" }',
        "brief": 'moderators = { succession_after = "1 second", successors = ["everyone"] }',
    })
)
INSIDE = (
    "cancel",
    "not-acceptable",
    "This meeting has been suspended by the server's operator. That is not possible until it resumes.",
)
WAITING = (
    "The server's operator has suspended this meeting. Nobody can be let in until it resumes. You are still in the lobby."
)
SILENT = "This meeting has been suspended by the server's operator. Only moderators can speak and write."
OUTSIDE = "This meeting has been suspended by the server's operator. Nobody else can join for now."


def vestibule(door, *arguments, code=0):
    done = door.component.run(*arguments, "--json")
    assert done.returncode == code, (done.stdout, done.stderr)
    return json.loads(done.stdout) if code == 0 else done.stderr


async def meeting(door, crowd, name="room"):
    """Alice, who has opened the room, and Bob and Carol."""
    room, people = door.room(name), []
    for nick, jid in (("Alice", "alice@localhost"), ("Bob", "bob@localhost"), ("Carol", "guest.localhost")):
        people.append(await crowd.connect(jid))
        if nick != "Alice" and name == "members":
            people[0].invite(room, people[-1].bare)
            await people[-1].wait_for(lambda seen: "invite" in repr(seen))
        assert (await people[-1].join(room, nick, SECRET)).joined
    return room, *people


async def suspended(door, crowd, name="room"):
    room, *people = await meeting(door, crowd, name)
    report = vestibule(door, "suspend", room, "--reason", "We look into {password} it.")
    for person in people:
        await person.wait_for(lambda seen: seen.body and "has suspended this meeting" in seen.body)
        await person.wait_for(lambda seen: seen.body == "We look into password it.")
    return report, room, *people


async def heard(speaker, listener, room, text):
    """Whether what one says reaches another; else the words of the refusal."""
    message = element(CLIENT, "message", to=room, type="groupchat", id=speaker.new_id())
    message.append(element(CLIENT, "body", text))
    speaker.send(message)
    identity = message.get("id")
    answer = await speaker.wait_for(
        lambda seen: seen.name == "message" and (seen.body == text or seen.id == identity and seen.error)
    )
    await listener.ping()
    arrived = any(seen.body == text for seen in listener.seen)
    assert arrived == (answer.error is None)
    return True if arrived else answer.error[2]


async def test_only_moderators_speak_and_the_report_says_so(door):
    async with Crowd(door.server) as crowd:
        report, room, alice, bob, carol = await suspended(door, crowd)
        assert report["room"] == room and report["suspended"]
        done, left = "\n".join(report["done"]), "\n".join(report["not"])
        assert "1 inside; 2 others do not" in done and "the room is members-only" in done
        assert "nothing on this server moderates them" in left
        assert await heard(alice, bob, room, "I may") is True
        assert await heard(bob, alice, room, "I may not") == SILENT
        carol.whisper(room, "Alice", "psst")
        refused = await carol.wait_for(lambda seen: seen.name == "message" and seen.error)
        assert refused.error[2] == SILENT
        carol.send(element(CLIENT, "presence", to=f"{room}/A message in a name"))
        refused = await carol.wait_for(lambda seen: seen.name == "presence" and seen.error)
        assert refused.error[2] == SILENT
        (listed,) = [each for each in vestibule(door, "rooms") if each["room"] == room]
        assert listed["state"] == "suspended"
        assert "SUSPENDED" in door.component.run("room", room).stdout


async def test_nobody_else_comes_in_and_who_comes_back_is_told(door):
    async with Crowd(door.server) as crowd:
        _, room, alice, bob, _ = await suspended(door, crowd)
        stranger = await crowd.connect("guest.localhost")
        refused = await stranger.join(room, "Stranger", SECRET)
        assert (refused.condition, refused.text) == ("not-allowed", OUTSIDE)
        await door.decision(kind="join", room=room, rule="suspended", denial="suspended")
        for who, nick, speaks in (("bob@localhost", "Bob", False), ("alice@localhost", "Alice", True)):
            person = {"Bob": bob, "Alice": alice}[nick]
            await person.disconnect()
            person = await crowd.connect(who)
            assert (await person.join(room, nick)).joined
            await person.wait_for(lambda seen: seen.sender == room and seen.body == SILENT)
            assert (await heard(person, person, room, f"{nick} is back") is True) == speaks
        chair = await crowd.connect("chair@localhost")
        assert (await chair.join(room, "Chair", SECRET)).joined
        assert await heard(chair, chair, room, "a moderator of the file") is True
        root = await crowd.connect("root@localhost")
        assert (await root.join(room, "Root")).joined


async def test_those_who_wait_are_told(door):
    async with Crowd(door.server) as crowd:
        room, alice, *_ = await meeting(door, crowd, "members")
        bystander = await crowd.connect("guest.localhost")
        guest = await crowd.connect("guest.localhost")
        assert (await guest.join(room, "Guest", SECRET)).condition == "registration-required"
        for command, words in (("suspend", WAITING), ("resume", "The server's operator has resumed this meeting.")):
            since = guest.mark()
            vestibule(door, command, room)
            told = await guest.wait_for(lambda seen, words=words: seen.sender == room and seen.body == words, since=since)
            assert told.type != "error"
            assert not [seen for seen in guest.seen[since:] if seen.body and seen.body != words]
        assert not [seen for seen in (*alice.seen, *bystander.seen) if seen.body == WAITING]
        await let_in(alice, room, "Guest")
        await invited(guest, room)


async def test_moderators_do_not_undo_it(door):
    async with Crowd(door.server) as crowd:
        _, room, alice, bob, carol = await suspended(door, crowd)
        stranger = await crowd.connect("guest.localhost")
        since = alice.mark()
        alice.say(room, "!reopen")
        await alice.wait_for(lambda seen: seen.error == INSIDE, since=since)
        assert (await alice.configure(room, {"muc#roomconfig_membersonly": "0"})).error == INSIDE
        assert (await alice.set_role(room, "Bob", "participant")).error == INSIDE
        assert (await alice.set_role(room, "Bob", "moderator")).error == INSIDE
        assert (await alice.set_affiliation(room, bob.bare, "owner")).error == INSIDE
        assert (await alice.set_affiliation(room, stranger.bare, "member")).error == INSIDE
        assert (await alice.destroy(room)).error == INSIDE
        since = alice.mark()
        alice.invite(room, stranger.bare)
        await alice.wait_for(lambda seen: seen.error == INSIDE, since=since)
        assert not (await stranger.join(room, "Stranger", SECRET)).joined
        assert (await heard(bob, alice, room, "still not")) == SILENT
        # What makes it stricter is theirs.
        assert not (await alice.set_role(room, "Carol", "none")).error
        await carol.wait_for(lambda seen: seen.name == "presence" and seen.type == "unavailable")


async def test_resuming_restores_what_was(door):
    async with Crowd(door.server) as crowd:
        for name in ("room", "members", "quiet"):
            room, alice, bob, carol = await meeting(door, crowd, name)
            before = await alice.configuration(room)
            if name == "quiet":
                assert not (await alice.set_role(room, "Bob", "participant")).error
                assert await heard(bob, alice, room, "with a voice") is True
            vestibule(door, "close", room)
            vestibule(door, "suspend", room)
            assert await heard(bob, alice, room, "suspended") == SILENT
            assert vestibule(door, "resume", room) == {"room": room, "closed": "command"}
            await bob.wait_for(lambda seen: seen.body and "has resumed this meeting" in seen.body)
            assert await heard(bob, alice, room, f"resumed {room}") is True
            quiet = "You cannot write in this meeting."
            assert await heard(carol, alice, room, f"and me {room}") == (quiet if name == "quiet" else True)
            assert await alice.configuration(room) == before
            stranger = await crowd.connect("guest.localhost")
            refused = await stranger.join(room, "Stranger", SECRET)
            assert "closed" in refused.text, "a room closed before stays closed"
            assert "not suspended" in vestibule(door, "resume", room, code=1)


async def test_it_outlives_the_component_a_reload_and_another_module(door):
    async with Crowd(door.server) as crowd:
        _, room, alice, bob, _ = await suspended(door, crowd)
        door.component.kill()
        assert await heard(bob, alice, room, "while nobody decides") == SILENT
        door.component.start()
        door.enforce(POLICY + "\n# another file\n")
        assert await heard(bob, alice, room, "with another file") == SILENT
        payload = element("urn:lab", "drift", action="strip", room=room)
        assert not (await alice.iq(door.server.service, "set", payload)).error
        await until(
            lambda: any(
                line.get("event") == "drift"
                and line["room"] == room
                and line["details"]["rule"] == "suspended"
                and line["details"]["repaired"]
                for line in door.component.decisions()
            ),
            5,
            "the room is suspended again",
        )
        assert (await alice.configuration(room))["muc#roomconfig_membersonly"] in ("1", "true")
        again = vestibule(door, "suspend", room)
        assert again["suspended"]
        await bob.ping()
        assert len([seen for seen in bob.seen if seen.body and "has suspended" in seen.body]) == 1
        vestibule(door, "resume", room)
        assert await heard(bob, alice, room, "at last") is True


async def test_nobody_takes_over_meanwhile(door):
    async with Crowd(door.server) as crowd:
        _, room, alice, bob, _ = await suspended(door, crowd, "brief")
        await alice.disconnect()
        other = door.room("brief")
        ann, ben = await crowd.connect("alice@localhost"), await crowd.connect("bob@localhost")
        assert (await ann.join(other, "Ann")).joined and (await ben.join(other, "Ben", SECRET)).joined
        await ann.disconnect()
        await ben.wait_for(lambda seen: seen.nick == "Ben" and "moderator" in repr(seen))
        assert bob.occupants(room)["Bob"]["role"] == "participant"
        vestibule(door, "resume", room)
        await bob.wait_for(lambda seen: seen.nick == "Bob" and "moderator" in repr(seen))
