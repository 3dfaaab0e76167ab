"""The bridge's command line: `python -m ocpp_bridge [migrate | check-migrations]`."""

from chassis.app import main
from ocpp_bridge.app import build

if __name__ == "__main__":
    main("ocpp_bridge", build)
