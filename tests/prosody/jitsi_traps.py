"""What the tests of Jitsi's traps share: a meeting, its password, and tokens."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path

from lab.jitsi_meeting import inside, wait_in_lobby
from lab.process import ROOT, Failed
from lab.stanza import element

MODULES = Path(__file__).parent / "modules"
LUA = ROOT / "target/prosody13/usr/share/lua/5.2/?.lua"
APP, APP_SECRET = "lab", "the laboratory's token secret"
TOKENS = {"app_id": APP, "app_secret": APP_SECRET, "allow_empty_token": True}


def token_options(*modules):
    """Options of the MUC service for mod_lab_tokens, which loads those modules."""
    return {"lab_lua_path": LUA, "lab_token_modules": list(modules)}


def token(features=None, **user):
    """A token of the laboratory for every room, whose bearer has those claims and features."""
    claims = {"iss": APP, "aud": "jitsi", "sub": "*", "room": "*", "exp": int(time.time()) + 600}
    parts = [{"alg": "HS256", "typ": "JWT"}, {**claims, "context": {"user": user, **({"features": features} if features else {})}}]
    text = b".".join(_url64(json.dumps(part).encode()) for part in parts)
    mac = hmac.new(APP_SECRET.encode(), text, hashlib.sha256).digest()
    return (text + b"." + _url64(mac)).decode()


def _url64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


async def bear(person, text):
    """Has Jitsi's modules verify the token of somebody's session."""
    reply = await person.iq(person.server.service, "set", element("urn:lab", "token", text))
    if reply.error:
        raise Failed(f"the token is not good: {reply!r}")


async def disturb(person, action, room):
    """Has another module of the server do something to the lobby of the room."""
    payload = element("urn:lab", "lobby", action=action, room=room)
    reply = await person.iq(person.server.service, "set", payload)
    if reply.error:
        raise Failed(f"no {action} of {room}: {reply!r}")


async def meddle(person, action, room, value=None):
    """Has another module of the server do something to the room."""
    payload = element("urn:lab", "meddle", action=action, room=room, value=value)
    reply = await person.iq(person.server.service, "set", payload)
    if reply.error:
        raise Failed(f"no {action} of {room}: {reply!r}")


async def opened(crowd, room, name="Alice", jid=None):
    """Somebody who has opened the room."""
    return await inside(crowd, room, name, jid, password=None)


async def waiting(crowd, room, name, jid=None):
    """Somebody who waits in the lobby, and the lobby's address."""
    person = await crowd.person(name, jid)
    return person, await wait_in_lobby(person, room)
