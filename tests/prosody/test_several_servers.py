"""Two servers, a component each, and the PostgreSQL database that they share."""

import asyncio
import json
import statistics
import time

import pytest
from lab import SERVICE, Crowd, Postgres
from lab.policy import OPERATOR, PRESET, SECRET

POLICY = (
    SERVICE + OPERATOR + PRESET
    + """
[policy.password.guesses]
burst = 10000
room_burst = 10000
"""
)
ROOM = "room@conference.localhost"
WRONG = "canary-database-password"


@pytest.fixture(scope="module")
def shared():
    """The PostgreSQL of a whole file; whoever stops it starts it again."""
    with Postgres() as postgres:
        yield postgres


@pytest.fixture
def database(shared, request):
    """A database of the test's own, by its name."""
    name = request.node.name.partition("[")[0][:60] + request.node.callspec.id.replace(".", "")
    shared.sql(f'drop database if exists "{name}" with (force)')
    shared.sql(f'create database "{name}"')
    return name


def member(shared, database, name, password=None):
    """The environment of a component that shares the database."""
    return {
        "VESTIBULE_STORE__POSTGRES": shared.address(database),
        "VESTIBULE_STORE__POSTGRES_PASSWORD": password or shared.password,
        "VESTIBULE_STORE__SERVER": name,
    }


def servers(component):
    """What `vestibule status` says about the database."""
    done = component.run("status", "--json")
    return json.loads(done.stdout)["store"]["shared"]


async def until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        await asyncio.sleep(0.02)


async def there(*components):
    for component in components:
        await until(lambda c=component: "away_since" not in servers(c), 15, "the database")


async def away(component):
    await until(lambda: servers(component).get("trouble"), 15, "the trouble")
    return servers(component)


def ids(component):
    return sorted(line["id"] for line in component.decisions() if "id" in line)


async def everything_arrives(shared, database, component, name):
    """Every decision in the component's log is in the database, once."""
    query = f"select id from vestibule_entry where kind = 'decision' and server = '{name}'"
    found = lambda: sorted(row[0] for row in shared.sql(query, database))  # noqa: E731
    await asyncio.sleep(0.15)
    await until(lambda: found() == ids(component), 20, "every decision, once")


async def knock(person, times):
    """How long so many refused joins took, in seconds."""
    took = []
    for _ in range(times):
        before = time.monotonic()
        assert not (await person.join(ROOM, "Guest", "wrong")).joined
        took.append(time.monotonic() - before)
    return took


@pytest.mark.parametrize("how", ["stopped", "killed", "frozen"])
async def test_nobody_waits_for_a_database_that_is_away_and_nothing_is_lost(
    start_prosody, start_vestibule, shared, database, how
):
    server = start_prosody()
    component = start_vestibule(server, POLICY, env=member(shared, database, "one"))
    await there(component)
    async with Crowd(server) as crowd:
        alice, guest = await crowd.connect("alice@localhost"), await crowd.connect("bob@localhost")
        assert (await alice.join(ROOM, "Alice")).joined
        before = await knock(guest, 30)
        await everything_arrives(shared, database, component, "one")
        try:
            {"stopped": shared.stop, "killed": shared.kill, "frozen": shared.freeze}[how]()
            during = await knock(guest, 30)
            said = await away(component)
            during += await knock(guest, 30)
            assert said["away_since"]
            await until(lambda: servers(component)["waiting"] >= 60, 15, "all that wait to be counted")
            status = component.run("status")
            assert status.returncode == 0 and "the servers' database is AWAY since" in status.stdout
            # What a killed component has left is not lost either.
            component.kill()
            component.start()
            during += await knock(guest, 10)
        finally:
            shared.thaw() if how == "frozen" else shared.start()
        await there(component)
        await everything_arrives(shared, database, component, "one")
        print(f"a refused join, median: {statistics.median(before) * 1000:.1f} ms with the database,"
              f" {statistics.median(during) * 1000:.1f} ms while it was {how}")
    assert servers(component)["waiting"] == 0
    assert json.loads(component.run("status", "--json").stdout)["store"]["lost"] == 0
    kept = repr(shared.sql("select * from vestibule_entry", database))
    assert ROOM in kept
    for secret in (SECRET, server.secret, shared.password):
        assert secret not in kept


async def test_a_start_without_the_database_is_a_start_and_what_is_wrong_is_said(
    start_prosody, start_vestibule, shared, database
):
    server = start_prosody()
    component = start_vestibule(server, POLICY, env=member(shared, database, "one", WRONG))
    trouble = (await away(component))["trouble"]
    assert "store.postgres_password_file" in trouble
    async with Crowd(server) as crowd:
        alice = await crowd.connect("alice@localhost")
        assert (await alice.join(ROOM, "Alice")).joined
    component.kill()
    component.env |= member(shared, "missing", "one")
    component.start()
    assert "createdb" in (await away(component))["trouble"]
    component.kill()
    component.env |= member(shared, database, "one")
    component.start()
    await there(component)
    await everything_arrives(shared, database, component, "one")
    said = component.tail(10_000)
    assert "the servers' database is away" in said
    for secret in (WRONG, shared.password):
        assert secret not in said


async def test_a_database_elsewhere_is_refused_unless_the_file_allows_it(start_prosody, start_vestibule):
    server = start_prosody()
    component = start_vestibule(server, POLICY)
    address = "postgresql://vestibule@db.example.org/vestibule"
    component.write_config(POLICY + f'[store]\npostgres = "{address}"\n')
    refused = component.run("check", component.config_path)
    assert refused.returncode != 0
    assert "not encrypted" in refused.stdout + refused.stderr
    component.write_config(
        POLICY + f'[store]\npostgres = "{address}"\nallow_plaintext_network = true\n'
    )
    assert component.run("check", component.config_path).returncode == 0


async def test_a_component_that_shares_nothing_says_nothing_of_it(start_prosody, start_vestibule):
    component = start_vestibule(start_prosody(), POLICY)
    assert "shared" not in json.loads(component.run("status", "--json").stdout)["store"]
    assert "servers' database" not in component.run("status").stdout


async def two(start_prosody, start_vestibule, shared, database):
    """Two servers and their components, which share a database."""
    servers = start_prosody(), start_prosody()
    components = [
        start_vestibule(server, POLICY, env=member(shared, database, name))
        for server, name in zip(servers, ("one", "two"), strict=True)
    ]
    await there(*components)
    return servers, components


def does(component, *arguments):
    done = component.run(*arguments, "--json")
    assert done.returncode == 0, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def banned(component):
    return sorted(ban["who"] for ban in does(component, "bans")["bans"])


async def inside(crowd, name):
    person = await crowd.connect(f"{name}@localhost")
    assert (await person.join(ROOM, name.title(), SECRET)).joined
    return person


async def test_a_ban_on_one_server_removes_and_refuses_on_the_other(
    start_prosody, start_vestibule, shared, database
):
    (here, elsewhere), (one, other) = await two(start_prosody, start_vestibule, shared, database)
    async with Crowd(here) as home, Crowd(elsewhere) as away_from_home:
        await inside(home, "alice")
        await inside(away_from_home, "alice")
        bob = await inside(away_from_home, "bob")
        before = time.monotonic()
        does(one, "ban", "bob@localhost", "--reason", "shouting")
        await bob.wait_for(lambda s: s.type == "unavailable" and 307 in s.statuses)
        print(f"removed on the other server {(time.monotonic() - before) * 1000:.0f} ms after the ban was ordered")
        assert (await bob.join(ROOM, "Bob", SECRET)).condition == "forbidden"
        assert banned(one) == banned(other) == ["bob@localhost"]

        # It holds while the database is away, after a restart too; and so does what is done meanwhile.
        shared.kill()
        try:
            await away(other)
            other.kill()
            other.start()
            assert (await bob.join(ROOM, "Bob", SECRET)).condition == "forbidden"
            does(one, "ban", "eve@localhost")
            does(other, "unban", "bob@localhost")
            assert (await bob.join(ROOM, "Bob", SECRET)).joined
            assert banned(one) == ["bob@localhost", "eve@localhost"]
        finally:
            shared.start()
        await there(one, other)
        await until(lambda: banned(one) == banned(other) == ["eve@localhost"], 15, "all bans")
        eve = await away_from_home.connect("eve@localhost")
        assert (await eve.join(ROOM, "Eve", SECRET)).condition == "forbidden"


async def test_the_log_is_that_of_all_servers_and_of_one_while_the_database_is_away(
    start_prosody, start_vestibule, shared, database
):
    (here, elsewhere), (one, other) = await two(start_prosody, start_vestibule, shared, database)

    def found():
        """The servers whose log of Bob is found at the first."""
        done = one.run("log", "--person", "bob@localhost", "--kind", "joined", "--json", "--limit", "50")
        assert done.returncode == 0, done.stderr
        return sorted(json.loads(line)["server"] for line in done.stdout.splitlines()), done.stderr

    async with Crowd(here) as home, Crowd(elsewhere) as away_from_home:
        for crowd in (home, away_from_home):
            await inside(crowd, "alice")
            await inside(crowd, "bob")
        await until(lambda: found() == (["one", "two"], ""), 10, "the entries of both")
        does(other, "close", ROOM)
        actions = "select server from vestibule_entry where kind = 'action' and command = 'close'"
        await until(lambda: shared.sql(actions, database) == [["two"]], 10, "the action")
        shared.kill()
        try:
            await away(one)
            servers_found, note = found()
            assert servers_found == ["one"]
            assert "only the entries of this server were searched" in note
        finally:
            shared.start()
        await until(lambda: found() == (["one", "two"], ""), 20, "the entries of both again")


async def test_who_is_erased_is_gone_from_the_database_of_all_servers_and_from_the_file_of_one(
    start_prosody, start_vestibule, shared, database
):
    (here, elsewhere), (one, other) = await two(start_prosody, start_vestibule, shared, database)
    naming = "select server, count(*) from vestibule_entry where concat_ws(' ', person, nick, reason, body::text) "
    naming += "like '%bob@localhost%' group by server order by server"

    def files():
        """Of each component, the files that name Bob, without what SQLite adds to the name of its log."""
        return {
            name: {path.name.partition("-")[0] for path in component.state_dir.iterdir() if b"bob@localhost" in path.read_bytes()}
            for name, component in (("one", one), ("two", other))
        }

    async with Crowd(here) as home, Crowd(elsewhere) as away_from_home:
        for crowd in (home, away_from_home):
            await inside(crowd, "alice")
            bob = await inside(crowd, "bob")
            await bob.leave(ROOM, "Bob")
        does(other, "ban", "bob@localhost", "--reason", "shouting")
        does(other, "unban", "bob@localhost")
        lifted = "select lifted from vestibule_ban"
        await until(lambda: shared.sql(lifted, database) == [["t"]] and banned(one) == [], 10, "the end of the ban")
        left = "select server from vestibule_entry where kind = 'left' and person = 'bob@localhost' order by 1"
        await until(lambda: shared.sql(left, database) == [["one"], ["two"]], 10, "the entries of both")
        exported = does(one, "person", "export", "bob@localhost")
        assert {entry["server"] for entry in exported["entries"]} == {"one", "two"}
        stays = does(one, "person", "erase", "bob@localhost", "--yes")["stays"]
        assert "what the files of the other servers have: give the command on each of them, too" in stays
        assert shared.sql(naming, database) == []
        assert shared.sql("select who, reason, lifted from vestibule_ban", database) == [["erased.invalid", "", "t"]]
        assert files() == {"one": set(), "two": {"decisions.jsonl", "vestibule.db"}}
        does(other, "person", "erase", "bob@localhost", "--yes")
        assert files() == {"one": set(), "two": set()}
        # What was erased does not come back with what is sent next.
        does(other, "say", ROOM, "hello")
        said = "select server from vestibule_entry where command = 'say'"
        await until(lambda: shared.sql(said, database) == [["two"]], 10, "the next entry")
        assert shared.sql(naming, database) == []
