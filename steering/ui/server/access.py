"""Who may open the page: the person at this machine, or others with a password."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from steering.errors import SteeringError

LEAST_LETTERS = 8
"""Shortest password: nothing keeps a visitor from trying many."""

NEEDS_PASSWORD = (
    "The page would be open to others ({how}), so it needs a password: give --auth NAME:PASSWORD or the environment variable "
    "STEERING_LAB_AUTH (auth= in Python), or say --without-password (without_password=True) if anybody may use it."
)
NOT_BUILT_FOR_OTHERS = (
    "The page would be open to others ({how}), but was built for the person at this machine: use build_app(shared=True), which "
    "gives every visitor a shelf and takes the models of a list alone."
)


@dataclass(frozen=True)
class Access:
    """Where a page can be opened from, and by whom.

    Attributes:
        shared: whether others than the person at this machine can open it.
        accounts: names and passwords; empty where none is asked for.
    """

    shared: bool
    accounts: tuple[tuple[str, str], ...] = ()


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own, which no other machine reaches."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def access(
    host: str,
    *,
    share: bool = False,
    auth: Sequence[str] = (),
    without_password: bool = False,
    built_shared: bool = True,
) -> Access:
    """Decide who may open a page.

    Args:
        host: address that the server listens on.
        share: whether Gradio's servers open a public address.
        auth: accounts as "name:password".
        without_password: whether others may open the page without a password.
        built_shared: whether the page was built for others.

    Raises:
        SteeringError: others could open the page without a password, or one that was not built for them; or an account that
            cannot be read.
    """
    accounts = tuple(_account(words) for words in auth)
    shared = share or not is_loopback(host)
    how = "--share" if share else f"--host {host}"
    if shared and not built_shared:
        raise SteeringError(NOT_BUILT_FOR_OTHERS.format(how=how))
    if shared and not accounts and not without_password:
        raise SteeringError(NEEDS_PASSWORD.format(how=how))
    if len({name for name, _ in accounts}) != len(accounts):
        raise SteeringError("Two accounts of --auth have the same name. Give every visitor one of their own.")
    return Access(shared, accounts)


def _account(words: str) -> tuple[str, str]:
    name, colon, password = words.partition(":")
    if not colon or not name.strip() or name != name.strip():
        raise SteeringError("An account of --auth must be NAME:PASSWORD, with a name before the colon.")
    if len(password) < LEAST_LETTERS:
        raise SteeringError(f"The password of {name!r} is too short: it needs {LEAST_LETTERS} characters or more.")
    return name, password
