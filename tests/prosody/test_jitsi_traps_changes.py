"""Changes that come in one stanza with others, by the back door, or from people who may not make them."""

import pytest
from jitsi_traps import opened
from lab.jitsi_meeting import inside
from lab.jitsi_moderator import SECRET as PASSWORD
from lab.meet import DOMAIN, MEET_SERVICE
from lab.policy import PRESET, SECRET, rooms
from lab.room import ROOM_CONFIG
from lab.stanza import CLIENT, MUC_ADMIN, MUC_OWNER, MUC_USER, element, submission

POLICY = MEET_SERVICE + PRESET + rooms({
    "fixed": 'password = { change = "operator" }\nmoderators = { grant = "operator", revoke = "operator", remove = "operator", admit = "operator", end = "operator" }',
    "grants": 'moderators = { grant = "operator", remove = "operator" }',
})
OTHER = "nine wide copper kettles"
STRANGER = f"stranger@{DOMAIN}"


def items(*each):
    """A muc#admin query of several items."""
    query = element(MUC_ADMIN, "query")
    query.extend(element(MUC_ADMIN, "item", **attributes) for attributes in each)
    return query


async def meeting(crowd, room):
    """The opener, and somebody who is in."""
    return await opened(crowd, room), await inside(crowd, room, "Bob")


async def lists(person, room):
    """Who has which affiliation, without the focus."""
    found = {}
    for affiliation in ("owner", "admin", "member", "outcast"):
        found[affiliation] = await person.list_affiliation(room, affiliation) - {person.server.focus}
    return found


async def test_one_forbidden_item_refuses_all_of_a_stanza(meet):
    """Jitsi's lobby carries out every item of a stanza, the server itself the first alone."""
    async with meet.crowd() as crowd:
        room = meet.room("grants")
        alice, bob = await meeting(crowd, room)
        before = await lists(alice, room)
        good = {"jid": STRANGER, "affiliation": "member"}
        for affiliation in ("owner", "outcast"):
            forbidden = {"jid": bob.bare, "affiliation": affiliation}
            for several in ([good, forbidden], [forbidden, good], [good] * 20 + [forbidden]):
                assert (await alice.iq(room, "set", items(*several))).error, several
        assert await lists(alice, room) == before
        await alice.ping()
        assert bob.nick in alice.occupants(room)
        assert not (await alice.iq(room, "set", items(good))).error


async def test_roles_and_affiliations_in_one_stanza_are_refused(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await meeting(crowd, room)
        before = await lists(alice, room)
        several = [{"jid": STRANGER, "affiliation": "member"}, {"nick": bob.nick, "role": "none"}]
        for order in (several, several[::-1]):
            assert (await alice.iq(room, "set", items(*order))).error
        too_many = [{"jid": f"p{number}@{DOMAIN}", "affiliation": "member"} for number in range(200)]
        assert (await alice.iq(room, "set", items(*too_many))).error
        assert await lists(alice, room) == before
        await alice.ping()
        assert bob.nick in alice.occupants(room)


async def test_a_child_that_is_no_item_hides_none(meet):
    async with meet.crowd() as crowd:
        room = meet.room("fixed")
        alice, bob = await meeting(crowd, room)
        before = await lists(alice, room)
        hidden = element(MUC_ADMIN, "reason", jid=bob.bare, affiliation="owner")
        for place in (0, 1):
            query = items({"jid": alice.bare, "affiliation": "owner"})
            query.insert(place, hidden)
            await alice.iq(room, "set", query)
        assert await lists(alice, room) == before


async def test_the_focus_is_not_for_moderators_to_change(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await meeting(crowd, room)
        focus = meet.server.focus
        others = {"jid": bob.bare, "affiliation": "member"}
        for several in (
            [{"jid": focus, "affiliation": "outcast"}],
            [{"jid": focus, "affiliation": "none"}],
            [{"nick": "focus", "role": "none"}],
            [{"nick": "focus", "role": "participant"}],
            [others, {"jid": focus, "affiliation": "none"}],
        ):
            assert (await alice.iq(room, "set", items(*several))).error, several
        await alice.ping()
        assert alice.occupants(room)["focus"]["affiliation"] == "owner"


async def test_with_the_focus_in_it_nothing_of_a_list_is_carried_out(meet):
    """Another module refuses what is about the focus, in the middle of the list."""
    async with meet.crowd() as crowd:
        room = meet.room("room")
        alice, bob = await meeting(crowd, room)
        before = await lists(alice, room)
        member = {"jid": STRANGER, "affiliation": "member"}
        focus = {"jid": meet.server.focus, "affiliation": "member"}
        for several in ([member, focus], [focus, member], [member, focus, {"jid": bob.bare, "affiliation": "owner"}]):
            assert (await alice.iq(room, "set", items(*several))).error, several
            assert await lists(alice, room) == before
        kicks = ({"nick": bob.nick, "role": "none"}, {"nick": "focus", "role": "none"})
        assert (await alice.iq(room, "set", items(*kicks))).error
        await alice.ping()
        assert {bob.nick, "focus"} <= set(alice.occupants(room))


async def test_somebody_who_is_no_moderator_changes_nobody(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, bob = await meeting(crowd, room)
        eve = await crowd.person("Eve")
        before = await lists(alice, room)
        for person in (bob, eve):
            for item in (
                {"jid": person.bare, "affiliation": "owner"},
                {"jid": alice.bare, "affiliation": "none"},
                {"nick": alice.nick, "role": "none"},
                {"nick": bob.nick, "role": "moderator"},
            ):
                assert (await person.iq(room, "set", items(item))).error, item
            assert (await person.configure(room, {PASSWORD: OTHER})).error
            assert (await person.destroy(room)).error
        assert await lists(alice, room) == before
        await alice.ping()
        assert set(alice.occupants(room)) == {"focus", alice.nick, bob.nick}


async def test_a_moderator_who_may_not_end_the_meeting_does_not(meet):
    """To the server every owner may destroy his room, and Jitsi's moderators are owners."""
    async with meet.crowd() as crowd:
        room = meet.room("fixed")
        alice, bob = await meeting(crowd, room)
        query = element(MUC_OWNER, "query")
        query.append(element(MUC_OWNER, "destroy", jid=f"elsewhere@{meet.server.service}"))
        query.append(submission({}))
        assert (await alice.iq(room, "set", query)).error
        query[:] = reversed(query)
        await alice.iq(room, "set", query)
        assert (await alice.destroy(room)).error
        await bob.ping()
        assert alice.nick in bob.occupants(room)
        assert not [seen for seen in bob.seen if seen.destroyed is not None]


@pytest.mark.parametrize(
    "fields",
    [
        {"muc#roomconfig_publicroom": "1"},
        {"muc#roomconfig_persistentroom": "1"},
        {"muc#roomconfig_passwordprotectedroom": "0", PASSWORD: ""},
        {PASSWORD: ["", OTHER]},
        {PASSWORD: ["weak", OTHER]},
        {"muc#roomconfig_publicroom": ["1", "0"]},
        {"muc#roomconfig_membersonly": ["0", "1"]},
        {"muc#roomconfig_membersonly": "0"},
        {"muc#roomconfig_whois": "anyone", "muc#roomconfig_publicroom": "1"},
        {"muc#roomconfig_allowinvites": "1", PASSWORD: ""},
        {"vestibule": "off", PASSWORD: ""},
    ],
)
async def test_no_field_of_the_form_undoes_the_policy(meet, fields):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await meeting(crowd, room)
        before = await alice.configuration(room)
        await alice.configure(room, fields)
        after = await alice.configuration(room)
        changed = {name for name in before if before[name] != after.get(name)}
        assert not changed, changed
        eve = await crowd.person("Eve")
        assert (await eve.enter(room)).shown == ("lobby" if meet.server.plugins else "prompt")


@pytest.mark.parametrize("values", [("weak", OTHER), ("", OTHER), (OTHER, "weak")])
async def test_a_field_that_comes_twice_is_not_judged_by_the_other(meet, values):
    """The server takes the first."""
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await meeting(crowd, room)
        query = element(MUC_OWNER, "query")
        form = submission({"FORM_TYPE": ROOM_CONFIG})
        for value in values:
            form.extend(submission({PASSWORD: value}))
        query.append(form)
        assert (await alice.iq(room, "set", query)).error
        assert (await alice.configuration(room))[PASSWORD] == SECRET


async def test_a_password_that_a_moderator_may_not_choose_is_refused_in_words_and_stays(meet):
    """A client that is told of a success believes in the password that it sent."""
    async with meet.crowd() as crowd:
        room = meet.room("fixed")
        alice, _ = await meeting(crowd, room)
        reply = await alice.lock_room(room, OTHER)
        assert reply.error and reply.error[2]
        assert (await alice.lock_room(room, "")).error
        eve = await crowd.person("Eve")
        assert not (await eve.enter(room, OTHER)).joined
        assert (await eve.enter(room, SECRET)).joined


async def test_several_invitations_in_one_stanza_are_judged_together(meet):
    """Jitsi's lobby sends every one of them, and makes members of all whom they name."""
    async with meet.crowd() as crowd:
        room = meet.room("fixed")
        alice, bob = await meeting(crowd, room)
        carol, eve = await crowd.persons("Carol", "Eve")
        before = await lists(alice, room)
        for inviter in (alice, bob, eve):
            inviter.approve(room, carol.jid, eve.jid)
            message = element(CLIENT, "message", to=room, id=inviter.new_id())
            for person in (carol, eve):
                wrapper = element(MUC_USER, "x")
                wrapper.append(element(MUC_USER, "invite", to=person.jid))
                message.append(wrapper)
            inviter.send(message)
            await inviter.ping()
        await meet.flushed()
        await carol.ping()
        assert await lists(alice, room) == before
        for person in (carol, eve):
            assert not [seen for seen in person.seen if SECRET in repr(seen)]
            assert not [seen for seen in person.seen if seen.find(MUC_USER, "invite") is not None]


async def test_an_invitation_carries_no_password(meet):
    async with meet.crowd() as crowd:
        room = meet.room()
        alice, _ = await meeting(crowd, room)
        carol = await crowd.person("Carol")
        alice.approve(room, carol.jid)
        await carol.wait_for(lambda seen: seen.find(MUC_USER, "invite") is not None)
        assert not [seen for seen in carol.seen if SECRET in repr(seen)]
