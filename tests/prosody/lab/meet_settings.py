"""The configuration of a Jitsi Meet server: the hosts, modules and options that
docker-jitsi-meet and Jitsi's Debian packages give it."""

from . import jicofo, settings
from .process import HOST
from .settings import assignments

DOMAIN = "meet.localhost"
CHAIR = f"chair@{DOMAIN}"
RECORDER = f"recorder@recorder.{DOMAIN}"
MAIN = ("bosh", "websocket", "smacks", "ping")
JITSI_MAIN = (
    "features_identity",
    "conference_duration",
    "muc_lobby_rooms",
    "persistent_lobby",
    "muc_breakout_rooms",
    "jiconop",
)
JITSI_MUC = (
    "muc_hide_all",
    "muc_meeting_id",
    "muc_domain_mapper",
    "muc_password_whitelist",
    "muc_resource_validate",
)
SHIPPED_MODULES = '{ "vestibule_gate" }'


def focus_only(server, services=None):
    """What Jitsi sets on each of its MUC services."""
    return {
        "restrict_room_creation": True,
        "muc_room_locking": False,
        "muc_tombstones": False,
        "muc_room_allow_persistent": False,
        "muc_room_default_public_jids": True,
        "muc_room_cache_size": 10000,
        "muc_password_whitelist": services or [server.focus, server.recorder],
    }


def global_options(server):
    """Above the first host."""
    options = {
        **settings.common(server),
        "modules_disabled": ["s2s", "offline"],
        "admins": [server.focus, f"jvb@auth.{DOMAIN}"],
        "component_admins_as_room_owners": True,
        "http_ports": [server.http_port],
        "http_interfaces": [HOST],
        "https_ports": [],
        # A browser opens six connections to a name at most: every name leads here.
        "http_default_host": DOMAIN,
        "consider_bosh_secure": True,
        "consider_websocket_secure": True,
        "smacks_max_unacked_stanzas": 5,
        "smacks_hibernation_time": 60,
        "smacks_max_old_sessions": 1,
        # Who subscribes to the focus: see `Meet.start`.
        "storage": {"accounts": "internal", "roster": "internal"},
    }
    if server.plugins:
        options.update(
            muc_mapper_domain_base=DOMAIN,
            muc_mapper_domain_prefix="conference",
            unlimited_jids=[server.focus, f"jvb@auth.{DOMAIN}"],
            recorder_prefixes=[server.recorder],
        )
    return {**options, **server.options}


def _host(kind, name, modules=(), options=None, plugin=""):
    enabled = {"modules_enabled": list(modules)} if modules else {}
    head = f"\n{kind} {settings.lua(name)}{f' {settings.lua(plugin)}' if plugin else ''}\n"
    return head + assignments({**enabled, **(options or {})}, "\t")


def _client_hosts(server):
    anonymous = "jitsi-anonymous" if server.plugins else "anonymous"
    services = {}
    if server.plugins:
        services = {
            "main_muc": server.service,
            "lobby_muc": f"lobby.{DOMAIN}",
            "breakout_rooms_muc": f"breakout.{DOMAIN}",
            "muc_lobby_whitelist": [f"recorder.{DOMAIN}"],
        }
    main = [*MAIN, *(JITSI_MAIN if server.plugins else ()), *server.modules]
    authentication = server.authentication or ("internal_plain" if server.accounts else anonymous)
    options = {"authentication": authentication, **services, **server.host_options}
    text = _host("VirtualHost", DOMAIN, main, options)
    if server.accounts:
        options = {"authentication": anonymous, **services, **server.host_options}
        text += _host("VirtualHost", f"guest.{DOMAIN}", ["smacks", *server.modules], options)
    text += _host("VirtualHost", f"auth.{DOMAIN}", ["smacks"], {"smacks_hibernation_time": 15})
    return text + _host("VirtualHost", f"recorder.{DOMAIN}", ["smacks"])


def _main_muc(server):
    modules = [*(JITSI_MUC if server.plugins else ()), *server.muc_plugins]
    named = {"vestibule_also": ["urn:lab"]} if any(name.startswith("lab_") for name in modules) else {}
    options = {**focus_only(server), **named, **server.muc_options}
    paths = assignments({"plugin_paths": [server.gates, *server.plugin_paths]})
    if not server.gate:
        text = paths + assignments({"gc": {"mode": "generational"}}) + _host("Component", server.service, modules, options, plugin="muc")
        link = {"component_secret": server.secret, **server.component_options}
        return text + _host("Component", f"vestibule.{DOMAIN}", options=link)
    text = paths + settings.shipped(server, options)
    gated = settings.lua(["vestibule_gate", *modules])
    text = settings.replace_once(text, SHIPPED_MODULES, gated)
    for name in ("conference", "vestibule"):
        text = text.replace(f'"{name}.localhost"', f'"{name}.{DOMAIN}"')
    return text


def _jitsi_hosts(server):
    muc = {"muc_component": server.service}
    rooms = {**muc, "breakout_rooms_component": f"breakout.{DOMAIN}"}
    closed = focus_only(server)
    breakout = {**closed, **server.breakout_options}
    components = (
        ("focus", "client_proxy", (), {"target_address": server.focus}),
        ("lobby", "muc", ["muc_hide_all", "muc_rate_limit"], {**closed, **server.lobby_options}),
        ("breakout", "muc", ["muc_hide_all", "muc_meeting_id", "muc_rate_limit"], breakout),
        ("speakerstats", "speakerstats_component", (), muc),
        ("endconference", "end_conference", (), muc),
        ("avmoderation", "av_moderation_component", (), muc),
        ("metadata", "room_metadata_component", (), rooms),
        ("polls", "polls_component", (), {}),
    )
    brewery = f"internal.auth.{DOMAIN}"
    if jicofo.home() and brewery not in server.extra_hosts:
        among_themselves = {"muc_filter_whitelist": [f"auth.{DOMAIN}"], "muc_room_locking": False, "muc_room_default_public_jids": True}
        components += (("internal.auth", "muc", ["muc_hide_all", "muc_filter_access"], {"restrict_room_creation": True, **among_themselves}),)
    return "".join(
        _host("Component", f"{name}.{DOMAIN}", modules, options, plugin)
        for name, plugin, modules, options in components
    )


def render(server):
    """The whole configuration of a `Meet`."""
    text = assignments(global_options(server)) + "\n" + server.extra_global + "\n"
    text += _main_muc(server) + _client_hosts(server)
    if server.plugins:
        text += _jitsi_hosts(server)
    return text + "\n" + server.extra_hosts + "\n"
