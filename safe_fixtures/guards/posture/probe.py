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

"""The base of all probes."""

from collections.abc import Iterator
from typing import Any

from safe_fixtures import redaction
from safe_fixtures import rules

__all__ = ['ABSENT', 'PLAIN', 'ObjectProbe', 'Probe', 'Thing']


class _Absent:
    def __repr__(self) -> str:
        return '(absent)'


ABSENT = _Absent()
#: Types that are compared by value, and shown as they are.
PLAIN = (
    bool, bytes, complex, dict, float, frozenset, int, list, set, str, tuple,
    type(None),
)  # fmt: skip


class Probe:
    """One part of the posture of a process.

    Subclass it, name it, and return what there is to see. Whatever differs
    between two snapshots is a change.

    Example::

        class LocaleProbe(Probe):
            name = 'locale'

            def snapshot(self):
                return {'LC_ALL': locale.setlocale(locale.LC_ALL)}

    :cvar name: what messages and ``frozen`` call it (str).
    :cvar remedy: how a test restores what this probe sees (str); default:
        the remedy of SF501.
    :cvar rule: the rule that a change breaks (str); default: SF501.
    """

    name = ''
    remedy = rules.get('SF501').remedy
    rule = 'SF501'

    def snapshot(self) -> Any:
        """Return the present state: a mapping of names to values.

        It is called twice for each test, so it should be cheap. It must
        change nothing, and the mapping must not change later.
        """
        raise NotImplementedError

    def changes(
        self, before: Any, after: Any
    ) -> Iterator[tuple[str, Any, Any]]:
        """Yield what differs: a key, its value before, its value after.

        Values are compared by equality. Override it if snapshots are no
        mappings, or if some differences have no effect.
        """
        for key in sorted(before.keys() | after.keys(), key=str):
            old, new = before.get(key, ABSENT), after.get(key, ABSENT)
            if old is not new and old != new:
                yield key, old, new

    def describe(self, key: str, value: Any) -> str:
        """Return a value as text, without its secrets.

        By default, credentials in URLs are masked, and so is the value of a
        key that is named like a secret, such as ``admin_password``.
        """
        if value is ABSENT:
            return repr(value)
        return repr(redaction.Redactor().redact({key: value})[key])

    def texts(self, key: str, before: Any, after: Any) -> tuple[str, str]:
        """Return both values as texts that differ.

        By default those of :meth:`describe`. If they are the same, because
        both are masked or two objects have one name, the second one says so.
        """
        old, new = self.describe(key, before), self.describe(key, after)
        return old, f'{new} (another one)' if new == old else new


class ObjectProbe(Probe):
    """A probe whose values may be any objects, which are shown by name."""

    def describe(self, key: str, value: Any) -> str:
        if value is ABSENT or type(value) in PLAIN:
            return super().describe(key, value)
        return repr(Thing(value))


class Thing:
    """An object that equals only itself, and is shown by its name."""

    __slots__ = ('thing',)

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thing) and self.thing is other.thing

    def __repr__(self) -> str:
        named = getattr(self.thing, '__func__', self.thing)
        module = getattr(named, '__module__', None)
        name = getattr(named, '__qualname__', None)
        if isinstance(module, str) and isinstance(name, str):
            return f'{module}.{name}'
        return f'<{type(self.thing).__name__} object>'
