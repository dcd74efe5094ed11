"""Prosody's configuration file, from Python values and the lines that are shipped."""

import json
import re

from .process import HOST, ROOT

SNIPPETS = ROOT / "prosody-snippets"
SHIPPED_SECRET = '"replace with a long random secret"'
SHIPPED_GATE = '\tvestibule_component = "vestibule.localhost"\n'
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


def shipped(secret, plugin_paths, muc_options, component_options):
    """The shipped lines with this laboratory's secret and options, below the path of its modules; else untouched."""
    text = assignments({"plugin_paths": plugin_paths}) + (SNIPPETS / "prosody.cfg.lua").read_text()
    for name in muc_options:
        text = re.sub(rf"^\t{name} = .*\n", "", text, flags=re.MULTILINE)
    text = replace_once(text, SHIPPED_GATE, SHIPPED_GATE + assignments(muc_options, "\t"))
    link = replace_once(SHIPPED_LINK, SHIPPED_SECRET, lua(secret))
    return replace_once(text, SHIPPED_LINK, link + assignments(component_options, "\t"))


def ungated(secret, plugin_paths, muc_options, component_options):
    """The same hosts without the gate: what the gate is measured against."""
    return (
        assignments({"plugin_paths": plugin_paths})
        + '\nComponent "conference.localhost" "muc"\n'
        + assignments(muc_options, "\t")
        + '\nComponent "vestibule.localhost"\n'
        + assignments({"component_secret": secret, **component_options}, "\t")
    )


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
    options = {**common(server), **server.options}
    components = shipped if server.gate else ungated
    text = assignments(options) + "\n" + server.extra_global + "\n"
    text += components(
        server.secret, [server.gates, *server.plugin_paths], beside_the_gate(server.muc_options), server.component_options
    )
    if server.plain_muc:
        text += '\nComponent "plain.localhost" "muc"\n'
    text += '\nVirtualHost "localhost"\n'
    text += '\nVirtualHost "guest.localhost"\n\tauthentication = "anonymous"\n'
    return text + "\n" + server.extra_hosts + "\n"
