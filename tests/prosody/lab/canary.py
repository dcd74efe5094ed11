"""Every secret that the laboratory has used, to be looked for where none may be.

Whatever is typed as a password, written into a file as one, told to somebody or handed out as a token is noted
here by whoever does it. When a component ends, all that it has written is searched.
"""

import re

# Shorter ones are words that stand in logs for other reasons.
SHORTEST = 10
# What the room tells its moderators, in the default words.
TOLD = "The password of this meeting is: "

_IN_A_FILE = re.compile(r'\b(?:secret|preset|app_secret)\s*=\s*"([^"\n]+)"')

_noted = set()


def note(secret):
    """Remembers a secret; None and short ones are left out. Returns what was given."""
    if secret and len(secret) >= SHORTEST:
        _noted.add(secret)
    return secret


def note_file(text):
    """Remembers the secrets of a policy file."""
    for secret in _IN_A_FILE.findall(text):
        note(secret)


def note_told(body):
    """Remembers the password in a message of a room, if there is one."""
    if body and TOLD in body:
        note(body.partition(TOLD)[2].partition(" (")[0].partition("\n")[0].rstrip("."))


def found(places):
    """Where secrets stand: {name: text or bytes} -> ["name: the line, the secret struck out"]."""
    finds = []
    for place, content in places.items():
        text = content.decode(errors="replace") if isinstance(content, bytes) else content
        for secret in _noted:
            if secret in text:
                line = next((line for line in text.splitlines() if secret in line), "")
                finds.append(f"{place}: {line.replace(secret, '<SECRET>')[:1000]}")
    return finds
