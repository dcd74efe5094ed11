"""What may come of a stanza, by what the component has logged: everything else is a fault.

A step is one stanza of one person: the room as a whole before and after, what everybody received, and what was decided meanwhile.
"""

import dataclasses
import re
from collections import Counter

from .knocking import is_invitation, is_knock
from .stanza import MUC_ADMIN, MUC_OWNER, MUC_USER

AFFILIATIONS = ["outcast", "none", "member", "admin", "owner"]
ROLES = ["none", "visitor", "participant", "moderator"]
# What of a room's configuration each setting of a decision is, as Prosody stores it.
SETTINGS = {
    "name": {"name"}, "description": {"description"}, "language": {"language"}, "subject": {"subject", "subject_from", "subject_time"},
    "subject_change": {"changesubject"}, "moderated": {"moderated"}, "whois": {"whois"},
    "history": {"history_length", "default_history_messages"}, "member_invites": {"allow_member_invites"},
    "private_messages": {"allow_pm", "allow_modpm"}, "presence": {"presence_broadcast"}, "archive": {"archiving"},
    "members-only": {"members_only"}, "public": {"hidden"}, "persistent": {"persistent"},
    "password-set": {"password"}, "password-removed": {"password"}, "password-kept": set(), "kept": set(), "max_occupants": set(),
}
# What Jitsi's breakout rooms keep there at a moderator's word, without a question.
BREAKOUT = {"breakout_rooms", "breakout_rooms_active", "breakout_rooms_counter"}
# What moderators are told of somebody who knocks (`say-knocks-alike`).
LIKENESS = "is asking to join with a name that looks like a moderator's."
# What shows nobody anything: protocol.md, section 9.
SILENT = ("http://jabber.org/protocol/chatstates", "urn:xmpp:chat-markers:0", "urn:xmpp:receipts", "urn:xmpp:hints", "urn:xmpp:sid:0",
          "urn:xmpp:occupant-id:0")


@dataclasses.dataclass
class Past:
    """What was decided earlier in a room: who may decline, with who had them invited; what affiliation people had; and who was given
    voice."""

    invited: dict
    former: dict
    voiced: set = dataclasses.field(default_factory=set)

    def add(self, step):
        """Takes in what came of a step."""
        self.invited.update(dict.fromkeys(step.targets(), step.who.bare) if step.allowed("invite") else {})
        self.former.update(step.before.get("affiliations") or {})
        self.voiced |= {item.get("jid") for line in step.allowed("role") for item in line["facts"]["try"]["role"]["items"]
                        if item.get("to") == "participant"}
        self.voiced &= {one["bare"] for one in occupants(step.after).values()}


@dataclasses.dataclass
class Step:
    """`who` sent `text`, so many `times`. `received` has what each of `people` got, by name; harness traffic is left out."""

    who: object
    text: str
    identity: str
    times: int
    room: str
    before: dict
    after: dict
    people: dict
    received: dict
    secrets: list
    # Whose accounts may chat, by the policy of the property; and who is in which other rooms.
    accounts: str = "localhost"
    visits: dict = dataclasses.field(default_factory=dict)
    past: object = None
    decided: list = dataclasses.field(default_factory=list)

    def name(self, person=None):
        """What somebody is called here, or the sender."""
        return next(name for name, one in self.people.items() if one is (person or self.who))

    def allowed(self, *kinds):
        """The decisions of these kinds by which the sender was allowed something in this room."""
        return [line for line in self.decided if line.get("verdict") == "allow" and line["kind"] in kinds and self._is_own(line)]

    def _is_own(self, line):
        return line.get("jid") == self.who.bare and line.get("room") == self.room

    def items(self):
        """Every (address, value) that an allowed decision gives."""
        found = []
        for line in self.allowed("affiliation", "role"):
            found += [(item.get("jid"), item.get("to")) for item in line["facts"]["try"][line["kind"]].get("items", [])]
        return found

    def targets(self):
        """Whom an allowed decision lets in, turns away or invites."""
        found = set()
        for line in self.allowed("invite", "knock"):
            tried = line["facts"]["try"][line["kind"]]
            found |= set(tried.get("to", [])) | {tried.get("target")}
        return found

    def settings(self):
        """The names of the settings that an allowed decision changes; those of unknown fields are `None`."""
        found = set()
        for line in self.allowed("configure"):
            for field in line["facts"]["try"]["configure"].get("fields", []):
                (name, value), = field.items() if isinstance(field, dict) else [(field, None)]
                found.add(value[0] if name == "setting" else name)
        return found

    def nicks(self):
        """The sender's places in the room, before and after."""
        return {nick for state in (self.before, self.after) for nick, one in occupants(state).items() if one["bare"] == self.who.bare}

    def is_inside(self, person, states=None):
        return any(person.jid in one["sessions"] for state in states or (self.before, self.after) for one in occupants(state).values())

    def moderates(self):
        """Whether the sender's session is inside and moderates."""
        return any(one["role"] == "moderator" for one in occupants(self.before).values() if self.who.jid in one["sessions"])

    def speaks(self):
        """Whether the sender may chat: by the policy of the property."""
        return self.moderates() or self.who.bare in self.past.voiced or self.who.bare.partition("@")[2] == self.accounts


def occupants(state):
    return state.get("occupants") or {}


def history(state):
    found = state.get("history") or {}
    return list(found.values() if isinstance(found, dict) else found)


def differences(step, part):
    """{key: (before, after)} of a part of the room's state."""
    before, after = step.before.get(part) or {}, step.after.get(part) or {}
    return {key: (before.get(key), after.get(key)) for key in {*before, *after} if before.get(key) != after.get(key)}


def rank(names, value):
    return names.index(value or "none")


# The state


def affiliation_faults(step):
    items, targets, settings = step.items(), step.targets(), step.settings()
    for jid, (was, now) in differences(step, "affiliations").items():
        lowered = rank(AFFILIATIONS, now) < rank(AFFILIATIONS, was) and rank(AFFILIATIONS, now) >= 1
        is_own = jid == step.who.bare and (lowered or step.allowed("open", "join"))
        is_member = now == "member" and (jid in targets or "members-only" in settings)
        is_restored = jid in targets and now == step.past.former.get(jid)  # a removal has suspended it
        if not is_own and not is_member and not is_restored and (jid, now or "none") not in items:
            yield f"{jid} is {now}, was {was}"


def registration_faults(step):
    named = {jid for jid, _ in step.items()} | {step.who.bare}
    yield from (f"a registration of {jid}" for jid in differences(step, "registrations") if jid not in named)


def config_faults(step):
    if step.allowed("open"):
        return
    may = set().union(*(SETTINGS.get(name, set()) for name in step.settings()))
    may |= BREAKOUT if step.moderates() else set()
    others = None in step.settings() or {"other", "kept"} & step.settings()
    yield from (f"{key} is {now}, was {was}" for key, (was, now) in differences(step, "config").items() if key not in may and not others)


def occupant_faults(step):
    named = {jid for jid, _ in step.items()}
    given = {value for jid, value in step.items() if jid == step.who.bare}
    entered, settings = step.allowed("open", "join"), step.settings()
    for nick, (was, now) in differences(step, "occupants").items():
        bare = (was or now)["bare"]
        is_named = bare in named or bare.partition("@")[2] in named
        rises = was and now and rank(ROLES, now["role"]) > rank(ROLES, was["role"])
        if bare != step.who.bare:
            removed = now is None and "members-only" in settings
            if not is_named and not removed:
                yield f"{nick} is {now}, was {was}"
            continue
        comes = now and set(now["sessions"]) - set(was["sessions"] if was else [])
        if comes and not entered and not step.allowed("rename") or rises and not entered and not given:
            yield f"{nick} is {now}, was {was}"


def history_faults(step):
    before, after = Counter(history(step.before)), Counter(history(step.after))
    new, lost = after - before, before - after
    may = step.speaks() or "subject" in step.settings()
    nicks = tuple(f"{nick} " for nick in step.nicks())
    yield from (f"{one} is in the history" for one in new if not may or not one.startswith(nicks))
    is_full = len(history(step.after)) == step.before.get("config", {}).get("history_length", 20)
    if lost and not is_full and "history" not in step.settings() and not step.allowed("open"):
        yield f"the history has lost {list(lost)}"


def archive_faults(step):
    may = step.speaks() or "subject" in step.settings()
    for sender, (was, now) in differences(step, "archive").items():
        if (now or 0) < (was or 0) or not may or sender not in step.nicks():
            yield f"of {sender} are {now} in the archive, were {was}"


def record_faults(step):
    if any(step._is_own(line) for line in step.decided):
        return
    was, now = step.before.get("record") or {}, step.after.get("record") or {}
    for key in {*was, *now}:
        if key == "may" and drop(was.get(key), step.who.bare) == drop(now.get(key), step.who.bare):
            continue
        if was.get(key) != now.get(key):
            yield f"of the record, {key} is {now.get(key)}, was {was.get(key)}"


def jitsi_faults(step):
    """Moderated media and metadata: what moderators inside change there is compared with what they may, without a question."""
    if not step.moderates() and not step.allowed("open", "join", "record"):
        yield from (f"{key} is {now}, was {was}" for key, (was, now) in differences(step, "jitsi").items())


def drop(table, key):
    return {name: value for name, value in (table or {}).items() if name != key}


def state_faults(step):
    if not step.after and step.before:
        if not step.allowed("destroy"):
            yield "the room is gone"
        return
    for part in (affiliation_faults, registration_faults, config_faults, occupant_faults, history_faults, archive_faults, record_faults, jitsi_faults):
        yield from part(step)


# What people receive


def says_nothing(stanza):
    # The room itself marks private messages, by an element with nothing in it.
    return all(child.tag[1:].partition("}")[0] in SILENT or child.tag.endswith("}error") or child.tag == f"{{{MUC_USER}}}x" and not len(child)
               for child in stanza.xml)


def is_plain_invitation(stanza):
    """Whether nothing goes with an invitation but who invites where, and why."""
    parts = {child.tag.rpartition("}")[2] for child in stanza.xml}
    inside = {child.tag.rpartition("}")[2] for child in stanza.find(MUC_USER, "x").iter()}
    return parts <= {"x", "body"} and inside <= {"x", "invite", "reason", "continue"} and len(stanza.xml.findall(f"{{{MUC_USER}}}x")) == 1


def is_decline(stanza, room):
    return stanza.name == "message" and stanza.sender == room and stanza.find(MUC_USER, "decline") is not None


def is_farewell(stanza):
    return stanza.name == "presence" and stanza.type == "unavailable"


def is_answer(step, stanza):
    # Clients of Jitsi are shown a refusal by the end of a room.
    is_one = stanza.type in ("error", "result") or stanza.destroyed is not None and stanza.name == "presence"
    return is_one and stanza.id == step.identity and stanza.name == step.text[1:].partition(" ")[0]


def is_late_news(step, stanza):
    """Breakout rooms tell all inside of everything, a little later."""
    has_some = any((state.get("config") or {}).get("breakout_rooms_active") for state in (step.before, step.after))
    return stanza.sender.startswith("breakout.") and has_some


def is_by_component(step, stanza):
    """What Jitsi's components tell people inside at the word of somebody inside: of moderation, at that of a moderator."""
    domain, part = step.room.partition("@")[2].partition(".")[2], stanza.sender.partition(".")[0]
    if stanza.sender != f"{part}.{domain}" or not step.is_inside(step.who, [step.before]):
        return False
    return part in ("polls", "speakerstats") or part in ("avmoderation", "breakout", "metadata") and step.moderates()


def own_voice(step, stanza):
    """What people inside receive from an occupant, as XEP-0045 routes it."""
    if stanza.sender not in step.nicks():
        return False
    if stanza.name == "message":
        return step.speaks() or says_nothing(stanza) or stanza.subject is not None and "subject" in step.settings()
    return True


def is_answer_of_focus(stanza):
    """The focus is a client itself, and answers when it can: an earlier stanza, perhaps."""
    is_of_it = stanza.sender.startswith("focus") or stanza.sender.endswith("/focus")
    return stanza.name == "iq" and stanza.type in ("error", "result") and is_of_it and stanza.id.startswith("gen")


def is_named(step, person):
    """Whether an allowed decision names somebody."""
    return person.bare in step.targets() | {jid for jid, _ in step.items()}


def is_elsewhere(step, person, stanza):
    visited = step.visits.get(step.name(person), ())
    return stanza.room != step.room and stanza.room in visited


def is_held_knock(step, person, stanza):
    held = [line for line in step.decided if step._is_own(line) and line["kind"] == "join" and line.get("verdict") == "hold"]
    roles = [one["role"] for one in occupants(step.before).values() if person.jid in one["sessions"]]
    is_shown = is_knock(stanza, step.room) or stanza.sender == step.room and (stanza.body or "").endswith(LIKENESS)
    return is_shown and bool(held) and roles == ["moderator"]


def is_first_decline(step, person, stanza):
    if not is_decline(stanza, step.room) or step.past.invited.get(step.who.bare) != person.bare:
        return False
    del step.past.invited[step.who.bare]
    return True


# The silence property: all that somebody who is outside of a room, before and after, may be sent of it.
OUTSIDE_RECEIVES = {
    # Every request is answered, and what is refused is told.
    "answer": lambda step, person, stanza: person is step.who and is_answer(step, stanza) or is_answer_of_focus(stanza),
    # How else would they know of it? After a decision that names them, and with no more than who, where and why.
    "invitation": lambda step, person, stanza: is_invitation(stanza, step.room) and is_named(step, person) and is_plain_invitation(stanza),
    # What became of their knock, after a decision that names them.
    "word": lambda step, person, stanza: stanza.name == "message" and stanza.sender == step.room and is_named(step, person)
    and not is_invitation(stanza, step.room),
    # What happens in another room that they are in, as Jitsi's lobby is.
    "elsewhere": is_elsewhere,
}
# And all that they may have others receive.
OUTSIDE_CAUSES = {
    # A join that was held is shown to moderators.
    "knock": is_held_knock,
    # To whoever had them invited, once for each invitation.
    "decline": is_first_decline,
    # They have registered, after a decision.
    "registration": lambda step, person, stanza: stanza.sender == step.room and bool(step.allowed("affiliation")) and step.is_inside(person),
    "elsewhere": is_elsewhere,
}


def is_one_of(kinds, step, person, stanza):
    return any(kind(step, person, stanza) for kind in kinds.values())


def follows(step, person, stanza):
    """Whether a decision stands behind what somebody inside received of somebody inside."""
    named = {jid for jid, _ in step.items()} | step.targets()
    if step.allowed("destroy"):
        return is_farewell(stanza)
    if is_by_component(step, stanza) or step.allowed("record") and stanza.sender.startswith("metadata."):
        return True
    if is_knock(stanza, step.room):  # whoever becomes a moderator is shown who waits
        return person.bare in named or bool(step.allowed("open", "join"))
    if stanza.sender == step.room:
        asked = step.allowed("configure", "affiliation", "role", "open", "join", "knock", "invite", "rename", "command")
        return bool(asked)
    moved = {nick for state in (step.before, step.after) for nick, one in occupants(state).items()
             if one["bare"] in named or one["bare"].partition("@")[2] in named}
    # Moderators are shown everybody's address, by everybody's presence.
    if stanza.sender in moved or person.bare in named and stanza.room == step.room:
        return stanza.name == "presence"
    return is_farewell(stanza) and "members-only" in step.settings()


def leaks(step, person, stanza):
    """What of the room somebody outside is told, that they did not say themselves."""
    told = repr(stanza)
    if is_elsewhere(step, person, stanza):
        return [secret for secret in step.secrets[1:3] if secret in told]  # who else is there, and its password, are no secrets there
    return [secret for secret in step.secrets if secret in told and secret not in step.text and secret not in person.bare]


def hearing_faults(step):
    for name, stanzas in step.received.items():
        person, is_own = step.people[name], step.people[name] is step.who
        is_inside = step.is_inside(person)
        for stanza in stanzas:
            if not is_inside and not is_one_of(OUTSIDE_RECEIVES, step, person, stanza):
                yield f"{name} received {stanza}"
            elif not is_inside and not is_invitation(stanza, step.room) and (found := leaks(step, person, stanza)):
                yield f"{name} learns {found}: {stanza}"
            if is_own or not is_inside or is_answer_of_focus(stanza) or is_late_news(step, stanza) or is_elsewhere(step, person, stanza):
                continue
            if not step.is_inside(step.who):
                may = is_one_of(OUTSIDE_CAUSES, step, person, stanza)
            else:
                may = own_voice(step, stanza) or follows(step, person, stanza)
            if not may:
                yield f"{name} received {stanza}"


def reading_faults(step):
    """What of forms and lists is told to somebody who does not moderate: members may know of one another where all may know them."""
    config = step.before.get("config") or {}
    is_open = config.get("members_only") and config.get("whois") == "anyone"
    for stanza in step.received.get(step.name(), []):
        lists = stanza.type == "result" and (stanza.find(MUC_OWNER, "query") is not None or stanza.find(MUC_ADMIN, "query") is not None)
        if lists and stanza.xml[0][:] and not step.moderates() and not is_open:
            yield f"they read {stanza}"


def omission_faults(step):
    """What was decided and logged, and did not happen, though nothing is logged of a failure."""
    if any(line.get("event") == "failed" for line in step.decided) or len(step.allowed("affiliation")) != 1 or not step.after:
        return
    given = step.after.get("affiliations") or {}
    items = step.allowed("affiliation")[0]["facts"]["try"]["affiliation"]["items"]
    named = {item["jid"] for item in items}
    for item in items:
        # Whoever is inside from a domain that is banned is named too, and is out.
        is_of_domain = "@" in item["jid"] and item["jid"].partition("@")[2] in named
        if not is_of_domain and given.get(item["jid"], "none") != item["to"]:
            yield f"{item['jid']} is not {item['to']}"


def answer_faults(step):
    answers = [stanza for stanza in step.received.get(step.name(), []) if is_answer(step, stanza)]
    kind = (re.search(r"^<[^>]* type='([^']*)'", step.text) or [None, ""])[1]
    is_request = step.text.startswith("<iq") and kind in ("get", "set")
    # The server itself refuses an address that is none, whatever is sent there.
    is_final = kind in ("error", "result", "unavailable") and not any(one.error and one.error[1] == "jid-malformed" for one in answers)
    to_occupant = f" to='{step.room}/" in step.text and step.is_inside(step.who)
    service = step.room.partition("@")[2]
    is_here = re.search(rf" to='([^@/']*@)?{re.escape(service)}[/']", step.text.partition(">")[0])
    least = step.times if is_request and is_here and not to_occupant else 0
    most = 0 if is_final and not step.is_inside(step.who) else step.times
    if not least <= len(answers) <= most:
        yield f"{len(answers)} answers to {step.times}"


def faults(step, past):
    """Everything that nothing allows, and `past` knows it from then on."""
    step.past = past
    for part in (state_faults, hearing_faults, reading_faults, omission_faults, answer_faults):
        yield from part(step)
    past.add(step)
