"""What the component holds in memory for the rooms that are open."""

from lab.process import free_port

from .figures import Figure
from .parts import Driver, PinnedVestibule, started
from .questions import Endpoint

ON_PROSODY = False
OCCUPANTS = 10


def measure(_rounds, scale, _version):
    """Rooms first, then people in them; resident memory after each."""
    rooms, port = int(10_000 * scale), free_port()
    with Driver("asker", "rooms", port=port, rooms=rooms, occupants=OCCUPANTS) as driver:
        driver.said()
        with started(PinnedVestibule(Endpoint(port)), ready=False) as component:
            held = {}
            for _ in range(3):
                step = driver.said()["step"]
                held[step] = component.resident_kib() * 1024
                driver.go_on()
    empty, with_rooms, full = held["greeted"], held["rooms"], held["occupants"]
    people = rooms * OCCUPANTS
    yield Figure("memory", full / 2**20, "MiB", f"{rooms:,} rooms, {people:,} occupants; {empty / 2**20:.3g} MiB with none")
    yield Figure("memory-room", (with_rooms - empty) / rooms, "B", f"growth over {rooms:,} rooms")
    yield Figure("memory-occupant", (full - with_rooms) / people, "B", f"growth over {people:,} occupants")
