"""What tests of services share: a clock that is moved by hand, and waiting without sleeping."""

from chassis.testing.clock import FakeClock
from chassis.testing.waiting import eventually

__all__ = ["FakeClock", "eventually"]
