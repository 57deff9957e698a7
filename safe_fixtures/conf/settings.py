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

"""The values of all options at one moment, and what makes them looser."""

from collections.abc import Callable, Iterator
import dataclasses
from typing import Any

from safe_fixtures.conf import options
from safe_fixtures import rules

__all__ = ['Settings', 'loosened']


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The values of all options of ``[safe_fixtures]`` at one moment.

    A guard works with those of its set-up. The options describe themselves;
    see ``doc/source/reference/options.rst``.
    """

    mode: str
    rule_modes: dict[str, rules.Mode]
    pinned_microversion: str | None
    latest_policy: str
    restore_timeout: float
    restore_deadline: float
    journal_dir: str
    lock_timeout: float
    dead_journals: str
    watcher: bool
    allowed_endpoints: list[str]
    allowed_hosts: list[str]
    allowed_programs: list[str]
    allowed_paths: list[str]
    max_image_bytes: int
    dummy_image_name: str | None
    dummy_flavor_name: str | None
    wait_for_change: bool
    speed_up: bool
    speed_up_without: list[str]
    plugins: bool
    plugins_without: list[str]
    audit_file: str | None
    waivers_file: str | None
    baseline_file: str | None
    posture_leaks_file: str | None

    @property
    def journals(self) -> str | None:
        """The directory ``journal_dir``; None if it is switched off."""
        return None if self.journal_dir == options.OFF else self.journal_dir

    def mode_of(self, code: str) -> rules.Mode:
        """Return the mode of a rule.

        :param code: the rule.
        """
        rule = rules.get(code)
        if rule.always:
            return 'enforce'
        mode: Any = self.rule_modes.get(code, self.mode)
        return rule.default if mode == 'default' else mode

    def only_looks(self, code: str) -> bool:
        """Whether a rule changes no outcome, as nothing but a mode says.

        Some rules do more than their mode says: the toggle refuses an order
        that is only recorded elsewhere, and credentials are hidden. Mode
        ``audit`` is for a first look at a suite, and ends that.

        :param code: the rule.
        """
        return self.mode in ('audit', 'off') and code not in self.rule_modes


def _another(before: Any, after: Any) -> bool:
    return before is not None and bool(before != after)


def _more(before: Any, after: Any) -> bool:
    return bool(after > before)


def _more_entries(before: list[str], after: list[str]) -> bool:
    return not set(after) <= set(before)


#: Of each option but the modes: whether a change loosens a guard.
_LOOSENS: dict[str, Callable[[Any, Any], bool]] = {
    # Requests would be served at another microversion than was vetted.
    'pinned_microversion': _another,
    'latest_policy': lambda before, after: after == 'pin' != before,
    'restore_timeout': _more,
    'restore_deadline': _more,
    # What is owed would be written elsewhere, or nowhere.
    'journal_dir': lambda before, after: before not in (options.OFF, after),
    'lock_timeout': _more,
    'dead_journals': lambda before, after: after == 'name' != before,
    'watcher': lambda before, after: before and not after,
    'allowed_endpoints': _more_entries,
    'allowed_hosts': _more_entries,
    'allowed_programs': _more_entries,
    'allowed_paths': _more_entries,
    'max_image_bytes': _more,
    'dummy_image_name': _another,
    'dummy_flavor_name': _another,
    # They watch nothing.
    'wait_for_change': lambda before, after: False,
    'speed_up': lambda before, after: False,
    'speed_up_without': lambda before, after: False,
    # They are loaded before the test.
    'plugins': lambda before, after: False,
    'plugins_without': lambda before, after: False,
    'audit_file': _another,
    # Another file, or one at all, can waive more.
    'baseline_file': lambda before, after: after not in (None, before),
    'waivers_file': lambda before, after: after not in (None, before),
    'posture_leaks_file': lambda before, after: after not in (None, before),
}
_STRICTNESS = {mode: rank for rank, mode in enumerate(rules.MODES)}


def loosened(before: Settings, after: Settings) -> Iterator[str]:
    """Yield the options that let a test do more than before.

    :returns: their names.
    """
    if any(
        _is_stricter(before.mode_of(code), after.mode_of(code))
        for code in rules.RULES
    ):
        changed = [
            name
            for name in ('mode', 'rule_modes')
            if getattr(before, name) != getattr(after, name)
        ]
        yield from changed
    for name, loosens in _LOOSENS.items():
        if loosens(getattr(before, name), getattr(after, name)):
            yield name


def _is_stricter(mode: rules.Mode, other: rules.Mode) -> bool:
    return _STRICTNESS[mode] < _STRICTNESS[other]
