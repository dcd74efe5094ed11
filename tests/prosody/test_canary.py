"""Secrets that can be recognised go in everywhere, and come out nowhere."""

import asyncio
import json

from lab import Crowd, Vestibule
from storm import ROOM, SERVICE, guests, hear, until

CANARIES = {
    "the link's secret": "canary-link-secret-4711",
    "the room's password": "canary Room Password 4712",
    "a wrong password": "canary Wrong Password 4713",
    "the password of an opener": "canary Opener Password 4714",
    "a weak password": "canary1",
    "a password that a moderator sets": "canary Moderator Password 4716",
    "the secret of derived passwords": "canary-derived-secret-4717-of-enough-length",
    "a password on the forbidden list": "canary-forbidden-4718",
    "the preset password after a reload": "canary Reloaded Password 4719",
    "a token": "canary.eyJhbGciOiJIUzI1NiJ9.4720",
}
WORD = "canary"

FILE = f"""
[log]
level = "trace"
[[service]]
domain = "{SERVICE}"
[policy.password]
source = "preset"
preset = "{CANARIES["the room's password"]}"
deny_list = ["{CANARIES["a password on the forbidden list"]}"]
[policy.lobby]
admission = "password"
[policy.access]
enter = ["everyone"]
[[room]]
match = "derived-*"
[room.password]
source = "derived"
secret = "{CANARIES["the secret of derived passwords"]}"
[[room]]
match = "chosen-*"
[room.password]
source = "creator"
"""
# A wrong type, a syntax error and a misspelt key, each on a line with a secret.
BROKEN = [
    FILE.replace('source = "preset"', f'source = "preset"\nsecret = ["{CANARIES["a token"]}"]'),
    FILE.replace('preset = "', 'preset = "unbalanced" "'),
    FILE.replace('preset = "', 'presett = "'),
]


async def live(server, vestibule):
    """A meeting in which every secret is used."""
    chosen, derived = f"chosen-1@{SERVICE}", f"derived-1@{SERVICE}"
    async with Crowd(server) as crowd:
        alice = await crowd.connect("alice@localhost")
        bob = await crowd.connect("bob@localhost")
        (guest,) = await guests(crowd, 1)
        assert (await alice.join(ROOM, "Alice")).joined
        for typed in ("a wrong password", "a token"):
            assert (await bob.join(ROOM, "Bob", CANARIES[typed])).condition == "not-authorized"
        assert (await bob.join(ROOM, "Bob", CANARIES["the room's password"])).joined
        fields = {"muc#roomconfig_roomsecret": CANARIES["a password that a moderator sets"]}
        assert not (await alice.configure(ROOM, fields)).error
        weak = {"muc#roomconfig_roomsecret": CANARIES["a weak password"]}
        assert (await alice.configure(ROOM, weak)).error
        for refused in ("a weak password", "a password on the forbidden list"):
            assert not (await alice.join(chosen, "Alice", CANARIES[refused])).joined
        assert (await alice.join(chosen, "Alice", CANARIES["the password of an opener"])).joined
        assert (await alice.join(derived, "Alice")).joined
        for word in ("!password", "!close", "!reopen"):
            alice.say(ROOM, word)
        with_password = CANARIES["a password that a moderator sets"]
        await alice.wait_for(lambda seen: seen.body and with_password in seen.body)
        secret = CANARIES["the room's password"]
        alice.send_raw(
            f"<iq type='set' to='vestibule.localhost' id='odd'><query xmlns='urn:vestibule:gate:2'>{secret}</query></iq>"
            f"<message to='vestibule.localhost'><report xmlns='urn:vestibule:gate:2'>{secret}</report></message>"
        )
        await hear(alice, bob, "was that all?")
        said = [
            await asyncio.to_thread(vestibule.run, "--config", vestibule.config_path, *question)
            for question in (
                ("status",),
                ("status", "--json"),
                ("rooms",),
                ("rooms", "--json"),
                ("room", ROOM),
                ("room", ROOM, "--json"),
                ("explain", "--room", ROOM, "--jid", "bob@localhost", "--password", "wrong"),
                ("explain", "--live", "--json", "--room", ROOM, "--jid", "bob@localhost"),
                ("check", vestibule.config_path),
            )
        ]
        assert [each.stderr for each in said if each.returncode] == []
        shown = ["\n".join((each.stdout, each.stderr)) for each in said]
        for text in BROKEN:
            vestibule.write_config(text)
            for command in (("reload",), ("check", vestibule.config_path)):
                refused = await asyncio.to_thread(vestibule.run, *command)
                assert refused.returncode != 0, text
                shown.append("\n".join((refused.stdout, refused.stderr)))
        good = FILE.replace(
            CANARIES["the room's password"], CANARIES["the preset password after a reload"]
        )
        vestibule.write_config(good)
        assert vestibule.run("reload").returncode == 0
        new = f"new@{SERVICE}"
        assert (await guest.join(new, "Guest")).joined
        assert (await bob.join(new, "Bob", CANARIES["the preset password after a reload"])).joined
        return shown


async def test_no_secret_is_ever_written_down(start_prosody, start):
    server = start_prosody()
    server.secret = CANARIES["the link's secret"]
    server.restart()
    vestibule = Vestibule(server, FILE)
    vestibule.env["VESTIBULE_COMPONENT__SECRET"] = CANARIES["the link's secret"]
    start(vestibule)
    shown = await live(server, vestibule)
    await until(lambda: len(vestibule.decisions()) >= 10, 3, "the decisions")
    vestibule.env["VESTIBULE_COMPONENT__SECRET"] = CANARIES["a token"]
    vestibule.restart(ready=False)
    await until(lambda: "component_secret" in vestibule.output.read_text(), 3, "a complaint")
    vestibule.shutdown()
    places = {
        "the log": vestibule.output.read_text(),
        "the decision log": "\n".join(map(json.dumps, vestibule.decisions())),
        "the state directory": "".join(
            path.read_text(errors="replace") for path in vestibule.state_dir.rglob("*") if path.is_file()
        ),
        "what commands say": "\n".join(shown),
        "Prosody's log": server.log(),
    }
    for place, text in places.items():
        assert text, f"{place} is empty: nothing was searched"
        found = [line for line in text.splitlines() if WORD in line.lower()]
        assert not found, f"{place}:\n" + "\n".join(found)
    assert "decided" in places["the log"], "the log is not as talkative as it should be"
    assert '"verdict": "prompt"' in places["the decision log"]
