"""Rooms that people had before the gate came are kept as they are."""

import contextlib
import json
import subprocess

from lab import SERVICE, Crowd, Door
from lab.policy import CHAIR, OPERATOR
from lab.policy import SECRET as OTHER
from lab.server import encoded
from lab.stanza import CLIENT, MUC_ADMIN, element
from storm import MODULES, shell

OWN = "a password of the room's own"
CONFIG = "muc#roomconfig_"
STAFF = {
    f"{CONFIG}persistentroom": True,
    f"{CONFIG}membersonly": True,
    f"{CONFIG}moderatedroom": True,
    f"{CONFIG}publicroom": False,
    f"{CONFIG}roomsecret": OWN,
    f"{CONFIG}roomname": "Staff",
}
CAFE = {f"{CONFIG}persistentroom": True, f"{CONFIG}publicroom": True}
GATE = ["vestibule_gate", "muc_mam"]
# Everything as the file shows it by default, but for what a test says.
POLICY = SERVICE + '[policy.access]\ncreate = ["account", "guest"]\n'
# Prints what a file of Prosody's storage holds, a line for each value.
DUMP = """
local function walk(value, path, out)
	if type(value) ~= "table" then out[#out + 1] = path .. "=" .. tostring(value); return; end
	for key, each in pairs(value) do walk(each, path .. "/" .. tostring(key), out); end
end
local out = {}
walk(dofile(arg[1]), "", out)
table.sort(out)
print(table.concat(out, "\\n"))
"""


class House(Door):
    """A Door on a server that had the rooms `staff` and `cafe` before the gate came."""

    staff, cafe = "staff@conference.localhost", "cafe@conference.localhost"

    def stored(self, room):
        """What Prosody has on disk of a room, without what the gate remembers."""
        return self.on_disk("config", room)

    def on_disk(self, store, room):
        name = encoded(room.partition("@")[0])
        folder = self.server.home / "data" / encoded("conference.localhost") / store
        files = sorted(folder.glob(f"{name}.*"))
        if store != "config":
            return [file.read_bytes() for file in files]
        if not files:
            return None
        script = self.server.home / "dump.lua"
        script.write_text(DUMP)
        lines = subprocess.run(["lua", script, files[0]], capture_output=True, text=True, check=True)
        return [line for line in lines.stdout.splitlines() if "/_data/vestibule" not in line]

    async def furnish(self):
        self.server.gate, self.server.muc_options = False, {"modules_enabled": ["muc_mam"]}
        self.server.start()
        async with Crowd(self.server) as crowd:
            ann = await crowd.connect("ann@localhost")
            await ann.open(self.staff, "Ann", STAFF)
            for name, affiliation in (("dan", "admin"), ("bob", "member"), ("mallory", "outcast")):
                assert not (await ann.set_affiliation(self.staff, f"{name}@localhost", affiliation)).error
            query = element(MUC_ADMIN, "query")
            query.append(
                element(MUC_ADMIN, "item", jid="bob@localhost", affiliation="member", nick="Bobby")
            )
            assert not (await ann.iq(self.staff, "set", query)).error
            ann.set_subject(self.staff, "Rota")
            ann.say(self.staff, "The keys are under the mat.")
            await ann.open(self.cafe, "Ann", CAFE)
            ann.say(self.cafe, "Coffee is on.")
            await ann.ping()
        self.server.stop()
        self.server.gate, self.server.muc_options = True, {"modules_enabled": GATE}

    def everything(self):
        rooms = (self.staff, self.cafe)
        found = {room: (self.stored(room), self.on_disk("muc_log", room)) for room in rooms}
        assert all(config and archive for config, archive in found.values()), found
        return found


@contextlib.asynccontextmanager
async def house(version, policy=POLICY):
    door = House(version, policy, storage="internal", plugin_paths=[MODULES], modules=["lab_unload"])
    try:
        await door.furnish()
        yield door
    finally:
        door.close()


async def test_what_is_lent_stays_with_whoever_takes_another_nick(prosody_version):
    async with house(prosody_version, POLICY + CHAIR) as door:
        door.start()
        async with Crowd(door.server) as crowd:
            chair = await crowd.connect("chair@localhost")
            lent = (await chair.join(door.staff, "Chair")).presence.item["affiliation"]
            assert lent != "none"
            since = chair.mark()
            chair.send(element(CLIENT, "presence", to=f"{door.staff}/Chairman"))
            seen = await chair.wait_for(lambda seen: seen.nick == "Chairman" and not seen.type, since=since)
            assert (seen.item["affiliation"], seen.item["role"]) == (lent, "moderator")
            await chair.leave(door.staff, "Chairman")
            ann = await crowd.connect("ann@localhost")
            assert (await ann.join(door.staff, "Ann")).joined
            for affiliation in ("owner", "admin", "member"):
                assert chair.bare not in await ann.list_affiliation(door.staff, affiliation)


async def come_and_go(door):
    """Somebody of each kind at each door; returns what became of them."""
    async with Crowd(door.server) as crowd:
        seen = {}
        for name in ("mallory", "eve", "bob", "dan", "ann"):
            person = await crowd.connect(f"{name}@localhost")
            for room in (door.staff, door.cafe):
                outcome = await person.join(room, name.capitalize())
                item = outcome.presence.item if outcome.joined else {}
                seen[name, room[:5]] = outcome.condition or f"{item['affiliation']} {item['role']}"
                if outcome.joined:
                    await person.leave(room, name.capitalize())
        return seen


EXPECTED = {
    ("mallory", "staff"): "forbidden",
    ("eve", "staff"): "registration-required",
    ("bob", "staff"): "member participant",
    ("dan", "staff"): "admin moderator",
    ("ann", "staff"): "owner moderator",
    ("mallory", "cafe@"): "none participant",
    ("eve", "cafe@"): "none participant",
    ("bob", "cafe@"): "none participant",
    ("dan", "cafe@"): "none participant",
    ("ann", "cafe@"): "owner moderator",
}


async def test_a_stored_room_is_after_the_gate_as_it_was_before(prosody_version):
    async with house(prosody_version) as door:
        before = door.everything()
        door.start()
        assert await come_and_go(door) == EXPECTED
        assert door.everything() == before
        door.server.restart()
        door.component.wait_ready()
        assert await come_and_go(door) == EXPECTED
        assert door.everything() == before
        async with Crowd(door.server) as crowd:
            ann = await crowd.connect("ann@localhost")
            assert (await ann.join(door.staff, "Ann")).joined
            form = await ann.configuration(door.staff)
            shown = {name: form[name] for name in STAFF}
            assert shown == {
                name: {True: "1", False: "0"}.get(value, value) for name, value in STAFF.items()
            }
            assert await ann.list_affiliation(door.staff, "outcast") == {"mallory@localhost"}


async def comes_twice(person, room, nick):
    """The affiliation that somebody has when they come, and when they come again."""
    had = []
    for _ in range(2):
        outcome = await person.join(room, nick)
        had.append(outcome.presence.item["affiliation"] if outcome.joined else outcome.condition)
        if outcome.joined:
            await person.leave(room, nick)
            await person.ping()
    return had


async def test_what_a_removal_took_is_given_back_for_good(prosody_version):
    async with house(prosody_version) as door:
        before = door.everything()
        door.start()
        run = door.component.run
        async with Crowd(door.server) as crowd:
            ann, dan, bob = [await crowd.connect(f"{name}@localhost") for name in ("ann", "dan", "bob")]
            for room in (door.staff, door.cafe):
                assert (await ann.join(room, "Ann")).joined
            assert run("ban", ann.bare).returncode == 0
            await ann.ping()
            assert (await ann.join(door.staff, "Ann")).condition == "forbidden"
            assert run("unban", ann.bare).returncode == 0
            for room in (door.staff, door.cafe):
                assert await comes_twice(ann, room, "Ann") == ["owner", "owner"]
            for person, affiliation in ((dan, "admin"), (bob, "member")):
                assert (await person.join(door.staff, "Them")).joined
                assert run("remove", door.staff, person.bare).returncode == 0
                await person.ping()
                assert (await person.join(door.staff, "Them")).condition == "forbidden"
                assert run("admit", door.staff, person.bare).returncode == 0
                assert await comes_twice(person, door.staff, "Them") == [affiliation, affiliation]
            assert door.everything() == before
            # And when the gate goes before that.
            for room in (door.staff, door.cafe):
                assert (await ann.join(room, "Ann")).joined
            assert run("ban", ann.bare).returncode == 0
            await shell(bob, "unload")
            assert door.everything() == before


async def test_what_an_owner_takes_meanwhile_is_not_given_back(prosody_version):
    async with house(prosody_version) as door:
        door.start()
        async with Crowd(door.server) as crowd:
            ann, dan = await crowd.connect("ann@localhost"), await crowd.connect("dan@localhost")
            assert (await ann.join(door.staff, "Ann")).joined
            assert (await dan.join(door.staff, "Dan")).joined
            assert door.component.run("remove", door.staff, dan.bare).returncode == 0
            assert not (await ann.set_affiliation(door.staff, dan.bare, "none")).error
            assert door.component.run("admit", door.staff, dan.bare).returncode == 0
            await dan.ping()
            assert await comes_twice(dan, door.staff, "Dan") == ["member", "member"]
            assert dan.bare not in await ann.list_affiliation(door.staff, "admin")


async def test_the_end_of_a_meeting_empties_a_stored_room_and_leaves_it_there(prosody_version):
    async with house(prosody_version) as door:
        before = door.everything()
        door.start()
        async with Crowd(door.server) as crowd:
            bob = await crowd.connect("bob@localhost")
            for number, words in enumerate((["end", door.staff], ["end-many", "--all"])):
                assert (await bob.join(door.staff, "Bob")).joined, number
                since = bob.mark()
                assert door.component.run(*words, "--reason", "Enough").returncode == 0
                gone = await bob.wait_for(
                    lambda seen: seen.type == "unavailable" and seen.room == door.staff, since=since
                )
                assert 307 in gone.statuses and gone.destroyed is None
                assert door.everything() == before
            mallory = await crowd.connect("mallory@localhost")
            assert (await mallory.join(door.staff, "Mallory")).condition == "forbidden"


async def test_a_stored_room_goes_with_its_meeting_where_the_file_says_that_rooms_pass(prosody_version):
    passing = POLICY + "persistent = false\n"
    async with house(prosody_version, passing) as door:
        before = door.everything()
        door.start()
        async with Crowd(door.server) as crowd:
            eve, bob = await crowd.connect("eve@localhost"), await crowd.connect("bob@localhost")
            assert (await eve.join(door.staff, "Eve")).condition == "registration-required"
            assert door.everything() == before, "whoever is refused ends no meeting"
            assert (await bob.join(door.staff, "Bob")).joined
            assert door.stored(door.staff) == before[door.staff][0]
            await bob.leave(door.staff, "Bob")
            await bob.ping()
            assert door.stored(door.staff) is None and door.on_disk("muc_log", door.staff) == []
            # Another file takes it back, as long as the meeting goes on.
            assert (await bob.join(door.cafe, "Bob")).joined
            door.enforce(POLICY)
            assert (await eve.join(door.cafe, "Eve")).joined
            for person, nick in ((bob, "Bob"), (eve, "Eve")):
                await person.leave(door.cafe, nick)
                await person.ping()
            assert door.stored(door.cafe) == before[door.cafe][0]
            # An operator's end is one.
            door.enforce(passing)
            assert (await bob.join(door.cafe, "Bob")).joined
            assert door.component.run("end", door.cafe).returncode == 0
            await bob.ping()
            assert door.stored(door.cafe) is None


async def test_another_password_of_a_stored_room_is_asked_for_as_the_one_before(prosody_version):
    async with house(prosody_version) as door:
        door.start()
        async with Crowd(door.server) as crowd:
            ann, eve = [await crowd.connect(f"{name}@localhost") for name in ("ann", "eve")]
            assert (await ann.join(door.cafe, "Ann")).joined
            assert "has no password" in door.component.run("rotate", door.cafe).stderr
            assert door.component.run("set-password", door.cafe, stdin=f"{OTHER}\n").returncode == 0
            assert (await eve.join(door.cafe, "Eve")).condition == "not-authorized"
            assert door.component.run("rotate", door.cafe).returncode == 0
            for typed in (None, OTHER):
                assert (await eve.join(door.cafe, "Eve", typed)).condition == "not-authorized"


LOCKED = (
    POLICY
    + f"""
[[room]]
match = "cafe"
password = {{ source = "preset", preset = "{OTHER}" }}
access.hidden = true
"""
)


async def test_an_override_asks_for_a_password_and_unloading_gives_it_back(prosody_version):
    async with house(prosody_version, LOCKED) as door:
        before = door.everything()
        door.start()
        async with Crowd(door.server) as crowd:
            eve = await crowd.connect("eve@localhost")
            assert (await eve.join(door.cafe, "Eve")).condition == "not-authorized"
            assert (await eve.join(door.cafe, "Eve", OTHER)).joined
            after = door.everything()
            assert after[door.staff] == before[door.staff]
            changed = set(after[door.cafe][0]) ^ set(before[door.cafe][0])
            assert changed == {f"/_data/password={OTHER}", "/_data/hidden=true"}, json.dumps(after)
            ann = await crowd.connect("ann@localhost")
            outcome = await ann.join(door.cafe, "Ann")
            assert outcome.presence.item["role"] == "moderator", "an owner needs no password"
            await shell(ann, "unload")
            assert door.everything() == before
            bob = await crowd.connect("bob@localhost")
            assert (await bob.join(door.cafe, "Bob")).joined


async def test_a_moderator_by_the_file_owns_nothing_in_a_stored_room(prosody_version):
    policy = POLICY.replace("[policy.access]", OPERATOR + "[policy.access]")
    async with house(prosody_version, policy) as door:
        before = door.everything()
        door.start()
        async with Crowd(door.server) as crowd:
            root = await crowd.connect("root@localhost")
            outcome = await root.join(door.staff, "Root")
            item = outcome.presence.item
            assert (item["affiliation"], item["role"]) == ("member", "moderator")
            await root.leave(door.staff, "Root")
            await root.ping()
        assert door.everything() == before


async def test_a_person_is_handed_what_stored_rooms_know_of_them(prosody_version):
    async with house(prosody_version) as door:
        door.start()

        def exported(who, code=0):
            done = door.component.run("person", "export", who)
            assert done.returncode == code, (done.stdout, done.stderr)
            rooms = json.loads(done.stdout)["rooms"] if done.stdout else []
            return [(it["room"], it["stored"], it["affiliation"]) for it in rooms]

        assert exported("bob@localhost") == [(door.staff, True, "member")]
        assert exported("mallory@localhost") == [(door.staff, True, "outcast")]
        assert sorted(exported("ann@localhost")) == [(door.cafe, True, "owner"), (door.staff, True, "owner")]
        assert exported("zoe@localhost", code=1) == []
        told = door.component.run("person", "erase", "bob@localhost", "--yes").stdout
        assert f"stays: what the stored room {door.staff} remembers of them (member), as long as it is there" in told
        # Open, it is named once, with what was noted since.
        async with Crowd(door.server) as crowd:
            ann = await crowd.connect("ann@localhost")
            assert (await ann.join(door.cafe, "Ann")).joined
            assert sorted(exported("ann@localhost")) == [(door.cafe, False, "owner"), (door.staff, True, "owner")]
            # Nor is it only stored for a member who is not inside.
            assert (await ann.join(door.staff, "Ann")).joined
            assert exported("bob@localhost") == [(door.staff, False, "member")]


async def test_what_becomes_of_stored_rooms_is_said_before_anybody_joins(prosody_version):
    async with house(prosody_version) as door:
        before = door.everything()
        door.start()
        kept = "2 rooms are stored; 2 of them were there before the policy and are kept as they are"
        words = door.component.run("plan", door.component.config_path).stdout
        assert kept in words and "0 differences in rooms" in words
        assert "2 rooms are stored: kept as they are" in (
            door.component.run("doctor").stdout
        )
        other = door.component.home / "other.toml"
        other.write_text(LOCKED)
        words = door.component.run("plan", other).stdout
        assert "2 rooms are stored; 1 of them" in words, words
        assert f"{door.cafe}: no password, should be a password, by password.required" in words
        assert f"{door.cafe}: listed, should be hidden, by access.hidden" in words
        passing = POLICY + "persistent = false\n"
        other.write_text(passing)
        words = door.component.run("plan", other).stdout
        assert f"{door.staff}: persistent, should be not persistent: deleted, with its" in words
        door.enforce(passing)
        words = door.component.run("doctor").stdout
        assert "rooms-deleted" in words and "2 stored rooms, with 5 owners, admins" in words, words
        assert door.everything() == before, "nothing was changed by all that"
