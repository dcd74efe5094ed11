"""Every documented reply of the API, as a real component gives it."""

from lab import SERVICE, Crowd
from lab.http import Api
from lab.policy import PRESET, SECRET
from lab.schema import wrongs

POLICY = SERVICE + PRESET + '[policy.moderators]\ncode = "generated"\n'

# What is tried on a meeting, in this order; commands that are not here are given with their required fields.
GIVEN = {
    "admit": {"jid": "guest"},
    "reject": {"jid": "other"},
    "ban": {"who": "mallory@example.org", "for": "1 hour", "reason": "shouting"},
    "unban": {"who": "mallory@example.org"},
    "hold": {"all": True, "reason": "one moment", "dry_run": True},
    "remove": {"jid": "bob", "reason": "not invited"},
    "end-many": {"all": True, "dry_run": True},
    "password": {"password": "nine grey velvet harbours"},
    "say": {"text": "the hall closes soon"},
    "incident": {"person": "bob", "note": "shouting"},
    "log": {"limit": 50},
    "why": {"decision": "last"},
    "doctor": {"fresh": True},
}
LAST = ["close", "reopen", "suspend", "resume", "unban", "remove", "end-many", "end"]


def held(document, operation, status, reply):
    """A reply against its description."""
    described = operation["responses"].get(str(status))
    assert described, f"{status} is not described: {reply}"
    if "$ref" in described:
        described = document["components"]["responses"][described["$ref"].rpartition("/")[2]]
    (content,) = described["content"].values()
    assert not (found := wrongs(reply, content["schema"], document)), (found[:5], reply)


async def meeting(door, crowd):
    """A room with two people in it, and two at its door."""
    room, people = door.room("meeting"), {}
    for name in ("alice", "bob"):
        people[name] = await crowd.connect(f"{name}@localhost")
        assert (await people[name].join(room, name, SECRET)).joined
    for name in ("guest", "other"):
        people[name] = await crowd.connect("guest.localhost")
        await people[name].join(room, name)
    return room, {name: person.bare for name, person in people.items()}


async def test_every_reply_is_as_it_is_described(door):
    async with Crowd(door.server) as crowd:
        api = Api(door.component)
        _, document = api.get("/openapi.json", token=False)
        room, people = await meeting(door, crowd)
        _, table = api.get("/api/v1/commands")
        names = {command["name"]: command for command in table["commands"]}
        done = {}
        for name in sorted(names, key=lambda it: LAST.index(it) if it in LAST else -1):
            fields = {field["name"]: room for field in names[name]["fields"] if field["kind"] == "room"}
            wanted = {field["name"] for field in names[name]["fields"] if field["required"]}
            fields = {key: value for key, value in fields.items() if key in wanted}
            fields |= {key: people.get(value, value) for key, value in GIVEN.get(name, {}).items()}
            if "jid" in wanted:
                fields.setdefault("jid", people["alice"])
            if name == "why":
                fields["decision"] = (await door.decisions(room=room))[-1]["id"]
            path = f"/api/v1/commands/{name}"
            for given in ({"nonsense": 1}, fields):
                status, reply = api.do(name, **given)
                held(document, document["paths"][path]["post"], status, reply)
            done[name] = status
        assert {name: status for name, status in done.items() if status != 200} == {}


async def test_what_only_looks_replies_the_same_by_its_address(door):
    async with Crowd(door.server) as crowd:
        api = Api(door.component, "viewer")
        _, document = api.get("/openapi.json", token=False)
        room, people = await meeting(door, crowd)
        seen = []
        for path, operations in document["paths"].items():
            if "get" not in operations or path in ("/api/v1/stream", "/metrics", "/healthz", "/openapi.json"):
                continue
            operation = operations["get"]
            if path.startswith("/sign-in/"):
                continue  # for browsers (test_page_sign_in.py)
            if operation.get("x-role", "viewer") != "viewer":
                continue
            query = {"room": room, "jid": people["bob"]}
            parameters = [it for it in operation.get("parameters", []) if it["required"] and it["in"] == "query"]
            if any(it["name"] not in query for it in parameters):
                continue
            query = "&".join(f"{it['name']}={query[it['name']]}" for it in parameters)
            status, reply = api.get(f"{path.replace('{room}', room)}?{query}")
            assert status == 200, (path, reply)
            held(document, operation, status, reply)
            seen.append(path)
        assert {"/api/v1/rooms", "/api/v1/rooms/{room}", "/api/v1/status", "/readyz"} <= set(seen)
        assert len(seen) >= 8
