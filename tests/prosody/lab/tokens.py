"""Jitsi's JSON Web Tokens, and the options of a `Meet` that wants them."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path

from slixmpp.util.sasl.client import sasl_mech
from slixmpp.util.sasl.mechanisms import ANONYMOUS

from .canary import note

APP = "laboratory"
SECRET = note("laboratory token secret")

# Options of a `Meet`; give it `muc_plugins=["token_verification"]` and whatever else too.
TOKENS = {
    "authentication": "token",
    "modules": ["lab_token"],
    "plugin_paths": [Path(__file__).parents[1] / "modules"],
    "host_options": {"app_id": APP, "app_secret": SECRET, "allow_empty_token": True},
}


@sasl_mech(0)
class TokenAnonymous(ANONYMOUS):
    """ANONYMOUS with the client's token, if it has one, as its first words."""

    optional_credentials = {"token"}

    def process(self, challenge=b""):
        return self.credentials.get("token") or super().process(challenge)


def _encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def token(room="*", seconds=60, **user):
    """A token for a room's name (the part before the @), good for some seconds. `user` goes
    into context.user: id, name, moderator, affiliation."""
    claims = {
        "iss": APP,
        "aud": APP,
        "sub": "*",
        "room": room,
        "exp": int(time.time()) + seconds,
        "context": {"user": user},
    }
    head = {"alg": "HS256", "typ": "JWT"}
    text = b".".join(_encoded(json.dumps(part).encode()) for part in (head, claims))
    return note((text + b"." + _encoded(hmac.digest(SECRET.encode(), text, hashlib.sha256))).decode())
