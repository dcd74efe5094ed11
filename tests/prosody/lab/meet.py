"""A Prosody laid out like a Jitsi Meet server, and a door in front of it."""

import socket

from . import jitsi_plugins, meet_settings
from .door import Door
from .jitsi_crowd import JitsiCrowd
from .meet_settings import DOMAIN, RECORDER
from .process import HOST, free_port, wait_until
from .server import Prosody, encoded
from .settings import lua

MEET_SERVICE = f"""
version = 2
[[service]]
domain = "conference.{DOMAIN}"
focus = "focus@auth.{DOMAIN}"
"""

# Debian has some modules in plain Lua, which Jitsi's need, for older versions of Lua only.
OLDER_LUA = ";;/usr/share/lua/5.3/?.lua;/usr/share/lua/5.2/?.lua"


class Meet(Prosody):
    """Prosody with `meet.localhost` (anonymous, BOSH and WebSocket on `http_port`),
    `auth.meet.localhost` (the focus), `recorder.meet.localhost`, the MUC service
    `conference.meet.localhost` and the component's host `vestibule.meet.localhost`.

    With `accounts`, `meet.localhost` asks for a password and `guest.meet.localhost` is
    anonymous. `authentication` is another provider for `meet.localhost`.

    With Jitsi's plugins (`plugins`: their folder, False for none; by default what
    JITSI_PROSODY_PLUGINS says), also what docker-jitsi-meet has: client_proxy at
    `focus.meet.localhost`, lobby, breakout rooms, metadata. `muc_plugins` are further modules
    of the MUC service, `modules` of the clients' hosts; `host_options` are options of the
    clients' hosts, `lobby_options` and `breakout_options` of those services; the rest is as
    in `Prosody`.
    """

    def __init__(
        self,
        version="0.12",
        *,
        plugins=None,
        accounts=False,
        authentication=None,
        muc_plugins=(),
        host_options=None,
        lobby_options=None,
        breakout_options=None,
        plugin_paths=(),
        **options,
    ):
        self.plugins = jitsi_plugins.plugins() if plugins is None else plugins
        self.accounts = accounts
        self.authentication = authentication
        self.muc_plugins = list(muc_plugins)
        self.host_options = dict(host_options or {})
        self.lobby_options = dict(lobby_options or {})
        self.breakout_options = dict(breakout_options or {})
        self.http_port = free_port()
        paths = [*plugin_paths, *([self.plugins] if self.plugins else [])]
        super().__init__(version, plugin_paths=paths, **options)
        self.host = DOMAIN
        self.service = f"conference.{DOMAIN}"
        self.env = {"LUA_PATH_5_4": OLDER_LUA}
        self.component_env = {"VESTIBULE_COMPONENT__DOMAIN": f"vestibule.{DOMAIN}"}
        self.lobby = f"lobby.{DOMAIN}"
        self.guests = f"guest.{DOMAIN}" if accounts else DOMAIN
        self.focus = f"focus@auth.{DOMAIN}"
        self.recorder = RECORDER
        self.jicofo = self.node = None

    @property
    def focus_address(self):
        """Where conference requests go: the proxy, or without it the focus's full JID."""
        return f"focus.{DOMAIN}" if self.plugins else f"{self.focus}/focus"

    def configuration(self):
        return meet_settings.render(self)

    def start(self, seconds=20):
        for user in (self.focus, f"jvb@auth.{DOMAIN}", self.recorder):
            node, _, host = user.partition("@")
            self.add_account(node, host=host)
        if self.plugins:
            self._subscribe_proxy()
        super().start(seconds)
        wait_until(self._serves_http, seconds, "Prosody's HTTP port", self.tail)

    def _subscribe_proxy(self):
        """The focus's roster as Jitsi's installations leave it: client_proxy sees its presence."""
        node, _, host = self.focus.partition("@")
        folder = self.home / "data" / encoded(host) / "roster"
        folder.mkdir(parents=True, exist_ok=True)
        contact = {"subscription": "both", "groups": {}}
        roster = f"return {{ [false] = {{ version = 1 }}; [{lua(self.focus_address)}] = {lua(contact)}; }};\n"
        (folder / f"{encoded(node)}.dat").write_text(roster)

    def close(self):
        self.close_jicofo()
        super().close()

    def close_jicofo(self):
        """Ends the server's jicofo, if there is one."""
        if self.jicofo:
            self.jicofo.close()
            self.jicofo = None

    def _serves_http(self):
        try:
            with socket.create_connection((HOST, self.http_port), timeout=1):
                return True
        except OSError:
            return False


class MeetDoor(Door):
    """A `Meet` and, unless `gate=False`, its `Vestibule`."""

    def __init__(self, version, policy=MEET_SERVICE, **options):
        super().__init__(version, policy, server=Meet(version, **options))

    def crowd(self, **focus):
        """The people of one test, and their focus: options as in `Focus.connect`."""
        return JitsiCrowd(self.server, **focus)
