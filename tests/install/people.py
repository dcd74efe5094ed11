"""Clients on a machine: slixmpp, from the machine's own network."""

import asyncio
import socket

from lab.people import Crowd
from lab.server import PASSWORD
from layers import command
from machine import within


class Clients:
    """What `lab.people` has to know of a server: one on default ports, with TLS."""

    tls, c2s_port = True, 5222

    def __init__(self, machine, host):
        self.machine, self.host = machine, host
        self.home = machine.home
        self.accounts = set()

    def make_certificate(self, *hosts):
        """Gives Prosody a certificate for these hosts, which the clients trust."""
        certificate, key = self.home / "tls.crt", self.home / "tls.key"
        command(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", f"/CN={hosts[0]}", "-addext", "subjectAltName=" + ",".join(f"DNS:{host}" for host in hosts),
            "-keyout", key, "-out", certificate,
        )
        for host in hosts:
            for file in (certificate, key):
                self.machine.write(f"/etc/prosody/certs/{host}{file.suffix}", file.read_text(), "root:prosody")
        self.machine.run("chmod 640 /etc/prosody/certs/*.key", noted=False)

    def add_account(self, user):
        """Makes the account where it is not there yet."""
        if user not in self.accounts:
            self.machine.run(f"prosodyctl register {user} {self.host} '{PASSWORD}'", noted=False)
            self.accounts.add(user)

    def play(self, scene, seconds=60):
        """Runs `await scene(crowd)` with the machine's network; `crowd.connect(jid)` connects."""

        async def whole():
            async with Crowd(self) as crowd:
                return await asyncio.wait_for(scene(crowd), seconds)

        with self.machine.network():
            within(self._listens, 20, "Prosody's client port", self.machine.journal)
            return asyncio.run(whole())

    def _listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.c2s_port)) == 0
