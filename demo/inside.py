"""The second part of the story: what people inside may change, and what not."""

import json
import re

import backstage  # noqa: F401  (finds the laboratory)
from stage import ROOM


async def ann_removes_the_password(stage):
    stage.scene("Ann would rather have no password")
    stage.did("Ann", "empties the password in the room's configuration")
    reply = await stage.people["Ann"].configure(ROOM, {"muc#roomconfig_roomsecret": ""})
    stage.refused(reply.error, "cancel", "not-acceptable", "must have a password")
    await stage.decided("Ann", "configure", "deny", "password.required")


async def ann_makes_it_public(stage):
    stage.scene("Ann would like the room to be listed")
    stage.did("Ann", "makes it public in the room's configuration")
    reply = await stage.people["Ann"].configure(ROOM, {"muc#roomconfig_publicroom": True})
    stage.refused(reply.error, "cancel", "not-acceptable", "never listed")
    await stage.decided("Ann", "configure", "deny", "access.hidden")


async def bob_promotes_himself(stage):
    stage.scene("Bob would like to be a moderator")
    bob = stage.people["Bob"]
    stage.did("Bob", "takes the affiliation of an owner")
    reply = await bob.set_affiliation(ROOM, bob.bare, "owner")
    stage.expect(reply.error, "an error", repr(reply))
    stage.refused(reply.error, reply.error[0], "not-allowed", "")
    description = ["--do", "promote", "--room", ROOM, "--jid", bob.bare]
    policy = json.loads(stage.operator("--json", "explain", "--live", *description, quiet=True))
    stage.expect(policy["verdict"] == "deny", "that the policy denies it, too", policy)
    stage.page.line("policy", "decision", "none: XEP-0045 lets only owners and admins ask for this. The policy would have")
    stage.page.line("policy", "", f"answered {policy['verdict']}, by {policy['rule']}")
    stage.page.line("policy", "", stage.place(policy["line"]))
    stage.did("Bob", "writes !close")
    since = bob.mark()
    bob.say(ROOM, "!close")
    error = await bob.wait_for(lambda seen: seen.name == "message" and seen.error, since=since)
    stage.refused(error.error, "auth", "forbidden", "cannot close")
    await stage.decided("Bob", "command", "deny", "close.by")


async def ann_closes(stage):
    stage.scene("Everybody is there: Ann closes the room")
    bob, since = stage.people["Bob"], stage.people["Bob"].mark()
    stage.did("Ann", "writes !close")
    stage.people["Ann"].say(ROOM, "!close")
    await stage.hears("Bob", since, "now closed", "Bob hears")
    echo = [each for each in bob.seen[since:] if each.body == "!close"]
    stage.expect(not echo, "that nobody reads the command", echo)
    await stage.decided("Ann", "command", "allow", "close.by")


async def dave_is_late(stage):
    stage.scene("Dave is late, with the right password")
    stage.did("Dave", f"joins with “{stage.password}”")
    outcome = await stage.people["Dave"].join(ROOM, "Dave", stage.password)
    stage.turned_away(outcome, "cancel", "not-allowed", "closed")
    await stage.decided("Dave", "join", "deny", "close.by")


async def the_operator_looks(stage):
    stage.scene("The operator of the server looks, and asks why Dave was refused")
    rooms = stage.operator("rooms")
    stage.expect(re.search(rf"^{re.escape(ROOM)}  3 inside, .*closed,", rooms), "three people in a closed room", rooms)
    room = stage.operator("room", ROOM)
    inside = {line.split()[1] for line in room.splitlines() if line.split()[0] == "inside"}
    stage.expect(inside == {"Ann", "Bob", "Carla"}, "Ann, Bob and Carla inside", room)
    dave = stage.people["Dave"].bare
    why = stage.operator("explain", "--live", "--room", ROOM, "--jid", dave, "--password", "right")
    stage.expect("deny, by close.by" in why, "the same decision as before", why)
    stage.expect("with the room being open again: allow" in why, "what would change it", why)


async def the_operator_reopens(stage):
    stage.scene("The operator opens it again")
    since = stage.people["Ann"].mark()
    stage.operator("reopen", ROOM)
    await stage.hears("Ann", since, "open to new", "Ann hears")
    stage.did("Dave", "joins once more")
    outcome = await stage.people["Dave"].join(ROOM, "Dave", stage.password)
    stage.joined(outcome, "participant")
    await stage.decided("Dave", "join", "allow", "lobby.admission")


ALL = [
    ann_removes_the_password,
    ann_makes_it_public,
    bob_promotes_himself,
    ann_closes,
    dave_is_late,
    the_operator_looks,
    the_operator_reopens,
]
