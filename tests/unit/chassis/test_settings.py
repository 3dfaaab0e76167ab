"""Settings come from the environment, and errors name the variable."""

import pytest
from pydantic import Field, ValidationError
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings, explain


class BridgeSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="OCPP_BRIDGE_")

    port: int = 9000
    window_s: float = Field(default=60.0, gt=0)


def test_shared_names_have_no_prefix_and_own_ones_do(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://role:hush@db:5432/comeback")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "k1:9092,k2:9092")
    monkeypatch.setenv("HTTP_PORT", "8081")
    monkeypatch.setenv("OCPP_BRIDGE_PORT", "9001")
    settings = BridgeSettings()
    assert settings.database_url is not None
    assert str(settings.database_url.get_secret_value()) == "postgresql://role:hush@db:5432/comeback"
    assert settings.kafka_bootstrap_servers == "k1:9092,k2:9092"
    assert (settings.http_port, settings.port) == (8081, 9001)


def test_settings_can_be_given_by_field_name():
    settings = BridgeSettings(kafka_bootstrap_servers="k:1", http_port=5, port=7)
    assert (settings.kafka_bootstrap_servers, settings.http_port, settings.port) == ("k:1", 5, 7)


def test_a_misspelt_variable_with_our_prefix_is_refused_by_name_and_with_a_hint(monkeypatch):
    monkeypatch.setenv("OCPP_BRIDGE_WINDOWS_S", "5")
    with pytest.raises(ValidationError) as caught:
        BridgeSettings()
    assert explain(caught.value) == (
        "environment variable OCPP_BRIDGE_WINDOWS_S names no setting; did you mean OCPP_BRIDGE_WINDOW_S?"
    )


def test_a_wrong_value_is_explained_by_variable_and_never_shown(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "mysql://role:hush@db/comeback")
    monkeypatch.setenv("OCPP_BRIDGE_WINDOW_S", "-1")
    with pytest.raises(ValidationError) as caught:
        BridgeSettings()
    words = explain(caught.value)
    assert "DATABASE_URL: " in words
    assert "OCPP_BRIDGE_WINDOW_S" in words.upper()
    assert "hush" not in words + str(caught.value)


@pytest.mark.parametrize("name", ["", "two words", "bridge/1", "x" * 201])
def test_a_name_that_kafka_could_not_take_for_an_instance_is_refused(monkeypatch, name):
    monkeypatch.setenv("INSTANCE_ID", name)
    with pytest.raises(ValidationError):
        ServiceSettings()


def test_a_kafka_user_without_a_password_is_refused():
    with pytest.raises(ValidationError) as caught:
        BridgeSettings(kafka_username="bridge")
    assert "KAFKA_USERNAME and KAFKA_PASSWORD" in explain(caught.value)


def test_secrets_do_not_show_in_the_settings_text():
    settings = BridgeSettings(
        database_url="postgresql://role:hush@db:5432/comeback", kafka_username="u", kafka_password="hush"
    )
    assert "hush" not in repr(settings)
