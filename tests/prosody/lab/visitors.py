"""A Jitsi Meet server and a node for visitors: a second Prosody, on which an audience sits."""

from . import settings
from .federation import MODULES, _links
from .jitsi_client import JitsiPerson
from .jitsi_outcome import FOCUS as CONFERENCE
from .meet import OLDER_LUA, MeetDoor
from .meet_settings import DOMAIN, _host, focus_only
from .people import Person
from .process import Failed, free_port
from .room import ROOM_CONFIG
from .server import Prosody
from .stanza import element

VNODE = "v1"
NODE = f"{VNODE}.meet.jitsi"
NODE_ROOMS = f"conference.{NODE}"
FOCUS = "focus@auth.meet.jitsi"
VISITORS = "jitsi:visitors"
MAIN_HOSTS = (DOMAIN, f"conference.{DOMAIN}", f"visitors.{DOMAIN}", f"polls.{DOMAIN}")
NODE_HOSTS = (NODE, NODE_ROOMS, f"polls.{NODE}")


class Node(Prosody):
    """The visitors' server, as Jitsi's template for one has it. With `guarded` its rooms have the gate's module."""

    def __init__(self, version, *, guarded, **options):
        super().__init__(version, gate=False, **options)
        self.guarded = guarded
        self.host = self.guests = NODE
        self.service = NODE_ROOMS
        self.env = {"LUA_PATH_5_4": OLDER_LUA}

    def configuration(self):
        options = {
            **settings.common(self),
            "plugin_paths": [settings.SNIPPETS, *self.plugin_paths],
            "admins": [FOCUS],
            "muc_mapper_domain_base": NODE,
            "main_domain": DOMAIN,
            "unlimited_jids": [FOCUS],
            "s2s_whitelist": list(MAIN_HOSTS),
            **self.options,
        }
        rooms = ["muc_hide_all", "muc_domain_mapper", "muc_meeting_id", "fmuc", "s2s_bidi", "s2s_whitelist"]
        seen = {"visitor": False, "participant": True, "moderator": True}
        closed = {**focus_only(self, [FOCUS]), "muc_room_default_presence_broadcast": seen}
        anonymous = {"authentication": "jitsi-anonymous", "main_muc": NODE_ROOMS}
        text = settings.assignments(options)
        text += _host("VirtualHost", NODE, ["ping", "smacks", "jiconop", "features_identity"], anonymous)
        text += _host("VirtualHost", "auth.meet.jitsi", ["ping", "smacks"])
        guard = ["vestibule_visitors"] if self.guarded else []
        text += _host("Component", NODE_ROOMS, [*rooms, *guard], {**closed, **self.muc_options}, "muc")
        return text + _host("Component", f"polls.{NODE}", plugin="polls_component")

    def start(self, seconds=20):
        self.add_account("focus", host="auth.meet.jitsi")
        super().start(seconds)


class VisitorsDoor(MeetDoor):
    """A `MeetDoor` with a `node`; options as in `MeetDoor`."""

    def __init__(self, version, policy, *, guarded=True, **options):
        ports = free_port(), free_port()
        names = ["s2s", "dialback", "s2s_bidi", "s2s_whitelist", "lab_names", "lab_web_query", "lab_unload"]
        near = _links(ports[0], dict.fromkeys(NODE_HOSTS, ports[1]), {"modules_disabled": ["offline"]})
        far = _links(ports[1], dict.fromkeys(MAIN_HOSTS, ports[0]), {})
        near["s2s_whitelist"] = list(NODE_HOSTS)
        component = f'\nComponent "visitors.{DOMAIN}" "visitors_component"\n'
        super().__init__(
            version,
            policy,
            options=near,
            modules=[*names, "visitors"],
            plugin_paths=[MODULES],
            extra_hosts=component,
            **options,
        )
        paths = [MODULES, self.server.plugins]
        self.node = self.server.node = Node(version, guarded=guarded, modules=names, plugin_paths=paths, options=far)
        for server in (self.server, self.node):
            server.options["ssl"] = server.make_certificate()

    def start(self):
        self.node.start()
        return super().start()

    def close(self):
        super().close()
        self.node.close()

    async def audience(self, crowd, room):
        """Has the focus connect the node for `room`, as jicofo does for the first visitor; returns the node's room."""
        there = f"{room.partition('@')[0]}@{NODE_ROOMS}"
        if not crowd.focus.is_stand_in:
            await self._asked_for(crowd, room)
            return there
        focus = await Person.connect(self.node, f"{FOCUS}/focus", present=False)
        crowd.people.append(focus)
        outcome = await focus.join(there, "focus")
        if not outcome.joined:
            raise Failed(f"the focus cannot enter {there}: {outcome}")
        await focus.configure(there, {"FORM_TYPE": ROOM_CONFIG, "muc#roomconfig_whois": "anyone"})
        await self.connect_node(crowd, room)
        await focus.wait_for(lambda seen: seen.room == there and seen.nick not in ("", "focus"))
        return there

    async def _asked_for(self, crowd, room):
        """Has a guest ask for a seat in the audience: jicofo itself enters the node's room and connects the node."""
        guest = await crowd.person()
        request = element(CONFERENCE, "conference", room=room, **{"machine-uid": guest.storage["machine-uid"]})
        for name, value in (("visitors-version", "1"), ("visitor", "true")):
            request.append(element(CONFERENCE, "property", name=name, value=value))
        reply = await guest.iq(self.server.focus_address, "set", request)
        if reply.error or reply.find(CONFERENCE, "conference").get("vnode") != VNODE:
            raise Failed(f"the focus sends nobody to the node: {reply!r}\n{crowd.focus.jicofo.tail()}")
        await crowd.focus.ping()

    async def connect_node(self, crowd, room, act="connect-vnode"):
        """What jicofo asks the visitors' component for; its reply."""
        request = element(VISITORS, "visitors", room=room)
        request.append(element(VISITORS, act, vnode=VNODE))
        return await crowd.focus.iq(f"visitors.{DOMAIN}", "get", request)

    async def visitor(self, crowd, name):
        """Somebody with a connection to the node, whose address everybody can find out."""
        person = await JitsiPerson.connect(self.node, NODE, name=name)
        crowd.people.append(person)
        return person
