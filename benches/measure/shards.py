"""Several servers that share a database, simulated from what one server was measured to need.

A simulation, no measurement: it knows that Prosody computes on one core, that a room is on one server, that each entry costs the database
the same, and nothing of networks, disks or other load.
"""

import random

from .figures import percentile

SHARDS = (1, 2, 5, 10, 20, 50)
# The mean load of a server's core, and the seconds that are simulated.
LOAD, SECONDS = 0.6, 60
# People in a meeting, on average, and the seconds within which they come.
PEOPLE, ARRIVALS = 10, 20
# Entries of a person who comes and goes: the decision, who joined, who left.
ENTRIES = 3


def meetings(rate, chance):
    """Arrivals of people: (second, place in the meeting, meeting). Meetings begin at random; how large they are is exponential."""
    begins, number = 0.0, 0
    while True:
        begins += chance.expovariate(rate / PEOPLE)
        if begins > SECONDS:
            return
        number += 1
        for place in range(max(1, round(chance.expovariate(1 / PEOPLE)))):
            yield begins + chance.uniform(0, ARRIVALS), place, number


def simulate(shards, join_ms, database_us, seed=1):
    """What people wait for a join and what the database is loaded with. `join_ms` gives the milliseconds of Prosody's core for a
    person who comes and goes, by the people who are there."""
    chance = random.Random(seed)
    rate = shards * LOAD * 1000 / join_ms(PEOPLE)
    home, queue = {}, sorted(meetings(rate, chance))
    free, busy, waits, written = [0.0] * shards, [0.0] * shards, [], []
    for second, place, meeting in queue:
        shard = home.setdefault(meeting, chance.randrange(shards))
        takes = join_ms(place) / 1000
        done = max(free[shard], second) + takes
        free[shard] = done
        busy[shard] += takes
        waits.append((done - second) * 1000)
        written.append(done)
    # The database takes entries in the order in which they are made.
    ready, lags, cost = 0.0, [], ENTRIES * database_us / 1e6
    for done in sorted(written):
        ready = max(ready, done) + cost
        lags.append(ready - done)
    return {
        "shards": shards,
        "rate": len(queue) / SECONDS,
        "median": percentile(waits, 0.5),
        "p99": percentile(waits, 0.99),
        "hottest": max(busy) / SECONDS,
        "database": len(queue) * cost / SECONDS,
        "lag": percentile(lags, 0.99),
    }
