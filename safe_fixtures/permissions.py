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

"""Establish who can do what to a server, by trying it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
import contextlib
import contextvars
import dataclasses
import re
import time
from typing import Any, Literal, Protocol
import unittest

from safe_fixtures import _backend
from safe_fixtures import _endpoints
from safe_fixtures import _guard
from safe_fixtures import audit
from safe_fixtures import exceptions
from safe_fixtures import gate

__all__ = [
    'OUTCOMES',
    'Attempt',
    'Deviation',
    'Finding',
    'Operation',
    'PermissionSource',
    'Persona',
    'Prober',
    'ServerPermissions',
    'ServerRecord',
    'WrongPermissions',
]

#: What comes of an operation: it is done, it is refused (403), or it is as
#: if there were no such server (404, or not in a list).
OUTCOMES = ('allowed', 'forbidden', 'hidden')

_VERSION = re.compile(r'/v2(?:\.[0-9]+)?(?:/.*)?$')
_SERVER = re.compile(r'/servers/([0-9a-fA-F-]{36})$')
# What the owner of a server chooses, and may name like a host.
_CHOSEN = frozenset(
    [
        'OS-EXT-SRV-ATTR:hostname',
        'description',
        'display_description',
        'display_name',
        'hostname',
        'links',
        'locked_reason',
        'metadata',
        'name',
        'properties',
        'tags',
    ]
)
# When it was saved, in a response and in its record.
_TIMES = frozenset(['updated', 'updated_at'])
_SHORTEST_PASSWORD = 6

# Whether the requests of this thread are those of a matrix.
_checking: contextvars.ContextVar[bool] = contextvars.ContextVar(
    'safe_fixtures_permissions', default=False
)


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
    :ivar hosts: the names of host and node that run it (frozenset of str).
    :ivar key_pairs: name and user of each of its key pairs.
    :ivar state: all that must be the same afterwards, by name.
    :ivar is_busy: whether something is being done to it.
    """

    server_id: str
    project_id: str
    user_id: str
    hosts: frozenset[str]
    key_pairs: tuple[tuple[str, str], ...]
    state: Mapping[str, Any]
    is_busy: bool = False


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

    def remember_policy(self) -> Any:
        """Return what tells later which rules are as they are now."""

    def probing(
        self,
        server: ServerRecord,
        endpoint: str,
        microversion: str,
        remembered: Any,
    ) -> contextlib.AbstractContextManager[Prober]:
        """Return a prober; when it is left, all is as it was before."""


class WrongPermissions(exceptions.SafetyViolation):
    """Somebody can do to a server what they should not, or cannot (SF502).

    :ivar server: its id (str).
    :ivar findings: all that is wrong (tuple of Finding).
    """

    def __init__(
        self,
        message: str,
        *,
        server: str,
        findings: tuple[Finding, ...],
    ) -> None:
        super().__init__('SF502', message)
        self.server = server
        self.findings = findings


@dataclasses.dataclass
class _Creation:
    """A request that created servers, and who made it."""

    endpoint: str
    user: str | None
    project: str | None
    # None where they cannot be told by their names.
    security_groups: set[str] | None
    passwords: set[str]


class ServerPermissions(_guard.Guard):
    """Checks who can do what to a server, by real requests.

    Each persona tries each operation, and what comes of it must be what the
    policy defaults of the installed Nova release say, whatever policy is in
    force. What differs is SF502, in one violation for a server. Nothing is
    done to the server: what gets past policy is stopped where the API would
    do it, and what is destructive is asked of the policy engine by whom it
    is allowed. All that is patched for that is given back when a check
    ends.

    Example::

        permissions = self.useFixture(ServerPermissions(self.api_fixture))
        server = self._create_server(networks='none')
        permissions.assert_permissions(server)

    :param api_fixture: the API (OSAPIFixture of Nova); default: the one at
        which the server was created while this was active.
    :param deviations: permissions that the test has changed on purpose
        (iterable of :class:`~safe_fixtures.permissions.Deviation`).
    :param check_first: whether the first server that is created is checked,
        as soon as a response shows it active.
    :param source: a :class:`~safe_fixtures.permissions.PermissionSource`;
        default: the Nova in this process.
    :param test: the test case; default: the one that uses the fixture.
    :param trail: where acts are recorded; default: the active trail.
    :raises: ConfigurationError at set-up where there is no source, for an
        API that is not served in this process, and for a deviation of an
        unknown persona or operation.
    """

    def __init__(
        self,
        api_fixture: Any = None,
        *,
        deviations: Iterable[Deviation] = (),
        check_first: bool = False,
        source: PermissionSource | None = None,
        test: unittest.TestCase | None = None,
        trail: audit.AuditTrail | None = None,
    ) -> None:
        super().__init__(test=test, trail=trail)
        self._api_fixture = api_fixture
        self._given_deviations = deviations
        self._check_first = check_first
        self._given_source = source

    def _prepare(self) -> None:
        source = self._given_source or getattr(
            _backend.find(), 'permissions', None
        )
        if source is None:
            raise exceptions.ConfigurationError(
                'ServerPermissions source',
                None,
                'no Nova is imported whose servers could be checked; give a '
                'PermissionSource',
            )
        self._source: PermissionSource = source
        self._endpoint = None
        if self._api_fixture is not None:
            if not getattr(self._api_fixture, 'stub_keystone', True):
                raise exceptions.ConfigurationError(
                    'ServerPermissions api_fixture',
                    self._api_fixture,
                    'its authentication must be stubbed',
                )
            base_url = getattr(self._api_fixture, 'base_url', '')
            self._endpoint = _endpoint(base_url)
            self._check_endpoint(self._endpoint)
        self._deviations = self._indexed(self._given_deviations)

    def _setUp(self) -> None:
        super()._setUp()
        self._creations: dict[str, _Creation] = {}
        # The one server that is to be checked, until it is.
        self._awaited: str | None = None
        self._first_is_over = not self._check_first
        self._remembered = self._source.remember_policy()
        self.useFixture(gate.ApiGate(self))
        self.addCleanup(self._forget)

    def assert_permissions(
        self, server: Any, *, deviations: Iterable[Deviation] = ()
    ) -> None:
        """Check who can do what to a server.

        It costs about a hundred requests.

        :param server: its id (str), or the server as the API shows it
            (mapping).
        :param deviations: permissions that the test has changed on purpose,
            besides those of the fixture.
        :raises: WrongPermissions (SF502), a SafetyViolation, that names all
            that is not as it should be, if the rule is enforced;
            ConfigurationError for a server that there is not, and for
            deviations as at set-up.
        """
        if _guard.mode_of('SF502', self._settings) == 'off':
            return
        server_id = server['id'] if isinstance(server, Mapping) else server
        stated = {**self._deviations, **self._indexed(deviations)}
        record = self._source.server(server_id)
        if record is None:
            raise exceptions.ConfigurationError(
                'server', server_id, 'there is no such server, or not yet'
            )
        if self._awaited == server_id:
            self._awaited = None
        creation = self._creations.get(server_id)
        endpoint = self._endpoint_for(creation)
        microversion = self._microversion()
        token = _checking.set(True)
        began = time.monotonic()
        try:
            matrix = _Matrix(self._source, record, microversion)
            matrix.run(endpoint, self._remembered, stated)
        finally:
            _checking.reset(token)
        after = self._source.server(server_id)
        findings = [
            *matrix.findings,
            *_attributes(record, matrix, creation),
            *_changes(record, after, matrix),
        ]
        self.trail.record(
            'evaluate/permissions',
            server_id,
            target_id=server_id,
            outcome='failure' if findings else 'success',
            event_type='monitor',
            requests=matrix.requests,
            seconds=round(time.monotonic() - began, 6),
            microversion=microversion,
            not_checked=[*matrix.left_out, *_unknown(creation)],
            rules_set_aside=list(matrix.set_aside),
            deviations={
                f'{each.persona}: {each.operation}': each.reason
                for each in stated.values()
            },
            findings=[str(finding) for finding in findings],
        )
        if findings:
            self._violate(
                WrongPermissions(
                    f'server {server_id}: {len(findings)} of its permissions '
                    'are wrong: '
                    + '; '.join(str(finding) for finding in findings),
                    server=server_id,
                    findings=tuple(findings),
                ),
                server_id,
            )

    def before(self, call: gate.ApiCall) -> None:
        """See ``gate.Observer``."""
        if (
            self._awaited is not None
            and call.method == 'DELETE'
            and call.path == f'/servers/{self._awaited}'
        ):
            self._not_checked('it is deleted before it was seen active')

    def after(self, call: gate.ApiCall) -> None:
        """Note who creates servers; see ``gate.Observer``."""
        if call.method == 'POST':
            self._note(call)
        elif (
            self._awaited is not None
            and call.method == 'GET'
            and not _checking.get()
            and _shows_active(call, self._awaited)
        ):
            self.assert_permissions(self._awaited)

    def _note(self, call: gate.ApiCall) -> None:
        path = call.path
        if path.endswith('/action'):
            self._note_action(call)
            return
        if path not in ('/servers', '/os-volumes_boot') or not (
            call.is_compute
        ):
            return
        created = _part(call.response_body, 'server')
        server_id = created.get('id')
        if call.response.status_code != 202 or not server_id:
            return
        asked = _part(call.body, 'server')
        passwords = {created.get('adminPass'), asked.get('adminPass')}
        headers = call.request.headers
        self._creations[server_id] = _Creation(
            _endpoint(call.url),
            headers.get('X-Auth-User'),
            headers.get('X-Auth-Project-Id'),
            _security_groups(asked),
            {
                each
                for each in passwords
                if isinstance(each, str) and len(each) >= _SHORTEST_PASSWORD
            },
        )
        if not self._first_is_over:
            self._first_is_over = True
            self._awaited = server_id

    def _note_action(self, call: gate.ApiCall) -> None:
        creation = self._creations.get(call.path.split('/')[2])
        if creation is None:
            return
        # Whether it came to that only the records tell.
        if {'addSecurityGroup', 'removeSecurityGroup'} & _part(
            call.body
        ).keys():
            creation.security_groups = None

    def _not_checked(self, why: str) -> None:
        server_id, self._awaited = self._awaited, None
        self.trail.record(
            'evaluate/permissions',
            server_id or 'no server',
            outcome='unknown',
            event_type='monitor',
            not_checked=[f'all: {why}'],
        )

    def _forget(self) -> None:
        if self._awaited is not None:
            self._not_checked('it was not seen active before the test ended')
        elif not self._first_is_over:
            self._not_checked('no server was seen to be created')
        self._creations = {}

    def _indexed(
        self, deviations: Iterable[Deviation]
    ) -> dict[tuple[str, str], Deviation]:
        deviations = list(deviations)
        for deviation in deviations:
            if not isinstance(deviation, Deviation):
                raise exceptions.ConfigurationError(
                    'ServerPermissions deviations',
                    deviation,
                    'each must be a Deviation',
                )
        if not deviations:
            return {}
        for what, known in (
            ('persona', [each.name for each in self._source.personas()]),
            ('operation', [each.name for each in self._source.operations]),
        ):
            for deviation in deviations:
                name = getattr(deviation, what)
                if name not in known:
                    raise exceptions.ConfigurationError(
                        f'Deviation {what}',
                        name,
                        f'it must be one of {", ".join(known)}',
                    )
        return {(each.persona, each.operation): each for each in deviations}

    def _endpoint_for(self, creation: _Creation | None) -> str:
        endpoint = self._endpoint
        if endpoint is None and creation is not None:
            endpoint = creation.endpoint
        if endpoint is None:
            client = getattr(self._test, 'api', None)
            endpoint = _endpoint(getattr(client, 'base_url', ''))
        self._check_endpoint(endpoint)
        return endpoint

    def _check_endpoint(self, endpoint: str) -> None:
        if not _endpoints.is_intercepted(endpoint):
            raise exceptions.ConfigurationError(
                'ServerPermissions api_fixture',
                endpoint,
                'give an OSAPIFixture that is set up, as what is stopped is '
                'stopped in this process only',
            )

    def _microversion(self) -> str:
        pin = getattr(self._test, 'MICROVERSION_PIN', None)
        return self._source.microversion(
            pin or self._settings.pinned_microversion
        )


class _Matrix:
    """Who can do what to one server, as it was found."""

    def __init__(
        self,
        source: PermissionSource,
        record: ServerRecord,
        microversion: str,
    ) -> None:
        self._source = source
        self._record = record
        self._microversion = microversion
        self.left_out: list[str] = []
        self.personas = list(self._personas())
        self.operations = list(self._operations())
        self.attempts: dict[tuple[Persona, Operation], Attempt] = {}
        self.requests = 0
        self.set_aside: Sequence[str] = ()
        self.findings: list[Finding] = []
        #: What the first persona is shown of the server, and is afterwards.
        self.before: Mapping[str, Any] | None = None
        self.after: Mapping[str, Any] | None = None

    def _personas(self) -> Iterator[Persona]:
        is_admins = self._record.user_id == self._source.admin_user
        for persona in self._source.personas():
            if persona.user is None and is_admins:
                self.left_out.append(
                    f'{persona.name}: the user {self._record.user_id!r} is '
                    'made an administrator, whatever the roles'
                )
            else:
                yield persona

    def _operations(self) -> Iterator[Operation]:
        for operation in self._source.operations:
            if _key(operation.since) <= _key(self._microversion):
                yield operation
            else:
                self.left_out.append(
                    f'{operation.name}: microversion {self._microversion} '
                    'does not have it'
                )

    def run(
        self,
        endpoint: str,
        remembered: Any,
        stated: Mapping[tuple[str, str], Deviation],
    ) -> None:
        with self._source.probing(
            self._record, endpoint, self._microversion, remembered
        ) as prober:
            self.set_aside = prober.set_aside
            for persona in self.personas:
                for operation in self.operations:
                    attempt = self._try(prober, persona, operation)
                    self.attempts[persona, operation] = attempt
                    self._judge(
                        prober,
                        persona,
                        operation,
                        attempt,
                        stated.get((persona.name, operation.name)),
                    )
            first = self.personas[0], self.operations[0]
            self.before = self.attempts[first].shown
            self.after = prober.attempt(*first).shown
            self.requests = prober.requests
        tried = {
            (persona.name, operation.name)
            for persona, operation in self.attempts
        }
        for key in stated.keys() - tried:
            self.left_out.append(f'the deviation of {key[0]}: {key[1]}')

    def _try(
        self, prober: Prober, persona: Persona, operation: Operation
    ) -> Attempt:
        if operation.kind != 'attribute':
            return prober.attempt(persona, operation)
        for attempt in self.shown_to(persona).values():
            for key in attempt.shown or ():
                if key in operation.keys:
                    return Attempt('allowed', f'{key} is shown')
        return Attempt('hidden', 'not shown')

    def shown_to(self, persona: Persona) -> dict[Operation, Attempt]:
        """Return what showed the server to a persona."""
        return {
            operation: attempt
            for (seer, operation), attempt in self.attempts.items()
            if seer == persona and attempt.shown is not None
        }

    def _judge(
        self,
        prober: Prober,
        persona: Persona,
        operation: Operation,
        attempt: Attempt,
        deviation: Deviation | None,
    ) -> None:
        default = self._source.expected(persona, operation)
        rule, cause = operation.rules[-1], ''
        if deviation is None:
            expected = default
            if attempt.got == expected:
                return
            rule, cause = prober.cause(persona, operation)
        else:
            expected = deviation.expected
            cause = f'it is stated that it deviates ({deviation.reason})'
            if expected == default:
                cause += ', but it is so by default'
            elif attempt.got == expected:
                return
        self.findings.append(
            Finding(
                persona.name,
                operation.name,
                expected,
                attempt.got,
                attempt.answer,
                rule,
                cause,
            )
        )


def _attributes(
    record: ServerRecord, matrix: _Matrix, creation: _Creation | None
) -> Iterator[Finding]:
    """Yield what is wrong with what is shown of a server, and to whom."""
    judged = {key for each in matrix.operations for key in each.keys}
    told = set()
    for persona in matrix.personas:
        for operation, attempt in matrix.shown_to(persona).items():
            for cause, wanted, got in (
                *_leaks(persona, record, attempt, creation, judged),
                *_mistakes(record, attempt, creation),
            ):
                # Once is enough.
                if got not in told:
                    told.add(got)
                    yield Finding(
                        persona.name,
                        operation.name,
                        wanted,
                        got,
                        attempt.answer,
                        cause=cause,
                    )
    for name, user in record.key_pairs:
        if user != record.user_id:
            yield Finding(
                'owner',
                'key pair',
                f'one of user {record.user_id}',
                f'{name} of user {user}',
                cause="the key pair is somebody else's",
            )


def _leaks(
    persona: Persona,
    record: ServerRecord,
    attempt: Attempt,
    creation: _Creation | None,
    judged: Collection[str],
) -> Iterator[tuple[str, str, str]]:
    """Yield what a persona is shown that it must not be shown."""
    shown = attempt.shown or {}
    passwords = set() if creation is None else creation.passwords
    if 'adminPass' in shown or any(
        password in attempt.text for password in passwords
    ):
        yield (
            'the password is for who created it, once',
            'no admin password',
            f'the admin password shown to {persona.name}',
        )
    if not persona.is_admin:
        for host in sorted(record.hosts & set(_values(shown, judged))):
            yield (
                'hosts are for administrators',
                'no name of a host',
                f'{host} shown to {persona.name}',
            )


def _mistakes(
    record: ServerRecord, attempt: Attempt, creation: _Creation | None
) -> Iterator[tuple[str, str, str]]:
    """Yield what a server is shown to be, and should not be."""
    shown = attempt.shown or {}
    user, project = record.user_id, record.project_id
    if creation is not None:
        user = creation.user or user
        project = creation.project or project
    for what, key, wanted in (
        ('user', 'user_id', user),
        ('project', 'tenant_id', project),
    ):
        if shown.get(key, wanted) != wanted:
            yield (
                'it is of who created it',
                f'{what} {wanted}',
                f'{what} {shown[key]}',
            )
    groups = {
        str(group.get('name')) for group in shown.get('security_groups') or ()
    }
    asked = None if creation is None else creation.security_groups
    # One without a port has none.
    if groups and asked is not None and groups != asked:
        yield (
            'it has those that were asked for',
            f'security groups {", ".join(sorted(asked))}',
            f'security groups {", ".join(sorted(groups))}',
        )


def _values(shown: Any, besides: Collection[str]) -> Iterator[str]:
    """Yield what a server says, except for what its owner has chosen.

    :param besides: other keys that do not count.
    """
    if isinstance(shown, Mapping):
        for key, value in shown.items():
            if key not in _CHOSEN and key not in besides:
                yield from _values(value, besides)
    elif isinstance(shown, list):
        for value in shown:
            yield from _values(value, besides)
    elif isinstance(shown, str):
        yield shown


def _changes(
    record: ServerRecord, after: ServerRecord | None, matrix: _Matrix
) -> Iterator[Finding]:
    """Yield what is not as it was before the matrix."""
    if after is None:
        yield Finding('anybody', 'all', 'unchanged', 'the server is gone')
        return
    looks = [(record.state, after.state)]
    if matrix.before is not None and matrix.after is not None:
        looks.append((matrix.before, matrix.after))
    for before, now in looks:
        changed = {
            name
            for name in before.keys() | now.keys()
            if before.get(name) != now.get(name)
        }
        if record.is_busy:
            # Somebody else is at work on it.
            changed &= _CHOSEN
        # That a compute saves what it knows already is no change.
        for name in sorted(changed - _TIMES):
            yield Finding(
                'anybody',
                'all',
                f'{name} {before.get(name)!r}',
                f'{name} {now.get(name)!r}',
                cause='it was changed meanwhile',
            )


def _unknown(creation: _Creation | None) -> Iterator[str]:
    if creation is None:
        yield (
            'requester, admin password, security groups: its creation was not '
            'seen'
        )
    elif creation.security_groups is None:
        yield 'security groups: they are not known by name'


def _security_groups(asked: Mapping[str, Any]) -> set[str] | None:
    """Return the names of the security groups that were asked for."""
    networks = asked.get('networks')
    if isinstance(networks, list) and any(
        'port' in _part(network) for network in networks
    ):
        # A port has those that it was created with.
        return None
    given = asked.get('security_groups')
    if given is None:
        return {'default'}
    names = {str(_part(group).get('name')) for group in given}
    # Neutron takes an id for a name.
    return (
        None
        if any(re.fullmatch('[0-9a-f-]{36}', n) for n in names)
        else (names or {'default'})
    )


def _shows_active(call: gate.ApiCall, server_id: str) -> bool:
    if call.response.status_code != 200:
        return False
    found = _SERVER.search(call.path)
    if found is None and call.path != '/servers/detail':
        return False
    if found is not None and found[1] != server_id:
        return False
    body = _part(call.response_body)
    shown = [body.get('server'), *(body.get('servers') or ())]
    return any(
        server.get('id') == server_id
        and server.get('status') == 'ACTIVE'
        and not server.get('OS-EXT-STS:task_state')
        for server in shown
        if isinstance(server, dict)
    )


def _part(body: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        body = body.get(key) if isinstance(body, dict) else None
    return body if isinstance(body, dict) else {}


def _endpoint(url: str) -> str:
    """Return the URL of the API without its version and a project."""
    return _VERSION.sub('', url)


def _key(microversion: str) -> tuple[int, ...]:
    return tuple(int(part) for part in microversion.split('.'))
