"""`python -m portal`: runs the portal, or with a word after it, prepares its database or replays a projection."""

from chassis.app import main
from portal.app import build
from portal.projections import PROJECTIONS

if __name__ == "__main__":
    main("portal", build, projections=PROJECTIONS)
