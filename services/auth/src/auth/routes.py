"""Auth's HTTP API: signing in, for everyone; groups and members, for who is in them; all of it, for operators."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import SecretStr

from auth.groups import Group, Groups, LastSuperAdministratorError, Member, UnknownError
from auth.login import Login, WrongCredentialsError
from auth.own_keys import OwnKeys
from auth.passwords import Passwords, TooBusyError
from auth.requests import (
    GroupPage,
    GroupShown,
    GroupWanted,
    LanguageWanted,
    Limit,
    LoginAnswer,
    LoginRequest,
    MemberPage,
    MemberShown,
    RoleWanted,
    UserAdded,
    UserPage,
    UserShown,
    UserWanted,
)
from auth.users import User, UserExistsError, Users
from chassis.database import Database
from chassis.http import CurrentPerson, Problem, current_person, require_operator
from chassis.limits import TooOftenError
from contracts.words import GroupId, UserId


def login_routes(login: Login) -> APIRouter:
    """The one call that needs no token."""
    routes = APIRouter(prefix="/api/v1", tags=["auth"])

    @routes.post("/login")
    async def sign_in(body: LoginRequest, response: Response) -> LoginAnswer:
        """A user name and a password for an access token."""
        response.headers["cache-control"] = "no-store"
        try:
            signed_in = await login.sign_in(body.username, body.password.get_secret_value())
        except TooOftenError as error:
            why = f"Too many tries for this user name; try again in {error.retry_after} s"
            raise Problem(429, why, headers={"retry-after": str(error.retry_after)}) from error
        except TooBusyError as error:
            raise _too_busy() from error
        except WrongCredentialsError as error:
            raise Problem(401, "The user name or the password is wrong", title="Not signed in") from error
        return LoginAnswer(
            access_token=signed_in.token.text,
            expires_at=signed_in.token.expires_at,
            user_id=signed_in.user.user_id,
            name=signed_in.user.name,
            language=signed_in.user.language,
        )

    return routes


def people_routes(
    database: Database, users: Users, groups: Groups, passwords: Passwords, own_keys: OwnKeys
) -> APIRouter:
    """Users, groups and members, over these parts."""
    guards = [Depends(own_keys.refresh), Depends(current_person)]
    routes = APIRouter(prefix="/api/v1", dependencies=guards, tags=["auth"])
    _add_users(routes, database, users, passwords)
    _add_own(routes, database, users)
    _add_groups(routes, database, groups)
    _add_members(routes, database, groups)
    return routes


def _add_users(routes: APIRouter, database: Database, users: Users, passwords: Passwords) -> None:
    for_operators = [Depends(require_operator)]

    @routes.get("/users", dependencies=for_operators)
    async def list_users(
        after: Annotated[UserId | None, Query()] = None, limit: Annotated[Limit, Query()] = 100
    ) -> UserPage:
        """All users, page by page."""
        async with database.begin() as session:
            found = await users.page(session, after=after or "", limit=limit + 1)
        page = [UserShown(user_id=each.user_id, name=each.name, operator=each.operator) for each in found[:limit]]
        return UserPage(items=page, next=page[-1].user_id if len(found) > limit else None)

    @routes.post("/users", dependencies=for_operators, status_code=201, response_model_exclude_unset=True)
    async def add_user(body: UserWanted, response: Response) -> UserAdded:
        """Adds a user. Without a password one is made; the answer shows it, once."""
        response.headers["cache-control"] = "no-store"
        made = None if body.password is not None else SecretStr(secrets.token_urlsafe(16))
        try:
            password_hash = await passwords.hash((body.password or made or SecretStr("")).get_secret_value())
            async with database.begin() as session:
                await users.add(session, User(body.user_id, body.name, operator=False, password_hash=password_hash))
        except TooBusyError as error:
            raise _too_busy() from error
        except UserExistsError as error:
            raise Problem(409, f"There is a user {body.user_id!r} already") from error
        shown = {"password": made.get_secret_value()} if made is not None else {}
        return UserAdded(user_id=body.user_id, name=body.name, **shown)


def _add_own(routes: APIRouter, database: Database, users: Users) -> None:
    @routes.put("/me/language", status_code=204)
    async def choose_language(body: LanguageWanted, person: CurrentPerson) -> None:
        """Keeps the language that you want to read; signing in tells it."""
        async with database.begin() as session:
            if not await users.choose_language(session, person.user_id, body.language):
                raise Problem(404, f"There is no user {person.user_id!r}")


def _add_groups(routes: APIRouter, database: Database, groups: Groups) -> None:
    @routes.get("/groups")
    async def list_groups(
        person: CurrentPerson,
        after: Annotated[GroupId | None, Query()] = None,
        limit: Annotated[Limit, Query()] = 100,
    ) -> GroupPage:
        """Your groups, page by page; all there are, for an operator."""
        async with database.begin() as session:
            found = await groups.page(session, person, after=after or "", limit=limit + 1)
        page = [GroupShown(group_id=each.group_id, name=each.name) for each in found[:limit]]
        return GroupPage(items=page, next=page[-1].group_id if len(found) > limit else None)

    @routes.put("/groups/{group_id}", dependencies=[Depends(require_operator)])
    async def define_group(group_id: GroupId, body: GroupWanted, response: Response) -> GroupShown:
        """Makes a group, or gives it another name."""
        async with database.begin() as session:
            if await groups.define(session, Group(group_id, body.name)):
                response.status_code = 201
        return GroupShown(group_id=group_id, name=body.name)


def _add_members(routes: APIRouter, database: Database, groups: Groups) -> None:
    @routes.get("/groups/{group_id}/members")
    async def list_members(group_id: GroupId, person: CurrentPerson) -> MemberPage:
        """Everyone in a group, for its members."""
        async with database.begin() as session:
            try:
                members = await groups.members(session, person, group_id)
            except UnknownError as error:
                raise _not_found(error) from error
        return MemberPage(items=[_shown(member) for member in members])

    @routes.put("/groups/{group_id}/members/{user_id}")
    async def grant_role(
        group_id: GroupId, user_id: UserId, body: RoleWanted, response: Response, person: CurrentPerson
    ) -> MemberShown:
        """Gives a user a role in a group; it replaces any other there. For super-administrators of the group."""
        async with database.begin() as session:
            try:
                member, is_new = await groups.grant(session, person, group_id, user_id, body.role)
            except UnknownError as error:
                raise _not_found(error) from error
            except LastSuperAdministratorError as error:
                raise Problem(409, str(error)) from error
        if is_new:
            response.status_code = 201
        return _shown(member)

    @routes.delete("/groups/{group_id}/members/{user_id}", status_code=204)
    async def end_membership(group_id: GroupId, user_id: UserId, person: CurrentPerson) -> None:
        """Ends a membership. The last super-administrator of a group stays. For super-administrators of the group."""
        async with database.begin() as session:
            try:
                await groups.end(session, person, group_id, user_id)
            except UnknownError as error:
                raise _not_found(error) from error
            except LastSuperAdministratorError as error:
                raise Problem(409, str(error)) from error


def _shown(member: Member) -> MemberShown:
    return MemberShown(group_id=member.group_id, user_id=member.user_id, name=member.name, role=member.role)


def _not_found(error: UnknownError) -> Problem:
    return Problem(404, f"There is no {error.what} {error.name!r}")


def _too_busy() -> Problem:
    return Problem(503, "Too many people sign in at this moment; try again in a moment", headers={"retry-after": "2"})
