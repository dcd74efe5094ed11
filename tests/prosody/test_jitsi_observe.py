"""On Jitsi: a component that observes changes nothing, and writes down what it would do."""

from lab import JitsiCrowd, Meet
from lab.jitsi_outcome import FOCUS
from lab.meet import MEET_SERVICE
from storm import until

POLICY = f"""{MEET_SERVICE}
[policy.moderators]
assign = ["operator"]
"""
SESSION = "session-id"


async def scripted(server):
    """A meeting; returns all that its people got to see, in words."""
    told = {}
    async with JitsiCrowd(server) as crowd:
        room = f"room@{server.service}"
        alice, bob, carol = await crowd.persons("Alice", "Bob", None)
        reply = await alice.ask_focus(room)
        told["reply"] = dict(reply.find(FOCUS, "conference").attrib, room="")
        told["alice"] = (await alice.join(room)).shown
        await until(lambda: alice.occupants(room)[alice.nick]["affiliation"] == "owner", 3, "auto-owner")
        told["bob"] = (await bob.enter(room)).shown
        await alice.ping()
        told["said to alice"] = [seen.body for seen in alice.seen if seen.body]
        features, form = await alice.features(room)
        told["features"] = sorted(features)
        told["form"] = {name: value for name, value in form.items() if "time" not in name and "Id" not in name}
        told["configuration"] = {
            name: sorted(value)
            for name, value in (await alice.configuration(room)).items()
            if "Id" not in name
        }
        told["locked"] = (await alice.lock_room(room, "x")).error
        told["carol"] = (await carol.enter(room)).shown
        told["carol with it"] = (await carol.enter(room, "x")).shown
        told["made moderator"] = (await alice.set_affiliation(room, bob.bare, "owner")).error
        told["removed"] = (await alice.set_role(room, carol.nick, "none")).error
        told["removed comes back"] = (await carol.enter(room, "x")).shown
        await alice.ping()
        if server.plugins:
            told["lobby"] = (await alice.set_members_only(room)).error
            dave = await crowd.person("Dave")
            stopped = await dave.enter(room)
            told["dave"] = (stopped.shown, stopped.lobby)
            told["dave waits"] = (await dave.knock(stopped.lobby)).shown
            alice.approve(room, dave.jid)
            told["dave admitted"] = (await dave.admitted(room)).shown
        told["as focus"] = (await bob.join(f"other@{server.service}", nick="focus")).shown
        check = await crowd.focus.create_health_check_room()
        told["health check"] = check in crowd.focus.conferences
        await alice.ping()
        told["people"] = sorted(
            (item["affiliation"], item["role"]) for item in alice.occupants(room).values()
        )
        told["errors"] = crowd.focus.errors
        told["tickets"] = [str(request) for request in crowd.focus.requests if "vt-" in str(request)]
        told["complaints"] = [line.split("\t", 1)[1] for line in server.complaints()]
    return told


async def test_the_same_meeting_is_the_same(start, start_vestibule, prosody_version):
    server = start(Meet(prosody_version))
    component = start_vestibule(server, POLICY, arguments=["--observe"])
    observed = await scripted(server)
    plain = await scripted(start(Meet(prosody_version, gate=False)))
    for name in plain:
        assert observed[name] == plain[name], name
    assert observed.keys() == plain.keys()
    assert SESSION not in plain["reply"] and plain["bob"] == "joined"
    decisions = component.decisions()
    assert {"request", "open", "join"} <= {decision.get("kind") for decision in decisions}
    assert any(decision.get("verdict") not in (None, "allow") for decision in decisions)


async def test_without_the_observer_the_meeting_goes_on(start, start_vestibule, prosody_version):
    server = start(Meet(prosody_version))
    component = start_vestibule(server, POLICY, arguments=["--observe"])
    async with JitsiCrowd(server) as crowd:
        alice, bob = await crowd.persons("Alice", "Bob")
        assert (await alice.enter(f"room@{server.service}")).joined
        component.kill()
        for room in (f"room@{server.service}", f"new@{server.service}"):
            outcome = await bob.enter(room)
            assert outcome.joined and outcome.seconds < 3, outcome
        assert not crowd.focus.errors
