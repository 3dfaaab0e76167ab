"""`python -m billing`: runs billing, or with a word after it, prepares its database or replays a projection."""

from billing.app import build
from billing.projections import PROJECTIONS
from chassis.app import main

if __name__ == "__main__":
    main("billing", build, projections=PROJECTIONS)
