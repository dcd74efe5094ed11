"""With Jitsi's checks of tokens: what a token makes of its bearer is for the policy to say."""

import pytest
from jitsi_traps import MODULES, TOKENS, bear, opened, token, token_options
from lab import needs_jitsi_plugins
from lab.jitsi_client import NICKNAME
from lab.jitsi_meeting import inside, vestibule
from lab.meet import MEET_SERVICE
from lab.policy import PRESET, SECRET, rooms
from lab.stanza import CLIENT, element

pytestmark = needs_jitsi_plugins
MEET = {
    "plugin_paths": [MODULES],
    "muc_plugins": ["lab_tokens"],
    "muc_options": token_options("token_verification", "token_affiliation", "muc_flip"),
    "modules": ["filter_iq_jibri", "filter_iq_rayo"],
    "authentication": "token",
    "host_options": TOKENS,
}
POLICY = (
    MEET_SERVICE + PRESET + '[policy.access]\ncreate = ["everyone"]\n'
    + rooms({
        "plain": 'lobby = { admission = "password" }',
        "tokens": 'lobby = { bypass = ["service", "token"] }\npassword = { bypass = ["service", "token"] }',
    })
    + """
[[room]]
claim = "group"
claim_values = ["board"]
lobby = { admission = "open" }
password = { required = false }
close = { hold_until = [] }
"""
)


async def bearer(crowd, name, **claims):
    person = await crowd.person(name)
    await bear(person, token(name=name, **claims))
    return person


def standing(person, room):
    item = person.occupants(room)[person.nick]
    return item["affiliation"], item["role"]


@pytest.mark.parametrize("claim", [True, "true"])
async def test_the_claim_that_the_policy_names_makes_a_moderator(meet, claim):
    async with meet.crowd() as crowd:
        room = meet.room()
        await opened(crowd, room)
        carol = await bearer(crowd, "Carol", moderator=claim)
        assert (await carol.enter(room)).joined
        assert standing(carol, room) == ("owner", "moderator")
        decision = await meet.decision(kind="join", room=room, jid=carol.bare)
        assert (decision["class"], decision["rule"]) == ("token", "moderators.assign")


@pytest.mark.parametrize("name", ["room", "plain", "tokens"])
@pytest.mark.parametrize("claim", ["owner", "moderator", "teacher"])
async def test_another_claim_makes_none(meet, name, claim):
    """The plugin makes owners of all of them."""
    async with meet.crowd() as crowd:
        room = meet.room(name)
        alice = await opened(crowd, room)
        eve = await bearer(crowd, "Eve", affiliation=claim, moderator=False)
        assert (await eve.enter(room, None if name == "tokens" else SECRET)).joined
        await eve.ping()
        assert standing(eve, room)[1] == "participant"
        assert eve.bare not in await alice.list_affiliation(room, "owner")
        assert (await meet.decision(kind="join", room=room, jid=eve.bare))["class"] == "token"
        await eve.depart(room)
        assert (await eve.enter(room, None if name == "tokens" else SECRET)).joined
        assert standing(eve, room)[1] == "participant"


async def test_a_token_is_no_way_past_password_and_lobby(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        eve = await bearer(crowd, "Eve")
        assert (await eve.enter(room)).shown == "lobby"
        assert (await eve.enter(room, "wrong")).shown == "lobby"
        for affiliation in ("member", "owner"):
            assert eve.bare not in await alice.list_affiliation(room, affiliation)


async def test_whoever_opened_the_room_is_not_lowered_by_his_token(meet):
    """The plugin makes a member, at each join, of whoever has a token without such a claim."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await bearer(crowd, "Alice")
        assert (await alice.enter(room)).joined
        assert standing(alice, room) == ("owner", "moderator")
        bob = await inside(crowd, room, "Bob")
        await alice.depart(room)
        assert (await alice.enter(room)).joined
        assert standing(alice, room) == ("owner", "moderator")
        assert standing(bob, room)[1] == "participant"


async def test_somebody_promoted_by_hand_is_not_lowered_by_his_token(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        bob = await bearer(crowd, "Bob")
        assert (await bob.enter(room, SECRET)).joined
        assert not (await alice.set_affiliation(room, bob.bare, "owner")).error
        await bob.wait_for(lambda seen: seen.nick == bob.nick and seen.item.get("role") == "moderator")
        await bob.depart(room)
        assert (await bob.enter(room)).joined
        assert standing(bob, room) == ("owner", "moderator")


async def test_a_token_that_is_not_good_makes_nobody_anything(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        await opened(crowd, room)
        eve = await crowd.person("Eve")
        forged = token(moderator=True)[:-3] + "AAA"
        with pytest.raises(Exception, match="not good"):
            await bear(eve, forged)
        assert not (await eve.enter(room)).joined


async def test_the_claim_of_whoever_opens_a_room_chooses_its_rules_from_the_first_join_on(meet):
    async with meet.crowd() as crowd:
        board, other = meet.room(), meet.room()
        alice = await bearer(crowd, "Alice", group="board")
        assert (await alice.enter(board)).joined
        await opened(crowd, other, "Carol")
        bob = await crowd.person("Bob")
        assert (await bob.enter(board)).joined
        assert (await alice.enter(other)).shown == "lobby"


async def test_what_a_moderator_lends_is_no_claim_of_the_token(meet):
    """Jitsi's permissions copy a moderator's features into the session of whomever they make one, and leave them there."""
    async with meet.crowd() as crowd:
        room = meet.room()
        await opened(crowd, room)
        carol = await bearer(crowd, "Carol", features={"moderator": "true"})
        assert (await carol.enter(room)).joined
        assert standing(carol, room) == ("owner", "moderator"), "by her own"
        eve = await bearer(crowd, "Eve")
        assert (await eve.enter(room, SECRET)).joined
        assert standing(eve, room)[1] == "participant"
        for affiliation in ("owner", "none"):
            assert not (await carol.set_affiliation(room, eve.bare, affiliation)).error
        # The lobby makes the room one for members (XEP-0045 §9.4).
        await eve.wait_for(lambda seen: 321 in seen.statuses)
        assert (await eve.enter(room, SECRET)).joined
        assert standing(eve, room)[1] == "participant"


async def test_to_record_or_to_call_takes_the_token_s_feature_and_the_policy_s_permission(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        people = {
            "no objection": alice,
            "the policy": await bearer(crowd, "Bob", features={"recording": "true", "outbound-call": "true", "transcription": "true"}),
            "Jitsi's module": await bearer(crowd, "Carol", features={"recording": "false", "outbound-call": "false"}, moderator=True),
        }
        for person in list(people.values())[1:]:
            assert (await person.enter(room, SECRET)).joined
        for refused_by, person in people.items():
            for kind, call in (("record", "jitsi_meet_transcribe"), ("dial", "tel:+12345")):
                request = element("urn:xmpp:rayo:1", "dial", to=call)
                request.append(element("urn:xmpp:rayo:1", "header", name="JvbRoomName", value=room))
                requests = {kind: request}
                if kind == "record":
                    jibri = element("http://jitsi.org/protocol/jibri", "jibri", action="start", recording_mode="file")
                    requests["file"] = jibri
                for each in requests.values():
                    since = crowd.focus.mark()
                    answer = (await person.iq(f"{room}/focus", "set", each)).error
                    await crowd.focus.ping()
                    reached = any(seen.find(*each.tag[1:].split("}")) is not None for seen in crowd.focus.seen[since:])
                    words = {"record": "You cannot record", "dial": "You cannot call"}[kind]
                    assert reached == (person is alice), refused_by
                    assert (answer[1] == "forbidden") == (person is not alice), answer
                    assert answer[2].startswith(words) == (refused_by == "the policy"), answer


async def test_a_second_device_is_no_way_past_the_door_and_takes_nobody_s_place(meet):
    """Jitsi's module lets it in, gives it what the first one is, and removes that."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await bearer(crowd, "Alice", id="one", features={"flip": "true"})
        assert (await alice.enter(room)).joined
        second = await bearer(crowd, "Second", id="one", features={"flip": "true"})
        for password, shown in ((None, "lobby"), (SECRET, None)):
            assert (await second.request(room)).kind == "ready"
            outcome = await second.join(room, password=password, extra=[element(CLIENT, "flip_device")])
            assert outcome.joined == (password is not None) and (outcome.joined or outcome.shown == shown), outcome
            await alice.ping()
            assert standing(alice, room) == ("owner", "moderator")
        assert standing(second, room)[1] == "participant"
        await meet.flushed()
        told = meet.component.run("log", "--room", room, "--kind", "gate").stdout
        assert "refused by the gate: affiliation owner by the module muc_flip" in told, told
        assert "refused by the gate: removed by the module muc_flip" in told, told


@pytest.mark.parametrize("size, marks", [(10, 2), (1000, 1)])
async def test_a_report_that_would_be_too_large_goes_without_the_claims(meet, size, marks):
    """Fourteen claims, in XML five times as long: the report is there all the same, and the link is."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        eve = await inside(crowd, room, "Eve")
        await bear(eve, token(id=f"eve{size}", **{f"claim{number}": "&" * size for number in range(14)}))
        # A name that is given up is reported without a question, which such claims would be too large for.
        since = alice.mark()
        eve.send(element(CLIENT, "presence", to=f"{room}/{eve.nick}"))
        await alice.wait_for(lambda seen: seen.nick == eve.nick and seen.text(NICKNAME, "nick") is None, since=since)
        # The component recognises them by what was reported: the ticket and, where it is told, the token.
        assert vestibule(meet, "ban", eve.bare)["marks"] == marks
        assert vestibule(meet, "status")["ready"]
        assert vestibule(meet, "room", room)["room"] == room
