"""Passwords on Jitsi: guessing, choosing, and why a moderator cannot do without one."""

import pytest
from lab import Crowd
from lab.carriers import published_by_nobody
from lab.jitsi_meeting import at_the_door, inside, opened, popped_up, told_code, waiting
from lab.meet import MEET_SERVICE
from lab.meet_settings import DOMAIN
from lab.policy import PRESET, SECRET, rooms
from lab.stanza import CLIENT, element

BETTER = "nine wide copper kettles"
MEET = {"accounts": True}
CODE = 'moderators = { code = "generated" }'
POLICY = MEET_SERVICE + PRESET + rooms({
    "locked": 'password = { change = "nobody" }',
    "guessed": 'lobby = { admission = "password" }\npassword = { guesses = { burst = 1, delay = "1 minute" } }',
    "chosen": 'password = { source = "creator" }',
    "code": CODE,
    "codelobby": f'{CODE}\nlobby = {{ admission = "lobby" }}\nclose = {{ hold_until = ["moderator"] }}',
})


async def test_whoever_guesses_is_told_how_long_to_wait(meet):
    """Reloading does not help: the browser keeps its ticket."""
    async with meet.crowd() as crowd, Crowd(meet.server) as others:
        room = meet.room("guessed")
        await opened(crowd, room)
        jitsi = await crowd.person("Jitsi")
        plain = await others.connect(f"guesser@{DOMAIN}")
        assert (await jitsi.enter(room, "a wrong guess")).shown == "prompt"
        assert (await plain.join(room, "Plain", "a wrong guess")).condition == "not-authorized"
        for typed in ("a wrong guess", SECRET):
            jitsi = await crowd.reload(jitsi)
            refused = await jitsi.enter(room, typed)
            assert refused.shown == "destroyed" and "Too many wrong passwords" in refused.text
            answer = await plain.join(room, "Plain", typed)
            assert (answer.type, answer.condition) == ("wait", "resource-constraint")
            assert "try again in" in answer.text and "second" in answer.text
        assert len(await meet.decisions(kind="join", room=room, denial="too-many-guesses")) == 4


@pytest.mark.parametrize(
    ("name", "password", "words"),
    [
        ("room", "", "To change it, write !password NEW-PASSWORD in the chat."),
        ("room", "1234", "This password is too easy to guess. Use at least 8 characters"),
        ("room", "password1", "This password is too easy to guess."),
        ("locked", "twelve slow violet ferries", "set by the server and cannot be changed"),
    ],
)
async def test_a_moderator_is_told_why_the_password_stays(meet, name, password, words):
    async with meet.crowd() as crowd:
        room = meet.room(name)
        alice = await crowd.person("Alice")
        assert (await alice.enter(room)).joined
        since = alice.mark()
        reply = await alice.lock_room(room, password)
        assert reply.error and words in reply.error[2], reply
        await alice.ping()
        assert popped_up(alice, room, since) == [reply.error[2]], "Jitsi's client shows no words of the error"
        weak = ("auth", "not-authorized") if "guess" in words else ("cancel", "not-acceptable")
        assert reply.error[:2] == weak
        bob = await crowd.person("Bob")
        assert (await bob.enter(room, password or None)).shown != "joined"
        assert (await bob.enter(room, SECRET)).joined


async def test_a_value_that_cannot_be_read_is_refused_in_a_pop_up_too(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        since = alice.mark()
        reply = await alice.lock_room(room, "x" * 5000)
        assert reply.error[:2] == ("modify", "not-acceptable")
        await alice.ping()
        assert popped_up(alice, room, since) == [reply.error[2]] and "muc#roomconfig_roomsecret" in reply.error[2]
        await inside(crowd, room, "Bob", password=password)


async def test_whoever_opens_a_room_chooses_its_password_inside(meet):
    """The focus cannot be asked for one, so the room has another until then."""
    async with meet.crowd() as crowd:
        room = meet.room("chosen")
        alice, first = await opened(crowd, room)
        bob, carol = await crowd.persons("Bob", "Carol")
        assert (await bob.enter(room)).shown == at_the_door(meet.server)
        assert (await alice.lock_room(room, "12")).error
        assert (await bob.enter(room, "12")).shown == at_the_door(meet.server)
        assert not (await alice.lock_room(room, SECRET)).error
        assert (await bob.enter(room, SECRET)).joined
        assert first != SECRET and (await carol.enter(room, first)).shown == at_the_door(meet.server)


# `!password`, whatever comes after it


def wrote(person, words):
    return [seen for seen in person.seen if seen.name == "message" and seen.nick and words in "".join(seen.xml.itertext())]


async def refused_in_chat(person, room, text):
    since = person.mark()
    person.say(room, text)
    seen = await person.wait_for(lambda seen: seen.name == "message" and seen.error, since=since)
    return seen.error


async def test_a_moderator_sets_the_password_by_a_word_that_nobody_else_reads(meet):
    async with meet.crowd() as crowd, Crowd(meet.server) as others:
        room = meet.room()
        alice = await crowd.person("Alice")
        assert (await alice.enter(room)).joined
        bob = await inside(crowd, room, "Bob")
        weak = await refused_in_chat(alice, room, "!password 1234")
        assert weak[:2] == ("auth", "not-authorized") and "too easy to guess" in weak[2]
        since, before = alice.mark(), bob.mark()
        alice.say(room, f" !Password  {BETTER} ")
        await bob.wait_for(lambda seen: 104 in seen.statuses, since=before)
        told = await alice.wait_for(lambda seen: seen.sender == room and BETTER in (seen.body or ""), since=since)
        assert told.type == "normal" and not any(BETTER in words for words in popped_up(alice, room))
        may_not = await refused_in_chat(bob, room, f"!password {SECRET}")
        assert may_not == ("auth", "forbidden", "Only moderators can change the password of this meeting.")
        for text in (f"!password: {SECRET}", f"!password{SECRET}", f"look\n!password {SECRET}"):
            assert "Unknown command" in (await refused_in_chat(alice, room, text))[2]
        for words in ("1234", BETTER, SECRET):
            assert not wrote(bob, words) and not wrote(alice, words)
        carol = await others.connect(meet.server.guests)
        assert (await carol.join(room, "Carol", SECRET)).condition == "not-authorized"
        assert (await carol.join(room, "Carol", BETTER)).joined
        changed = await meet.decision(kind="configure", room=room, verdict="allow")
        assert changed["jid"] == alice.bare
        assert not meet.component.run("rotate", room).returncode, "the record knows of the change"


async def test_it_is_shown_to_nobody_whatever_carries_it(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        bob = await inside(crowd, room, "Bob", password=password)
        await published_by_nobody(alice, bob, room, f"{room}/{bob.nick}")


async def test_it_is_shown_to_nobody_in_private_either_and_locked_is_locked(meet):
    async with meet.crowd() as crowd:
        room = meet.room("locked")
        alice = await crowd.person("Alice")
        assert (await alice.enter(room)).joined
        bob = await inside(crowd, room, "Bob")
        message = element(CLIENT, "message", to=f"{room}/{bob.nick}", type="chat", id=alice.new_id())
        message.append(element(CLIENT, "body", f"!password {BETTER}"))
        alice.send(message)
        refused = await alice.wait_for(lambda seen: seen.name == "message" and seen.error)
        assert "This was shown to nobody." in refused.error[2]
        locked = await refused_in_chat(alice, room, f"!password {BETTER}")
        assert "set by the server and cannot be changed" in locked[2]
        await bob.ping()
        assert not wrote(bob, BETTER)


async def test_who_becomes_a_moderator_is_told_what_that_means(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await crowd.person("Alice")
        assert (await alice.enter(room)).joined
        bob = await inside(crowd, room, "Bob")
        assert not (await alice.set_affiliation(room, bob.bare, "owner")).error
        await bob.wait_for(lambda seen: seen.body and seen.body.startswith("You are a moderator now."))
        assert "!password" in popped_up(bob, room)[-1]
        bob.say(room, "!password")
        await bob.wait_for(lambda seen: SECRET in (seen.body or ""))
        assert not any("moderator now" in words for words in popped_up(alice, room))


# The host code: a second password that makes a moderator


def is_moderator(outcome):
    return outcome.joined and outcome.presence.item["role"] == "moderator"


async def test_a_guest_with_the_host_code_moderates_and_comes_back_as_a_moderator(meet):
    async with meet.crowd() as crowd:
        room = meet.room("code")
        alice = await crowd.person("Alice")
        assert (await alice.enter(room)).joined
        code = await told_code(alice, room)
        assert not any(code in words for words in popped_up(alice, room)), "screens are shared"
        host, bob = await crowd.persons("Host", "Bob")
        assert is_moderator(await host.enter(room, code.replace("-", " ")))
        assert not is_moderator(await bob.enter(room, SECRET))
        assert (await meet.decision(kind="join", room=room, verdict="allow", jid=host.bare))["rule"] == "moderators.code"
        host = await crowd.reload(host)
        assert is_moderator(await host.enter(room))
        assert not (await host.set_affiliation(room, bob.bare, "owner")).error
        assert meet.component.run("room", room, "--json").returncode == 0
        drift = [line for line in meet.component.decisions() if line.get("event") == "drift" and line["room"] == room]
        assert not drift, drift


@pytest.mark.parametrize("name", ["code", "codelobby"])
async def test_a_guest_in_the_lobby_types_the_host_code_and_moderates(meet, name):
    """Also where nobody else is left inside to let people in."""
    if not meet.server.plugins:
        pytest.skip("there is no lobby without Jitsi's modules")
    async with meet.crowd() as crowd:
        room = meet.room(name)
        alice = await crowd.person("Alice")
        assert (await alice.enter(room)).joined
        code = await told_code(alice, room)
        host, bob = await waiting(crowd, room, "Host", "Bob")
        if name == "codelobby":
            await alice.depart(room)
        wrong = await host.enter(room, "a wrong code")
        assert wrong.shown == "lobby", wrong
        await meet.decision(kind="join", room=room, jid=host.bare, denial="password-wrong")
        assert is_moderator(await host.enter(room, code))


async def test_a_room_gets_its_host_code_by_a_reload_and_loses_its_meaning_by_another(meet):
    async with meet.crowd() as crowd:
        room = meet.room("switched")
        alice = await crowd.person("Alice")
        assert (await alice.enter(room)).joined
        assert "no host code" in meet.component.run("code", room).stderr
        try:
            meet.enforce(f"{POLICY}[audit]\nevery = '1 second'\n[[room]]\nmatch = 'switched-*'\n{CODE}\n")
            code = await told_code(alice, room)
        finally:
            meet.enforce(POLICY)
        guest = await crowd.person("Guest")
        assert (await guest.enter(room, code)).shown == at_the_door(meet.server)
        refused = meet.component.run("code", room)
        assert refused.returncode and "no host code" in refused.stderr
