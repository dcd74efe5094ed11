"""Faults that there were, put back: what is changed in a copy of the gate, and the steps that meet it most often.

Each is a list of files with a text, which has to be there exactly once, and what takes its place.
"""

import shutil

from lab.settings import SNIPPETS

GATE = "mod_vestibule_gate"
# A page has few people on it, so that a handful is more than one.
SMALL_PAGES = [(f"{GATE}.lua", "occupants = 256,", "occupants = 2,")]
MUTANTS = {
    "a rename is a leave": (
        [("reports.lib.lua", 'gate.report("renamed", room', 'gate.report("left", room')],
        {"rename": 60},
    ),
    "a session that leaves its nick to others is not reported": (
        [("reports.lib.lua", 'gate.report("session-left", room, gate.facts.describe(room, present, nil, address));', "")],
        {"connect": 40, "join": 200, "leave": 40, "rename": 100},
    ),
    "a role is not reported": (
        [("reports.lib.lua", 'gate.report("role", room, gate.facts.describe(room, occupant));', "")],
        {"promote": 60, "demote": 40},
    ),
    "a page of people is taken for all": (
        [*SMALL_PAGES, ("queries.lib.lua", "attr.next = keys[i] and keys[i - 1] or nil;", "")],
        {"join": 60, "kill": 40},
    ),
    "reports have no number": (
        [(f"{GATE}.lua", '"seq", reported, ', "")],
        {"join": 20, "lose": 60},
    ),
    "sessions are counted as people": (
        [("facts.lib.lua", "if not known then people, known, firsts[own] = people + 1, own, own; end", "people, known, firsts[own] = people + 1, own, own;")],
        {"join": 200, "connect": 20},
    ),
    "since when no moderator is inside is not told": (
        [("queries.lib.lua", 'attr["unmoderated-since"] = since and tostring(since);', "")],
        {"orphan": 100},
    ),
    "rooms that were swapped out are left out": (
        [("queries.lib.lua", "if not live[room_jid] then offer(room_jid); end", "")],
        {"join": 60, "kill": 60},
    ),
    "who disconnects stays waiting": (
        [("lobby_queue.lib.lua", 'return host and host.type == "local" and next(gate.callers.sessions(bare)) == nil;', "return false;"),
         ("lobby_queue.lib.lua", "if w and w.jid == address and", "if w and w.jid ~= address and")],
        {"join": 60, "connect": 30, "drop": 40},
    ),
    "who waits no more is not reported": (
        [("lobby_queue.lib.lua", 'gate.report("gone", room, { jid = w.jid, nick = cut(w.nick, LIMIT.name) });', "")],
        {"join": 60, "connect": 30, "drop": 40, "reject": 40},
    ),
    "a room ends when its only occupant takes another nick": (
        [("names.lib.lua", "room.destroying, renaming = true, room;", "")],
        {"rename": 60},
    ),
    "what is known of sessions is lost with a reload": (
        [("focus.lib.lua", "for session, known in pairs(saved.sessions) do session[gate.mark] = known; end", "")],
        {"gather": 40, "reload_the_gate": 30, "hold": 60},
    ),
    "a room that is stored is there": (
        [("queries.lib.lua", "or not room and gate.reports.occupied[at];", 'or not room and module:open_store("state"):get(jid_node(at)) ~= nil;'),
         ("reports.lib.lua", "if state and not prosody.start_time then forget_occupants(room_jid, state); end", "")],
        {"join": 60, "restart_the_server": 60},
    ),
    "who is sent back to the lobby stays inside, and that is reported as done": (
        [("effects.lib.lua", "set_role(seat.room, seat.nick, nil, who.text);", "")],
        {"join": 60, "hold": 60},
    ),
    "who is sent back to the lobby need not be let in": (
        [("room_data.lib.lua", "if fx.record then data.record, data.revision = fx.record, data.revision + 1; end",
          """if fx.record then
				data.record = fx.record:find('"knocks":true', 1, true) and data.record or fx.record;
				data.revision = data.revision + 1;
			end""")],
        {"join": 60, "hold": 60},
    ),
    "of several people only the first is removed": (
        [("effects.lib.lua", "for _, who in ipairs(fx.remove or NOTHING) do", "for _, who in ipairs { (fx.remove or NOTHING)[1] } do")],
        {"connect": 40, "join": 160, "everybody": 120},
    ),
    "only the first of those who wait is answered": (
        [("effects.lib.lua", "for _, who in ipairs(fx.admit or NOTHING) do", "for _, who in ipairs { (fx.admit or NOTHING)[1] } do")],
        {"join": 120, "connect": 60, "hold": 60, "answer_all": 120, "everybody": 60},
    ),
}
# Those that only Jitsi's clients meet.
ON_JITSI = ["what is known of sessions is lost with a reload"]
# Those that are found within seconds.
QUICK = ["a rename is a leave", "who disconnects stays waiting"]


def mutated(folder, changes):
    """A copy of the gate with these changes; returns the folder of modules in which it is."""
    shutil.copytree(SNIPPETS / GATE, folder / GATE)
    for name, old, new in changes:
        path = folder / GATE / name
        text = path.read_text()
        assert text.count(old) == 1, f"{name} no longer has exactly one {old!r}"
        path.write_text(text.replace(old, new))
    return folder
