"""What a command says, with the exit status that it has to have."""

import json


def say(door, *arguments, code=0):
    """Runs a command; returns all that it wrote."""
    done = door.component.run(*arguments)
    assert done.returncode == code, (arguments, done.stdout, done.stderr)
    return done.stdout + done.stderr


def read(door, *arguments, code=0):
    """Runs a command; returns its reply as JSON."""
    done = door.component.run(arguments[0], "--json", *arguments[1:])
    assert done.returncode == code, (arguments, done.stdout, done.stderr)
    return json.loads(done.stdout)
