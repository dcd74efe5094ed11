"""Every answer that somebody can get who asks for a room or joins one: what Jitsi's client makes
of it, and what a plain XMPP client is told."""

import dataclasses

import pytest
from lab import Crowd, Failed, needs_jitsi_plugins
from lab.jitsi_client import NICKNAME
from lab.jitsi_meeting import at_the_door, inside, opened, owner, vestibule, waiting
from lab.knocking import knock
from lab.meet import MEET_SERVICE
from lab.meet_settings import CHAIR, DOMAIN
from lab.policy import MEET_CHAIR, PRESET, rooms
from lab.stanza import element

MEET = {"accounts": True}
GUEST = f"guest.{DOMAIN}"
MALLORY = f"mallory@{DOMAIN}"
POLICY = (
    MEET_SERVICE + PRESET + MEET_CHAIR
    + f"""
[policy.access]
listed = ["{CHAIR}"]
refused_rooms = ["refused-*"]
[[ban]]
jid = "{MALLORY}"
reason = "spam"
"""
    + rooms({
        "encrypted": 'access = { trust_loopback = false }',
        "staff": 'access = { enter = ["service", "listed", "account"] }',
        "invited": 'access = { enter = ["service", "listed"] }',
        "team": 'access = { create = ["account"] }',
        "hosted": 'access = { create = ["listed"] }',
        "locked": 'lobby = { admission = "password" }',
        "knocking": 'lobby = { admission = "lobby", max_waiting = 1 }',
        "tiring": 'lobby = { admission = "lobby", max_knocks = 1 }',
        "chaired": 'moderators = { assign = ["listed"] }\nclose = { hold_until = ["password", "moderator"] }',
    })
)


@dataclasses.dataclass(frozen=True)
class Refusal:
    """Somebody who comes to a room that is there. `asked` is what Jitsi shows when he asks for
    it ("ready": nothing yet), `joined` when he joins, and `error` is what a plain client gets, with `words` in it."""

    code: str
    room: str
    error: tuple
    words: str
    asked: str = "ready"
    joined: str = "destroyed"
    jid: str | None = None
    typed: str | None = None

    def __str__(self):
        return self.code


REFUSALS = [
    Refusal(
        "banned",
        "room",
        ("auth", "forbidden"),
        "You have been banned by the operator of this server.",
        jid=MALLORY,
    ),
    Refusal(
        "outcast",
        "room",
        ("auth", "forbidden"),
        "You are banned from this meeting.",
        jid=f"outcast@{DOMAIN}",
    ),
    Refusal(
        "removed",
        "room",
        ("auth", "forbidden"),
        "You were removed from this meeting.",
        jid=f"removed@{DOMAIN}",
    ),
    Refusal(
        "not-encrypted",
        "encrypted",
        ("modify", "policy-violation"),
        "This server requires an encrypted connection. Please turn on encryption and try again.",
    ),
    Refusal(
        "log-in-to-enter",
        "staff",
        ("cancel", "not-allowed"),
        "Please log in to join this meeting.",
        asked="log-in",
        joined="log-in",
    ),
    Refusal(
        "may-not-enter",
        "invited",
        ("cancel", "not-allowed"),
        "You cannot join meetings on this server. Please ask the person who invited you.",
    ),
    Refusal(
        "closed",
        "room",
        ("cancel", "not-allowed"),
        "This meeting is closed to new participants.",
    ),
    Refusal(
        "password-needed",
        "locked",
        ("auth", "not-authorized"),
        "This meeting requires a password.",
        joined="prompt",
    ),
    Refusal(
        "password-wrong",
        "locked",
        ("auth", "not-authorized"),
        "That password is not correct.",
        joined="prompt",
        typed="a wrong guess",
    ),
]


async def prepared(crowd, room, refusal):
    """The room, as the refusal needs it, with the chair in it if he may be."""
    if refusal.code == "not-encrypted":
        return await crowd.focus.open_unasked(room)
    chair = await crowd.person("Chair", CHAIR)
    entered = await chair.enter(room)
    assert entered.joined, entered
    if refusal.code == "outcast":
        assert not (await chair.set_affiliation(room, refusal.jid, "outcast")).error
    elif refusal.code == "removed":
        unwanted = await inside(crowd, room, "Unwanted", refusal.jid)
        assert not (await chair.set_role(room, unwanted.nick, "none")).error
    elif refusal.code == "closed":
        chair.say(room, "!close")
        await chair.wait_for(lambda seen: seen.body and "closed" in seen.body and not seen.nick)
    return None


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
async def test_each_client_is_told_no_in_its_own_way(meet, refusal):
    async with meet.crowd() as crowd, Crowd(meet.server) as others:
        room = meet.room(refusal.room)
        await prepared(crowd, room, refusal)
        jitsi = await crowd.person("Jitsi", refusal.jid)
        plain = await others.connect(refusal.jid or GUEST)

        asked = await jitsi.request(room)
        assert asked.shown == refusal.asked, asked
        if refusal.joined == "destroyed":
            await meet.decision(kind="request", room=room, denial=refusal.code)
            joined = await jitsi.join(room)
            assert joined.shown == "destroyed" and joined.text.startswith(refusal.words), joined

        since = jitsi.mark()
        joined = await jitsi.join(room, password=refusal.typed)
        assert joined.shown == refusal.joined, joined
        if joined.shown == "destroyed":
            assert refusal.words in joined.text
        assert len(jitsi.answers(room, since)) == 1

        answer = await plain.join(room, "Plain", refusal.typed)
        assert (answer.type, answer.condition) == refusal.error, answer
        assert refusal.words in answer.text
        assert len(await meet.decisions(kind="join", room=room, denial=refusal.code)) == 2


# Rooms that are not there yet


@pytest.mark.parametrize(
    ("name", "code", "asked", "words"),
    [
        ("refused", "room-name", "destroyed", "This meeting name is not allowed"),
        ("hosted", "may-not-open", "destroyed", "You cannot start a meeting on this server."),
        ("team", "log-in-to-open", "log-in", ""),
        ("staff", "log-in-to-enter", "log-in", ""),
        ("encrypted", "not-encrypted", "destroyed", "requires an encrypted connection"),
    ],
)
async def test_who_may_not_open_a_room_hears_it_before_the_focus_does(meet, name, code, asked, words):
    async with meet.crowd() as crowd:
        room = meet.room(name)
        guest = await crowd.person("Guest")
        explained = vestibule(meet, "explain", "--live", "--room", room, "--jid", guest.bare)
        assert (explained["verdict"], explained["denial"], words in explained["told"]) == ("deny", code, True)
        refused = await guest.enter(room)
        assert refused.shown == asked, refused
        assert words in refused.text
        await meet.decision(kind="request", room=room, denial=code)
        assert len(guest.answers(room)) == (1 if asked == "destroyed" else 0)
        assert not crowd.focus.requests


@pytest.mark.parametrize("name", ["team", "staff"])
async def test_whoever_logs_in_then_may(meet, name):
    async with meet.crowd() as crowd:
        room = meet.room(name)
        guest = await crowd.person("Guest")
        assert (await guest.enter(room)).shown == "log-in"
        account = await crowd.person("Guest", f"somebody@{DOMAIN}")
        assert vestibule(meet, "explain", "--live", "--room", room, "--jid", account.bare)["verdict"] == "allow"
        assert (await account.enter(room)).joined and owner(account, room)
        later = await guest.enter(room)
        assert later.shown == ("log-in" if name == "staff" else at_the_door(meet.server)), later


async def test_a_join_before_the_focus_is_tried_again(meet):
    async with meet.crowd() as crowd, Crowd(meet.server) as others:
        room = meet.room()
        guest = await crowd.person("Guest")
        plain = await others.connect(GUEST)
        assert (await guest.join(room)).shown == "retry"
        answer = await plain.join(room, "Plain")
        assert (answer.type, answer.condition) == ("cancel", "not-allowed")
        assert answer.text == "Room creation is restricted"
        assert len(await meet.decisions(kind="open", room=room, denial="focus-first")) == 2
        # As the library does it: the focus is asked again, and then the join succeeds.
        assert (await guest.enter(room)).joined


# Nobody asked: jicofo was reached over HTTP


async def test_the_focus_opens_no_room_for_nobody_where_guests_open_none(meet):
    async with meet.crowd() as crowd:
        room = meet.room("team")
        with pytest.raises(Failed, match="cannot join"):
            await crowd.focus.open_unasked(room)
        await meet.decision(kind="open", room=room, denial="nobody-asked", verdict="deny")
        assert meet.component.run("room", room).returncode == 1


async def test_whoever_comes_first_is_the_opener_where_nobody_asked(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        await crowd.focus.open_unasked(room)
        guest, second = await crowd.persons("Guest", "Second")
        assert (await guest.join(room)).joined and owner(guest, room)
        assert (await second.join(room)).shown == at_the_door(meet.server)
        taken = await meet.decision(kind="join", room=room, verdict="allow")
        assert (taken["jid"], taken["rule"]) == (guest.bare, "moderators.assign")


async def test_whoever_may_not_open_rooms_does_not_become_the_opener(meet):
    async with meet.crowd() as crowd:
        room = meet.room("hosted")
        account = await crowd.person("Somebody", f"somebody@{DOMAIN}")
        assert (await account.enter(room)).shown == "destroyed"
        chair, guest = await crowd.person("Chair", CHAIR), await crowd.person("Guest")
        assert (await chair.request(room)).kind == "ready"
        assert (await guest.join(room)).shown == at_the_door(meet.server)
        assert (await chair.join(room)).joined and owner(chair, room)


# The nick, and the doors that need Jitsi's lobby or do without


async def test_a_reserved_nick_is_refused_to_every_client(meet):
    async with meet.crowd() as crowd, Crowd(meet.server) as others:
        room = meet.room()
        await opened(crowd, room)
        jitsi, plain = await crowd.person("Jitsi"), await others.connect(GUEST)
        assert (await jitsi.join(room, "focus")).condition == "conflict"
        answer = await plain.join(room, "focus")
        assert (answer.type, answer.condition) == ("cancel", "conflict")
        assert answer.text == "This name is reserved. Please choose another name."


async def test_without_a_lobby_to_wait_in_jitsi_is_told_so(meet):
    if meet.server.plugins:
        pytest.skip("this server has a lobby")
    async with meet.crowd() as crowd, Crowd(meet.server) as others:
        rooms = {name: meet.room(name) for name in ("knocking", "chaired")}
        assert (await (await crowd.person("First")).enter(rooms["knocking"])).joined
        jitsi, plain = await crowd.person("Jitsi"), await others.connect(GUEST)
        refused = await jitsi.enter(rooms["knocking"])
        assert refused.shown == "destroyed" and "for invited people only" in refused.text
        refused = await jitsi.enter(rooms["chaired"])
        assert refused.shown == "log-in" and "not open yet" in refused.text
        assert (await jitsi.join(rooms["chaired"])).shown == "retry", "no focus makes it before a moderator is there"
        answer = await plain.join(rooms["knocking"], "Plain")
        assert (answer.type, answer.condition) == ("auth", "registration-required")
        assert "You're in the lobby" in answer.text
        first = crowd.people[0]
        assert (await knock(first, rooms["knocking"], "Plain"))["muc#jid"] == plain.jid


@needs_jitsi_plugins
@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("knocking", "lobby-full", "The lobby is full."),
        ("tiring", "too-many-knocks", "You have asked to join too often. Please try again in"),
    ],
)
async def test_whoever_cannot_even_wait_is_told_why(meet, name, code, words):
    async with meet.crowd() as crowd, Crowd(meet.server) as others:
        room = meet.room(name)
        first = await crowd.person("First")
        assert (await first.enter(room)).joined
        plain = await others.connect(GUEST)
        own = [element(NICKNAME, "nick", "Plain")]
        if code == "lobby-full":
            await waiting(crowd, room, "Waiting")
            jitsi = await crowd.person("Jitsi")
        else:
            jitsi = await crowd.person("Jitsi")
            assert (await jitsi.enter(room)).shown == "lobby"
            held = await plain.join(room, "Plain", extra=own)
            assert (held.type, held.condition) == ("auth", "registration-required")
        refused = await jitsi.enter(room)
        assert refused.shown == "destroyed" and words in refused.text
        answer = await plain.join(room, "Plain", extra=own)
        assert (answer.type, answer.condition) == ("wait", "resource-constraint")
        assert words in answer.text
        await meet.decision(kind="join", room=room, denial=code)
