"""Bans that an operator makes while meetings go on."""

import asyncio
import json
import sqlite3

from lab import Crowd
from lab.websocket import WebCrowd, web
from storm import PASSWORD, SERVICE, policy, until

TEA, OTHER = f"tea@{SERVICE}", f"other@{SERVICE}"
OPERATOR = ("[policy]", 'operators = ["root@operators.localhost"]')


def rules(*lines):
    """As `policy`, with an operator and a service account."""
    text = policy(*lines, focus="focus@localhost")
    return text.replace("[policy.password]", "\n".join([*OPERATOR, "[policy.password]"]))


def read(vestibule, *arguments, code=0):
    done = vestibule.run(*arguments, "--json")
    assert done.returncode == code, (done.stdout, done.stderr)
    return json.loads(done.stdout) if code == 0 else done.stderr


def written(vestibule, command):
    """The entries of the audit for a command."""
    entries = map(json.loads, vestibule.run("log", "--json", "--kind", "action").stdout.splitlines())
    return [entry for entry in entries if entry["command"] == command]


def locked(vestibule):
    """The database, which like a full disk takes nothing while it is locked."""
    database = sqlite3.connect(vestibule.state_dir / "vestibule.db", isolation_level=None)
    database.execute("begin immediate")
    return database


async def unlocked(database, bans, what):
    """Waits until there are so many bans in force in it, and so many of them with an end."""
    database.execute("rollback")
    query = "select count(*), count(until) from bans where not lifted"
    await until(lambda: database.execute(query).fetchone() == bans, 15, what)
    database.close()


def bans(vestibule):
    return {(ban["who"], ban.get("room")) for ban in read(vestibule, "bans")["bans"]}


async def inside(crowd, name, *rooms, nick=None):
    """Somebody with an account, in these rooms."""
    person = await crowd.connect(f"{name}@localhost")
    for room in rooms:
        assert (await person.join(room, nick or name.title(), PASSWORD)).joined
    return person


async def out_of(person, room):
    return await person.wait_for(
        lambda s: s.type == "unavailable" and 110 in s.statuses and s.sender.startswith(room)
    )


async def refused(person, room, nick="Again"):
    assert (await person.join(room, nick, PASSWORD)).condition == "forbidden"


async def test_a_ban_removes_somebody_everywhere_and_keeps_him_out(start_prosody, start_vestibule):
    vestibule = start_vestibule(server := start_prosody(), rules())
    async with Crowd(server) as crowd:
        alice = await inside(crowd, "alice", TEA, OTHER)
        bob = await inside(crowd, "bob", TEA, OTHER)
        done = read(vestibule, "ban", "Bob@Localhost", "--for", "2 hours", "--reason", "spam")
        assert (done["who"], done["kind"], done["kept"]) == ("bob@localhost", "jid", True)
        assert {one["room"] for one in done["removed"]} == {TEA, OTHER} and not done["failed"]
        for room in (TEA, OTHER):
            assert 307 in (await out_of(bob, room)).statuses
            await refused(bob, room)
        await alice.wait_for(lambda s: s.type == "unavailable" and s.nick == "Bob")
        assert "spam" not in repr(bob.seen) + repr(alice.seen), "the reason is for operators"
        (ban,) = read(vestibule, "bans")["bans"]
        assert ban["reason"] == "spam" and ban["until"] > ban["at"] and ban["by"].startswith("uid")

        def named():
            """The refusals, and the ban that each names."""
            lines = [line for line in vestibule.decisions() if line.get("denial") == "banned"]
            return [(line["line"], line["facts"]["runtime_bans"]["requester"]["id"]) for line in lines]

        await until(lambda: len(named()) == 4, 3, "two removals and two refusals in the log")
        assert set(named()) == {(0, ban["id"])}
        explained = vestibule.run("explain", "--live", "--room", TEA, "--jid", bob.bare)
        assert f"ban {ban['id']}" in explained.stdout, explained.stdout

        logged = [line for line in vestibule.decisions() if line.get("denial") == "banned"]
        (refusal, *_) = [line["id"] for line in logged if not line.get("reevaluated")]
        why = read(vestibule, "why", refusal)
        assert (why["explanation"]["ban"], why["note"]) == (ban["id"], None)
        assert why["entry"]["id"] == refusal and "class:" in vestibule.run("why", refusal).stdout
        assert "no decision" in read(vestibule, "why", "nonsense-1", code=1)

        lifted = read(vestibule, "unban", "bob@localhost")["lifted"]
        assert [one["id"] for one in lifted] == [ban["id"]]
        assert not bans(vestibule)
        assert (await bob.join(TEA, "Bob", PASSWORD)).joined


async def test_a_ban_outlives_a_kill_and_a_reload(start_prosody, start_vestibule):
    vestibule = start_vestibule(server := start_prosody(), rules())
    async with Crowd(server) as crowd:
        await inside(crowd, "alice", TEA)
        bob = await inside(crowd, "bob", TEA)
        read(vestibule, "ban", bob.bare)
        await out_of(bob, TEA)
        vestibule.kill()
        vestibule.start()
        await refused(bob, TEA)
        vestibule.write_config(rules().replace('admission = "password"', 'admission = "open"'))
        assert vestibule.run("reload").returncode == 0
        await refused(bob, TEA)
        assert bans(vestibule) == {(bob.bare, None)}
        plan = vestibule.run("plan", vestibule.config_path)
        assert plan.returncode == 0
        read(vestibule, "unban", bob.bare)
        vestibule.kill()
        vestibule.start()
        assert (await bob.join(TEA, "Bob", PASSWORD)).joined


async def test_a_ban_is_for_rooms_of_a_pattern(start_prosody, start_vestibule):
    vestibule = start_vestibule(server := start_prosody(), rules())
    async with Crowd(server) as crowd:
        await inside(crowd, "alice", TEA, OTHER)
        bob = await inside(crowd, "bob", TEA, OTHER)
        done = read(vestibule, "ban", bob.bare, "--room", "Te?")
        assert [one["room"] for one in done["removed"]] == [TEA]
        await out_of(bob, TEA)
        await refused(bob, TEA)
        assert set(bob.occupants(OTHER)) == {"Alice", "Bob"}
        assert bans(vestibule) == {(bob.bare, "te?")}
        assert "no operator has banned" in read(vestibule, "unban", bob.bare, "--room", "x", code=1)
        read(vestibule, "unban", bob.bare, "--room", "te?")
        assert (await bob.join(TEA, "Bob", PASSWORD)).joined


async def test_a_nick_in_a_room_is_banned_as_its_bearer(start_prosody, start_vestibule):
    vestibule = start_vestibule(server := start_prosody(), rules())
    async with Crowd(server) as crowd:
        await inside(crowd, "alice", TEA, OTHER)
        bob = await inside(crowd, "bob", TEA, OTHER, nick="Mallory")
        done = read(vestibule, "ban", "mallory", "--room", TEA)
        assert (done["who"], done["kind"], done["room"], done["called"]) == (bob.bare, "jid", "tea", "mallory")
        assert done["removed"] == [{"room": TEA, "jid": bob.bare, "nick": "Mallory"}]
        await out_of(bob, TEA)
        await refused(bob, TEA)
        assert set(bob.occupants(OTHER)) == {"Alice", "Mallory"}
        await until(lambda: written(vestibule, "ban"), 3, "the ban in the log")
        (entry,) = written(vestibule, "ban")
        assert entry["body"].items() >= {"who": bob.bare, "called": "mallory"}.items(), entry
        assert [ban["who"] for ban in read(vestibule, "unban", bob.bare, "--room", TEA)["lifted"]] == [bob.bare]
        # Of those who have left, and in the rooms of a pattern.
        said = vestibule.run("ban", "Mallory", "--room", "te*").stdout
        assert f'"Mallory" is {bob.bare}' in said and "from rooms like `te*`" in said, said
        assert bans(vestibule) == {(bob.bare, "te*")}


async def test_a_nick_is_banned_only_where_it_is_certain_who_is_meant(start_prosody, start_vestibule):
    vestibule = start_vestibule(server := start_prosody(), rules())
    async with Crowd(server) as crowd:
        await inside(crowd, "alice", TEA, OTHER)
        bob = await inside(crowd, "bob", TEA, nick="192.0.2.0/24")
        carol = await inside(crowd, "carol", TEA, nick="spam.example")
        await inside(crowd, "dan", TEA, nick="Dan")
        await inside(crowd, "eve", OTHER, nick="dan")
        for who, rooms, words in [
            ("192.0.2.0/24", TEA, f"the nick of `{bob.bare}`, too"),
            ("spam.example", "*", f"the nick of `{carol.bare}`, too"),
            ("dan", "*", "several people are called"),
            ("nobody", "*", "nobody is called `nobody`"),
            ("nobody", TEA, "nobody of that address is inside or waits"),
            ("Dan", f"none@{SERVICE}", "there is no room"),
            ("Dan", "", "an empty pattern"),
        ]:
            assert words in read(vestibule, "ban", who, "--room", rooms, code=1), (who, rooms)
        # Without a room, a nick is nobody.
        assert "A nick needs the room" in read(vestibule, "ban", "Dan", code=1)
        assert not bans(vestibule)
        assert read(vestibule, "ban", "evil.example", "--room", TEA)["kind"] == "domain"


async def test_a_ban_is_on_a_network(start_prosody, start_vestibule):
    options, port = web()
    plain = ("[policy.access]", "encrypted = false")
    vestibule = start_vestibule(server := start_prosody(**options), rules(*plain))
    async with Crowd(server) as crowd, WebCrowd(server, port) as abroad:
        alice = await inside(crowd, "alice", TEA)
        strangers = [await abroad.connect(f"192.0.2.{number}") for number in range(1, 4)]
        for number, stranger in enumerate(strangers):
            assert (await stranger.join(TEA, f"S{number}", PASSWORD)).joined
        done = read(vestibule, "ban", "192.0.2.0/30")
        assert (done["kind"], len(done["removed"])) == ("network", 3)
        for stranger in strangers:
            await out_of(stranger, TEA)
        await alice.ping()
        assert set(alice.occupants(TEA)) == {"Alice"}
        assert bans(vestibule) == {("192.0.2.0/30", None)}


async def test_nobody_bans_the_server_itself_though_the_file_has_no_operators(start_prosody, start_vestibule):
    proxies = {"options": {"trusted_proxies": ["127.0.0.1", "::1", "198.51.100.7"]}}
    vestibule = start_vestibule(server := start_prosody(**proxies), policy())
    async with Crowd(server) as crowd:
        await inside(crowd, "bob", TEA, nick="Bobby")
        for who, words in [
            ("guest.localhost", "a host of this server"),
            ("localhost", "a host of this server"),
            (SERVICE, "a host of this server"),
            ("127.0.0.0/8", "this machine"),
            ("::1", "this machine"),
            ("198.51.100.0/24", "`198.51.100.7/32` of Prosody's `trusted_proxies`"),
            ("bob", "did you mean `bob@localhost`?"),
            ("Bobby", "did you mean `bob@localhost`?"),
            ("mallory", "give an address like"),
        ]:
            assert words in read(vestibule, "ban", who, code=1), who
        assert not bans(vestibule)


async def test_whoever_waits_is_turned_away_by_a_ban(start_prosody, start_vestibule):
    knocking = rules().replace('admission = "password"', 'admission = "lobby"')
    vestibule = start_vestibule(server := start_prosody(), knocking)
    async with Crowd(server) as crowd:
        await inside(crowd, "alice", TEA)
        bob = await crowd.connect("bob@localhost")
        await bob.join(TEA, "Bob")
        assert read(vestibule, "room", TEA)["waiting"]
        read(vestibule, "ban", bob.bare)
        assert not read(vestibule, "room", TEA)["waiting"]


async def test_what_may_not_be_banned_is_refused_with_the_reason(start_prosody, start_vestibule):
    ban = ("[[ban]]", 'jid = "eve@localhost"', 'reason = "by the file"')
    vestibule = start_vestibule(start_prosody(), rules(*ban))
    for who, words in [
        ("focus@localhost", "is a service"),
        ("root@operators.localhost", "is an operator"),
        ("operators.localhost", "is an operator"),
        ("0.0.0.0/0", "as good as everybody"),
        ("bob@localhost/phone", "write `bob@localhost`"),
        ("192.0.2.0/33", "no network"),
        ("two words", "is nobody"),
    ]:
        assert words in read(vestibule, "ban", who, code=1), who
    assert "is no address of a room" in read(vestibule, "ban", "bob@localhost", "--room", "@" + SERVICE, code=1)
    assert vestibule.run("ban", "bob@localhost", "--for", "0s").returncode == 2
    assert "one of the file (line" in read(vestibule, "unban", "eve@localhost", code=1)
    assert "no operator has banned" in read(vestibule, "unban", "bob@localhost", code=1)
    assert read(vestibule, "bans") == {"bans": [], "file": 1}
    # Who is banned already is not banned a second time, unless that lasts longer or is for more rooms.
    first = read(vestibule, "ban", "mallory@localhost", "--for", "2 days")
    assert not first["already"]
    for more in ([], ["--room", "team-*"]):
        again = read(vestibule, "ban", "mallory@localhost", "--for", "1 day", *more)
        assert (again["already"], again["id"]) == (True, first["id"])
    assert "banned already: mallory@localhost" in vestibule.run("ban", "mallory@localhost", "--for", "1 day").stdout
    assert not read(vestibule, "ban", "mallory@localhost")["already"]
    assert len(read(vestibule, "bans")["bans"]) == 2


async def test_a_ban_that_cannot_be_stored_is_in_force_and_says_so(start_prosody, start_vestibule):
    server = start_prosody()
    vestibule = start_vestibule(server, rules())
    room = "full@conference.localhost"
    async with Crowd(server) as crowd:
        await inside(crowd, "alice", room)
        mallory = await inside(crowd, "mallory", room)
        database = locked(vestibule)
        done = await asyncio.to_thread(vestibule.run, "ban", mallory.bare, "--json", seconds=30)
        reply = json.loads(done.stdout)
        assert done.returncode == 0 and reply["kept"] is False
        assert "locked" in reply["not_kept"]
        assert reply["removed"] == [{"room": room, "jid": mallory.bare, "nick": "Mallory"}]
        assert (await mallory.join(room, "Mallory", PASSWORD)).condition == "forbidden"
        [ban] = json.loads(vestibule.run("bans", "--json").stdout)["bans"]
        assert ban["id"] == reply["id"]
        # Another ban takes nothing of it.
        done = await asyncio.to_thread(vestibule.run, "ban", "eve@localhost", seconds=30)
        assert "NOT STORED" in done.stdout and done.returncode == 0
        assert (await mallory.join(room, "Mallory", PASSWORD)).condition == "forbidden"
        # When there is room again, they are stored, and outlive the component.
        await unlocked(database, (2, 0), "the bans to be stored")
        vestibule.kill()
        await asyncio.to_thread(vestibule.start)
        assert (await mallory.join(room, "Mallory", PASSWORD)).condition == "forbidden"
        assert vestibule.run("unban", mallory.bare).returncode == 0
        assert (await mallory.join(room, "Mallory", PASSWORD)).joined


async def test_a_ban_whose_end_cannot_be_stored_is_lifted_and_the_reply_says_so(start_prosody, start_vestibule):
    server = start_prosody()
    vestibule = start_vestibule(server, rules())
    room = "lifted@conference.localhost"
    async with Crowd(server) as crowd:
        await inside(crowd, "alice", room)
        mallory = await inside(crowd, "mallory", room)
        assert vestibule.run("ban", mallory.bare).returncode == 0
        database = locked(vestibule)
        done = await asyncio.to_thread(vestibule.run, "unban", mallory.bare, "--json", seconds=30)
        reply = json.loads(done.stdout)
        assert done.returncode == 0 and reply["kept"] is False and "locked" in reply["not_kept"]
        assert (await mallory.join(room, "Mallory", PASSWORD)).joined
        assert json.loads(vestibule.run("bans", "--json").stdout)["bans"] == []
        # When there is room again, that is stored, and outlives the component.
        await unlocked(database, (0, 0), "the end to be stored")
        vestibule.kill()
        await asyncio.to_thread(vestibule.start)
        assert (await mallory.join(room, "Mallory", PASSWORD)).joined


async def test_a_ban_that_was_lifted_does_not_come_back_with_another_one(start_prosody, start_vestibule):
    """Neither when the database has taken the end of the first, nor when it did not take it yet."""
    server = start_prosody()
    vestibule = start_vestibule(server, rules())
    async with Crowd(server) as crowd:
        await inside(crowd, "alice", TEA)
        mallory = await inside(crowd, "mallory", TEA)
        read(vestibule, "ban", mallory.bare)
        await out_of(mallory, TEA)
        database = locked(vestibule)
        for command in (["unban", mallory.bare], ["ban", mallory.bare, "--for", "1 hour"]):
            done = await asyncio.to_thread(vestibule.run, *command, "--json", seconds=30)
            assert done.returncode == 0 and json.loads(done.stdout)["kept"] is False, done
        await unlocked(database, (1, 1), "the second ban alone")
        for _ in range(2):
            (ban,) = read(vestibule, "bans")["bans"]
            assert ban["who"] == mallory.bare and ban["until"], ban
            vestibule.kill()
            await asyncio.to_thread(vestibule.start)
