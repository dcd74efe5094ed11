"""The operators' commands from an XMPP client that was not written here."""

import asyncio
import json
import re
import socket

from lab import SERVICE, AdHoc, Crowd
from lab.knocking import invited, knock
from lab.policy import OPERATOR, PRESET, SECRET

POLICY = (
    SERVICE + OPERATOR + PRESET
    + """
[[admin.person]]
jid = "duty@localhost"
role = "duty"
[[admin.person]]
jid = "viewer@localhost"
role = "viewer"
"""
)
# By the role of an operator.
KINDS = {
    "close": {"room": "list-single"},
    "end": {"room": "list-single", "reason": "text-single"},
    "plan": {"path": "text-single", "text": "text-multi"},
    "reload": {"force": "boolean"},
}
# What makes no sense from afar.
ONLY_SOCKET = {"page", "token", "reopen-log", "person-export", "person-erase"}


def known(door):
    """The commands that the socket names when it is asked for one that there is not."""
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(str(door.component.home / "socket"))
        asked.sendall(b'{"do": "no-such-command"}\n')
        reason = json.loads(asked.makefile().readline())["failed"]["reason"]
    return set(re.findall("`([a-z-]+)`", reason.partition("expected one of ")[2]))


async def operator(crowd):
    return AdHoc(await crowd.connect("root@localhost"))


async def meeting(door, crowd):
    """A room with its opener, and one who waits."""
    room = door.room()
    alice, guest = await crowd.connect_many(["alice@localhost", "guest.localhost"])
    assert (await alice.join(room, "Alice")).joined
    await guest.join(room, "Guest")
    await knock(alice, room, "Guest")
    return room, alice, guest


async def test_every_command_of_the_command_line_is_offered(door):
    async with Crowd(door.server) as crowd:
        root = await operator(crowd)
        offered = await root.listed()
        assert set(offered) == known(door) - ONLY_SOCKET and len(offered) > 10
        for node in offered:
            identities, features = await root.about(node)
            assert {(category, kind) for category, kind, _, _ in identities} == {("automation", "command-node")}
            assert {"http://jabber.org/protocol/commands", "jabber:x:data"} <= set(features)
        _, features = await root.about(None)
        assert "http://jabber.org/protocol/commands" in features


async def test_everybody_who_waits_is_let_in(door):
    async with Crowd(door.server) as crowd:
        room, _, guest = await meeting(door, crowd)
        duty = AdHoc(await crowd.connect("duty@localhost"))
        stage = await duty.step("admit", room=room)
        # One of them is chosen, or described.
        stage = await duty.step("admit", sessionid=stage.sessionid)
        assert "nobody is named" in str(stage.notes), stage.reply
        stage = await duty.step("admit", sessionid=stage.sessionid, **{"class": "guest", "dry_run": "true"})
        assert guest.bare in str(stage.reply) and "admitted" in str(stage.reply), stage.reply
        assert (await guest.join(room, "Guest")).condition == "registration-required"
        stage = await duty.step("admit", room=room)
        stage = await duty.step("admit", sessionid=stage.sessionid, all="true")
        assert guest.bare in str(stage.reply), stage.reply
        await invited(guest, room)
        assert (await guest.join(room, "Guest")).joined


async def test_nobody_else_is_told_of_commands_or_rooms(door):
    async with Crowd(door.server) as crowd:
        room, alice, guest = await meeting(door, crowd)
        alike = await crowd.connect("root2@localhost")
        root = await operator(crowd)
        theirs = (await root.step("close")).sessionid
        for person in (alice, guest, alike):
            commands = AdHoc(person)
            assert await commands.listed() == {}
            for node in ("rooms", "close", "status", "no-such-command"):
                assert await commands.refusal(node) == ("forbidden",)
            assert await commands.refusal("close", "complete", theirs, room=room) == ("forbidden",)



async def test_others_in_the_file_are_offered_what_their_role_may(door):
    async with Crowd(door.server) as crowd:
        room, _, _ = await meeting(door, crowd)
        root, duty, viewer = [
            AdHoc(await crowd.connect(f"{name}@localhost")) for name in ("root", "duty", "viewer")
        ]
        everything, some, few = [set(await each.listed()) for each in (root, duty, viewer)]
        assert few < some < everything
        assert "status" in few and "close" in some - few and "reload" in everything - some
        assert await duty.refusal("reload") == ("forbidden",)
        assert await viewer.refusal("close", room=room) == ("forbidden",)
        assert (await duty.step("close", room=room)).status == "completed"
        assert [row["room"] for row in (await viewer.step("rooms")).items if row["room"] == room]


async def test_a_forged_sender_is_not_believed(door):
    """A server puts its own `from` in the place of one that a client wrote, or refuses the stanza."""
    async with Crowd(door.server) as crowd:
        alice = await crowd.connect("alice@localhost")
        for forged in ("root@localhost", "root@localhost/x", "vestibule.localhost", door.server.service):
            since = alice.mark()
            alice.send_raw(
                f"<iq type='set' id='forged' from='{forged}' to='vestibule.localhost'>"
                "<command xmlns='http://jabber.org/protocol/commands' node='rooms'/></iq>"
            )
            await alice.ping()
            await asyncio.sleep(0.05)
            answers = [seen for seen in alice.seen[since:] if seen.id == "forged"]
            assert [seen.error[1] for seen in answers] == ["forbidden"], (forged, answers)


async def test_forms_are_of_the_kinds_that_the_fields_are(door):
    async with Crowd(door.server) as crowd:
        room, _, guest = await meeting(door, crowd)
        root = await operator(crowd)
        for node, kinds in KINDS.items():
            assert (await root.step(node)).kinds == kinds, node
        explain = (await root.step("explain")).kinds
        assert (explain["room"], explain["jid"]) == ("jid-single", "jid-single")
        assert (explain["auth"], explain["claims"]) == ("list-single", "text-multi")
        assert (explain["closed"], explain["occupants"]) == ("boolean", "text-single")
        close = await root.step("close")
        assert close.status == "executing" and close.actions == {"complete"}
        assert "1 inside" in close.options("room")[room]
        # Who can be meant is known when the room is.
        remove = await root.step("remove")
        assert remove.kinds == {"room": "list-single"} and remove.actions == {"next"}
        remove = await remove.go("next", room=room)
        whom = {"jid": "list-single", "class": "list-single", "all": "boolean", "moderators": "boolean"}
        whom |= {"since": "text-single", "match": "text-single", "network": "text-single", "dry_run": "boolean"}
        assert remove.kinds == {**whom, "keep_out_for": "text-single", "reason": "text-single"}
        assert remove.actions == {"complete", "prev"}
        people = remove.options("jid")
        assert "Alice" in people["alice@localhost"] and "inside" in people["alice@localhost"]
        assert "waits" in people[guest.bare]
        back = await remove.go("prev")
        assert back.fields["room"]["value"] == room


async def test_whoever_waits_is_let_in(door):
    async with Crowd(door.server) as crowd:
        room, _, guest = await meeting(door, crowd)
        root = await operator(crowd)
        admit = await (await root.step("admit")).go("next", room=room)
        admit = await admit.go("complete", jid=guest.bare)
        assert admit.status == "completed" and admit.notes == [("info", "Admit: done.")]
        await invited(guest, room)
        assert (await guest.join(room, "Guest")).joined


async def test_a_room_is_closed_and_reopened(door):
    async with Crowd(door.server) as crowd:
        room, _, guest = await meeting(door, crowd)
        root = await operator(crowd)
        # Whoever knows the form sends it at once.
        closed = await root.step("close", room=room)
        assert closed.status == "completed" and closed.fields["room"]["value"] == room
        assert (await guest.join(room, "Guest", SECRET)).condition == "not-allowed"
        await root.step("reopen", room=room)
        assert (await guest.join(room, "Guest", SECRET)).joined


async def test_a_room_ends_when_that_is_confirmed(door):
    async with Crowd(door.server) as crowd:
        room, alice, _ = await meeting(door, crowd)
        root = await operator(crowd)
        form = await root.step("end")
        assert form.actions == {"next"}
        asked = await form.go(room=room, reason="over and out")
        assert asked.status == "executing" and asked.actions == {"complete", "prev"}
        assert asked.fields["confirm"]["type"] == "boolean"
        asked = await asked.go("complete", confirm="0")
        assert asked.status == "executing" and asked.notes[0][0] == "warn"
        assert set(alice.occupants(room)) == {"Alice"}
        done = await asked.go("complete", confirm="1")
        assert done.status == "completed"
        gone = await alice.wait_for(lambda seen: seen.name == "presence" and seen.type == "unavailable")
        assert "over and out" in "".join(gone.xml.itertext())
        failed = await (await root.step("end", room=room)).go("complete", confirm="1")
        assert failed.status == "completed" and failed.notes[0][0] == "error"
        assert "no room" in failed.notes[0][1]


async def test_what_there_is_to_see_is_a_table(door):
    async with Crowd(door.server) as crowd:
        room, _, guest = await meeting(door, crowd)
        root = await operator(crowd)
        status = await root.step("status")
        assert status.form["type"] == "result" and status.fields["ready"]["value"]
        assert list(status.fields)[:2] == ["ready", "linked"], "what matters comes first"
        rooms = await root.step("rooms")
        (mine,) = [row for row in rooms.items if row["room"] == room]
        assert mine["occupants"] == "1" and mine["opener"] == "alice@localhost"
        inside = await root.step("room", room=room)
        rows = {(row["list"], row["nick"], row["jid"]) for row in inside.items}
        assert rows == {("occupants", "Alice", "alice@localhost"), ("waiting", "Guest", guest.bare)}


async def test_a_command_is_canceled(door):
    async with Crowd(door.server) as crowd:
        room, _, guest = await meeting(door, crowd)
        root = await operator(crowd)
        form = await root.step("close")
        assert (await form.go("cancel")).status == "canceled"
        assert await form.refusal("complete", room=room) == ("bad-request", "bad-sessionid")
        assert (await guest.join(room, "Guest", SECRET)).joined


async def test_a_step_that_makes_no_sense_is_refused_and_what_was_typed_wrong_is_asked_for_again(door):
    async with Crowd(door.server) as crowd:
        root = await operator(crowd)
        assert await root.refusal("no-such-command") == ("item-not-found",)
        assert await root.refusal("close", "leap") == ("bad-request", "malformed-action")
        assert await root.refusal("close", "complete") == ("bad-request", "bad-sessionid")
        assert await root.refusal("close", "execute", "no-such-session") == ("bad-request", "bad-sessionid")
        form = await root.step("close")
        assert await form.refusal("next") == ("bad-request", "bad-action")
        assert await root.refusal("reopen", "execute", form.sessionid) == ("bad-request", "bad-sessionid")
        again = await form.go("complete", room="no address@@")
        assert again.status == "executing" and again.notes[0][0] == "error"
        again = await again.go("complete", room=" ")
        assert "needs `room`" in again.notes[0][1]


async def test_a_conversation_is_its_own_client_s(door):
    async with Crowd(door.server) as crowd:
        room, _, _ = await meeting(door, crowd)
        one, other = await operator(crowd), await operator(crowd)
        form = await one.step("close")
        for action in ("complete", "cancel"):
            refused = await other.refusal("close", action, form.sessionid, room=room)
            assert refused == ("bad-request", "bad-sessionid")
        # Sent twice at once, a step is taken once.
        both = await asyncio.gather(
            form.go("complete", room=room), form.go("complete", room=room), return_exceptions=True
        )
        assert len([each for each in both if isinstance(each, Exception)]) == 1


async def test_an_operator_who_is_none_any_more_gets_no_further(door):
    async with Crowd(door.server) as crowd:
        room, _, _ = await meeting(door, crowd)
        root = await operator(crowd)
        form = await root.step("close")
        door.enforce(POLICY.replace("root@localhost", "else@localhost"))
        try:
            assert await form.refusal("complete", room=room) == ("forbidden",)
            assert await root.listed() == {}
        finally:
            door.enforce(POLICY)


async def test_a_command_to_another_address_of_the_component_is_nothing(door):
    async with Crowd(door.server) as crowd:
        root = AdHoc(await crowd.connect("root@localhost"), to="somebody@vestibule.localhost")
        assert await root.refusal("rooms") == ("service-unavailable",)


async def test_a_thousand_conversations_leave_the_component_at_work(door):
    async with Crowd(door.server) as crowd:
        root = await operator(crowd)
        first = await root.step("reload")
        for _ in range(20):
            await asyncio.gather(*(root.step("reload") for _ in range(50)))
        assert await first.refusal("complete") == ("bad-request", "bad-sessionid")
        assert (await root.step("status")).fields["ready"]["value"]
