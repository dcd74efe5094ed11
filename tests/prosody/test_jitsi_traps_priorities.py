"""The gate's places among the handlers of the server: its own, and on the right side of others'."""

import re

import pytest
from jitsi_traps import MODULES, TOKENS, opened, token_options
from lab import jitsi_plugins
from lab.meet import DOMAIN, MEET_SERVICE
from lab.process import ROOT
from lab.stanza import element

GATE = "vestibule_gate"
SOURCE = ROOT / "prosody-snippets/mod_vestibule_gate/hooks.lib.lua"
OPTIONAL = (
    "muc_rate_limit",
    "muc_max_occupants",
    "muc_allowners",
    "muc_wait_for_host",
    "muc_limit_messages",
    "muc_filter_access",
    "muc_end_meeting",
    "muc_census",
    "muc_displayname",
)
HAS_PLUGINS = bool(jitsi_plugins.plugins())
MEET = {
    "plugin_paths": [MODULES],
    "muc_plugins": ["lab_hooks", "muc_mam", *(["lab_tokens", *OPTIONAL] if HAS_PLUGINS else [])],
    "muc_options": {
        "muc_max_occupants": 100,
        "muc_limit_messages_count": 100,
        "muc_filter_whitelist": [DOMAIN, f"auth.{DOMAIN}", f"recorder.{DOMAIN}"],
        **token_options("token_verification", "token_affiliation", "muc_flip"),
    },
    "authentication": "token" if jitsi_plugins.plugins() else "anonymous",
    "host_options": TOKENS,
}
POLICY = MEET_SERVICE + '[policy.access]\ncreate = ["everyone"]\n'
PRE_CREATE, PRE_JOIN = "muc-room-pre-create", "muc-occupant-pre-join"
OWNER = "iq-set/bare/http://jabber.org/protocol/muc#owner:query"
ADMIN = "iq-set/bare/http://jabber.org/protocol/muc#admin:query"
# Event, which of the gate's places there, modules whose handlers are all above it, and all below. With a
# number: the handler of a module at that very priority. With a question mark: not every Prosody has it.
SIDES = [
    (PRE_CREATE, "create", ["token_verification"], ["muc 0", "muc -1", "muc_hide_all"]),
    (PRE_CREATE, "presets", ["muc 0", "muc -1", "muc_hide_all"], ["muc -1000"]),
    (PRE_JOIN, "nick", ["token_verification"], ["muc_resource_validate", "muc_rate_limit", "muc_meeting_id"]),
    (PRE_JOIN, "verdict", ["muc_max_occupants", "muc_rate_limit", "muc_meeting_id"], ["muc_allowners"]),
    (PRE_JOIN, "verdict", [], ["muc_wait_for_host", "muc_flip", "token_affiliation", "muc_lobby_rooms", "muc 1"]),
    (PRE_JOIN, "raise", ["token_affiliation", "muc_allowners", "muc_wait_for_host"], ["muc_lobby_rooms"]),
    (PRE_JOIN, "password", [], ["muc_lobby_rooms", "muc_password_whitelist", "muc -5", "muc -10", "muc -20"]),
    ("muc-occupant-pre-change", "nick", [], ["muc_resource_validate"]),
    (OWNER, "owner", [], ["token_verification", "muc -2"]),
    (ADMIN, "admin", [], ["muc_meeting_id", "muc_allowners", "muc_lobby_rooms", "muc -2"]),
    ("message/bare", "message", [], ["muc_lobby_rooms", "muc -2"]),
    ("presence/full", "arrival", ["muc_filter_access"], ["muc_domain_mapper", "muc -2"]),
    ("iq-get/bare/http://jabber.org/protocol/muc#admin:query", "read", [], ["muc -2"]),
    ("muc-config-submitted", "config", [], ["muc_lobby_rooms"]),
    ("muc-invite", "last", ["muc", "muc_lobby_rooms"], []),
    ("muc-disco#info", "last", ["muc", "muc_lobby_rooms", "muc_meeting_id"], []),
]


@pytest.fixture
def priorities():
    """The gate's table of priorities."""
    table = re.search(r"local PRIORITY = \{(.*?)\n\};", SOURCE.read_text(), re.DOTALL)[1]
    return {name: float(value) for name, value in re.findall(r"^\t(\w+) = ([-\d.]+);", table, re.MULTILINE)}


@pytest.fixture(scope="module")
def hooks(meet):
    """Fills {(host, event): {(module, priority), ...}} when asked for within a test."""
    known = {}

    async def asked():
        if known:
            return known
        async with meet.crowd() as crowd:
            # The clients' hosts and the lobby are watched from the first request on.
            alice = await opened(crowd, meet.room())
            reply = await alice.iq(meet.server.service, "get", element("urn:lab", "hooks"))
        for hook in reply.xml.iter("{urn:lab}hook"):
            place = (hook.get("host"), hook.get("event"))
            known.setdefault(place, []).append((hook.get("by"), float(hook.get("priority"))))
        return known

    return asked


async def test_no_other_handler_has_a_priority_of_the_gate(hooks, priorities):
    shared, used = [], set()
    for (host, event), handlers in (await hooks()).items():
        own = [priority for by, priority in handlers if by == GATE and not event.startswith("module-")]
        if host == "*":  # of the server as a whole: mostly, the order does not matter
            own = [priority for priority in own if priority]
        if event.startswith("component-"):  # there the order does not matter
            continue
        used.update(own)
        assert len(own) == len(set(own)), (host, event, handlers)
        shared += [(host, event, by, at) for by, at in handlers if by != GATE and at in own]
    assert not shared
    assert used == set(priorities.values())


def test_every_priority_stands_in_the_table():
    literal = re.compile(r"(?:hook|hook_global|guard|guard_at|guard_room)\([^()]*, -?\d[\d.]*[,)]")
    for path in SOURCE.parent.glob("*.lua"):
        for line in path.read_text().splitlines():
            assert not literal.search(line) and not re.match(r"\s*end, -?[\d.]+\);", line), f"{path.name}: {line}"


@pytest.mark.parametrize(("event", "place", "above", "below"), SIDES)
async def test_the_neighbours_of_the_gate_are_on_the_side_that_it_relies_on(
    meet, hooks, priorities, event, place, above, below
):
    handlers = (await hooks())[(meet.server.service, event)]
    loaded = {by for each in (await hooks()).values() for by, _ in each}
    own = priorities[place]
    assert (GATE, own) in handlers
    for names, side in ((above, 1), (below, -1)):
        for name in names:
            module, _, priority = name.rstrip("?").partition(" ")
            found = [at for by, at in handlers if by == module and (not priority or at == float(priority))]
            is_optional = name.endswith("?") or module not in loaded and not HAS_PLUGINS
            assert found or is_optional, f"no {name} in {event}: {handlers}"
            assert all((at - own) * side > 0 for at in found), (name, found, own)


async def test_conference_requests_pass_the_gate_before_whatever_forwards_them(meet, hooks, priorities):
    found = await hooks()
    hosts = ["auth.meet.localhost", *(["focus.meet.localhost"] if HAS_PLUGINS else [])]
    for host in hosts:
        events = ("iq/host",) if host.startswith("focus") else ("iq/bare", "iq/full")
        for event in events:
            places = {by: at for by, at in found[(host, event)]}
            assert places.pop(GATE) == priorities["request"]
            assert all(at < priorities["request"] for at in places.values()), places
    answers = found[(meet.server.guests, "iq/full")]
    assert (GATE, priorities["reply"]) in answers
    assert all(at < priorities["reply"] for by, at in answers if by != GATE), answers
