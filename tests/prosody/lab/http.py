"""The page's API, as a program uses it."""

import http.client
import json
from urllib.parse import quote, urlsplit

from . import canary


class Api:
    """The API of a component, with the token of a session that its command line gave out."""

    def __init__(self, component, role="operator", token=None):
        page = component.run("page", "--role", role)
        assert page.returncode == 0, page.stderr
        self.url, fragment = page.stdout.strip().split("#login=")
        self.token = canary.note(fragment if token is None else token)
        self.component = component
        self.address = urlsplit(self.url).netloc

    def open(self, seconds=20):
        """A connection of its own."""
        return http.client.HTTPConnection(self.address, timeout=seconds)

    def request(self, method, path, body=None, *, token=True, headers=None):
        """Status, headers and text of the response."""
        sent = {"Authorization": f"Bearer {self.token}"} if token else {}
        if body is not None and not isinstance(body, bytes):
            body, sent["Content-Type"] = json.dumps(body), "application/json"
        connection = self.open()
        try:
            connection.request(method, path, body, {**sent, **(headers or {})})
            response = connection.getresponse()
            text = response.read().decode()
            if not path.endswith("/invite"):  # the password is in it
                self.component.said.append(f"{response.headers}\n{text}")
            return response.status, response.headers, text
        finally:
            connection.close()

    def get(self, path, **options):
        """Status and JSON."""
        status, _, text = self.request("GET", path, **options)
        return status, json.loads(text)

    def do(self, command, /, **fields):
        """Gives a command: status and JSON."""
        status, _, text = self.request("POST", f"/api/v1/commands/{quote(command)}", fields)
        return status, json.loads(text)

    def done(self, command, /, **fields):
        """What a command says that has to be done."""
        status, reply = self.do(command, **fields)
        assert status == 200, reply
        return reply["done"]

    def stream(self):
        """The stream of events; close it."""
        return Stream(self)


class Stream:
    """Events as they come."""

    def __init__(self, api):
        self.connection = api.open()
        self.connection.request("GET", "/api/v1/stream", headers={"Authorization": f"Bearer {api.token}"})
        self.response = self.connection.getresponse()
        assert self.response.status == 200

    def next(self):
        """The next event: name and data; None at the end."""
        name = None
        while line := self.response.readline().decode():
            key, _, value = line.rstrip("\n").partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                return name, json.loads(value)
        return None

    def until(self, is_it):
        """The first event that it is, and every one before it."""
        seen = []
        while event := self.next():
            seen.append(event)
            if is_it(*event):
                return seen
        raise AssertionError(seen)

    def close(self):
        """Hangs up."""
        self.connection.close()
