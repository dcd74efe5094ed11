"""With muc_wait_for_host, which lets everybody in when somebody with a token comes: the policy still holds."""

from jitsi_traps import MODULES, TOKENS, bear, opened, token, token_options, waiting
from lab import needs_jitsi_plugins
from lab.jitsi_meeting import admit, inside
from lab.meet import MEET_SERVICE
from lab.policy import PRESET, SECRET

pytestmark = needs_jitsi_plugins
MEET = {
    "plugin_paths": [MODULES],
    "muc_plugins": ["lab_tokens", "lab_lobby"],
    "muc_options": token_options("muc_wait_for_host"),
    "authentication": "token",
    "host_options": TOKENS,
}
POLICY = MEET_SERVICE + PRESET + '[policy.access]\ncreate = ["everyone"]\n'


async def host(crowd, room, name="Carol"):
    """Somebody with a token and the password, who is in."""
    person = await crowd.person(name)
    await bear(person, token(name=name))
    assert (await person.enter(room, SECRET)).joined
    return person


async def test_the_opener_is_let_in_without_a_host(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        assert alice.occupants(room)[alice.nick]["role"] == "moderator"


async def test_a_host_lets_in_nobody_who_waits(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        bob, _ = await waiting(crowd, room, "Bob")
        await host(crowd, room)
        stopped = await bob.enter(room)
        assert stopped.shown == "lobby", stopped
        assert (await bob.enter(room, "wrong")).shown == "lobby"
        await alice.ping()
        assert bob.nick not in alice.occupants(room)


async def test_a_host_takes_neither_password_nor_lobby_away(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        await host(crowd, room)
        features, _ = await alice.features(room)
        assert "muc_passwordprotected" in features
        eve, _ = await waiting(crowd, room, "Eve")
        seat = await alice.attend_lobby(room)
        await admit(alice, room, seat, eve)


async def test_a_host_is_no_moderator_by_being_one(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice = await opened(crowd, room)
        carol = await host(crowd, room)
        bob = await inside(crowd, room, "Bob")
        await carol.ping()
        for person in (carol, bob):
            assert person.occupants(room)[person.nick]["role"] == "participant"
            assert person.bare not in await alice.list_affiliation(room, "owner")
