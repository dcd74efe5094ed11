"""On a Jitsi Meet where guests come anonymously and hosts log in (Jitsi's secure domain)."""

from lab import needs_jitsi_plugins
from lab.meet import MEET_SERVICE, MeetDoor
from lab.policy import PRESET, SECRET
from lab.tokens import TOKENS, token

MEET = {"accounts": True}
POLICY = (
    MEET_SERVICE
    + """
[policy.access]
create = ["account"]
[policy.moderators]
assign = ["account"]
[policy.lobby]
admission = "password"
"""
)


async def logged_in(meet, crowd, room):
    """A guest who has logged in as the chair: the page connects once more, with the account, and then goes
    on as the guest. Both sessions."""
    guest = await crowd.person("Guest")
    assert (await guest.request(room)).shown == "log-in"
    chair = await crowd.person("Chair", f"chair@{meet.server.host}", storage=guest.storage)
    assert (await chair.request(room)).kind == "ready"
    return guest, chair


async def test_whoever_logs_in_and_comes_back_as_a_guest_is_taken_for_the_account(meet):
    async with meet.crowd(authentication=True) as crowd:
        room = meet.room()
        guest, chair = await logged_in(meet, crowd, room)
        assert guest.storage["session-id"]
        outcome = await guest.enter(room)
        assert outcome.joined, outcome
        assert guest.occupants(room)[guest.nick]["affiliation"] == "owner"
        decision = await meet.decision(kind="join", room=room)
        assert decision["class"] == "account" and decision["facts"]["who"]["account"] == chair.bare
        stranger = await crowd.person("Stranger")
        assert (await stranger.enter(room)).shown == "prompt"


async def test_the_session_id_of_somebody_else_is_no_log_in_in_another_browser(meet):
    async with meet.crowd(authentication=True) as crowd:
        room = meet.room()
        guest, _ = await logged_in(meet, crowd, room)
        stolen = {**guest.storage, "machine-uid": "0" * 32}
        assert stolen["session-id"]
        eve = await crowd.person("Eve", storage=stolen)
        other = meet.room()
        await eve.request(other)
        decision = await meet.decision(kind="request", room=other, jid=eve.bare)
        assert decision["class"] == "guest" and "account" not in decision["facts"]["who"]
        assert (await guest.enter(room)).joined
        assert not (await eve.enter(room)).joined


async def test_a_session_id_that_was_invented_proves_nothing(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        mallory = await crowd.person("Mallory", storage={"machine-uid": "0" * 32, "session-id": "chair"})
        assert (await mallory.request(room)).shown == "log-in"


async def test_a_guest_is_offered_to_log_in_where_only_accounts_open_rooms(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        guest = await crowd.person("Guest")
        assert (await guest.request(room)).shown == "log-in"
        assert not crowd.focus.requests


@needs_jitsi_plugins
async def test_where_tokens_open_rooms_guests_wait_for_the_host_and_then_get_on_by_themselves(prosody_version):
    policy = MEET_SERVICE + PRESET + '[policy.access]\ncreate = ["token"]\n[policy.lobby]\nadmission = "password"\n'
    with MeetDoor(prosody_version, policy, muc_plugins=["token_verification"], **TOKENS) as door:
        async with door.crowd() as crowd:
            room = door.room()
            guest = await crowd.person("Guest")
            for _ in range(2):
                assert (await guest.enter(room, SECRET)).shown == "log-in"
            assert not crowd.focus.requests
            host = await crowd.person("Host", token=token(id="host"))
            assert (await host.enter(room)).joined
            assert (await guest.enter(room, SECRET)).joined
