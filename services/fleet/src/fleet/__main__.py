"""`python -m fleet`: runs fleet, or with a word after it, prepares its database or replays a projection."""

from chassis.app import main
from fleet.app import build
from fleet.projections import PROJECTIONS

if __name__ == "__main__":
    main("fleet", build, projections=PROJECTIONS)
