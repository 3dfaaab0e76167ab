"""Composes auth: settings, tables, keys and what it serves."""

from datetime import timedelta

from auth.groups import Groups
from auth.login import Login
from auth.own_keys import OwnKeys
from auth.passwords import Passwords
from auth.routes import login_routes, people_routes
from auth.settings import Settings
from auth.signing_keys import TIMER, SigningKeyLockedError, SigningKeys
from auth.tables import metadata
from auth.users import NotTheOperatorError, User, Users
from chassis.app import CannotStartError, Service
from chassis.clock import WakingClock
from chassis.limits import MovingWindow
from contracts import topics

OPERATOR_NAME = "Platform operator"


def build(
    settings: Settings | None = None, *, passwords: Passwords | None = None, clock: WakingClock | None = None
) -> Service:
    """The service, ready to run. Raises CannotStartError."""
    settings = settings or Settings()
    service = Service(topics.Service.AUTH.value, settings, metadata, clock=clock)
    passwords = passwords or Passwords()
    users = Users(service.clock)
    groups = Groups(service.outbox, service.clock)
    keys = signing_keys(service, settings)
    own_keys = OwnKeys(service.database, keys, service.clock)
    login = Login(
        service.database,
        users,
        passwords,
        keys,
        MovingWindow(service.clock, settings.login_tries_per_minute, timedelta(minutes=1)),
        clock=service.clock,
        token_lifetime=settings.token_lifetime,
    )

    async def prepare() -> None:
        await passwords.prepare()
        operator = await _operator(settings, passwords)
        try:
            async with service.database.begin() as session:
                await users.appoint_operator(session, operator)
                await keys.start(session)
        except (NotTheOperatorError, SigningKeyLockedError) as error:
            raise CannotStartError(str(error)) from error

    service.on_start(prepare)
    service.timers.on_due(keys.retire, name=TIMER)
    service.http.state.keyring = own_keys.ring
    service.http.include_router(login_routes(login))
    service.http.include_router(people_routes(service.database, users, groups, passwords, own_keys))
    return service


def signing_keys(service: Service, settings: Settings) -> SigningKeys:
    """The signing keys of this service."""
    return SigningKeys(
        service.outbox,
        service.timers,
        clock=service.clock,
        token_lifetime=settings.token_lifetime,
        lead=settings.signing_key_lead,
        encryption_key=settings.encryption_key,
    )


async def _operator(settings: Settings, passwords: Passwords) -> User | None:
    if settings.operator_password is None:
        return None
    password_hash = await passwords.hash(settings.operator_password.get_secret_value())
    return User(settings.operator_username, OPERATOR_NAME, operator=True, password_hash=password_hash)
