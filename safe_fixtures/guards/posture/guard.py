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

"""Let a test leave the process as it found it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
import contextlib
import dataclasses
import re
from typing import Any, Protocol
import unittest

from oslo_config import cfg

from safe_fixtures import audit
from safe_fixtures.core import guard
from safe_fixtures.core import plugins
from safe_fixtures import exceptions
from safe_fixtures.guards.posture import config_probe
from safe_fixtures.guards.posture import probe as posture_probe
from safe_fixtures.guards.posture import probes as posture_probes
from safe_fixtures import redaction

__all__ = ['Leak', 'PostureGuard', 'PostureSource']


#: How many changes a message lists; the record has them all.
_LISTED = 20

_FROZEN = 'frozen, and yet'


@dataclasses.dataclass(frozen=True, slots=True)
class Leak:
    """A change that the project under test itself leaves behind.

    :ivar probe: the name of the probe that sees it.
    :ivar key: what changes, as the diff has it; ``*`` stands for anything.
    :ivar after: what it is afterwards; ``*`` stands for anything.
    :ivar reason: why that is none of the test's doing.
    """

    probe: str
    key: str
    after: str
    reason: str

    def covers(self, change: Mapping[str, str]) -> bool:
        """Whether a change is this one."""
        return change['probe'] == self.probe and all(
            _matches(change[part], pattern)
            for part, pattern in (('key', self.key), ('after', self.after))
        )


def _matches(text: str, pattern: str) -> bool:
    # Not fnmatch, to which the brackets of groups and lists mean something.
    parts = map(re.escape, pattern.split('*'))
    return bool(re.fullmatch('.*'.join(parts), text, re.DOTALL))


class PostureSource(Protocol):
    """What the project under test adds to the posture of a process.

    :ivar leaks: what it leaves behind itself.
    """

    leaks: Sequence[Leak]

    def probes(self) -> Iterable[posture_probe.Probe]:
        """Return its own probes, such as one of its policy."""

    def configs(self) -> Mapping[str, Any]:
        """Return the ``ConfigOpts`` it has besides ``cfg.CONF``, by name."""

    def is_allowed(self, rule: str, persona: str) -> bool:
        """Whether the policy in force lets somebody do something.

        :param rule: the name of the rule.
        :param persona: who, such as ``member``.
        :raises: LookupError for what it does not know, with what it knows.
        """


class PostureGuard(guard.Guard):
    """Sees to it that a test leaves the process as it found it.

    At set-up and at cleanup it looks at the effective values of oslo.config,
    the policy rules in force, the environment, the umask, the current
    directory, the TLS defaults, logging, wsgi intercepts and threads.
    Whatever differs is SF501, with what it was and what it is. Nothing is
    restored: the remedy is a cleanup in the test.

    It compares what there is when its cleanup runs, so use it before all
    that changes something. The hardened bases do, before Nova's own set-up.

    Example::

        posture = self.useFixture(PostureGuard())
        with posture.frozen('policy', 'config'):
            self.api.get_servers()

    :param probes: what to look at (iterable of
        :class:`~safe_fixtures.guards.posture.Probe`); default:
        :meth:`default_probes`.
    :param test: the test case; default: the one that uses the fixture.
    :param trail: where acts are recorded; default: the active trail.
    :raises: ConfigurationError at set-up if a probe is none, fails, or has
        the name of another.
    """

    def __init__(
        self,
        probes: Iterable[posture_probe.Probe] | None = None,
        *,
        test: unittest.TestCase | None = None,
        trail: audit.AuditTrail | None = None,
    ) -> None:
        super().__init__(test=test, trail=trail)
        self._given_probes = None if probes is None else list(probes)

    @staticmethod
    def default_probes() -> list[posture_probe.Probe]:
        """Return new probes of all that is looked at by default.

        Example::

            PostureGuard([*PostureGuard.default_probes(), LocaleProbe()])
        """
        source = _source()
        probes: list[posture_probe.Probe] = [
            config_probe.ConfigProbe(
                None if source is None else source.configs
            ),
            posture_probes.EnvironProbe(),
            posture_probes.ProcessProbe(),
            posture_probes.TlsProbe(),
            posture_probes.LoggingProbe(),
            posture_probes.WsgiInterceptProbe(),
            posture_probes.ThreadProbe(),
        ]
        if source is not None:
            probes.extend(source.probes())
        return probes

    def _prepare(self) -> None:
        probes = self._given_probes
        if probes is None:
            probes = self.default_probes()
        self._probes: dict[str, posture_probe.Probe] = {}
        for probe in probes:
            if not isinstance(probe, posture_probe.Probe) or not (
                isinstance(probe.name, str) and probe.name
            ):
                raise exceptions.ConfigurationError(
                    'PostureGuard probes',
                    probe,
                    'each must be a safe_fixtures.guards.posture.Probe with '
                    'a name',
                )
            if probe.name in self._probes:
                raise exceptions.ConfigurationError(
                    'PostureGuard probes',
                    probe.name,
                    'no two may have the same name',
                )
            self._probes[probe.name] = probe
        self._before: dict[str, Any] = {}
        for probe in self._probes.values():
            self._before[probe.name] = _snapshot(probe)

    def _setUp(self) -> None:
        super()._setUp()
        self.addCleanup(self._compare_at_cleanup)

    def _compare_at_cleanup(self) -> None:
        # What a test has done to the settings of the guards is seen too.
        changes = self._changes(self._before, _leaks())
        self._before = {}
        if changes:
            try:
                self._report(changes, 'the test left', keep=False)
            except exceptions.SafetyViolation:
                if not self._interrupted:
                    raise

    @contextlib.contextmanager
    def frozen(self, *names: str) -> Iterator[None]:
        """Let nothing be changed by the end of a block.

        What is changed within the block and given back is no change. If the
        block raises, its exception is raised, and a change is recorded, and
        raised at cleanup.

        Example::

            with posture.frozen('policy'):
                self.api.get_servers()

        :param names: the probes that look (str); default: all.
        :raises: ConfigurationError for a name that no probe has,
            SafetyViolation (SF501) at the end of the block, if enforced.
        """
        self._check_active('frozen')
        for name in names:
            if name not in self._probes:
                raise exceptions.ConfigurationError(
                    'PostureGuard.frozen',
                    name,
                    f'there are {", ".join(self._probes)}',
                )
        before = {
            name: _snapshot(self._probes[name])
            for name in (names or self._probes)
        }
        try:
            yield
        except BaseException as error:
            if not isinstance(error, Exception):
                self._raised = error
            with contextlib.suppress(exceptions.SafetyViolation):
                self._report(
                    self._changes(before), _FROZEN, keep=not self._interrupted
                )
            raise
        self._report(self._changes(before), _FROZEN)

    def assert_posture(
        self,
        *,
        denies: Iterable[tuple[str, str]] = (),
        allows: Iterable[tuple[str, str]] = (),
        options: Mapping[str, Any] | None = None,
        tls: bool = False,
    ) -> None:
        """Assert facts about the posture, whatever the mode of SF501 is.

        Example::

            self.assertPosture(
                denies=[('os_compute_api:os-services:update', 'member')],
                options={'oslo_policy.enforce_new_defaults': True},
                tls=True,
            )

        :param denies: rules of policy, and who may not do what they are
            about, each with a project of their own: ``admin``, ``manager``,
            ``member``, ``reader`` or ``service``.
        :param allows: the same, and who may.
        :param options: effective values of oslo.config, by ``group.name``;
            the group of an option without one is ``DEFAULT``.
        :param tls: whether ``ssl`` and ``requests``, if imported, must
            verify by default, and warn where they do not.
        :raises: AssertionError that lists all that does not hold;
            ConfigurationError for a rule, persona or option there is not.
        """
        self._check_active('assert_posture')
        faults = [
            *_policy_faults(denies, allowed=False),
            *_policy_faults(allows, allowed=True),
            *_option_faults(options or {}),
            *(posture_probes.TlsProbe.faults() if tls else ()),
        ]
        self.trail.record(
            'evaluate/posture',
            'process',
            target_type='service/process',
            outcome='failure' if faults else 'success',
            event_type='control',
            faults=faults,
        )
        if faults:
            raise AssertionError('posture: ' + '; '.join(faults))

    def _check_active(self, what: str) -> None:
        if not self._active:
            raise RuntimeError(f'{what} of a PostureGuard that is not set up')

    def _changes(
        self, before: Mapping[str, Any], leaks: Sequence[Leak] = ()
    ) -> list[dict[str, str]]:
        """Return all that changed, as text; no probe hides another."""
        found: list[dict[str, str]] = []
        for name, snapshot in before.items():
            try:
                probe = self._probes[name]
                changes = [
                    _change(probe, *change)
                    for change in probe.changes(snapshot, probe.snapshot())
                ]
            except Exception as error:
                changes = [_failure(name, error)]
            found.extend(
                change
                for change in changes
                if not any(leak.covers(change) for leak in leaks)
            )
        return found

    def _report(
        self, changes: list[dict[str, str]], what: str, keep: bool = True
    ) -> None:
        if not changes:
            return
        lines = [
            '{probe}: {key}: {before} -> {after}'.format_map(change)
            for change in changes[:_LISTED]
        ]
        if len(changes) > _LISTED:
            lines.append(f'and {len(changes) - _LISTED} more')
        self._violate(
            exceptions.SafetyViolation(
                'SF501', f'{what} the posture changed: ' + '; '.join(lines)
            ),
            'process',
            keep=keep,
            changes=changes,
        )


def _source() -> PostureSource | None:
    source: PostureSource | None = getattr(plugins.find(), 'posture', None)
    return source


def _leaks() -> Sequence[Leak]:
    source = _source()
    return () if source is None else source.leaks


def _snapshot(probe: posture_probe.Probe) -> Any:
    try:
        return probe.snapshot()
    except Exception as error:
        raise exceptions.ConfigurationError(
            'PostureGuard probes',
            probe.name,
            f'its snapshot must not fail ({_failure("", error)["after"]})',
        ) from error


def _change(
    probe: posture_probe.Probe, key: Any, before: Any, after: Any
) -> dict[str, str]:
    redact = redaction.Redactor().redact
    return {
        'probe': probe.name,
        'key': redact(str(key)),
        'before': redact(probe.describe(key, before)),
        'after': redact(probe.describe(key, after)),
    }


def _failure(name: str, error: Exception) -> dict[str, str]:
    # Only its kind: nobody knows what its text shows.
    return {
        'probe': name,
        'key': 'snapshot',
        'before': 'compared',
        'after': f'failed with {type(error).__name__}',
    }


def _policy_faults(
    facts: Iterable[tuple[str, str]], *, allowed: bool
) -> Iterator[str]:
    facts = list(facts)
    if not facts:
        return
    is_allowed: Callable[[str, str], bool] | None
    is_allowed = getattr(_source(), 'is_allowed', None)
    if is_allowed is None:
        raise exceptions.ConfigurationError(
            'assert_posture', facts, 'no Nova is imported that has a policy'
        )
    for rule, persona in facts:
        try:
            actual = is_allowed(rule, persona)
        except LookupError as error:
            raise exceptions.ConfigurationError(
                'assert_posture', (rule, persona), str(error.args[0])
            ) from error
        if actual != allowed:
            verb = 'allows' if actual else 'denies'
            yield f'policy {verb} {rule} to {persona}'


def _option_faults(options: Mapping[str, Any]) -> Iterator[str]:
    for key, wanted in options.items():
        group, _, name = key.rpartition('.')
        try:
            if group in ('', 'DEFAULT'):
                actual = cfg.CONF[name]
            else:
                actual = cfg.CONF[group][name]
        except cfg.Error as error:
            raise exceptions.ConfigurationError(
                'assert_posture options', key, str(error)
            ) from error
        if actual != wanted:
            describe = config_probe.ConfigProbe().describe
            yield (
                f'option {key} is {describe(name, actual)}, '
                f'not {describe(name, wanted)}'
            )
