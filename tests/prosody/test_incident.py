"""An incident in one file, made and checked from every side."""

import hashlib
import json
import os
import re
import stat

from lab import SERVICE, AdHoc, Crowd
from lab.policy import OPERATOR, PRESET, SECRET

HOSTILE = "</script><script>alert(1)</script><!--'\""
POLICY = SERVICE + OPERATOR + PRESET
EMBEDDED = re.compile('<script type="application/json" id="incident">(.*?)</script>', re.DOTALL)


async def trouble(door, crowd, nick="Guest"):
    """A room in which somebody tried passwords, was let in, and it was closed."""
    room, alice = await door.meeting(crowd, "alice@localhost", name="incident")
    guest = await crowd.connect("guest.localhost")
    assert not (await guest.join(room, nick, "wrong")).joined
    assert (await guest.join(room, nick, SECRET)).joined
    assert door.component.run("close", room).returncode == 0
    await guest.leave(room, nick)
    late = await crowd.connect("guest.localhost")
    assert (await late.join(room, "Late", SECRET)).condition == "not-allowed"
    await door.flushed()
    return room, alice, guest


def made(door, *arguments, code=0):
    done = door.component.run("incident", *arguments)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout + done.stderr


def sha256(bundle):
    """The checksum, by somebody who has only read how it is made."""
    text = json.dumps(bundle, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


async def test_an_incident_is_one_page_with_everything_in_it(door, tmp_path):
    async with Crowd(door.server) as crowd:
        room, alice, guest = await trouble(door, crowd, HOSTILE)
        file = tmp_path / "incident.html"
        said = made(door, "--room", room, "--since", "1 hour", "--note", HOSTILE + "\u202e", "--out", file)
        assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
        text = file.read_text()
        # Nothing in it runs, and nothing is asked of anybody.
        assert text.count("<script") == 1 and "alert(1)</script>" not in text
        assert "default-src 'none'" in text and not re.search(r"(src|href|action)\s*=", text)
        assert "\u202e" not in text.partition(EMBEDDED.search(text)[0])[0]
        sealed = json.loads(EMBEDDED.search(text)[1])
        bundle = sealed["incident"]
        assert sealed["sha256"] == sha256(bundle) and sealed["sha256"] in said
        assert bundle["about"]["room"] == room and bundle["about"]["note"] == HOSTILE + "\u202e"
        there = {(one["person"], one["nick"], one["what"]): one for one in bundle["presence"]}
        inside = there[guest.bare, HOSTILE, "inside"]
        assert inside["from"] < inside["until"]
        assert there[alice.bare, "Alice", "inside"]["until"] is None
        verdicts = [entry["verdict"] for entry in bundle["entries"] if entry["kind"] == "decision"]
        assert verdicts == ["allow", "prompt", "allow", "deny"]
        refused = [entry["in_words"] for entry in bundle["entries"] if entry.get("verdict") == "deny"]
        assert "refused by close" in refused[0]
        (closed,) = [entry for entry in bundle["entries"] if entry["kind"] == "action"]
        assert closed["command"] == "close" and "command-line" in closed["in_words"]
        (policy,) = bundle["policies"]
        assert "operators" in policy["body"]["text"]
        # Secrets are in neither.
        assert SECRET not in text and door.server.secret not in text
        assert "whole" not in made(door, "--verify", file) and "as it says" in made(door, "--verify", file)
        # It is not written over.
        assert "cannot write" in made(door, "--room", room, "--out", file, code=2)
        assert file.read_text() == text


async def test_a_file_that_was_changed_is_known(door, tmp_path):
    async with Crowd(door.server) as crowd:
        room, _, guest = await trouble(door, crowd)
        file = tmp_path / "incident.html"
        made(door, "--room", room, "--out", file)
        text = file.read_text()
        before, embedded, after = text.partition(EMBEDDED.search(text)[0])
        for changed in (
            before + embedded.replace("Alice", "Mallory") + after,
            before.replace("Alice", "Mallory") + embedded + after,
            before + embedded + after.replace("</body>", "<p>and more</p></body>"),
        ):
            file.write_text(changed)
            assert "CHANGED" in made(door, "--verify", file, code=1)
        file.write_text("nothing")
        assert "no incident" in made(door, "--verify", file, code=2)
        alone = tmp_path / "incident.json"
        made(door, "--person", guest.bare, "--out", alone)
        sealed = json.loads(alone.read_text())
        assert sealed["sha256"] == sha256(sealed["incident"])
        # About a person: what was decided on others is left out, who else was there is not.
        entries = sealed["incident"]["entries"]
        assert {entry["person"] for entry in entries if entry["kind"] == "decision"} == {guest.bare}
        assert "alice@localhost" in {one["person"] for one in sealed["incident"]["presence"]}
        made(door, "--verify", alone)
        sealed["incident"]["entries"].pop()
        alone.write_text(json.dumps(sealed))
        made(door, "--verify", alone, code=1)


async def test_an_ad_hoc_command_keeps_it_and_says_where(door):
    async with Crowd(door.server) as crowd:
        room, _, _ = await trouble(door, crowd)
        root = AdHoc(await crowd.connect("root@localhost"))
        form = await root.step("incident")
        assert form.kinds["since"] == "text-single"
        nothing = await form.go("complete", since="1 hour")
        assert nothing.status == "executing" and "needs `room` or `person`" in nothing.notes[0][1]
        done = await nothing.go("complete", room=room, since="1 hour")
        assert done.status == "completed" and int(done.fields["people"]["value"]) == 2
        file = door.component.state_dir / "incidents" / os.path.basename(done.fields["file"]["value"])
        assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(file.parent).st_mode) == 0o700
        assert done.fields["sha256"]["value"] in file.read_text()
        made(door, "--verify", file)


async def test_a_stroke_and_the_report_of_it_are_one_command(door, tmp_path):
    async with Crowd(door.server) as crowd:
        room, alice, _ = await trouble(door, crowd)
        file = tmp_path / "incident.html"
        said = made(door, "--room", room, "--end", "--out", file)
        assert f"done: {room} has ended" in said
        gone = await alice.wait_for(lambda seen: seen.name == "presence" and seen.type == "unavailable")
        assert gone
        bundle = json.loads(EMBEDDED.search(file.read_text())[1])["incident"]
        assert {one["person"] for one in bundle["presence"] if one["until"] is None} == set()
        # What cannot be done is said, and the report is made all the same.
        again = tmp_path / "again.html"
        said = made(door, "--room", room, "--end", "--out", again, code=1)
        assert "NOT DONE" in said and again.exists()


async def test_somebody_is_removed_everywhere_and_kept_out_by_the_same_stroke(door, tmp_path):
    async with Crowd(door.server) as crowd:
        room, other = door.room(), door.room()
        alice, bob = await crowd.connect_many(["alice@localhost", "bob@localhost"])
        for each in (room, other):
            assert (await alice.join(each, "Alice")).joined
            assert (await bob.join(each, "Bob", SECRET)).joined
        file = tmp_path / "bob.html"
        said = made(door, "--person", bob.bare, "--ban", "30 days", "--out", file)
        assert "done: bob@localhost is removed from all rooms, and banned for 30 days" in said
        for each in (room, other):
            await bob.wait_for(lambda seen: seen.room == each and seen.type == "unavailable")
            assert (await bob.join(each, "Bob", SECRET)).condition == "forbidden"
        bundle = json.loads(EMBEDDED.search(file.read_text())[1])["incident"]
        there = [one for one in bundle["presence"] if one["person"] == bob.bare]
        assert {one["room"] for one in there} == {room, other} and all(one["until"] for one in there)
        assert door.component.run("unban", bob.bare).returncode == 0


async def test_what_makes_no_sense_is_refused(door):
    for wrong, why in (
        (["--since", "soon", "--room", "a@b"], "no moment"),
        (["--since", "1 hour", "--until", "2 hours", "--room", "a@b"], "before"),
        (["--person", "@@"], "bare JIDs"),
    ):
        assert why in made(door, *wrong, code=1)
    made(door, code=2)
