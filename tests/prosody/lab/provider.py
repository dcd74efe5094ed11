"""A real OpenID Connect provider (npm's oidc-provider), and a browser that signs in there without showing anything."""

import http.client
import json
import signal
import subprocess
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

from . import canary
from .driver import PARTS
from .process import HOST, ROOT, Failed

SECRET = canary.note("the-secret-that-the-provider-gave-to-the-page")
PEOPLE = {
    "anna": {"email": "anna@example.org", "email_verified": True, "groups": []},
    "bert": {"email": "bert@example.org", "email_verified": True, "groups": ["staff", "meet-duty"]},
    "carol": {"email": "anna@example.org", "email_verified": False, "groups": ["staff"]},
}


class Provider:
    """A provider that knows PEOPLE and the page at this address, which ends with a slash."""

    def __init__(self, page):
        self.page = page
        self.port = 0
        self._child = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def issuer(self):
        return f"http://{HOST}:{self.port}"

    def start(self):
        """Starts it, at the same address as before."""
        client = {
            "client_id": "vestibule",
            "client_secret": SECRET,
            "redirect_uris": [f"{self.page}sign-in/callback"],
        }
        options = json.dumps({"port": self.port, "client": client, "people": PEOPLE})
        script = ROOT / "tests/prosody/browser/provider.mjs"
        self._child = subprocess.Popen(
            ["node", script, PARTS, options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        line = self._child.stdout.readline()
        if not line:
            raise Failed("the provider does not start: run `make browser`")
        self.port = int(line)
        return self

    def stop(self):
        """Ends it: nothing answers there."""
        if self._child:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def pause(self):
        """Has it answer nothing, and keep what is asked."""
        self._child.send_signal(signal.SIGSTOP)

    def go_on(self):
        self._child.send_signal(signal.SIGCONT)

    def twist(self, kind):
        """Has it answer as no provider should."""
        urllib.request.urlopen(f"{self.issuer}/twist?as={kind}", data=b"").close()

    def settings(self, more="", people=""):
        """The page's part of the policy file."""
        return f"""
[admin.oidc]
issuer = "{self.issuer}"
client_id = "vestibule"
client_secret = "{SECRET}"
public_url = "{self.page.rstrip("/")}"
{more}
[admin.oidc.groups]
duty = ["meet-duty"]
{people}
"""


class Visitor:
    """A browser at the page and the provider, request by request, which keeps what both set."""

    def __init__(self, page):
        self.page = page
        self.cookies = {}
        self._at_provider = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(CookieJar()), _Stay(page)
        )

    def ask(self, method, path, *, page=True, cookies=None, headers=None):
        """Status, headers and text of a request to the page."""
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.page).netloc, timeout=20)
        sent = self.cookies if cookies is None else cookies
        given = {"Cookie": "; ".join(f"{name}={value}" for name, value in sent.items())} if sent else {}
        given |= {"X-Vestibule-Page": "1"} if page else {}
        try:
            connection.request(method, path, headers=given | (headers or {}))
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie", []):
            assert all(word in line for word in ("; Path=/", "; Secure", "; HttpOnly", "; SameSite=")), line
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            if "Max-Age=0" in line:
                del self.cookies[name]
            elif value:
                canary.note(value)
        return answer.status, answer.headers, text

    def begin(self):
        """The address at the provider to which the page sends it."""
        status, headers, _ = self.ask("GET", "/sign-in/oidc", page=False)
        assert status == 303
        return headers["Location"]

    def at_provider(self, address, name):
        """Signs in there; the path with which the provider sends it back."""
        form = self._at_provider.open(address)
        if form.url.startswith(self.page):
            back = form.url
        else:
            back = self._at_provider.open(form.url, urllib.parse.urlencode({"login": name}).encode()).url
        assert back.startswith(self.page), back
        return back.removeprefix(self.page.rstrip("/"))

    def end(self, back):
        """Where the page leads it then."""
        status, headers, _ = self.ask("GET", back, page=False)
        assert status == 303
        return headers["Location"]

    def sign_in(self, name):
        """All of it."""
        return self.end(self.at_provider(self.begin(), name))

    @property
    def caller(self):
        """Who it is for the page."""
        return json.loads(self.ask("GET", "/sign-in")[2])["caller"]


class _Stay(urllib.request.HTTPRedirectHandler):
    """Goes nowhere but to the provider: what leads back to the page is the answer."""

    def __init__(self, page):
        self._page = page

    def redirect_request(self, request, answer, code, message, headers, address):
        if address.startswith(self._page):
            return None
        return super().redirect_request(request, answer, code, message, headers, address)

    def http_error_303(self, request, answer, code, message, headers):
        address = urllib.parse.urljoin(request.full_url, headers["Location"])
        if address.startswith(self._page):
            answer.url = address
            return answer
        return super().http_error_303(request, answer, code, message, headers)

    http_error_302 = http_error_303
