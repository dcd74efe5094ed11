"""The laboratory itself, on a plain Prosody: what it reports is what happened."""

import pytest
from lab import Crowd, Failed, Person, Vestibule, canary

ROOM = "room@conference.localhost"
SERVED = "[[service]]\ndomain = \"conference.localhost\"\n"


@pytest.fixture
def plain(start_prosody):
    return start_prosody(gate=False)


async def test_two_people_meet(plain):
    async with Crowd(plain) as crowd:
        alice = await crowd.connect("alice@localhost")
        guest = await crowd.connect("guest.localhost")
        assert (await alice.open(ROOM, "Alice")).joined
        outcome = await guest.join(ROOM, "Guest")
        assert outcome.joined and outcome.seconds < 5
        await alice.wait_for(lambda seen: seen.nick == "Guest")
        alice.say(ROOM, "good morning")
        await guest.wait_for(lambda seen: seen.body == "good morning")
        assert set(guest.occupants(ROOM)) == {"Alice", "Guest"}
        assert alice.occupants(ROOM)["Alice"]["affiliation"] == "owner"
        assert len(alice.answers(ROOM)) == len(guest.answers(ROOM)) == 1


async def test_a_wrong_password_is_refused(plain):
    async with Crowd(plain) as crowd:
        alice = await crowd.connect("alice@localhost")
        guest = await crowd.connect("guest.localhost")
        secret = {
            "muc#roomconfig_passwordprotectedroom": True,
            "muc#roomconfig_roomsecret": "open sesame",
        }
        await alice.open(ROOM, "Alice", secret)
        form = await alice.configuration(ROOM)
        assert form["muc#roomconfig_roomsecret"] == "open sesame"
        for password in ("wrong", None):
            refused = await guest.join(ROOM, "Guest", password)
            assert (refused.kind, refused.type) == ("error", "auth")
            assert refused.condition == "not-authorized"
        assert "Guest" not in alice.occupants(ROOM)
        since = guest.mark()
        assert (await guest.join(ROOM, "Guest", "open sesame")).joined
        assert len(guest.answers(ROOM, since)) == 1


async def test_an_aborted_connection_is_seen_as_leaving(plain):
    async with Crowd(plain) as crowd:
        alice = await crowd.connect("alice@localhost")
        guests = await crowd.connect_many(["guest.localhost"] * 3)
        await alice.open(ROOM, "Alice")
        for number, guest in enumerate(guests):
            assert (await guest.join(ROOM, f"Guest{number}")).joined
        for person, nick, go in (
            (guests[0], "Guest0", lambda: guests[0].abort()),
            (guests[1], "Guest1", lambda: guests[1].send_raw("</stream:stream>")),
        ):
            go()
            await alice.wait_for(lambda seen: seen.nick == nick and seen.type == "unavailable")
            assert nick not in alice.occupants(ROOM)
        await guests[2].leave(ROOM, "Guest2")
        assert guests[2].occupants(ROOM) == {}


async def test_removal_and_destruction_are_told_apart(plain):
    async with Crowd(plain) as crowd:
        alice = await crowd.connect("alice@localhost")
        bob = await crowd.connect("bob@localhost")
        await alice.open(ROOM, "Alice")
        alice.invite(ROOM, "bob@localhost", "come in")
        await bob.wait_for(lambda seen: seen.name == "message" and seen.room == ROOM)
        await bob.join(ROOM, "Bob")
        assert not (await alice.set_role(ROOM, "Bob", "none")).error
        kicked = await bob.wait_for(lambda seen: 307 in seen.statuses)
        assert kicked.type == "unavailable"
        assert not (await alice.set_affiliation(ROOM, "bob@localhost", "outcast")).error
        assert await alice.list_affiliation(ROOM, "outcast") == {"bob@localhost"}
        assert (await bob.join(ROOM, "Bob")).condition == "forbidden"
        assert not (await alice.destroy(ROOM, "the end")).error
        await alice.wait_for(lambda seen: seen.destroyed == "the end")


async def test_every_answer_counts_and_nothing_else(plain):
    async with Crowd(plain) as crowd:
        alice = await crowd.connect("alice@localhost")
        bob = await crowd.connect("bob@localhost")
        await alice.open(ROOM, "Alice")
        await bob.join(ROOM, "Alice")
        await bob.join(ROOM, "Bob")
        await alice.set_affiliation(ROOM, "bob@localhost", "member")
        await bob.wait_for(lambda seen: seen.item.get("affiliation") == "member")
        assert [outcome.kind for outcome in bob.answers(ROOM)] == ["error", "joined"]
        await bob.join(ROOM, "Bob")
        await bob.leave(ROOM, "Bob")
        await bob.join(ROOM, "Bob")
        assert bob.answers(ROOM)[0].condition == "conflict"
        await alice.set_role(ROOM, "Bob", "none")
        await bob.wait_for(lambda seen: 307 in seen.statuses)
        kinds = [outcome.kind for outcome in bob.answers(ROOM)]
        assert kinds == ["error", "joined", "joined", "joined"]


async def test_a_hostile_stanza_goes_out_as_written(plain):
    async with Crowd(plain) as crowd:
        alice = await crowd.connect("alice@localhost")
        alice.send_raw("<presence to='room@conference.localhost/'><x xmlns='nonsense'/></presence>")
        assert (await alice.ping()).type == "result"
        alice.send_raw("<not well formed")
        alice.send_raw("<")
        with pytest.raises(Failed):
            await alice.ping(seconds=0.5)


async def test_a_frozen_and_a_restarted_server(start_prosody):
    server = start_prosody(gate=False, storage="internal")
    async with Crowd(server) as crowd:
        alice = await crowd.connect("alice@localhost")
        server.freeze()
        assert (await alice.join(ROOM, "Alice", seconds=0.3)).kind == "silence"
        server.thaw()
        assert (await alice.outcome(ROOM, 0)).joined
        await alice.configure(ROOM, {"muc#roomconfig_persistentroom": True})
    server.restart()
    async with Crowd(server) as crowd:
        alice = await crowd.connect("alice@localhost")
        assert (await alice.configuration(ROOM))["muc#roomconfig_persistentroom"] == "1"


async def test_an_encrypted_server(start_prosody):
    server = start_prosody(gate=False, tls=True, plain_muc=True)
    async with Crowd(server) as crowd:
        alice = await crowd.connect("alice@localhost")
        guest = await crowd.connect("guest.localhost")
        assert (await alice.open("room@plain.localhost", "Alice")).joined
        assert (await guest.join("room@plain.localhost", "Guest")).joined


async def test_a_refused_login_is_told(plain):
    with pytest.raises(Failed, match="cannot connect"):
        await Person.connect(plain, "nobody@guest.localhost", seconds=2)


async def test_a_secret_that_is_written_down_is_found(start_prosody):
    server = start_prosody()
    vestibule = Vestibule(server, SERVED)
    vestibule.start()
    try:
        async with Crowd(server) as crowd:
            alice = await crowd.connect("alice@localhost")
            assert (await alice.join(ROOM, "Alice")).joined
            told = await alice.wait_for(lambda seen: seen.body and canary.TOLD in seen.body)
        vestibule.check_secrets()
        (vestibule.state_dir / "a file").write_text(told.body)
        with pytest.raises(Failed, match="a file: .*The password of this meeting is: <SECRET>"):
            vestibule.check_secrets()
    finally:
        vestibule.kill()
        vestibule.remove()
