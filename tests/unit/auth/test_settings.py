"""Settings that are wrong are refused by name, and secrets stay out of the message."""

import base64

import pytest
from pydantic import ValidationError

from auth.settings import Settings
from chassis.settings import explain


def test_an_encryption_key_is_32_bytes_in_base64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_KEY_ENCRYPTION_KEY", base64.b64encode(bytes(range(32))).decode())

    assert Settings().encryption_key == bytes(range(32))


@pytest.mark.parametrize("value", [base64.b64encode(b"too short").decode(), "not base64 at all!"])
def test_another_encryption_key_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("AUTH_KEY_ENCRYPTION_KEY", value)

    with pytest.raises(ValidationError) as refused:
        Settings()

    assert "key_encryption_key" in explain(refused.value).lower()
    assert value not in explain(refused.value)


def test_a_short_operator_password_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_OPERATOR_PASSWORD", "short")

    with pytest.raises(ValidationError) as refused:
        Settings()

    assert "operator_password" in explain(refused.value).lower()
