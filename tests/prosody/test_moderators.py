"""Moderators: who becomes one, at once, and who may make, unmake, remove, admit and end."""

import pytest
from lab import SERVICE, Crowd
from lab.policy import CHAIR, OPERATOR, PRESET, SECRET, rooms
from lab.stanza import MUC_ADMIN, element

POLICY = (
    SERVICE + OPERATOR + PRESET + CHAIR
    + rooms({
        "anybody": 'access = { create = ["everyone"] }',
        "account": 'moderators = { assign = ["account"] }',
        "nobody": 'moderators = { assign = ["nobody"] }',
        "domain": 'moderators = { assign = ["listed"], domains = ["localhost"] }',
        "guests": 'moderators = { assign = ["listed"], domains = ["guest.localhost"] }',
    })
    + rooms({
        f"{right}-{who}": f'moderators = {{ {right} = "{who}" }}'
        for right in ("grant", "revoke", "remove", "admit", "end")
        for who in ("operator", "nobody")
    })
)
MODERATES = {"affiliation": "owner", "role": "moderator"}


def standing(outcome):
    item = outcome.presence.item
    return {"affiliation": item["affiliation"], "role": item["role"]}


async def test_a_listed_account_moderates_in_its_very_first_presence(door):
    async with Crowd(door.server) as crowd:
        room = door.room()
        alice = await crowd.connect("alice@localhost")
        chair = await crowd.connect("chair@localhost")
        assert standing(await alice.join(room, "Alice")) == MODERATES
        assert standing(await chair.join(room, "Chair")) == MODERATES
        await alice.wait_for(lambda seen: seen.nick == "Chair")
        seen = [s.item["role"] for s in alice.seen if s.name == "presence" and s.nick == "Chair"]
        assert seen == ["moderator"]
        await door.decision(room=room, jid=chair.bare, rule="moderators.assign")


@pytest.mark.parametrize(
    ("name", "opener", "second", "guest"),
    [
        ("room", True, False, False),
        ("account", True, True, False),
        ("nobody", False, False, False),
        ("domain", True, True, False),
        ("guests", False, False, False),
    ],
)
async def test_each_way_to_become_a_moderator(door, name, opener, second, guest):
    async with Crowd(door.server) as crowd:
        room = door.room(name)
        expected = {"alice@localhost": opener, "bob@localhost": second, "guest.localhost": guest}
        for number, (jid, moderates) in enumerate(expected.items()):
            person = await crowd.connect(jid)
            outcome = await person.join(room, f"P{number}", SECRET)
            assert outcome.joined, jid
            assert (standing(outcome) == MODERATES) == moderates, jid
            assert (outcome.presence.item["role"] == "moderator") == moderates, jid


async def test_a_guest_moderates_only_the_room_that_he_opened(door):
    async with Crowd(door.server) as crowd:
        guest = await crowd.connect("guest.localhost")
        alice = await crowd.connect("alice@localhost")
        assert standing(await guest.join(door.room("anybody"), "Guest")) == MODERATES
        other = door.room()
        await alice.join(other, "Alice")
        assert standing(await guest.join(other, "Guest", SECRET))["role"] == "participant"


async def test_whoever_was_made_a_moderator_is_one_when_he_comes_back(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        assert not (await alice.set_affiliation(room, bob.bare, "owner")).error
        await bob.wait_for(lambda seen: seen.item.get("role") == "moderator")
        await bob.leave(room, "Bob")
        assert standing(await bob.join(room, "Bob")) == MODERATES


async def test_whoever_lost_it_does_not_get_it_back_by_coming_again(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        await alice.set_affiliation(room, bob.bare, "owner")
        await bob.wait_for(lambda seen: seen.item.get("role") == "moderator")
        assert not (await bob.set_affiliation(room, alice.bare, "none")).error
        await alice.leave(room, "Alice")
        outcome = await alice.join(room, "Alice", SECRET)
        assert outcome.joined and standing(outcome)["role"] == "participant"


async def test_moderators_of_the_file_cannot_be_locked_out_of_their_rank(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        chair = await crowd.connect("chair@localhost")
        await chair.join(room, "Chair")
        await alice.set_affiliation(room, chair.bare, "none")
        await chair.leave(room, "Chair")
        assert standing(await chair.join(room, "Chair")) == MODERATES


ATTEMPTS = {
    "grant": lambda who, room: who.set_affiliation(room, "bob@localhost", "owner"),
    "revoke": lambda who, room: who.set_affiliation(room, "bob@localhost", "none"),
    "remove": lambda who, room: who.set_role(room, "Bob", "none"),
    "admit": lambda who, room: who.set_affiliation(room, "late@localhost", "member"),
    "end": lambda who, room: who.destroy(room),
}


@pytest.mark.parametrize("right", ATTEMPTS)
@pytest.mark.parametrize("who", ["moderator", "operator", "nobody"])
async def test_each_right_is_with_whom_the_file_gives_it(door, right, who):
    async with Crowd(door.server) as crowd:
        room = door.room("room" if who == "moderator" else f"{right}-{who}")
        people = {}
        for name in ("alice", "chair", "bob", "root"):
            people[name] = await crowd.connect(f"{name}@localhost")
            assert (await people[name].join(room, name.title(), SECRET)).joined
        if right == "revoke":
            assert not (await people["root"].set_affiliation(room, "bob@localhost", "owner")).error
        reply = await ATTEMPTS[right](people["alice"], room)
        if who == "moderator":
            assert not reply.error
            await door.decision(room=room, rule=f"moderators.{right}", verdict="allow")
            return
        assert reply.error[:2] == ("auth", "forbidden")
        assert reply.error[2].startswith("You cannot")
        await door.decision(room=room, rule=f"moderators.{right}", verdict="deny")
        assert set(people["alice"].occupants(room)) == {"Alice", "Chair", "Bob", "Root"}
        assert bool((await ATTEMPTS[right](people["root"], room)).error) == (who == "nobody")


async def test_promotion_by_role_is_promotion(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost", name="grant-operator")
        assert (await alice.set_role(room, "Bob", "moderator")).error[1] == "forbidden"
        assert (await alice.set_affiliation(room, bob.bare, "admin")).error[1] == "forbidden"
        assert (await bob.set_role(room, "Bob", "moderator")).error
        assert (await bob.set_affiliation(room, bob.bare, "owner")).error
        assert alice.occupants(room)["Bob"]["role"] == "participant"


async def test_operators_are_not_removed_by_people_inside(door):
    async with Crowd(door.server) as crowd:
        room, alice = await door.meeting(crowd, "alice@localhost")
        root = await crowd.connect("root@localhost")
        assert standing(await root.join(room, "Root")) == MODERATES
        for reply in (
            await alice.set_role(room, "Root", "none"),
            await alice.set_role(room, "Root", "participant"),
            await alice.set_affiliation(room, root.bare, "outcast"),
            await alice.set_affiliation(room, root.bare, "none"),
        ):
            assert reply.error[1] == "forbidden"
            assert "operators" in reply.error[2]
        assert alice.occupants(room)["Root"]["role"] == "moderator"


async def test_one_item_that_may_not_be_refuses_the_whole_list(door):
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost", name="grant-operator")
        query = element(MUC_ADMIN, "query")
        query.append(element(MUC_ADMIN, "item", jid="friend@localhost", affiliation="member"))
        query.append(element(MUC_ADMIN, "item", jid=bob.bare, affiliation="owner"))
        assert (await alice.iq(room, "set", query)).error[1] == "forbidden"
        assert await alice.list_affiliation(room, "member") == set()
        assert await alice.list_affiliation(room, "owner") == {alice.bare}


async def test_what_the_room_itself_refuses_leaves_nothing(door):
    """An admin may not make owners (XEP-0045, 5.2.2): whoever he tries it for is neither remembered nor invited."""
    async with Crowd(door.server) as crowd:
        room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost")
        eve = await crowd.connect("eve@localhost")
        assert not (await alice.set_affiliation(room, "bob@localhost", "admin")).error
        assert (await bob.set_affiliation(room, "eve@localhost", "owner")).error
        assert (await door.decision(kind="affiliation", jid="bob@localhost"))["verdict"] == "allow"
        assert not (await eve.join(room, "Eve")).joined
        assert not [seen for seen in eve.seen if seen.name == "message"]
