# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Types shared by the check of permissions and its backends."""

from collections.abc import Mapping, Sequence
import contextlib
import dataclasses
from typing import Any, Literal, Protocol

from safe_fixtures import exceptions

__all__ = [
    'Attempt',
    'Deviation',
    'Finding',
    'Operation',
    'PermissionSource',
    'Persona',
    'Prober',
    'ServerRecord',
]

#: What an operation comes to: it is done, it is refused (403), or the server
#: seems not to exist (404, or not in a list).
OUTCOMES = ('allowed', 'forbidden', 'hidden')


@dataclasses.dataclass(frozen=True)
class Persona:
    """Somebody who makes requests.

    :ivar name: such as ``project member`` (str).
    :ivar roles: the roles of its token (tuple of str).
    :ivar user: its id (str); None for the user who owns the server.
    :ivar in_project: whether it belongs to the project of the server.
    :ivar is_admin: whether it is an administrator.
    """

    name: str
    roles: tuple[str, ...]
    user: str | None = None
    in_project: bool = True
    is_admin: bool = False


@dataclasses.dataclass(frozen=True)
class Operation:
    """A request about a server, or a detail that a response shows of it.

    :ivar name: such as ``delete`` (str).
    :ivar request: method and path, such as ``DELETE /servers/{id}`` (str).
    :ivar rules: the policy rules that decide, in the order in which the API
        asks for them (tuple of str); messages name the last one.
    :ivar kind: ``read``; ``list``; ``attribute``: a detail of what a read
        shows; ``write``: stopped before it is done; ``destroy``: not even
        requested for a persona that policy allows it.
    :ivar sampled: whether only the first persona that policy allows it makes
        the request; the policy engine answers for the others.
    :ivar body: the body of the request, or None.
    :ivar keys: the keys that show an attribute (tuple of str).
    :ivar early_keys: keys that do so only before a microversion (tuple of
        key and microversion).
    :ivar finds_first: whether the API looks the server up before it asks
        policy, so that other projects get a 404; a list never does.
    :ivar everywhere: whether a list covers all projects.
    :ivar since: the first compute microversion that has the operation.
    """

    name: str
    request: str
    rules: tuple[str, ...]
    kind: Literal['read', 'list', 'attribute', 'write', 'destroy'] = 'read'
    sampled: bool = False
    # Not compared, as a dictionary has no hash.
    body: Any = dataclasses.field(default=None, compare=False)
    keys: tuple[str, ...] = ()
    early_keys: tuple[tuple[str, str], ...] = ()
    finds_first: bool = True
    everywhere: bool = False
    since: str = '2.1'


@dataclasses.dataclass(frozen=True)
class Deviation:
    """A permission that a test has changed on purpose.

    Example::

        Deviation('project reader', 'delete', 'allowed',
                  reason='the operator lets readers clean up')

    :param persona: its name (str).
    :param operation: its name (str).
    :param expected: ``allowed``, ``forbidden`` or ``hidden``.
    :param reason: why; it is recorded (str, not empty).
    :raises: ConfigurationError for an empty reason or an unknown outcome.
    """

    persona: str
    operation: str
    expected: str
    reason: str

    def __post_init__(self) -> None:
        if not isinstance(self.reason, str) or not self.reason.strip():
            raise exceptions.ConfigurationError(
                'Deviation reason', self.reason, 'say why, in words'
            )
        if self.expected not in OUTCOMES:
            raise exceptions.ConfigurationError(
                'Deviation expected',
                self.expected,
                f'it must be one of {", ".join(OUTCOMES)}',
            )


@dataclasses.dataclass(frozen=True)
class Finding:
    """One wrong permission, or one wrong detail of a server.

    :ivar persona: who (str).
    :ivar operation: what (str).
    :ivar expected: what it should come to (str).
    :ivar got: what it came to (str).
    :ivar answer: how that is known, such as ``HTTP 200`` (str).
    :ivar rule: the policy rule that decides (str; None if none does).
    :ivar cause: what is known about why (str).
    """

    persona: str
    operation: str
    expected: str
    got: str
    answer: str = ''
    rule: str | None = None
    cause: str = ''

    def __str__(self) -> str:
        answer = f' ({self.answer})' if self.answer else ''
        why = self.cause
        if self.rule is not None and not why.startswith(f'{self.rule} '):
            why = f'{self.rule}: {why}'
        return (
            f'{self.persona}: {self.operation}: expected {self.expected}, got '
            f'{self.got}{answer}' + (f' [{why}]' if why else '')
        )


@dataclasses.dataclass(frozen=True)
class Attempt:
    """What an operation came to.

    :ivar got: one of ``OUTCOMES``, or else ``error`` (str).
    :ivar answer: how that is known, such as ``HTTP 403`` (str).
    :ivar shown: the server as the response shows it (mapping or None).
    :ivar text: the body of the response (str).
    """

    got: str
    answer: str
    shown: Mapping[str, Any] | None = None
    text: str = ''


@dataclasses.dataclass(frozen=True)
class ServerRecord:
    """A server as Nova's database has it.

    :ivar server_id: its id (str).
    :ivar project_id: its project (str).
    :ivar user_id: its user (str).
    :ivar hosts: the names of each host and node that runs it, or has run it
        (frozenset of str).
    :ivar key_pairs: name and user of each of its key pairs.
    :ivar state: everything that the check must not change, by name.
    :ivar is_busy: whether a task is running on it.
    :ivar is_listed: whether lists show it (soft-deleted servers are in no
        list).
    :ivar reservation: shared by the servers of one request (str or None).
    """

    server_id: str
    project_id: str
    user_id: str
    hosts: frozenset[str]
    key_pairs: tuple[tuple[str, str], ...]
    state: Mapping[str, Any]
    is_busy: bool = False
    is_listed: bool = True
    reservation: str | None = None


class Prober(Protocol):
    """Tries operations, and lets none of them change anything."""

    #: How many requests it has made.
    requests: int
    #: The rules that have their default while it is there.
    set_aside: Sequence[str]

    def attempt(self, persona: Persona, operation: Operation) -> Attempt:
        """Try an operation; the first of each persona is a read."""

    def cause(self, persona: Persona, operation: Operation) -> tuple[str, str]:
        """Return the rule to blame, and what is known about why."""


class PermissionSource(Protocol):
    """The servers, the policy in force and the policy defaults."""

    #: What can be tried, reads first.
    operations: Sequence[Operation]
    #: The user whom the stubbed authentication makes an administrator,
    #: whatever its roles.
    admin_user: str

    def microversion(self, pin: str | None) -> str:
        """Return the pin, else the vetted microversion; at most what the API
        supports.
        """

    def personas(self) -> Sequence[Persona]:
        """Return the personas of this release, an administrator first."""

    def expected(self, persona: Persona, operation: Operation) -> str:
        """Return the outcome by the policy defaults of the release."""

    def server(self, server_id: str) -> ServerRecord | None:
        """Return the record of a server, or None if there is none."""

    def watching_policy(self) -> contextlib.AbstractContextManager[Any]:
        """Return a context manager that notes the policy rules that are set
        by hand, and not loaded from files, until it exits.
        """

    def probing(
        self,
        server: ServerRecord,
        endpoint: str,
        microversion: str,
        watched: Any,
    ) -> contextlib.AbstractContextManager[Prober]:
        """Return a prober as a context manager that restores everything.

        :param watched: what :meth:`watching_policy` has noted.
        """
