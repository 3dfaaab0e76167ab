"""When Python looks for garbage: rarely, since what a service holds for long would be looked through each time."""

import gc

YOUNG_OBJECTS = 20_000
COLLECTIONS = 50
"""Nearly all objects are freed as their last reference goes. With Python's own thresholds a storm of chargers spends a
fifth of its time in collections that find nothing, and a portal with 1,000 streams stands still for 0.2 s each time."""


def collect_rarely() -> None:
    """Lets more objects come between two collections. A process does this first: then its imports are quicker, too."""
    gc.set_threshold(YOUNG_OBJECTS, COLLECTIONS, COLLECTIONS)


def keep_what_lives() -> None:
    """What lives now is never looked at again: for the end of a start."""
    gc.collect()
    gc.freeze()
