"""Who somebody is taken for rests on what their host's authentication provider has verified."""

import asyncio
import base64
import hashlib
import hmac
import json
import time

import pytest
from jitsi_traps import MODULES
from lab import needs_jitsi_plugins, settings
from lab.bosh import BoshClient
from lab.meet import MEET_SERVICE, MeetDoor
from lab.meet_settings import DOMAIN
from lab.process import Failed
from lab.server import PASSWORD
from lab.stanza import element
from lab.websocket import WebPerson

pytestmark = needs_jitsi_plugins

APP, SECRET = "lab", "the laboratory's token secret"
SHARED = "the secret of the services"
TOKENS = {"authentication": "token", "app_id": APP, "app_secret": SECRET}
# By the first label of the host, below `meet.localhost`.
HOSTS = {
    "plain": {"authentication": "internal_plain"},
    "hashed": {"authentication": "internal_hashed"},
    "shared": {"authentication": "jitsi-shared-secret", "shared_secret": SHARED},
    "insecure": {
        "authentication": "insecure",
        "insecure_open_authentication": "Yes please, I know what I'm doing!",
    },
    "anonymous": {"authentication": "anonymous"},
    "jitsi": {"authentication": "jitsi-anonymous"},
    "token": {**TOKENS, "allow_empty_token": True},
    "strict": TOKENS,
    "homemade": {"authentication": "lab_homemade"},
    "ours": {"authentication": "lab_named"},
}
NAMED = MEET_SERVICE + """
[[provider]]
name = "lab_named"
proves = "account"
"""
# With the guests' host anonymous, and others with accounts.
POLICY = (
    NAMED
    + """
[policy.access]
create = ["everyone"]
[[provider]]
name = "lab_homemade"
proves = "guest"
"""
)


def _url64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def signed(claims, secret=SECRET, alg="HS256"):
    parts = [{"alg": alg, "typ": "JWT"}, claims]
    text = b".".join(_url64(json.dumps(part).encode()) for part in parts)
    return (text + b"." + _url64(hmac.digest(secret.encode(), text, hashlib.sha256))).decode()


def token(secret=SECRET, **claims):
    """A token for every room; a claim that is None is left out."""
    now = int(time.time())
    base = {"iss": APP, "aud": "jitsi", "sub": "*", "room": "*", "exp": now + 600}
    claims = {name: value for name, value in {**base, **claims}.items() if value is not None}
    return signed({"context": {"user": {"id": "eve", "moderator": True}}, **claims}, secret)


def hosts():
    text = ""
    for name, options in HOSTS.items():
        options = {"modules_enabled": ["smacks"], **options}
        text += f'\nVirtualHost "{name}.{DOMAIN}"\n' + settings.assignments(options, "\t")
    return text


@pytest.fixture(scope="module")
def meet(prosody_version):
    door = MeetDoor(
        prosody_version,
        POLICY,
        muc_plugins=["token_verification"],
        # Jitsi's check of rooms reads its options here, whatever host somebody has logged in to.
        host_options={"app_id": APP, "app_secret": SECRET, "allow_empty_token": True},
        plugin_paths=[MODULES],
        extra_hosts=hosts(),
    )
    try:
        for name in ("plain", "hashed"):
            door.server.add_account("ann", host=f"{name}.{DOMAIN}")
        yield door.start()
    finally:
        door.close()


def client(meet, host, user=None, password=PASSWORD, **query):
    return BoshClient(meet.server, f"{host}.{DOMAIN}", user, password, **query)


async def judged(meet, person, room=None):
    """The class of somebody who asks the focus for a room, and what was told of the session."""
    room = room or meet.room()
    await asyncio.to_thread(person.request, room)
    decision = await meet.decision(kind="request", room=room, jid=person.bare)
    return decision["class"], decision["facts"]["who"]


LOG_INS = {
    "an account": ("plain", "ann", PASSWORD, "account", "PLAIN"),
    "an account, hashed": ("hashed", "ann", PASSWORD, "account", "PLAIN"),
    "who knows the services' secret": ("shared", "anybody", SHARED, "account", "PLAIN"),
    "any password": ("insecure", "root", "x", "guest", "PLAIN"),
    "nobody": ("anonymous", None, None, "guest", "ANONYMOUS"),
    "nobody, by Jitsi": ("jitsi", None, None, "guest", "ANONYMOUS"),
    "no token where none is needed": ("token", None, None, "guest", "ANONYMOUS"),
    "a provider that the file does not believe": ("homemade", "root", "x", "guest", "PLAIN"),
    "a provider that the file names": ("ours", "ann", "x", "account", "PLAIN"),
    "nobody by that provider": ("ours", None, None, "guest", "ANONYMOUS"),
}


@pytest.mark.parametrize("who", LOG_INS)
async def test_what_a_log_in_proves(meet, who):
    host, user, password, expected, mechanism = LOG_INS[who]
    person = await asyncio.to_thread(client, meet, host, user, password)
    found, facts = await judged(meet, person)
    assert found == expected
    session = facts["session"]
    assert session["kind"] == "client" and session["host"] == f"{host}.{DOMAIN}"
    assert session["provider"] == HOSTS[host]["authentication"] and session["mechanism"] == mechanism
    assert "token" not in session and "claims" not in facts


async def test_of_a_provider_of_which_nobody_has_heard_the_file_has_to_say_what_it_proves(meet):
    meet.enforce(NAMED + '[policy.access]\ncreate = ["everyone"]\n')
    try:
        status = meet.component.run("status")
        assert status.returncode == 1 and "NOT READY" in status.stdout
        told = [line for line in status.stdout.splitlines() if "[[provider]]" in line]
        assert len(told) == 1 and 'name = "lab_homemade"' in told[0] and "homemade.meet.localhost" in told[0]
        person = await asyncio.to_thread(client, meet, "homemade", "root", "x")
        assert (await judged(meet, person))[0] == "guest"
    finally:
        meet.enforce(POLICY)
    assert meet.component.run("status").returncode == 0


# By name: a token holds the time, and tests that run side by side have to bear the same names.
UNVERIFIED = {
    "garbage": "garbage",
    "three parts": "a.b.c",
    "another key": token("another secret"),
    "nothing in it": signed({}, "x"),
    "over": token(exp=1),
    "another issuer": token(iss="eve"),
    "a good one": token(),
}


@pytest.mark.parametrize("host", ["anonymous", "jitsi"])
@pytest.mark.parametrize("name", UNVERIFIED)
async def test_a_token_in_the_address_proves_nothing_where_nobody_verifies_it(meet, host, name):
    person = await asyncio.to_thread(client, meet, host, token=UNVERIFIED[name])
    found, facts = await judged(meet, person)
    assert found == "guest" and "token" not in facts["session"] and "claims" not in facts


async def over_a_websocket(meet, host, **query):
    """Somebody who has asked the focus for a room over WebSocket: the class, and what was told of the session."""
    person, room = WebPerson(meet.server), meet.room()
    await person.open(meet.server.http_port, host=f"{host}.{DOMAIN}", **query)
    try:
        asked = element("http://jitsi.org/protocol/focus", "conference", room=room, **{"machine-uid": "0" * 32})
        await person.iq(meet.server.focus_address, "set", asked)
        decision = await meet.decision(kind="request", room=room, jid=person.bare)
        return decision["class"], decision["facts"]["who"]
    finally:
        person.abort()


@pytest.mark.parametrize("host", ["anonymous", "jitsi"])
@pytest.mark.parametrize("name", UNVERIFIED)
async def test_nor_does_one_in_the_address_of_a_websocket(meet, host, name):
    found, facts = await over_a_websocket(meet, host, token=UNVERIFIED[name])
    assert found == "guest" and "token" not in facts["session"] and "claims" not in facts


@pytest.mark.parametrize("name", UNVERIFIED)
async def test_a_token_in_the_address_of_a_websocket_is_one_where_it_is_verified(meet, name):
    if name != "a good one":
        with pytest.raises(Failed, match="refused"):
            await over_a_websocket(meet, "strict", token=UNVERIFIED[name])
        return
    found, facts = await over_a_websocket(meet, "strict", token=token())  # those were made when the file was read
    assert found == "token" and facts["session"]["token"]["subject"] == "*"


@pytest.mark.parametrize("name", UNVERIFIED)
async def test_a_token_beside_a_session_that_is_named_again_proves_nothing(meet, name):
    """`?previd=` with the id of a session of one's own: that module keeps whatever token comes along."""
    first = await asyncio.to_thread(client, meet, "jitsi")
    previd = await asyncio.to_thread(first.hibernates)
    again = await asyncio.to_thread(client, meet, "jitsi", previd=previd, token=UNVERIFIED[name])
    assert again.bare == first.bare
    found, facts = await judged(meet, again)
    assert found == "guest" and "token" not in facts["session"] and "claims" not in facts


@pytest.mark.parametrize("host", ["anonymous", "jitsi", "token", "strict"])
async def test_nobody_takes_a_name_from_another_host(meet, host):
    """`?previd=` gives the name of whatever session it names: an account's of another host, and the name of anybody."""
    ann = await asyncio.to_thread(client, meet, "plain", "ann")
    previd = await asyncio.to_thread(ann.hibernates)
    query = {"token": token()} if host in ("token", "strict") else {}
    again = await asyncio.to_thread(client, meet, host, previd=previd, **query)
    assert not again.jid or not again.jid.startswith("ann@"), again.jid


async def test_a_session_named_by_somebody_else_is_that_of_its_own_host_only(meet):
    """Whoever knows the id has the session's name there, as Jitsi means it, and proves nothing by that."""
    first = await asyncio.to_thread(client, meet, "token", token=token())
    previd = await asyncio.to_thread(first.hibernates)
    again = await asyncio.to_thread(client, meet, "token", previd=previd)
    assert again.bare == first.bare
    assert (await judged(meet, again))[0] == "guest"
    assert (await judged(meet, first))[0] == "token"


BAD = {
    "garbage": "garbage",
    "another key": token("another secret"),
    "another issuer": token(iss="eve"),
    "over": token(exp=1),
    "not yet": token(nbf=int(time.time()) + 3600),
    "no room": token(room=None),
    "no subject": token(sub=None),
    "no signature": token().rpartition(".")[0] + ".",
    "another algorithm": signed({"iss": APP, "aud": "jitsi", "sub": "*", "room": "*"}, SECRET, "none"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_token_that_is_not_good_logs_nobody_in(meet, name):
    for host in ("token", "strict"):
        person = await asyncio.to_thread(client, meet, host, token=BAD[name])
        assert person.jid is None


async def test_claims_of_a_token_that_was_refused_are_not_kept(meet):
    """The same connection tries once more, without a token: the verification has left its claims behind."""
    person = await asyncio.to_thread(client, meet, "token", token=token(sub=None))
    assert person.jid is None
    await asyncio.to_thread(person._log_in, None, None, f"token.{DOMAIN}")
    assert person.jid is not None
    found, facts = await judged(meet, person)
    assert found == "guest" and "token" not in facts["session"] and "claims" not in facts


NAME = "NAME"  # stands for the name of the room
ROOMS = {
    "every room": ({}, True),
    "this room": ({"room": NAME}, True),
    "this room, in capitals": ({"room": "CAPITALS"}, True),
    "another room": ({"room": "another"}, False),
    "the end of its name": ({"room": "END"}, False),
    "an empty name": ({"room": ""}, False),
    "a list of rooms": ({"room": [NAME]}, False),
    "a number": ({"room": 7}, False),
    "an object": ({"room": {"name": NAME}}, False),
    "a pattern that matches": ({"room": "^t.*$", "regex": True}, True),
    "a pattern of a part": ({"room": "t", "regex": True}, False),
    "a pattern of another": ({"room": "^x.*$", "regex": True}, False),
    "a pattern that is none": ({"room": "(", "regex": True}, False),
    "a pattern that is no pattern": ({"room": "^t.*$"}, False),
    "this domain": ({"sub": DOMAIN}, True),
    "this domain, in capitals": ({"sub": DOMAIN.upper()}, True),
    "another tenant": ({"sub": "acme"}, False),
    "no time": ({"exp": None}, True),
}


@pytest.mark.parametrize("name", ROOMS)
async def test_a_token_is_for_the_room_that_it_is_for(meet, name):
    room = meet.room("tea")
    own = room.partition("@")[0]
    text = json.dumps(ROOMS[name][0])
    for word, value in (("NAME", own), ("CAPITALS", own.upper()), ("END", own[1:])):
        text = text.replace(f'"{word}"', f'"{value}"')
    claims, is_for = json.loads(text), ROOMS[name][1]
    if claims.pop("regex", False):
        claims["context"] = {"room": {"regex": True}, "user": {"id": "eve"}}
    person = await asyncio.to_thread(client, meet, "token", token=token(**claims))
    found, facts = await judged(meet, person, room)
    assert found == ("token" if is_for else "guest"), facts
    if isinstance(claims.get("room"), (list, dict)):
        return  # Jitsi's own verification fails with an error then, and answers nothing
    # It is asked before the gate, and says the same of a join.
    async with meet.crowd() as crowd:
        alice = await crowd.person("Alice")
        assert (await alice.enter(room)).joined
        answer = await asyncio.to_thread(person.join, room)
    is_asked = any(line["jid"] == person.bare and line["kind"] == "join" for line in await meet.decisions(room=room))
    assert is_asked == is_for, "".join(answer.itertext())


# Of the person, by whoever signs tokens: types that nobody expects are no claims, and no errors.
ODD = {
    "a text": "eve",
    "a number": 7,
    "a list": ["moderator", True],
    "deep": {"moderator": {"moderator": True}, "id": ["eve"], "name": None},
    "large": {f"name-{number}": "x" * 20 for number in range(80)},
    "no text": {"moderator": "true\u0000", "\u0001": "x", "id": "\ud800"},
    "no text in XML": {"moderator": "true\uffff", "\ufffe": "x"},
}


@pytest.mark.parametrize("name", ODD)
async def test_odd_claims_are_none(meet, name):
    text = token(context={"user": ODD[name]})
    person = await asyncio.to_thread(client, meet, "token", token=text)
    if person.jid is None:
        return  # the verification itself has refused it
    found, facts = await judged(meet, person)
    assert found == "token"
    told = [claim for claim in facts.get("claims", []) if claim[0] == "moderator"]
    assert not told, facts
    assert not [line for line in meet.server.complaints() if "vestibule_gate" in line and "attempt to" in line]


# What a token says of a tenant, what the address of the page says, and whether it is for the room of that tenant.
TENANTS = {
    "its own": ({"sub": "acme"}, {"prefix": "acme"}, True),
    "its own, in capitals": ({"sub": "ACME"}, {"prefix": "acme"}, True),
    "any": ({"sub": "*"}, {"prefix": "acme"}, True),
    "another": ({"sub": "other"}, {"prefix": "acme"}, False),
    "another, named in the address": ({"sub": "other"}, {"prefix": "other"}, False),
    "none": ({"sub": DOMAIN}, {}, False),
    "another room of it, named in the address": ({"sub": "acme", "room": "another"}, {"room": "NAME"}, False),
    "a list": ({"sub": "*", "context": {"tenant": ["acme"]}}, {"prefix": "acme"}, False),
}


@pytest.mark.parametrize("name", TENANTS)
async def test_a_token_is_for_the_rooms_of_its_tenant(meet, name):
    """What stands in the address of the page (`?room=`, `?prefix=`) is somebody's word, and changes nothing."""
    claims, query, is_for = TENANTS[name]
    room = meet.room("tea")
    own, _, service = room.partition("@")
    query = {key: own if value == "NAME" else value for key, value in query.items()}
    person = await asyncio.to_thread(client, meet, "token", token=token(**claims), **query)
    await asyncio.to_thread(person.request, f"{own}@conference.acme.{DOMAIN}")
    decision = await meet.decision(kind="request", room=f"[acme]{own}@{service}", jid=person.bare)
    assert decision["class"] == ("token" if is_for else "guest"), decision["facts"]["who"]


async def test_a_token_for_another_room_opens_nothing(prosody_version):
    """The focus opens a room for whoever asked it: what that person's token is for is asked then."""
    policy = MEET_SERVICE + '[policy.access]\ncreate = ["token"]\n'
    options = {"app_id": APP, "app_secret": SECRET, "allow_empty_token": True}
    door = MeetDoor(
        prosody_version,
        policy,
        authentication="token",
        host_options=options,
        muc_plugins=["token_verification"],
    )
    try:
        door.start()
        async with door.crowd() as crowd:
            room = door.room()
            for claims in ({"room": "another"}, {"sub": "acme"}):
                eve = await asyncio.to_thread(BoshClient, door.server, DOMAIN, token=token(**claims))
                answer = await asyncio.to_thread(eve.request, room)
                assert answer.get("type") == "error"
                await asyncio.to_thread(eve.join, room)
            assert not crowd.focus.requests
            assert door.component.run("room", room).returncode == 1
            ann = await asyncio.to_thread(
                BoshClient, door.server, DOMAIN, token=token(room=room.partition("@")[0])
            )
            answer = await asyncio.to_thread(ann.request, room)
            assert answer.get("type") == "result"
    finally:
        door.close()


async def test_a_token_that_runs_out_is_judged_when_its_bearer_comes_again(meet):
    meet.enforce(POLICY + '[policy.lobby]\nbypass = ["token"]\n[policy.password]\nbypass = ["token"]\n')
    try:
        async with meet.crowd() as crowd:
            room = meet.room()
            alice = await crowd.person("Alice")
            assert (await alice.enter(room)).joined
            text = token(exp=int(time.time()) + 4)
            eve = await asyncio.to_thread(client, meet, "token", token=text)
            assert (await asyncio.to_thread(eve.join, room, "eve")).get("type") is None
            joined = await meet.decision(kind="join", room=room, jid=eve.bare)
            assert joined["class"] == "token" and joined["facts"]["who"]["session"]["token"]["expires"]
            await asyncio.sleep(4.5)
            await alice.ping()
            assert any(item.get("jid", "").startswith(eve.bare) for item in alice.occupants(room).values())
            await asyncio.to_thread(eve.leave, room, "eve")
            await asyncio.to_thread(eve.join, room, "eve")
            again = await meet.decision(kind="join", room=room, jid=eve.bare)
            assert again["id"] != joined["id"] and again["class"] == "returning"
            other = meet.room()
            assert (await judged(meet, eve, other))[0] == "guest"
    finally:
        meet.enforce(POLICY)


async def test_an_explanation_takes_somebody_connected_for_what_they_are(meet):
    person = await asyncio.to_thread(client, meet, "token")
    room = meet.room()
    await judged(meet, person, room)
    async with meet.crowd() as crowd:
        alice = await crowd.person("Alice")
        assert (await alice.enter(room)).joined

        def explained(*more):
            live = ["explain", "--live", "--room", room, "--jid", person.bare, "--json", *more]
            return json.loads(meet.component.run(*live).stdout)["class"]

        assert explained() == "guest"
        assert explained("--auth", "account") == "account"
        ann = await asyncio.to_thread(client, meet, "plain", "ann")
        person = ann
        assert explained() == "account"
