"""Those who wait: invited once when they may enter, and gone from the list once they are in."""

import asyncio

import pytest
from lab import SERVICE, Crowd
from lab.stanza import CLIENT, MUC_USER, element
from storm import until

ROOM = "tea@conference.localhost"


def invitations(person, since):
    """The invitations to the room that somebody got."""
    return [
        each
        for each in person.seen[since:]
        if each.name == "message" and each.room == ROOM and each.find(MUC_USER, "invite") is not None
    ]


async def open_with_bob_waiting(people):
    """Ann opens the room and Bob knocks; returns both, and the password."""
    ann, bob = await people.connect_many(["ann@localhost", "bob@localhost"])
    assert (await ann.join(ROOM, "Ann")).joined
    told = await ann.wait_for(lambda seen: "The password of this meeting is" in (seen.body or ""))
    assert (await bob.join(ROOM, "Bob")).condition == "registration-required"
    return ann, bob, told.body.partition("meeting is: ")[2].partition(" ")[0]


async def settled(*people):
    """Waits until what a moderator did has been decided and carried out."""
    await asyncio.sleep(0.3)
    for person in people:
        await person.ping()


@pytest.mark.parametrize("becomes_a_member", [True, False], ids=["member", "invited"])
async def test_whoever_waits_and_may_enter_is_invited_once(start_prosody, start_vestibule, becomes_a_member):
    server = start_prosody()
    start_vestibule(server)
    async with Crowd(server) as people:
        ann, bob, _ = await open_with_bob_waiting(people)
        since = bob.mark()
        if becomes_a_member:
            assert not (await ann.set_affiliation(ROOM, bob.bare, "member")).error
        else:
            ann.invite(ROOM, bob.bare, "Come in.")
        await settled(ann, bob)
        assert len(invitations(bob, since)) == 1
        assert (await bob.join(ROOM, "Bob")).joined


async def test_whoever_is_inside_is_not_invited(start_prosody, start_vestibule):
    server = start_prosody()
    start_vestibule(server)
    async with Crowd(server) as people:
        ann, bob, password = await open_with_bob_waiting(people)
        assert (await bob.join(ROOM, "Bob", password)).joined
        since = bob.mark()
        assert not (await ann.set_affiliation(ROOM, bob.bare, "owner")).error
        await settled(ann, bob)
        assert invitations(bob, since) == []


async def test_whoever_comes_in_by_the_password_waits_no_more(start_prosody, start_vestibule):
    server = start_prosody()
    component = start_vestibule(server)
    async with Crowd(server) as people:
        _, bob, password = await open_with_bob_waiting(people)
        assert "waiting  Bob" in component.run("room", ROOM).stdout
        assert (await bob.join(ROOM, "Bob", password)).joined
        shown = component.run("room", ROOM).stdout
        assert "inside   Bob" in shown
        assert "waiting" not in shown


async def test_whoever_has_knocked_and_is_gone_takes_no_place(start_prosody, start_vestibule):
    server = start_prosody()
    component = start_vestibule(server, SERVICE + "[policy.lobby]\nmax_waiting = 2\n")
    async with Crowd(server) as people:
        ann, bob, _ = await open_with_bob_waiting(people)
        guest, carol, dave = await people.connect_many(["guest.localhost", "carol@localhost", "dave@localhost"])
        assert (await guest.join(ROOM, "Guest")).condition == "registration-required"
        assert (await carol.join(ROOM, "Carol")).condition == "resource-constraint"
        guest.abort()  # the connection breaks
        await leaves(bob, "Bob")  # he says that he goes, and stays connected
        await until(lambda: "waiting" not in component.run("room", ROOM).stdout, 5, "an empty lobby")
        for person, nick in ((carol, "Carol"), (dave, "Dave")):
            assert (await person.join(ROOM, nick)).condition == "registration-required"
        await ann.ping()


async def leaves(person, nick):
    person.send(element(CLIENT, "presence", to=f"{ROOM}/{nick}", type="unavailable"))
    await person.ping()
