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

"""What the check of permissions and the places it looks at agree on."""

from collections.abc import Mapping, Sequence
import contextlib
import dataclasses
from typing import Any, Literal, Protocol

from safe_fixtures import exceptions

__all__ = [
    'OUTCOMES',
    'Attempt',
    'Deviation',
    'Finding',
    'Operation',
    'PermissionSource',
    'Persona',
    'Prober',
    'ServerRecord',
]

#: What comes of an operation: it is done, it is refused (403), or it is as
#: if there were no such server (404, or not in a list).
OUTCOMES = ('allowed', 'forbidden', 'hidden')


@dataclasses.dataclass(frozen=True)
class Persona:
    """Somebody who makes requests.

    :ivar name: such as ``project member`` (str).
    :ivar roles: what its token has (tuple of str).
    :ivar user: its id (str); None for the user who owns the server.
    :ivar in_project: whether it is of the project of the server.
    :ivar is_admin: whether it is an administrator.
    """

    name: str
    roles: tuple[str, ...]
    user: str | None = None
    in_project: bool = True
    is_admin: bool = False


@dataclasses.dataclass(frozen=True)
class Operation:
    """Something that is done to a server, or seen of it.

    :ivar name: such as ``delete`` (str).
    :ivar request: how the API calls it, such as ``DELETE /servers/{id}``.
    :ivar rules: the policy rules that decide, in the order of the API
        (tuple of str); messages name the last one.
    :ivar kind: ``read``; ``list``; ``attribute``, of what a read shows;
        ``write``, which is stopped before it is done; or ``destroy``, which
        is not even asked for by whom policy allows it.
    :ivar sparing: whether only the first persona of those whom policy allows
        it asks for it, and the others ask the policy engine.
    :ivar keys: the keys that show an attribute (tuple of str).
    :ivar early_keys: others that do so before a microversion only (tuple of
        key and microversion).
    :ivar finds_first: whether the API looks the server up before it asks
        policy, so that it is hidden from other projects.
    :ivar everywhere: whether a list is one of all projects.
    :ivar since: the first compute microversion that has it.
    """

    name: str
    request: str
    rules: tuple[str, ...]
    kind: Literal['read', 'list', 'attribute', 'write', 'destroy'] = 'read'
    sparing: bool = False
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
    :param expected: one of ``allowed``, ``forbidden`` and ``hidden``.
    :param reason: why; it is recorded (str, not empty).
    :raises: ConfigurationError if it is empty or the outcome unknown.
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
    """One thing that is not as it should be.

    :ivar persona: who (str).
    :ivar operation: what (str).
    :ivar expected: what should come of it (str).
    :ivar got: what came of it (str).
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
    """What came of an operation.

    :ivar got: one of ``OUTCOMES``, or else ``error`` (str).
    :ivar answer: how that is known, such as ``HTTP 403`` (str).
    :ivar shown: the server as the response has it (mapping or None).
    :ivar text: the body of the response (str).
    """

    got: str
    answer: str
    shown: Mapping[str, Any] | None = None
    text: str = ''


@dataclasses.dataclass(frozen=True)
class ServerRecord:
    """A server as the records of Nova have it.

    :ivar server_id: its id (str).
    :ivar project_id: its project (str).
    :ivar user_id: its user (str).
    :ivar hosts: the names of each host and node that runs it, or has run it
        (frozenset of str).
    :ivar key_pairs: name and user of each of its key pairs.
    :ivar state: all that must be the same afterwards, by name.
    :ivar is_busy: whether something is being done to it.
    :ivar is_listed: whether lists have it (one that is deleted softly is in
        none).
    :ivar reservation: what those have in common that were created by the
        same request (str or None).
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
    #: The rules that were given their default meanwhile.
    set_aside: Sequence[str]

    def attempt(self, persona: Persona, operation: Operation) -> Attempt:
        """Try an operation; the first of each persona is a read."""

    def cause(self, persona: Persona, operation: Operation) -> tuple[str, str]:
        """Return the rule to blame, and what is known about why."""


class PermissionSource(Protocol):
    """Where the servers, the policy and its defaults are."""

    #: What can be tried, reads first.
    operations: Sequence[Operation]
    #: Whom the stubbed authentication makes an administrator, whatever the
    #: roles.
    admin_user: str

    def microversion(self, pin: str | None) -> str:
        """Return the one to use: the pin, or else the vetted one, or the
        maximum of the API if that is less.
        """

    def personas(self) -> Sequence[Persona]:
        """Return who there is in this release, an administrator first."""

    def expected(self, persona: Persona, operation: Operation) -> str:
        """Return what should come of it by the defaults of the release."""

    def server(self, server_id: str) -> ServerRecord | None:
        """Return what is recorded about a server, if it is there."""

    def watching_policy(self) -> contextlib.AbstractContextManager[Any]:
        """Return what tells, when it is entered and until it is left, which
        rules were changed meanwhile by others than the policy files.
        """

    def probing(
        self,
        server: ServerRecord,
        endpoint: str,
        microversion: str,
        watched: Any,
    ) -> contextlib.AbstractContextManager[Prober]:
        """Return a prober; when it is left, all is as it was before."""
