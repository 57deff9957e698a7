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

import fixtures
from oslo_config import cfg

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures import conf
from safe_fixtures.core import guard
from safe_fixtures import exceptions
from safe_fixtures.guards.posture import config_probe
from safe_fixtures.guards.posture import leaks as posture_leaks
from safe_fixtures.guards.posture import plugin_probe
from safe_fixtures.guards.posture import policy
from safe_fixtures.guards.posture import probe as posture_probe
from safe_fixtures.guards.posture import probes as posture_probes
from safe_fixtures.guards.posture import settings_probe
from safe_fixtures.guards.posture import source as posture_source
from safe_fixtures.guards.posture import tls_probe
from safe_fixtures import redaction
from safe_fixtures.runtime import stack

__all__ = ['PostureGuard']

#: How many changes a message lists; the record has them all.
_LISTED = 20
# One, or one for each rule.
_VIOLATIONS = (exceptions.SafetyViolation, fixtures.MultipleExceptions)
_Changes = list[dict[str, str]]


class PostureGuard(guard.Guard):
    """Checks that a test leaves the process as it found it.

    At set-up and at cleanup it looks at the effective values of oslo.config,
    the settings of the guards, the policy rules in force, the environment, the
    process, the interpreter, the TLS defaults, logging, warnings and wsgi
    intercepts, at functions that were replaced, and at threads, descriptors
    and child processes. A difference is SF501 or SF503, and the message has
    both values. Nothing is restored: add a cleanup to the test. The next test
    starts from what is there then, so each change is reported once.

    It compares when its cleanup runs, so use it before all that changes
    something. The hardened bases use it before Nova's own set-up.

    Example::

        posture = self.useFixture(PostureGuard())
        with posture.frozen('policy', 'config'):
            self.api.get_servers()

    :param probes: what to look at (iterable of
        :class:`~safe_fixtures.guards.posture.Probe`); default:
        :meth:`default_probes`.
    :param leaks: changes that no test makes (iterable of
        :class:`~safe_fixtures.guards.posture.Leak`), besides those that are
        known of shared libraries and of Nova, and those in the file that
        ``[safe_fixtures] posture_leaks_file`` names.
    :param test: the test case; default: the one that uses the fixture.
    :param trail: where acts are recorded; default: the active trail.
    :raises: ConfigurationError at set-up if a probe is none, fails, or has
        the name of another, and if a leak is none or has no reason.
    """

    def __init__(
        self,
        probes: Iterable[posture_probe.Probe] | None = None,
        *,
        leaks: Iterable[posture_source.Leak] = (),
        test: unittest.TestCase | None = None,
        trail: audit.AuditTrail | None = None,
    ) -> None:
        super().__init__(test=test, trail=trail)
        self._given_leaks = list(leaks)
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
            *plugin_probe.probes(),
        ]

    def _prepare(self) -> None:
        # Now: a plugin may keep a file open.
        audit.load_plugins('sinks', 'probes')
        for leak in self._given_leaks:
            if not isinstance(leak, posture_source.Leak) or not leak.reason:
                raise exceptions.ConfigurationError(
                    'PostureGuard leaks',
                    leak,
                    'each must be a safe_fixtures.guards.posture.Leak with a '
                    'reason',
                )
        self._leaks = [
            *posture_leaks.LEAKS,
            *posture_leaks.of_suite(),
            *self._given_leaks,
        ]
        self._probes: dict[str, posture_probe.Probe] = {}
        given = self._given_probes
        for probe in plugin_probe.last(
            self.default_probes() if given is None else given
        ):
            if plugin_probe.gives_way(probe, self._probes):
                continue
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
        leaks = [*self._leaks, *(source.leaks if source else ())]
        changes = self._changes(self._before, leaks)
        self._before = {}
        try:
            self._report(
                changes, 'the test changed and did not restore', keep=False
            )
        except _VIOLATIONS:
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
            with contextlib.suppress(*_VIOLATIONS):
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
        enforcer: Any = None,
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
        :param enforcer: the ``oslo_policy.policy.Enforcer`` to ask; default:
            Nova's or Placement's, else the one that the module ``policy`` of
            a project keeps as ``_ENFORCER``.
        :raises: AssertionError that lists all that does not hold;
            ConfigurationError for an unknown rule, persona or option.
        """
        self._check_active('assert_posture')
        faults = [
            *policy.faults(denies, allowed=False, enforcer=enforcer),
            *policy.faults(allows, allowed=True, enforcer=enforcer),
            *_option_faults(options or {}),
            *(tls_probe.tls_faults() if tls else ()),
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
        by_rule: dict[str, _Changes] = {}
        for change in changes:
            # That of the settings may be none of the given ones.
            probe = self._probes.get(change['probe'], posture_probe.Probe)
            rule = probe.rule
            by_rule.setdefault(rule, []).append(change)
        violations: list[AssertionError] = []
        for rule, changes in by_rule.items():
            remedies = dict.fromkeys(
                self._probes.get(change['probe'], posture_probe.Probe).remedy
                for change in changes
            )
            violation = exceptions.SafetyViolation(
                rule,
                f'{what}: {_as_line(changes)}',
                remedy=remedy or ' '.join(remedies),
            )
            try:
                self._violate(violation, 'process', keep=keep, changes=changes)
            except exceptions.SafetyViolation as error:
                violations.append(error)
        guard.raise_all(violations)


def _as_line(changes: _Changes) -> str:
    lines = [
        '{probe}: {key}: {before} -> {after}'.format_map(change)
        for change in changes[:_LISTED]
    ]
    if len(changes) > _LISTED:
        lines.append(f'and {len(changes) - _LISTED} more')
    return '; '.join(lines)


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
    old, new = map(redact, probe.texts(key, before, after))
    return {
        'probe': probe.name,
        'key': redact(str(key)),
        'before': old,
        # Masked, two values may look the same.
        'after': f'{new} (another one)' if new == old else new,
    }


def _failure(error: Exception) -> str:
    # Without its text, which may hold secrets.
    return f'failed with {type(error).__name__}'
