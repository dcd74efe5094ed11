"""The first part of the story: the door, and who gets through it."""

import backstage  # noqa: F401  (finds the laboratory)
from lab.stanza import CLIENT, DATA, MUC_USER, element, submission
from stage import ROOM

KNOCK = "vestibule#knock"


async def ann_opens(stage):
    stage.scene("Ann opens a room")
    ann = stage.people["Ann"]
    stage.did("Ann", f"joins {ROOM}, which does not exist yet")
    since = ann.mark()
    outcome = await ann.join(ROOM, "Ann")
    stage.joined(outcome, "moderator")
    told = await stage.hears("Ann", since, "The password of this meeting is", "is told")
    stage.password = told.body.partition("meeting is: ")[2].partition(" ")[0]
    stage.expect(stage.password, "a password in the message", told.body)
    await stage.decided("Ann", "open", "allow", "moderators.assign")


async def bob_knocks(stage):
    stage.scene("Bob does not know the password, and waits in the lobby")
    ann, bob = stage.people["Ann"], stage.people["Bob"]
    stage.before_knock = ann.mark()
    since = bob.mark()
    stage.did("Bob", "joins without a password")
    outcome = await bob.join(ROOM, "Bob")
    stage.turned_away(outcome, "auth", "registration-required", "lobby")
    await stage.decided("Bob", "join", "hold", "lobby.admission")
    stage.did("Ann", "says “The vote is five to three.”")
    ann.say(ROOM, "The vote is five to three.")
    await stage.hears("Ann", stage.before_knock, "five to three")
    await bob.ping()
    seen = [each for each in bob.seen[since:] if each.room == ROOM and each.type != "error"]
    stage.expect(not seen, "that Bob gets nothing of the room", seen)
    stage.page.line("saw", "Bob", "gets nothing of it: no message, no subject, no list of who is in there")


async def mallory_guesses(stage):
    stage.scene("Mallory guesses")
    mallory = stage.people["Mallory"]
    for guess in ("password", "12345678", "tea", "letmein", "correct-horse"):
        stage.did("Mallory", f"tries “{guess}”")
        outcome = await mallory.join(ROOM, "Mallory", guess)
        stage.turned_away(outcome, "auth", "not-authorized", "not correct")
    await stage.decided("Mallory", "join", "prompt", "password.required")
    stage.did("Mallory", "tries once more")
    outcome = await mallory.join(ROOM, "Mallory", "battery-staple")
    stage.turned_away(outcome, "wait", "resource-constraint", "Too many wrong passwords")
    await stage.decided("Mallory", "join", "deny", "password.guesses.burst")


async def ann_admits(stage):
    stage.scene("Ann lets Bob in")
    ann, bob = stage.people["Ann"], stage.people["Bob"]
    form = await ann.wait_for(lambda seen: seen.form and KNOCK in seen.form, since=stage.before_knock)
    stage.page.line("heard", "Ann gets", f"a form: “{form.body}”")
    for field in form.find(DATA, "x").iter(f"{{{DATA}}}field"):
        if field.get("type") in ("jid-single", "text-single", "boolean"):
            value = form.form[field.get("var")]
            shown = {"0": "[ ]", "1": "[x]"}.get(value, value) if field.get("type") == "boolean" else value
            stage.page.line("heard", "", f"{field.get('label')}: {shown}")
    since = bob.mark()
    stage.did("Ann", "ticks it, and sends it back")
    message = element(CLIENT, "message", to=ROOM, id=ann.new_id())
    message.append(submission({**form.form, "muc#role": "participant", "muc#request_allow": True}))
    ann.send(message)
    invited = await bob.wait_for(
        lambda seen: seen.room == ROOM and seen.find(MUC_USER, "invite") is not None,
        since=since,
    )
    reason = invited.find(MUC_USER, "reason")
    stage.page.line("heard", "Bob gets", f"an invitation from {ROOM}: “{reason.text}”")
    await stage.decided("Ann", "knock", "allow", "moderators.admit")
    stage.did("Bob", "joins again, still without a password")
    stage.joined(await bob.join(ROOM, "Bob"), "participant")
    await stage.decided("Bob", "join", "allow", "lobby.admission")


async def carla_joins(stage):
    stage.scene("Carla knows the password")
    stage.did("Carla", f"joins with “{stage.password}”")
    outcome = await stage.people["Carla"].join(ROOM, "Carla", stage.password)
    stage.joined(outcome, "participant")
    await stage.decided("Carla", "join", "allow", "lobby.admission")


async def eve_is_no_focus(stage):
    stage.scene("Eve takes a name that only services may bear")
    stage.did("Eve", "joins as “focus”, with the right password")
    outcome = await stage.people["Eve"].join(ROOM, "focus", stage.password)
    stage.turned_away(outcome, "cancel", "conflict")
    await stage.event(
        "refused",
        "refused at once, by the gate itself: {reason}",
        stage.line_of("reserved"),
        reason="reserved-nick",
    )


ALL = [ann_opens, bob_knocks, mallory_guesses, ann_admits, carla_joins, eve_is_no_focus]
