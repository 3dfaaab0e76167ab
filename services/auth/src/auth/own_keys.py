"""Auth's own key ring: it checks tokens with the keys in its database, so that it need not wait for its own topic."""

from auth.said import said
from auth.signing_keys import SigningKeys
from chassis.clock import Clock
from chassis.database import Database
from chassis.tokens import ALGORITHM, KeyRing
from contracts.auth import SigningKeyRetired


class OwnKeys:
    """Keeps a key ring equal to the database. The calls that need it are rare, so it looks at each."""

    def __init__(self, database: Database, keys: SigningKeys, clock: Clock) -> None:
        self.ring = KeyRing(clock)
        self._database = database
        self._keys = keys
        self._clock = clock

    async def refresh(self) -> None:
        """Takes in new keys and strikes out retired ones: another process may have rotated."""
        async with self._database.begin() as session:
            public = await self._keys.public(session)
        for kid in self.ring.known - public.keys():
            self.ring.apply(said(SigningKeyRetired(kid=kid), version=1, now=self._clock.now()))
        for kid in public.keys() - self.ring.known:
            self.ring.add(kid, ALGORITHM, public[kid])
