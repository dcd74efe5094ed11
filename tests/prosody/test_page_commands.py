"""Commands that are given on the page, and what becomes of them on the server."""

import json

from lab import SERVICE, Crowd
from lab.knocking import invited, knocking
from lab.policy import PRESET, SECRET

POLICY = SERVICE + PRESET
# What `test_each_command_has_its_button_or_its_form` finds beside a room or a person; all others by their form.
ON_ROOMS = {"close", "suspend", "password", "say", "end", "incident"}
ON_PEOPLE = {"remove", "hold", "ban"}
ON_WAITING = {"admit", "reject"}


async def meeting(door, crowd, name="room"):
    """A room with Alice, who moderates, and Bob; and a guest, who waits."""
    room, alice, bob = await door.meeting(crowd, "alice@localhost", "bob@localhost", name=name)
    guest = await knocking(crowd, room)
    return room, alice, bob, guest


def said(door, *arguments):
    return json.loads(door.component.run(*arguments, "--json").stdout)


def buttons(within):
    return f"[...document.querySelectorAll('{within} [data-command]')].map(each => each.dataset.command)"


async def test_each_command_has_its_button_or_its_form(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component) as page:
        room, *_ = await meeting(door, crowd)
        await page.go(f"room/{room}")
        await page.shows("1 person waiting")
        await page.shows("2 people inside")
        assert set(await page.read(buttons(".actions"))) >= ON_ROOMS
        assert set(await page.read(buttons(".panel.waiting"))) >= ON_WAITING
        assert set(await page.read(buttons(".people > [aria-labelledby=inside-title]"))) >= ON_PEOPLE
        await page.go("commands")
        table = await page.read(
            "fetch('/api/v1/commands', {headers: {Authorization: 'Bearer ' + sessionStorage.getItem('vestibule.token')}})"
            ".then(reply => reply.json())"
        )
        for command in table["commands"]:
            await page.go(f"commands/{command['name']}")
            await page.until(f"document.querySelector('form [data-command={command['name']}]')")
            fields = await page.read("[...document.querySelector('main form').elements].map(each => each.name).filter(Boolean)")
            assert fields == [field["name"] for field in command["fields"]], command["name"]


async def test_somebody_who_only_looks_has_no_buttons(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "viewer") as page:
        room, *_ = await meeting(door, crowd)
        await page.go(f"room/{room}")
        await page.shows("2 people inside")
        assert await page.read(buttons("main")) == []


async def test_a_room_is_closed_after_a_question_and_reopened_by_one_press(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "duty") as page:
        room, alice, _, guest = await meeting(door, crowd)
        await page.go(f"room/{room}")
        await page.until("document.querySelector('[data-command=close]')?.innerText === 'Close to newcomers…'")
        await page.act("close")
        await page.until("document.querySelector('dialog[open]')?.innerText.includes('Those inside stay.')")
        await page.press("Escape")
        await page.until("!document.querySelector('dialog')")
        assert not said(door, "room", room)["closed"]
        await page.act("close")
        await page.press("Enter")
        await page.told("Done: close")
        await alice.wait_for(lambda seen: seen.sender == room and "closed" in (seen.body or ""))
        assert (await guest.join(room, "Guest", SECRET)).condition == "not-allowed"
        await page.act("reopen")
        await page.told("Done: reopen")
        assert (await guest.join(room, "Guest", SECRET)).joined
        await page.until("document.querySelector('[data-command=close]')")


async def test_people_who_wait_are_let_in_or_turned_away(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "duty") as page:
        room, _, _, guest = await meeting(door, crowd)
        await page.go(f"room/{room}")
        await page.act("admit", ".waiting")
        await invited(guest, room)
        assert (await guest.join(room, "Guest")).joined
        await page.shows("3 people inside")
        other = await knocking(crowd, room, nick="Other")
        await page.shows("1 person waiting")
        await page.act("reject", ".waiting")
        told = await other.wait_for(lambda seen: seen.name == "message" and seen.sender == room)
        assert "declined" in told.body
        await page.until("document.querySelector('.panel.waiting').hidden")


async def test_all_who_wait_are_let_in_or_turned_away_by_one_press(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "duty") as page:
        room, _, _, guest = await meeting(door, crowd)
        await page.go(f"room/{room}")
        await page.shows("1 person waiting")
        other = await knocking(crowd, room, nick="Other")
        await page.shows("2 people waiting")
        assert await page.axe() == []
        await page.act("admit-all", ".waiting")
        await page.told("2 admitted")
        for person, nick in ((guest, "Guest"), (other, "Other")):
            await invited(person, room)
            assert (await person.join(room, nick)).joined
        strangers = [await crowd.connect("guest.localhost") for _ in range(2)]
        for number, stranger in enumerate(strangers):
            await stranger.join(room, f"Stranger{number}")
        await page.shows("2 people waiting")
        await page.act("reject-all", ".waiting")
        await page.told("2 rejected")
        await page.until("document.querySelector('.panel.waiting').hidden")


async def test_some_of_those_who_wait_are_chosen(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "duty", width=390, height=844) as page:
        room, _, _, guest = await meeting(door, crowd)
        await page.go(f"room/{room}")
        await page.shows("1 person waiting")
        # One person has buttons of their own.
        assert not await page.read("document.querySelector('.choose').checkVisibility()")
        other, third = await knocking(crowd, room, nick="Other"), await knocking(crowd, room, nick="Third")
        await page.shows("3 people waiting")
        chosen = "document.querySelector('[data-command=admit-chosen]')"
        assert await page.read(f"{chosen}.getAttribute('aria-disabled')") == "true"
        await page.click("[aria-label='Choose Guest']")
        await page.click("[aria-label='Choose Third']")
        await page.until(f"{chosen}.innerText === 'Admit chosen (2)'")
        assert await page.axe() == []
        await page.act("admit-chosen", ".waiting")
        await page.told("2 admitted")
        for person, nick in ((guest, "Guest"), (third, "Third")):
            await invited(person, room)
            assert (await person.join(room, nick)).joined
        await page.shows("1 person waiting")
        assert [each["nick"] for each in said(door, "room", room)["waiting"]] == ["Other"]
        # They are guests, and not only known to have been there before.
        classes = {each["nick"]: each["class"] for each in said(door, "room", room)["occupants"]}
        assert classes == {"Alice": "account", "Bob": "account", "Guest": "guest", "Third": "guest"}
        assert await page.read("[...document.querySelectorAll('.person .class')].map(each => each.innerText).includes('returning')") is False


async def test_several_are_removed_and_one_is_sent_back_to_the_lobby(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "duty") as page:
        room, _, bob, guest = await meeting(door, crowd)
        assert (await guest.join(room, "Guest", SECRET)).joined
        await page.go(f"room/{room}")
        await page.shows("3 people inside")
        await page.click("[data-command=remove-several]")
        assert await page.read("document.querySelector('dialog [name=jid]')") is None
        await page.fill("dialog [name=match]", "gue*")
        await page.click("dialog [type=submit]")
        await guest.wait_for(lambda seen: 307 in seen.statuses)
        await page.told("1 removed")
        await page.shows("2 people inside")
        since = bob.mark()
        await page.click("[aria-label='Back to the lobby: Bob']")
        assert await page.read("document.querySelector('dialog [name=all]')") is None
        await page.fill("dialog [name=reason]", "one moment")
        await page.click("dialog [type=submit]")
        gone = await bob.wait_for(lambda seen: 307 in seen.statuses, since=since)
        assert "one moment" in repr(gone)
        assert (await bob.join(room, "Bob", SECRET)).condition == "registration-required"


async def test_somebody_is_removed_with_a_reason(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "duty") as page:
        room, _, bob, _ = await meeting(door, crowd)
        await page.go(f"room/{room}")
        await page.click("[aria-label='Remove: Bob']")
        await page.fill("dialog [name=reason]", "not invited")
        await page.click("dialog [type=submit]")
        gone = await bob.wait_for(lambda seen: 307 in seen.statuses)
        assert "not invited" in repr(gone)
        await page.shows("1 person inside")


async def test_a_room_is_suspended_and_resumed(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "duty") as page:
        room, _, _, guest = await meeting(door, crowd)
        await page.go(f"room/{room}")
        await page.act("suspend")
        await page.fill("dialog [name=reason]", "a moment, please")
        await page.press("Enter")
        await page.shows("Suspended")
        assert not (await guest.join(room, "Guest", SECRET)).joined
        await page.act("resume")
        await page.until("document.querySelector('[data-command=suspend]')")
        assert (await guest.join(room, "Guest", SECRET)).joined


async def test_a_room_is_ended_only_by_whoever_means_it(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "duty") as page:
        room, alice, *_ = await meeting(door, crowd)
        await page.go(f"room/{room}")
        await page.act("end")
        # Whoever presses Enter without reading has done nothing.
        await page.until("document.activeElement.innerText === 'Cancel'")
        await page.press("Enter")
        await page.until("!document.querySelector('dialog')")
        assert said(door, "room", room)["occupants"]
        await page.act("end")
        await page.fill("dialog [name=reason]", "the hall is needed")
        await page.click("dialog .danger")
        await alice.wait_for(lambda seen: seen.destroyed == "the hall is needed")
        await page.shows("This room is not open")


async def test_somebody_is_banned_everywhere_and_the_ban_is_lifted(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "duty") as page:
        room, _, bob, _ = await meeting(door, crowd)
        await page.go(f"room/{room}")
        await page.click("[aria-label='Ban: Bob']")
        # Everywhere, unless somebody writes where.
        assert await page.read("document.querySelector('dialog [name=room]').value") == ""
        await page.fill("dialog [name=for]", "2 hours")
        await page.fill("dialog [name=reason]", "shouts")
        await page.click("dialog [type=submit]")
        await bob.wait_for(lambda seen: seen.type == "unavailable" and seen.sender.startswith(room))
        assert (await bob.join(door.room(), "Bob", SECRET)).condition == "forbidden"
        await page.go("bans")
        await page.shows("shouts")
        assert await page.axe() == []
        await page.act("unban")
        await page.shows("Nobody is banned here")
        assert (await bob.join(room, "Bob", SECRET)).joined


async def test_a_room_is_spoken_to_and_has_another_password(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "duty") as page:
        room, alice, _, guest = await meeting(door, crowd)
        await page.go(f"room/{room}")
        await page.act("say")
        await page.fill("dialog [name=text]", "Five minutes left.")
        await page.click("dialog [type=submit]")
        await alice.wait_for(lambda seen: "Five minutes left." in (seen.body or ""))
        await page.act("password")
        await page.fill("dialog [name=password]", "nine brisk copper herons")
        await page.click("dialog [type=submit]")
        await page.told("Done: password")
        assert not (await guest.join(room, "Guest", SECRET)).joined
        assert (await guest.join(room, "Guest", "nine brisk copper herons")).joined
        assert "herons" not in await page.read("document.documentElement.outerHTML")


async def test_many_rooms_are_ended_only_when_their_pattern_is_typed(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component) as page:
        room, alice, *_ = await meeting(door, crowd, "party")
        kept, *_ = await meeting(door, crowd, "other")
        await page.go("commands/end-many")
        await page.fill("form [name=match]", "party-*")
        await page.click("main [type=submit]")
        await page.shows("What will be ended")
        dialog = "document.querySelector('dialog').innerText"
        assert room in await page.read(dialog) and kept not in await page.read(dialog)
        assert await page.read("document.querySelector('dialog .danger').disabled")
        await page.fill("#typed", "party-*")
        await page.click("dialog .danger")
        await alice.wait_for(lambda seen: seen.destroyed)
        assert said(door, "room", kept)["occupants"]


async def test_what_cannot_be_done_is_said_in_words(door, chromium):
    async with chromium.sign_in(door.component) as page:
        await page.go("commands/close")
        await page.fill("form [name=room]", f"nowhere@{door.server.service}")
        await page.click("form [type=submit]")
        await page.until("document.querySelector('#alarms .toast')?.innerText.length > 10")
        assert await page.read("document.getElementById('alarms').getAttribute('role')") == "alert"


async def test_an_attempt_is_explained_and_a_file_is_tried(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component) as page:
        room, *_ = await meeting(door, crowd)
        await page.go(f"explain?room={room}&jid=eve%40localhost")
        await page.click("form [type=submit]")
        await page.shows("What would change it")
        assert "lobby.admission" in await page.read("document.querySelector('.explained').innerText")
        await page.go("policy")
        await page.click("summary")
        await page.fill("form [name=text]", POLICY + "[policy.close]\nat_occupants = 1\n")
        await page.click("form [type=submit]")
        await page.shows("What it would do")
        await page.fill("form [name=text]", "nonsense = ")
        await page.click("form [type=submit]")
        await page.shows("The file is not sound")
        await page.act("reload")
        await page.click("dialog [type=submit]")
        await page.told("Done: reload")


async def test_an_incident_is_taken_home_as_a_file(door, chromium):
    async with Crowd(door.server) as crowd, chromium.sign_in(door.component, "duty") as page:
        room, *_ = await meeting(door, crowd)
        await page.go(f"room/{room}")
        await page.shows("2 people inside")
        await page.act("incident")
        await page.fill("dialog [name=note]", "somebody shouted")
        text = await page.download(selector="dialog [type=submit]")
        assert room in text and "somebody shouted" in text and SECRET not in text
