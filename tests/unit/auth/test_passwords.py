"""People's passwords: right ones are accepted, and a missing user costs as much as a wrong password."""

import asyncio
import threading

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from auth.passwords import AT_ONCE, MOST_WAITING, Passwords, TooBusyError
from chassis.testing import eventually

CHEAP = Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1)


class CountingHash(PasswordHash):
    """Counts comparisons, and can hold them up."""

    def __init__(self) -> None:
        super().__init__((CHEAP,))
        self.compared: list[str] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def verify_and_update(self, password: str | bytes, hash: str | bytes) -> tuple[bool, str | None]:  # noqa: A002
        self.go_on.wait(10)
        self.compared.append(str(hash))
        return super().verify_and_update(password, hash)


async def test_a_password_is_accepted_and_another_is_not() -> None:
    passwords = Passwords(PasswordHash((CHEAP,)))
    kept = await passwords.hash("correct horse battery")

    assert (await passwords.check("correct horse battery", kept)).right
    assert not (await passwords.check("correct horse batter", kept)).right


async def test_a_stored_hash_is_argon2id_and_does_not_hold_the_password() -> None:
    kept = await Passwords().hash("correct horse battery")

    assert kept.startswith("$argon2id$")
    assert "correct" not in kept


async def test_a_user_who_does_not_exist_costs_one_comparison_like_any_other() -> None:
    counting = CountingHash()
    passwords = Passwords(counting)
    await passwords.prepare()

    verdict = await passwords.check("whatever it is", None)

    assert not verdict.right
    assert len(counting.compared) == 1
    assert counting.compared[0].startswith("$argon2id$")


async def test_a_hash_made_with_weaker_settings_is_to_be_replaced() -> None:
    weaker = await Passwords(PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))).hash(
        "a password"
    )
    stronger = Passwords(PasswordHash((Argon2Hasher(time_cost=2, memory_cost=16, parallelism=1),)))

    verdict = await stronger.check("a password", weaker)

    assert verdict.right
    assert verdict.better_hash is not None
    assert (await stronger.check("a password", verdict.better_hash)).better_hash is None


async def test_what_is_no_hash_accepts_nothing() -> None:
    assert not (await Passwords(PasswordHash((CHEAP,))).check("a password", "not a hash")).right


async def test_a_long_line_is_refused_instead_of_growing() -> None:
    counting = CountingHash()
    passwords = Passwords(counting)
    await passwords.prepare()
    counting.go_on.clear()
    waiting = [asyncio.create_task(passwords.check("a password", None)) for _ in range(MOST_WAITING)]

    def all_wait() -> None:
        assert passwords._waiting == MOST_WAITING

    await eventually(all_wait)

    with pytest.raises(TooBusyError):
        await passwords.check("a password", None)

    counting.go_on.set()
    assert len(await asyncio.gather(*waiting)) == MOST_WAITING > AT_ONCE
