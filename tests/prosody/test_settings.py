"""Settings of a room that the file locks or bounds, told to each in his language."""

import pytest
from lab import SERVICE, Crowd
from lab.policy import OPERATOR, PRESET, SECRET, rooms

NAME = "muc#roomconfig_roomname"
HISTORY = "muc#roomconfig_historylength"
WHOIS = "muc#roomconfig_whois"
CHANGE_SUBJECT = "muc#roomconfig_changesubject"
POLICY = (
    SERVICE + OPERATOR + PRESET
    + """
[policy.settings]
name = "nobody"
history_max = 30
whois_choices = ["moderators"]
"""
    + rooms({
        "form": 'settings = { other = "nobody", presence = "nobody", moderated = "nobody", language = "nobody", history = "nobody" }',
        "topic": 'settings = { subject = "moderator", subject_length = 20 }',
    })
    + """
[text]
language = "fr"
[text.fr]
setting-locked = "Vous ne pouvez pas changer {setting}."
say-password = "Le mot de passe : {password}"
settings.name = "le nom de cette salle"
settings.subject = "le sujet de cette salle"
[text.de]
setting-locked = "Sie dürfen {setting} nicht ändern."
setting-too-high = "Sie dürfen {setting} nicht auf mehr als {max} ändern."
say-password = "Das Passwort: {password}"
settings.name = "den Namen dieses Raums"
settings.history = "den Verlauf"
settings.subject = "das Thema dieses Raums"
"""
)
FRENCH = "Vous ne pouvez pas changer le nom de cette salle."
GERMAN = "Sie dürfen den Namen dieses Raums nicht ändern."
ENGLISH = "This server does not let you change the name of this room."


async def opened(door, crowd, name="room", language=None):
    """A new room, and whoever opened it."""
    room = door.room(name)
    alice = await crowd.connect("alice@localhost", language=language)
    assert (await alice.join(room, "Alice", SECRET)).joined
    return room, alice


@pytest.mark.parametrize(
    ("language", "text", "told", "password"),
    [
        ("de", GERMAN, "de", "Das Passwort: "),
        ("de-CH", GERMAN, "de", "Das Passwort: "),
        ("en-GB", ENGLISH, "en", "Only you can see this. "),
        ("es", FRENCH, "fr", "Le mot de passe : "),
        (None, FRENCH, "fr", "Le mot de passe : "),
    ],
)
async def test_a_locked_setting_is_refused_in_the_language_of_whoever_asks(
    door, language, text, told, password
):
    async with Crowd(door.server) as crowd:
        room, alice = await opened(door, crowd, language=language)
        await alice.wait_for(lambda seen: password in (seen.body or ""))
        before = await alice.configuration(room)
        reply = await alice.configure(room, {NAME: "Tea"})
        assert reply.error == ("cancel", "not-acceptable", text)
        assert f'lang="{told}">{text}<' in repr(reply)
        assert await alice.configuration(room) == before
        await door.decision(kind="configure", room=room, rule="settings.name", verdict="deny")


@pytest.mark.parametrize(
    ("fields", "rule", "words"),
    [
        ({HISTORY: "31"}, "settings.history_max", "den Verlauf nicht auf mehr als 30"),
        ({HISTORY: "5", WHOIS: "anyone"}, "settings.whois_choices", "who can see the addresses"),
        ({NAME: "Tea", HISTORY: "5"}, "settings.name", "den Namen"),
    ],
)
async def test_beyond_a_bound_nothing_of_the_form_is_applied(door, fields, rule, words):
    async with Crowd(door.server) as crowd:
        room, alice = await opened(door, crowd, language="de")
        before = await alice.configuration(room)
        reply = await alice.configure(room, fields)
        assert reply.error and words in reply.error[2], reply
        await door.decision(kind="configure", room=room, rule=rule, verdict="deny")
        assert await alice.configuration(room) == before


async def test_within_the_bounds_it_is_the_moderator_s(door):
    async with Crowd(door.server) as crowd:
        room, alice = await opened(door, crowd)
        assert not (await alice.configure(room, {HISTORY: "30", CHANGE_SUBJECT: True})).error
        after = await alice.configuration(room)
        assert after[HISTORY] == "30", after


async def test_a_form_sent_back_as_it_is_changes_no_locked_setting(door):
    """Also what is no text: lists, numbers, choices, and fields of no key."""
    async with Crowd(door.server) as crowd:
        room, alice = await opened(door, crowd, "form")
        before = await alice.configuration(room)
        assert not (await alice.configure(room, before)).error
        assert await alice.configuration(room) == before
        assert not (await alice.configure(room, {**before, CHANGE_SUBJECT: True})).error
        for change in ({HISTORY: "19"}, {"muc#roomconfig_moderatedroom": True}, {"muc#roomconfig_lang": "de"}):
            assert (await alice.configure(room, {**before, **change})).error, change


async def test_the_subject_is_whose_the_file_says(door):
    async with Crowd(door.server) as crowd:
        room, alice = await opened(door, crowd, "topic")
        bob = await crowd.connect("bob@localhost", language="de")
        assert (await bob.join(room, "Bob", SECRET)).joined
        assert not (await alice.configure(room, {CHANGE_SUBJECT: True})).error
        bob.set_subject(room, "Coffee")
        refused = await bob.wait_for(lambda seen: seen.name == "message" and seen.error)
        assert refused.error == ("auth", "forbidden", "Sie dürfen das Thema dieses Raums nicht ändern.")
        alice.set_subject(room, "Tea, and nothing but tea")
        refused = await alice.wait_for(lambda seen: seen.name == "message" and seen.error)
        assert "20 characters" in refused.error[2]
        since = bob.mark()
        alice.set_subject(room, "Tea")
        seen = await bob.wait_for(lambda seen: seen.subject is not None, since=since)
        assert seen.subject == "Tea"


async def test_where_the_file_leaves_it_to_the_room_participants_change_the_subject(door):
    async with Crowd(door.server) as crowd:
        room, alice = await opened(door, crowd)
        bob = await crowd.connect("bob@localhost")
        assert (await bob.join(room, "Bob", SECRET)).joined
        bob.set_subject(room, "Coffee")
        refused = await bob.wait_for(lambda seen: seen.name == "message" and seen.error)
        assert refused.error[1] == "forbidden"
        assert not (await alice.configure(room, {CHANGE_SUBJECT: True})).error
        since = alice.mark()
        bob.set_subject(room, "Coffee")
        seen = await alice.wait_for(lambda seen: seen.subject is not None, since=since)
        assert seen.subject == "Coffee"
