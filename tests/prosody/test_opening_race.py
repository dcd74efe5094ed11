"""Two hundred people at the door of a room that does not exist yet."""

from lab import Crowd
from lab.process import ROOT as REPOSITORY
from storm import MODULES, PASSWORD, ROOM, guests, one_answer_each, outcomes, policy, storm, tally

CROWD = 200
WITNESS = {
    "plugin_paths": [MODULES],
    "muc_options": {"modules_enabled": ["vestibule_gate", "lab_witness"]},
}


def witnessed(server, words):
    return [line for line in server.log().splitlines() if "witness: " in line and words in line]


async def owners(people):
    found = []
    for person in people:
        item = person.answers(ROOM)[0].presence.item
        if item.get("affiliation") == "owner":
            found.append(person)
    return found


async def test_one_of_two_hundred_opens_and_nobody_is_in_before_the_password_is(
    start_prosody, start_vestibule
):
    server = start_prosody(**WITNESS)
    vestibule = start_vestibule(server, policy())
    async with Crowd(server) as crowd:
        people = await guests(crowd, CROWD)
        know, do_not = people[::2], people[1::2]
        marks = [
            person.ask_to_join(ROOM, f"Guest{number}", None if number % 2 else PASSWORD)
            for number, person in enumerate(people)
        ]
        answers = await outcomes(people, marks)
        await one_answer_each(people, marks)
        inside = [person for person, answer in zip(people, answers, strict=True) if answer.joined]
        assert set(know) <= set(inside)
        assert len(set(inside) & set(do_not)) <= 1, "only who opens comes in without password"
        assert set(tally(answers)) == {"joined", "not-authorized"}
        (opener,) = await owners(inside)
        assert (await opener.configuration(ROOM))["muc#roomconfig_roomsecret"] == PASSWORD
        for person in people:
            assert not any(104 in seen.statuses for seen in person.seen), "changed after creation"
            if person not in inside:
                assert all(seen.type == "error" for seen in person.seen if seen.room == ROOM)
    assert len(witnessed(server, "created")) == 1
    assert len(witnessed(server, "entered")) == len(inside)
    assert len(witnessed(server, "password=true hidden=true")) == len(inside)
    opened = [each for each in vestibule.decisions() if each.get("kind") == "open"]
    assert [each["verdict"] for each in opened] == ["allow"]


async def test_with_the_shipped_file_one_opens_and_the_others_knock(start_prosody, start_vestibule):
    server = start_prosody(**WITNESS)
    shipped = (REPOSITORY / "component.toml").read_text()
    start_vestibule(server, shipped.replace('create = "default"', 'create = ["everyone"]'))
    async with Crowd(server) as crowd:
        people = await guests(crowd, CROWD)
        marks = storm(people, password=None)
        answers = await outcomes(people, marks)
        await one_answer_each(people, marks)
        expected = {"joined": 1, "registration-required": 50, "resource-constraint": CROWD - 51}
        assert tally(answers) == expected
        (opener,) = [p for p, answer in zip(people, answers, strict=True) if answer.joined]
        assert opener.occupants(ROOM)[opener.answers(ROOM)[0].presence.nick]["role"] == "moderator"
        knocks = [seen for seen in opener.seen if seen.name == "message" and seen.form]
        assert len(knocks) == 50
    assert len(witnessed(server, "created")) == len(witnessed(server, "entered")) == 1
    assert len(witnessed(server, "password=true hidden=true")) == 1
