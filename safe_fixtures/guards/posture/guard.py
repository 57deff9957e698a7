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

"""Report process state that a test leaves changed (SF501)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import contextlib
import functools
from typing import Any
import unittest

from oslo_config import cfg

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures import conf
from safe_fixtures.core import guard
from safe_fixtures import exceptions
from safe_fixtures.guards.posture import config_probe
from safe_fixtures.guards.posture import probe as posture_probe
from safe_fixtures.guards.posture import probes as posture_probes
from safe_fixtures.guards.posture import settings_probe
from safe_fixtures.guards.posture import source as posture_source
from safe_fixtures import redaction
from safe_fixtures.runtime import stack

__all__ = ['PostureGuard']

#: How many changes a message lists; the record has them all.
_LISTED = 20
_Changes = list[dict[str, str]]


class PostureGuard(guard.Guard):
    """Checks that a test leaves the process as it found it.

    At set-up and at cleanup it looks at the effective values of oslo.config,
    the policy rules in force, the environment, the umask, the current
    directory, the TLS defaults, logging, wsgi intercepts and threads. A
    difference is SF501, and the message has both values. Nothing is
    restored: add a cleanup to the test.

    It compares when its cleanup runs, so use it before all that changes
    something. The hardened bases use it before Nova's own set-up.

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
        """Return a new probe for each part that is looked at by default.

        Example::

            PostureGuard([*PostureGuard.default_probes(), LocaleProbe()])
        """
        source = posture_source.SOURCE.find()
        return [
            config_probe.ConfigProbe(source.configs if source else dict),
            settings_probe.SettingsProbe(),
            *(make() for make in posture_probes.DEFAULT),
            *(source.probes() if source else ()),
        ]

    def _prepare(self) -> None:
        self._probes: dict[str, posture_probe.Probe] = {}
        given = self._given_probes
        for probe in self.default_probes() if given is None else given:
            if (
                not isinstance(probe, posture_probe.Probe)
                or not isinstance(probe.name, str)
                or probe.name in ('', *self._probes)
            ):
                raise exceptions.ConfigurationError(
                    'PostureGuard probes',
                    probe,
                    'each must be a safe_fixtures.guards.posture.Probe with '
                    'a name of its own',
                )
            self._probes[probe.name] = probe
        self._before = self._snapshots(self._probes)

    def _setUp(self) -> None:
        super()._setUp()
        self.addCleanup(conf.watch(self._on_settings_changed))
        self.addCleanup(self._compare_at_cleanup)

    def _on_settings_changed(self) -> None:
        """Refuse to loosen the settings; the change is then undone."""
        tests = stack.tests_here()
        if tests and not any(test is self._test for test in tests):
            # It is for the guards of that test, which may be to come.
            return
        probe = settings_probe.SettingsProbe()
        changes = probe.changes(self._settings, probe.snapshot())
        self._report(
            [_as_text(probe, *change) for change in changes],
            'the test loosened the settings of its guards',
            remedy=probe.remedy,
        )

    def _compare_at_cleanup(self) -> None:
        # Changed settings of the guards are seen, too.
        source = posture_source.SOURCE.find()
        changes = self._changes(self._before, source.leaks if source else ())
        self._before = {}
        try:
            self._report(
                changes, 'the test changed and did not restore', keep=False
            )
        except exceptions.SafetyViolation:
            if not self._interrupted:
                raise

    @contextlib.contextmanager
    def frozen(self, *names: str) -> Iterator[None]:
        """Let nothing be changed by the end of a block.

        What is changed within the block and restored in it is no change. If
        the block raises, its exception goes on; a change is then recorded,
        and raised at cleanup.

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
        before = self._snapshots(names or self._probes)
        report = functools.partial(
            self._report,
            what='changed in a frozen block',
            remedy='Restore it in the block.',
        )
        try:
            yield
        except BaseException as error:
            if not isinstance(error, Exception):
                self._raised = error
            with contextlib.suppress(exceptions.SafetyViolation):
                report(self._changes(before), keep=not self._interrupted)
            raise
        report(self._changes(before))

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

        :param denies: policy rules, and the persona that each must deny:
            ``admin``, ``manager``, ``member``, ``reader`` or ``service``,
            who acts in a project of its own.
        :param allows: policy rules, and the persona that each must allow.
        :param options: effective values of oslo.config, by ``group.name``;
            the group of an option without one is ``DEFAULT``.
        :param tls: whether ``ssl`` and ``requests``, if imported, must
            verify by default, and warn where they do not (bool).
        :raises: AssertionError that lists all that does not hold;
            ConfigurationError for an unknown rule, persona or option.
        """
        self._check_active('assert_posture')
        faults = [
            *_policy_faults(denies, allowed=False),
            *_policy_faults(allows, allowed=True),
            *_option_faults(options or {}),
            *(posture_probes.tls_faults() if tls else ()),
        ]
        self.trail.record(
            events.POSTURE,
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

    def _snapshots(self, names: Iterable[str]) -> dict[str, Any]:
        found = {}
        for name in names:
            try:
                found[name] = self._probes[name].snapshot()
            except Exception as error:
                raise exceptions.ConfigurationError(
                    'PostureGuard probes',
                    name,
                    f'its snapshot must not fail ({_failure(error)})',
                ) from error
        return found

    def _changes(
        self,
        before: Mapping[str, Any],
        leaks: Sequence[posture_source.Leak] = (),
    ) -> _Changes:
        """Return all changes as text; a failing probe hides no other's."""
        found: _Changes = []
        for name, snapshot in before.items():
            probe = self._probes[name]
            try:
                changes = list(probe.changes(snapshot, probe.snapshot()))
                found += [_as_text(probe, *change) for change in changes]
            except Exception as error:
                failed = {'key': 'snapshot', 'before': 'compared'}
                failed.update(probe=name, after=_failure(error))
                found.append(failed)
        return [
            change
            for change in found
            if not any(leak.covers(change) for leak in leaks)
        ]

    def _report(
        self,
        changes: _Changes,
        what: str,
        *,
        keep: bool = True,
        remedy: str | None = None,
    ) -> None:
        if not changes:
            return
        lines = [
            '{probe}: {key}: {before} -> {after}'.format_map(change)
            for change in changes[:_LISTED]
        ]
        if len(changes) > _LISTED:
            lines.append(f'and {len(changes) - _LISTED} more')
        remedy = remedy or ' '.join(
            dict.fromkeys(
                self._probes[change['probe']].remedy for change in changes
            )
        )
        self._violate(
            exceptions.SafetyViolation(
                'SF501', f'{what}: {"; ".join(lines)}', remedy=remedy
            ),
            'process',
            keep=keep,
            changes=changes,
        )


def _policy_faults(
    facts: Iterable[tuple[str, str]], *, allowed: bool
) -> Iterator[str]:
    """Yield where the policy in force does not do what is said.

    :param facts: rules and personas.
    :param allowed: whether all of them must be allowed, or all denied.
    :raises: ConfigurationError for an unknown rule or persona, and if no
        project with a policy is imported.
    """
    for fact in facts:
        posture = posture_source.SOURCE.require('assert_posture')
        rule, persona = fact
        try:
            actual = posture.is_allowed(rule, persona)
        except LookupError as error:
            raise exceptions.ConfigurationError(
                'assert_posture', fact, str(error.args[0])
            ) from error
        if actual != allowed:
            verb = 'allows' if actual else 'denies'
            yield f'policy {verb} {rule} to {persona}'


def _option_faults(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the options whose effective value is another.

    :param options: the wanted values, by ``group.name``.
    :raises: ConfigurationError for an unknown option.
    """
    describe = config_probe.ConfigProbe().describe
    for key, wanted in options.items():
        group, _, name = key.rpartition('.')
        try:
            opts = cfg.CONF if group in ('', 'DEFAULT') else cfg.CONF[group]
            actual = opts[name]
        except cfg.Error as error:
            raise exceptions.ConfigurationError(
                'assert_posture options', key, str(error)
            ) from error
        if actual != wanted:
            yield (
                f'option {key} is {describe(name, actual)}, '
                f'not {describe(name, wanted)}'
            )


def _as_text(
    probe: posture_probe.Probe, key: Any, before: Any, after: Any
) -> dict[str, str]:
    redact = redaction.Redactor().redact
    return {
        'probe': probe.name,
        'key': redact(str(key)),
        'before': redact(probe.describe(key, before)),
        'after': redact(probe.describe(key, after)),
    }


def _failure(error: Exception) -> str:
    # Without its text, which may hold secrets.
    return f'failed with {type(error).__name__}'
