"""Modules of Jitsi that act over HTTP: what the holder of their key does is written down as theirs, and nobody else does anything."""

import asyncio
import base64
import functools
import hashlib
import http.server
import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from urllib.parse import parse_qs

import pytest
from jitsi_traps import LUA
from lab.jitsi_meeting import ended, inside, is_open, opened, owner, vestibule
from lab.jitsi_outcome import JITMEET
from lab.jitsi_plugins import needs_jitsi_plugins
from lab.meet import MEET_SERVICE, MeetDoor
from lab.meet_settings import DOMAIN
from lab.policy import PRESET, SECRET
from lab.process import HOST
from lab.stanza import element

pytestmark = needs_jitsi_plugins
BREWERY = f"internal.auth.{DOMAIN}"
GATEWAY = f"jigasi@auth.{DOMAIN}"
POLICY = MEET_SERVICE + PRESET + '[policy.access]\nrefused_rooms = ["refused-*"]\n'
KEY = "laboratory"
MODULES = ["muc_end_meeting", "muc_kick_participant", "system_chat_message", "muc_jigasi_invite"] + ["muc_password_check", "test_observer_http", "reservations"]


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Answers(http.server.SimpleHTTPRequestHandler):
    """Gives out the key; and reserves each room but those named `full`."""

    def __init__(self, asked, *arguments, **options):
        self.asked = asked
        super().__init__(*arguments, **options)

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        name, start = form["name"][0], time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.asked.append(name)
        room = {"id": name, "name": name, "mail_owner": "a@example.org", "start_time": start, "duration": 600}
        body = json.dumps({"message": "All halls are taken"} if name.startswith("full") else room).encode()
        self.send_response(403 if name.startswith("full") else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_DELETE(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Keys:
    """A pair of keys, and the server from which Jitsi's modules take the public one, and their word on rooms."""

    def __init__(self, folder):
        self.private = folder / "private.pem"
        public = folder / f"{hashlib.sha256(KEY.encode()).hexdigest()}.pem"
        made = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.private]
        subprocess.run(made, check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", self.private, "-pubout", "-out", public], check=True, capture_output=True)
        self.asked = []  # the names of rooms that Jitsi's module for reservations has asked about
        self.server = http.server.ThreadingHTTPServer((HOST, 0), functools.partial(Answers, self.asked, directory=folder))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://{HOST}:{self.server.server_port}"

    def token(self):
        """A token of a system that holds the key."""
        claims = {"iss": KEY, "aud": "jitsi", "sub": "*", "room": "*", "exp": int(time.time()) + 60}
        parts = ({"alg": "RS256", "typ": "JWT", "kid": KEY}, claims)
        text = b".".join(encoded(json.dumps(part).encode()) for part in parts)
        command = ["openssl", "dgst", "-sha256", "-sign", self.private]
        signature = subprocess.run(command, input=text, check=True, capture_output=True).stdout
        return (text + b"." + encoded(signature)).decode()


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    pair = Keys(tmp_path_factory.mktemp("keys"))
    yield pair
    pair.server.shutdown()
    pair.server.server_close()


@pytest.fixture(scope="module")
def meet(prosody_version, keys):
    options = {
        "app_id": KEY, "signature_algorithm": "RS256", "asap_key_server": keys.url,
        "prosody_password_public_key_repo_url": keys.url,
        "reservations_api_prefix": keys.url,
    }
    with MeetDoor(
        prosody_version, POLICY, options=options, modules=MODULES, muc_plugins=["test_observer"],
        extra_hosts=f'Component "{BREWERY}" "muc"\n\tmuc_room_locking = false\n',
    ) as shared:
        yield shared


@pytest.fixture
def call(meet, keys):
    """Sends a request to one of the modules, with the key unless `token` says otherwise; returns status and body."""

    def send(method, path, body=None, token=None):
        headers = {"Host": DOMAIN, "Content-Type": "application/json", "Authorization": f"Bearer {token or keys.token()}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{HOST}:{meet.server.http_port}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    return functools.partial(asyncio.to_thread, send)


FORGED = "e30.e30.e30"


def changes(meet, room):
    """What modules of the server have changed in the room, as `vestibule log` tells it."""
    lines = meet.component.run("log", "--room", room, "--kind", "gate").stdout.splitlines()
    return [line.rpartition("  ")[2] for line in lines]


async def two(meet, crowd):
    room = meet.room()
    alice, _ = await opened(crowd, room)
    return room, alice, await inside(crowd, room, "Bob")


async def test_a_removal_is_written_down_as_that_module_s(meet, call):
    async with meet.crowd() as crowd:
        room, alice, bob = await two(meet, crowd)
        kick = "PUT", f"/kick-participant?room={room.partition('@')[0]}", {"participantId": bob.nick}
        assert (await call(*kick, token=FORGED))[0] == 403
        await bob.ping()
        assert bob.nick in alice.occupants(room) and changes(meet, room) == []
        assert (await call(*kick))[0] == 200
        await bob.wait_for(lambda seen: seen.sender == f"{room}/{bob.nick}" and seen.type == "unavailable")
        await meet.flushed()
        assert changes(meet, room) == ["removed by the module muc_kick_participant"]
        assert [person["nick"] for person in vestibule(meet, "room", room)["occupants"]] == [alice.nick]
        # It is no removal by a moderator: the policy judges their return, and their ticket counts.
        assert (await bob.enter(room)).joined


async def test_an_end_is_written_down_as_that_module_s(meet, call):
    async with meet.crowd() as crowd:
        room, _, bob = await two(meet, crowd)
        end = "POST", f"/end-meeting?conference={room}"
        assert (await call(*end, token=FORGED))[0] == 401
        assert is_open(meet, room)
        assert (await call(*end))[0] == 200
        gone = await bob.wait_for(lambda seen: seen.room == room and seen.destroyed is not None)
        assert gone.destroyed == "The meeting has been terminated"
        await ended(meet, room)
        await meet.flushed()
        assert changes(meet, room) == ["ended by the module muc_end_meeting"]
        # Nothing of the policy is left out of the next meeting.
        again = await crowd.person("Carol")
        assert (await again.enter(room)).joined and owner(again, room)


async def test_a_message_of_the_system_reaches_whom_it_names_for_the_holder_of_the_key_alone(meet, call):
    async with meet.crowd() as crowd:
        room, alice, bob = await two(meet, crowd)
        say = "POST", "/send-system-chat-message", {"room": room, "connectionJIDs": [bob.jid], "message": "From the system"}
        assert (await call(*say, token=FORGED))[0] == 401
        assert (await call(*say))[0] == 200
        for person, count in ((bob, 1), (alice, 0)):
            await person.ping()
            texts = [seen.text(JITMEET, "json-message") or "" for seen in person.seen]
            assert sum("From the system" in text for text in texts) == count


async def test_a_telephone_that_is_called_is_stopped_at_the_door(meet, call):
    async with meet.crowd() as crowd:
        room, _, _ = await two(meet, crowd)
        meet.server.add_account("jigasi", host=f"auth.{DOMAIN}")
        gateway = await crowd.person("+900123", GATEWAY)
        stats = element("http://jitsi.org/protocol/colibri", "stats")
        stats.append(element("http://jitsi.org/protocol/colibri", "stat", name="stress_level", value="0.1"))
        brewery = f"jigasibrewery@{BREWERY}"
        assert (await gateway.join(brewery, "gateway", extra=[stats])).joined
        dial = "POST", "/invite-jigasi", {"conference": room, "phoneNo": "+900123"}
        assert (await call(*dial, token=FORGED))[0] == 401
        await gateway.ping()
        assert not [seen for seen in gateway.seen if seen.find("urn:xmpp:rayo:1", "dial") is not None]
        assert (await call(*dial))[0] == 200
        await gateway.wait_for(lambda seen: seen.find("urn:xmpp:rayo:1", "dial") is not None)
        # Who calls is no reason to be let in.
        assert (await gateway.enter(room)).shown == "lobby"
        assert (await meet.decision(room=room, jid=gateway.bare, kind="join"))["verdict"] != "allow"


async def test_whether_a_password_is_right_is_told_to_the_holder_of_the_key_alone(meet, call):
    async with meet.crowd() as crowd:
        room, _, _ = await two(meet, crowd)
        path = f"/room-info?room={room.partition('@')[0]}"
        for token, status in ((FORGED, 403), (None, 200)):
            answers = [await call("PUT", path, {"passcode": guess}, token=token) for guess in (SECRET, "a wrong guess")]
            assert [code for code, _ in answers] == [status] * 2
            assert [body for _, body in answers] == (["", ""] if token else ['{"valid":true}', '{"valid":false}']), answers


async def test_a_module_makes_nobody_an_owner_and_is_named(meet, call):
    """`test_observer_http` is for tests, and takes no key."""
    async with meet.crowd() as crowd:
        room, alice, bob = await two(meet, crowd)
        for affiliation in ("owner", "none"):
            change = {"jid": room, "occupant_jid": bob.bare, "affiliation": affiliation}
            assert (await call("POST", "/test-observer/rooms/affiliation", change))[0] == 200
        await bob.ping()
        await meet.flushed()
        assert not owner(bob, room) and owner(alice, room)
        assert changes(meet, room) == [
            "refused by the gate: affiliation owner by the module test_observer_http", "affiliation none by the module test_observer_http",
        ]


async def test_a_reserved_room_opens_only_if_the_policy_says_so_too(meet, keys):
    async with meet.crowd() as crowd:
        person = await crowd.person("Alice")
        refused, full, room = (meet.room(name) for name in ("refused", "full", "room"))
        assert (await person.enter(refused)).shown == "destroyed"
        assert (await meet.decision(room=refused, kind="request"))["rule"] == "access.refused_rooms"
        assert "All halls are taken" in (await person.enter(full)).text
        alice, password = await opened(crowd, room)
        assert {each.partition("@")[0] for each in (refused, full, room)} <= set(keys.asked), "it is asked before the policy"
        assert not is_open(meet, refused) and not is_open(meet, full)
        assert password == SECRET and owner(alice, room)
