"""Each preset on a real server: who starts a meeting, who joins it, who waits, and what the doctor thinks of it."""

import pytest
from lab import SERVICE, Crowd, Door
from lab.component import OPENS_BY_DEFAULT
from lab.process import ROOT

PRESETS = sorted(path.stem for path in (ROOT / "presets").glob("*.toml") if not path.stem.endswith(".tests"))
LOBBY, PASSWORD = "registration-required", "not-authorized"
# What an account and a guest read who come without a password; "": they are in.
OUTCOMES = {
    "board": (PASSWORD, "not-allowed"),
    "company": ("", LOBBY),
    "guests-only": (LOBBY, LOBBY),
    "public": (LOBBY, LOBBY),
    "school": ("", LOBBY),
    "webinar": (LOBBY, LOBBY),
}


@pytest.mark.parametrize("name", PRESETS)
async def test_a_preset_does_on_a_server_what_its_page_says(prosody_version, name):
    text = SERVICE + OPENS_BY_DEFAULT + (ROOT / f"presets/{name}.toml").read_text()
    with Door(prosody_version, text) as door:
        async with Crowd(door.server) as crowd:
            room = door.room()
            guest = await crowd.connect("guest.localhost")
            ann, bob = await crowd.connect_many(["ann@localhost", "bob@localhost"])
            # People log in to this server, so guests start nothing.
            assert not (await guest.join(room, "Guest")).joined
            assert (await ann.join(room, "Ann")).joined
            outcomes = [(await person.join(room, person.bare)).condition for person in (bob, guest)]
            assert tuple(outcomes) == OUTCOMES[name]
            assert "  inside   Ann  ann@localhost  moderator" in door.component.run("room", room).stdout
            assert "CRITICAL  component-secret" == "\n".join(
                line for line in door.component.run("doctor").stdout.splitlines() if line.startswith("CRITICAL")
            )
