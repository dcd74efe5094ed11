"""Jitsi's own packages of configuration, made of a checkout of jitsi-meet: templates, plugins, postinst."""

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
PROSODY, WEB = "jitsi-meet-prosody", "jitsi-meet-web-config"
# What each needs. Java is for other programs of Jitsi.
DEPENDS = {
    PROSODY: "debconf, openssl, prosody, ca-certificates, lua-sec, lua-basexx, lua-luaossl, lua-cjson, lua-inspect",
    WEB: "debconf, nginx, openssl, curl",
}
CONTROL = """Package: {name}
Version: 1.0
Architecture: all
Maintainer: of the test
Depends: {depends}
Description: Configuration for Jitsi Meet
"""
# What the postinst of Jicofo's package writes, and that of the bridge's, which both need Java.
JICOFO = f"""# Jicofo HOCON configuration. See reference.conf in /usr/share/jicofo/jicofo.jar for
#available options, syntax, and default values.
jicofo {{
  bridge: {{
    brewery-jid: "JvbBrewery@internal.auth.{DOMAIN}"
  }}
  xmpp: {{
    client: {{
      client-proxy: "focus.{DOMAIN}"
      domain: "auth.{DOMAIN}"
      password: "{PASSWORD}"
      username: "focus"
      xmpp-domain: "{DOMAIN}"
    }}
    trusted-domains: [ "recorder.{DOMAIN}" ]
  }}
}}
"""
BRIDGE = f"""videobridge {{
    apis.xmpp-client.configs {{
        shard {{
            HOSTNAME=localhost
            DOMAIN="auth.{DOMAIN}"
            USERNAME=jvb
            PASSWORD="the secret of the bridge"
            MUC_JIDS="jvbbrewery@internal.auth.{DOMAIN}"
            MUC_NICKNAME=bridge
        }}
    }}
}}
ice4j {{
    harvest {{
        mapping {{
            aws {{
                enabled = false
            }}
            stun {{
                addresses = ["meet-jit-si-turnrelay.jitsi.net:443"]
            }}
        }}
    }}
}}
"""


def checkout():
    """The checkout of jitsi-meet: JITSI_MEET, or the one of JITSI_PROSODY_PLUGINS; None if it has no packaging."""
    plugins = os.environ.get("JITSI_PROSODY_PLUGINS")
    place = os.environ.get("JITSI_MEET") or (plugins and Path(plugins).parents[1])
    return Path(place) if place and (Path(place) / f"debian/{PROSODY}.postinst").exists() else None


def install(machine, place):
    """Installs what `apt install jitsi-meet` has but Java: Prosody's configuration, nginx's and the web app's, and the
    files of Jicofo and the bridge."""
    machine.run("debconf-set-selections", stdin=ANSWERS)
    for name in DEPENDS:
        machine.path(f"/root/{name}.deb").write_bytes(_package(checkout(), place, name).read_bytes())
    machine.run("apt install --yes " + " ".join(f"./{name}.deb" for name in DEPENDS))
    machine.run("groupadd jitsi && useradd -r -g jitsi jicofo && useradd -r -g jitsi jvb", noted=False)
    for account, file, text in (("jicofo", "jicofo/jicofo.conf", JICOFO), ("jvb", "videobridge/jvb.conf", BRIDGE)):
        machine.write(f"/etc/jitsi/{file}", text)
        folder = f"/etc/jitsi/{file.partition('/')[0]}"
        machine.run(f"chown -R {account}:jitsi {folder} && chmod 750 {folder}", noted=False)


def _package(source, place, name):
    """Builds the package as debian/rules does, without debhelper; returns the file."""
    root = place / name
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(CONTROL.format(name=name, depends=DEPENDS[name]))
    for script in ("postinst", "postrm"):
        shutil.copy(source / f"debian/{name}.{script}", root / "DEBIAN" / script)
        (root / "DEBIAN" / script).chmod(0o755)
    # Each asks questions of the other.
    text = "\n".join((source / f"debian/{each}.templates").read_text() for each in DEPENDS) + "\n"
    texts = dict(re.findall(r"^Template: (\S+)\n((?:.+\n)+)", text, re.MULTILINE))
    plain = [f"Template: {name}\n{re.sub('^_+', '', text, flags=re.MULTILINE)}" for name, text in texts.items()]
    (root / "DEBIAN/templates").write_text("\n".join(plain))
    dirs = source / f"debian/{name}.dirs"
    for folder in dirs.read_text().split() if dirs.exists() else ():
        (root / folder).mkdir(parents=True)
    for line in (source / f"debian/{name}.install").read_text().splitlines():
        what, folder = line.split()
        target = root / folder.strip("/") / Path(what).name
        if (source / what).is_dir():
            shutil.copytree(source / what, target)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / what, target)
    deb = place / f"{name}.deb"
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
