"""Draws stanzas at random, by a grammar."""

import re

from .grammar import GRAMMAR

# A text so deep inside others becomes nothing.
DEPTH = 12
# So many of a hundred stanzas have their content twice, and so many are sent twice.
DOUBLED, REPEATED = 3, 6


def _choices(texts):
    pairs = [text if isinstance(text, tuple) else (1, text) for text in texts]
    return [text for _, text in pairs], [weight for weight, _ in pairs]


class Generator:
    """Draws from `grammar`. `names` are what depends on the room: each name with the texts that it can become, as XML."""

    def __init__(self, random, names, grammar=GRAMMAR):
        self.random = random
        self.count = 0
        self.choices = {name: _choices(texts) for name, texts in grammar.items()}
        self.meet(names)

    def meet(self, names):
        """From now on these names become these texts."""
        self.choices.update({name: _choices(texts) for name, texts in names.items()})

    def stanza(self, start="stanza"):
        """The next stanza, drawn from `start`: its text, its id, and how often to send it."""
        self.count += 1
        identity = f"gen{self.count}"
        text = self._drawn(start, identity, 0)
        if self.random.randrange(100) < DOUBLED:
            text = re.sub(r"^(<[^>]*[^/]>)(.*)(</\w+>)$", r"\1\2\2\3", text, flags=re.DOTALL)
        return text, identity, 2 if self.random.randrange(100) < REPEATED else 1

    def _drawn(self, name, identity, depth):
        if name == "id":
            return identity
        texts, weights = self.choices[name]
        (text,) = self.random.choices(texts, weights)
        if depth > DEPTH and "<" in text:
            return ""
        return re.sub(r"\$(\w+)", lambda found: self._drawn(found[1], identity, depth + 1), text)
