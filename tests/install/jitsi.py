"""Jitsi's own package of Prosody's configuration, made of a checkout of jitsi-meet: template, plugins, postinst."""

import os
import re
import shutil
from pathlib import Path

from lab.focus import Focus
from lab.jitsi_client import JitsiPerson
from lab.server import PASSWORD
from layers import command
from people import Clients

DOMAIN = "meet.example.org"
# What its packages ask, and what a person answers.
ANSWERS = f"""
jitsi-meet-prosody jitsi-videobridge/jvb-hostname string {DOMAIN}
jitsi-meet-prosody jitsi-videobridge/jvbsecret password the secret of the bridge
jitsi-meet-prosody jicofo/jicofo-authpassword password {PASSWORD}
jitsi-meet-prosody jitsi-meet/cert-choice select Generate a new self-signed certificate
jitsi-meet-prosody jitsi-meet/jaas-choice boolean false
"""
NAME = "jitsi-meet-prosody"
# Java is for other programs of Jitsi.
CONTROL = f"""Package: {NAME}
Version: 1.0
Architecture: all
Maintainer: of the test
Depends: debconf, openssl, prosody, ca-certificates, lua-sec, lua-basexx, lua-luaossl, lua-cjson, lua-inspect
Description: Prosody configuration for Jitsi Meet
"""


def checkout():
    """The checkout of jitsi-meet: JITSI_MEET, or the one of JITSI_PROSODY_PLUGINS; None if it has no packaging."""
    plugins = os.environ.get("JITSI_PROSODY_PLUGINS")
    place = os.environ.get("JITSI_MEET") or (plugins and Path(plugins).parents[1])
    return Path(place) if place and (Path(place) / f"debian/{NAME}.postinst").exists() else None


def package(source, place):
    """Builds the package as debian/rules does, without debhelper; returns the file."""
    root = place / NAME
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(CONTROL)
    for script in ("postinst", "postrm"):
        shutil.copy(source / f"debian/{NAME}.{script}", root / "DEBIAN" / script)
        (root / "DEBIAN" / script).chmod(0o755)
    # Questions that its other packages ask before it.
    templates = [source / f"debian/{name}.templates" for name in (NAME, "jitsi-meet-web-config")]
    text = "\n".join(path.read_text() for path in templates) + "\n"
    texts = dict(re.findall(r"^Template: (\S+)\n((?:.+\n)+)", text, re.MULTILINE))
    plain = [f"Template: {name}\n{re.sub('^_+', '', text, flags=re.MULTILINE)}" for name, text in texts.items()]
    (root / "DEBIAN/templates").write_text("\n".join(plain))
    for line in (source / f"debian/{NAME}.install").read_text().splitlines():
        what, folder = line.split()
        target = root / folder.strip("/") / Path(what).name
        if (source / what).is_dir():
            shutil.copytree(source / what, target)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / what, target)
    deb = place / f"{NAME}.deb"
    command("dpkg-deb", "--root-owner-group", "-Znone", "--build", root, deb)
    shutil.rmtree(root)
    return deb


class JitsiClients(Clients):
    """What `lab.focus` and `lab.jitsi_client` have to know of a server in addition."""

    plugins = True

    def __init__(self, machine, domain=DOMAIN, *, muc="conference", accounts=False):
        super().__init__(machine, domain)
        self.service, self.lobby = f"{muc}.{domain}", f"lobby.{domain}"
        self.guests = f"guest.{domain}" if accounts else domain
        self.focus, self.focus_address = f"focus@auth.{domain}", f"focus.{domain}"
        self.recorder = f"recorder@recorder.{domain}"

    def trust(self, *files):
        """Has the clients trust these certificates of the machine."""
        (self.home / "tls.crt").write_text("".join(self.machine.path(file).read_text() for file in files))

    def play(self, scene, seconds=120, **focus):
        """Runs `await scene(crowd)`; `crowd.focus` is a stand-in for Jicofo."""

        async def with_focus(crowd):
            crowd.focus = await Focus.connect(self, **focus)
            crowd.people.append(crowd.focus)
            crowd.tab = lambda jid=None, **options: _tab(self, crowd, jid, options)
            try:
                return await scene(crowd)
            finally:
                await crowd.focus.close()

        return super().play(with_focus, seconds)


async def _tab(clients, crowd, jid, options):
    person = await JitsiPerson.connect(clients, jid, **options)
    crowd.people.append(person)
    return person
