"""Prosody's configuration file, from Python values and the lines that are shipped."""

import json
import re

from .process import HOST, ROOT

SNIPPETS = ROOT / "prosody-snippets"
SHIPPED_SECRET = '"replace with a long random secret"'
SHIPPED_GATE = '\tvestibule_component = "vestibule.localhost"\n'
SHIPPED_MODULE = '\tmodules_enabled = { "vestibule_gate" }\n'
SHIPPED_LINK = f"\tcomponent_secret = {SHIPPED_SECRET}\n"

MODULES = ("disco", "ping", "posix", "roster", "saslauth", "tls")
FORBIDDEN_MODULES = ("s2s", "offline", "http", "websocket")


def lua(value):
    """A Lua literal for a string, number, boolean, list or dict."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ %s }" % ", ".join(f"[{lua(key)}] = {lua(each)}" for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return "{ %s }" % ", ".join(lua(each) for each in value)
    if isinstance(value, (int, float)):
        return repr(value)
    return json.dumps(str(value), ensure_ascii=False)


def assignments(options, indent=""):
    """One `name = value` line for each option."""
    return "".join(f"{indent}{name} = {lua(value)}\n" for name, value in options.items())


def replace_once(text, old, new):
    """`text` with its only `old` made `new`; ValueError if there is not exactly one."""
    if text.count(old) != 1:
        raise ValueError(f"prosody.cfg.lua no longer has exactly one {old.strip()!r}")
    return text.replace(old, new)


def shipped(server, muc_options):
    """The shipped lines with this laboratory's secret and options, below the path of its modules; else untouched."""
    text = (SNIPPETS / "prosody.cfg.lua").read_text()
    for indent, options in (("", server.options), ("\t", muc_options)):
        for name in options:
            text = re.sub(rf"^{indent}{name} = .*\n", "", text, flags=re.MULTILINE)
    text = replace_once(text, SHIPPED_GATE, SHIPPED_GATE + assignments(muc_options, "\t"))
    link = replace_once(SHIPPED_LINK, SHIPPED_SECRET, lua(server.secret))
    return replace_once(text, SHIPPED_LINK, link + assignments(server.component_options, "\t"))


def ungated(server, muc_options):
    """The shipped lines, of which only the gate is missing: what the gate is measured against."""
    return replace_once(shipped(server, muc_options), SHIPPED_GATE, "").replace(SHIPPED_MODULE, "")


def stock(server, muc_options):
    """The same hosts, and no line that is shipped."""
    return (
        '\nComponent "conference.localhost" "muc"\n'
        + assignments(muc_options, "\t")
        + '\nComponent "vestibule.localhost"\n'
        + assignments({"component_secret": server.secret, **server.component_options}, "\t")
    )


# By what a server says of its gate.
LINES = {True: shipped, False: ungated, None: stock}


def beside_the_gate(muc_options):
    """The options of a service, with the requests of the laboratory's own modules named to the gate."""
    modules = muc_options.get("modules_enabled", [])
    named = {"vestibule_also": ["urn:lab"]} if any(name.startswith("lab_") for name in modules) else {}
    return {**named, **muc_options}


def common(server):
    """The global options of every server here."""
    options = {
        "run_as_root": True,
        "daemonize": False,
        "pidfile": server.home / "prosody.pid",
        "data_path": server.home / "data",
        "certificates": server.home / "certs",
        "log": [{"levels": {"min": server.log_level}, "to": "file", "filename": server.log_path}],
        "modules_enabled": [*MODULES, *server.modules],
        "modules_disabled": FORBIDDEN_MODULES,
        "c2s_ports": [server.c2s_port],
        "c2s_interfaces": [HOST],
        "c2s_require_encryption": server.tls,
        "allow_unencrypted_plain_auth": not server.tls,
        "component_ports": [server.component_port],
        "component_interfaces": [HOST],
        "default_storage": server.storage,
        # Accounts are files that a test may add while the server runs.
        "storage": {"accounts": "internal"},
        "authentication": "internal_plain",
    }
    if server.tls:
        options["ssl"] = {"certificate": server.home / "tls.crt", "key": server.home / "tls.key"}
    return options


def render(server):
    """The whole configuration of a `Prosody`."""
    options = {**common(server), **server.options, "plugin_paths": [server.gates, *server.plugin_paths]}
    text = assignments(options) + "\n" + server.extra_global + "\n"
    text += LINES[server.gate](server, beside_the_gate(server.muc_options))
    if server.plain_muc:
        text += '\nComponent "plain.localhost" "muc"\n'
    text += '\nVirtualHost "localhost"\n'
    text += '\nVirtualHost "guest.localhost"\n\tauthentication = "anonymous"\n'
    return text + "\n" + server.extra_hosts + "\n"
