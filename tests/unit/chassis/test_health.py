"""Readiness and liveness give their reasons."""

from chassis.health import Health


def test_nothing_to_complain_about_is_ready_and_live():
    health = Health()
    health.add_ready("database", lambda: None)
    assert health.not_ready() == {}
    assert health.not_live() == {}


def test_reasons_are_told_by_the_name_of_their_check():
    health = Health()
    health.add_ready("database", lambda: "it does not answer")
    health.add_ready("relay", lambda: None)
    health.add_live("consumer", lambda: "12 records wait")
    assert health.not_ready() == {"database": "it does not answer"}
    assert health.not_live() == {"consumer": "12 records wait"}


def test_a_check_that_fails_is_itself_a_reason():
    def broken() -> str | None:
        raise LookupError("gone")

    health = Health()
    health.add_ready("broken", broken)
    assert "LookupError" in health.not_ready()["broken"]
