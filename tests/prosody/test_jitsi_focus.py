"""On Jitsi: the focus does its work, and only what the policy leaves to it."""

import pytest
from lab import JitsiCrowd, Meet, connect_focus
from lab.jitsi_meeting import opened
from lab.meet import MEET_SERVICE
from lab.policy import rooms
from lab.stanza import MUC_OWNER, element
from storm import until

POLICY = MEET_SERVICE + rooms({
    "public": 'lobby.admission = "open"',
    "led": 'lobby.admission = "open"\nmoderators.assign = ["operator"]',
    "lasting": 'access.persistent = true',
})
CHECK = "__jicofo-health-check-{}@conference.meet.localhost"


def affiliation(watcher, room, person):
    return watcher.occupants(room)[person.nick]["affiliation"]


async def vetoed(focus, *people):
    """The focus wanted to make owners of these, in that order, and of nobody else, and could not."""
    await until(lambda: len(focus.errors) == len(focus.elected) >= len(people), 3, "a veto for each")
    assert list(dict.fromkeys(nick for _, nick, _ in focus.elected)) == [each.nick for each in people]
    assert all("is not made owner" in error for error in focus.errors), focus.errors


async def test_the_first_to_join_need_not_be_who_asked_first(meet):
    """The focus elects the first occupant; the policy, whoever asked for the room."""
    async with meet.crowd() as crowd:
        room = meet.room("public")
        alice, bob = await crowd.persons("Alice", "Bob")
        assert (await alice.request(room)).kind == "ready"
        assert (await bob.enter(room)).joined
        await bob.ping()
        await vetoed(crowd.focus, bob)
        assert affiliation(bob, room, bob) != "owner"
        assert (await alice.join(room)).joined
        await bob.ping()
        assert affiliation(bob, room, alice) == "owner"
        assert affiliation(bob, room, bob) != "owner"
        alice.say(room, "good morning")
        await bob.wait_for(lambda seen: seen.body == "good morning")
        refused = await meet.decision(kind="affiliation", room=room)
        assert (refused["verdict"], refused["rule"]) == ("deny", "moderators.assign")


async def test_where_nobody_is_to_moderate_nobody_does(meet):
    async with meet.crowd() as crowd:
        room = meet.room("led")
        alice, bob = await crowd.persons("Alice", "Bob")
        for person in (alice, bob):
            assert (await person.enter(room)).joined
        await alice.depart(room)
        await bob.ping()
        await vetoed(crowd.focus, alice, bob)
        assert affiliation(bob, room, bob) != "owner"
        assert bob.occupants(room)[bob.nick]["role"] == "participant"


async def test_the_form_of_the_focus_changes_nothing_and_is_not_changed(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        _, password = await opened(crowd, room)
        form = await crowd.focus.configuration(room)
        assert form["muc#roomconfig_roomsecret"] == password
        assert form["muc#roomconfig_whois"] == "anyone"
        assert (form["muc#roomconfig_membersonly"] in ("1", "true")) == bool(meet.server.plugins)
        bob = await crowd.person("Bob")
        assert (await bob.enter(room)).shown == ("lobby" if meet.server.plugins else "prompt")


async def test_a_focus_that_reconnects_comes_back_into_its_rooms(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, password = await opened(crowd, room)
        await crowd.focus.close()
        await alice.wait_for(lambda seen: seen.sender == f"{room}/focus" and seen.type == "unavailable")
        crowd.focus = await connect_focus(meet.server)
        bob = await crowd.person("Bob")
        assert (await bob.request(room)).kind == "ready"
        await alice.ping()
        assert alice.occupants(room)["focus"]["role"] == "moderator"
        assert (await bob.join(room, password=password)).joined
        await crowd.focus.ping()
        assert [nick for _, nick, _ in crowd.focus.elected] == [] and not crowd.focus.errors
        assert affiliation(bob, room, alice) == "owner"
        assert affiliation(bob, room, bob) != "owner"


async def test_a_room_that_nobody_came_to_is_opened_anew_for_the_next(meet):
    async with meet.crowd(patience=0.5) as crowd:
        room = meet.room()
        alice, bob = await crowd.persons("Alice", "Bob")
        assert (await alice.request(room)).kind == "ready"
        assert await crowd.focus.left(room) == "nobody came"
        late = await alice.join(room)
        assert late.shown == "retry", late
        assert (await bob.enter(room)).joined
        assert affiliation(bob, room, bob) == "owner"


async def test_a_health_check_works_and_leaves_nothing_behind(meet):
    async with meet.crowd(patience=0.5) as crowd:
        for _ in range(3):
            room = await crowd.focus.create_health_check_room()
            assert await crowd.focus.left(room) == "nobody came"
            gone = await crowd.focus.iq(room, "get", element(MUC_OWNER, "query"))
            assert gone.error[1] == "item-not-found", gone
        assert not crowd.focus.errors


async def test_nobody_but_the_focus_makes_or_enters_a_room_of_its_checks(meet):
    async with meet.crowd() as crowd:
        alice, bob = await crowd.persons("Alice", "Bob")
        alone = CHECK.format("alone")
        assert not (await alice.join(alone)).joined
        assert not (await alice.join(alone, nick="focus")).joined
        asked = CHECK.format("asked")
        # The focus opens it for her; she does not come in, nor does anybody.
        for person in (alice, bob):
            assert not (await person.enter(asked, seconds=5)).joined
        assert not alice.occupants(asked) and not bob.occupants(asked)


async def test_a_secure_domain_makes_owners_of_whom_the_policy_names(start, start_vestibule, prosody_version):
    """jicofo's authentication makes owners of all who have logged in; here only the opener is one."""
    server = start(Meet(prosody_version, accounts=True))
    start_vestibule(server, MEET_SERVICE)
    async with JitsiCrowd(server, authentication=True) as crowd:
        room = f"room@{server.service}"
        guest = await crowd.person("Guest")
        assert (await guest.enter(room)).shown == "log-in"
        chair = await crowd.person("Chair", f"chair@{server.host}")
        assert (await chair.enter(room)).joined
        seen = await chair.wait_for(lambda seen: seen.body and "The password of this meeting is: " in seen.body)
        password = seen.body.partition("The password of this meeting is: ")[2].partition(" (")[0]
        clerk = await crowd.person("Clerk", f"clerk@{server.host}")
        assert (await clerk.enter(room)).shown == ("lobby" if server.plugins else "prompt")
        assert (await clerk.enter(room, password)).joined
        assert (await guest.enter(room, password)).joined
        await vetoed(crowd.focus, clerk)
        await guest.ping()
        assert affiliation(guest, room, chair) == "owner"
        assert affiliation(guest, room, clerk) != "owner"
        assert affiliation(guest, room, guest) != "owner"


async def test_who_logged_in_and_comes_back_as_a_guest_has_his_room(start, start_vestibule, prosody_version):
    """The page logs in beside, has the room opened, and enters with the guest's connection: what the
    two have in common is the session-id that the focus gave."""
    server = start(Meet(prosody_version, accounts=True))
    start_vestibule(server, MEET_SERVICE)
    async with JitsiCrowd(server, authentication=True) as crowd:
        room = f"room@{server.service}"
        login = await crowd.person("Chair", f"chair@{server.host}")
        assert (await login.request(room)).kind == "ready"
        login.abort()
        chair = await crowd.person("Chair", storage=login.storage)
        outcome = await chair.enter(room)
        assert outcome.joined, outcome
        await crowd.focus.ping()
        await chair.ping()
        assert affiliation(chair, room, chair) == "owner"
        assert not crowd.focus.errors


ADMINS = ["focus@auth.meet.localhost", "jvb@auth.meet.localhost", "root@meet.localhost"]


@pytest.mark.parametrize("own", [False, True])
async def test_administrators_of_the_server_own_rooms_only_where_prosody_says_so(
    start, start_vestibule, prosody_version, own
):
    """`component_admins_as_room_owners`: what Prosody itself makes of them passes the door."""
    options = {"admins": ADMINS, "component_admins_as_room_owners": own}
    server = start(Meet(prosody_version, accounts=True, options=options))
    start_vestibule(server, MEET_SERVICE + '[policy.access]\ncreate = ["everyone"]\n')
    async with JitsiCrowd(server) as crowd:
        room = f"room@{server.service}"
        alice, password = await opened(crowd, room)
        root = await crowd.person("Root", f"root@{server.host}")
        outcome = await root.enter(room)
        if not own:
            assert outcome.shown == ("lobby" if server.plugins else "prompt"), outcome
            outcome = await root.enter(room, password)
        assert outcome.joined, outcome
        await alice.ping()
        assert (affiliation(alice, room, root) == "owner") == own
        assert affiliation(alice, room, alice) == "owner"
        assert not crowd.focus.errors
        await crowd.focus.create_health_check_room()
