"""Rules for some rooms, chosen by more than a pattern."""

from lab import SERVICE, Crowd

POLICY = (
    SERVICE
    + """
[profile.open.lobby]
admission = "open"
[profile.open.close]
hold_until = []
[[room]]
tenant = "acme"
profile = "open"
password.required = false
"""
)


async def test_a_tenants_rules_hold_from_the_first_join_on(door):
    async with Crowd(door.server) as crowd:
        alice, bob = [await crowd.connect(f"{name}@localhost") for name in ("alice", "bob")]
        plain = door.room()
        tenants = "[acme]" + plain
        for room in (tenants, "[evil]" + plain, plain):
            assert (await alice.join(room, "Alice")).joined
            assert (await bob.join(room, "Bob")).joined == (room == tenants)
