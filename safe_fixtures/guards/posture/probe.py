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
import re
from typing import Any

from safe_fixtures import redaction

__all__ = [
    'ABSENT',
    'Absent',
    'MASK',
    'Probe',
    'SECRET_NAME',
    'Thing',
]


MASK = '***'
# By name, as most values of the environment do not tell what they are.
SECRET_NAME = re.compile(
    r'pass|pwd|secret|token|credential|cookie|private|key|auth$',
    re.IGNORECASE,
)


class Absent:
    def __repr__(self) -> str:
        return '(absent)'


ABSENT = Absent()


class Probe:
    """One part of the posture of a process.

    Subclass it, name it, and say what there is to be seen; whatever differs
    between two snapshots is a change.

    Example::

        class LocaleProbe(Probe):
            name = 'locale'

            def snapshot(self):
                return {'LC_ALL': locale.setlocale(locale.LC_ALL)}

    :cvar name: what the diff and ``frozen`` call it (str).
    """

    name = ''

    def snapshot(self) -> Any:
        """Return how things are: a mapping, of names to values.

        It is called twice for each test, so it should be cheap, and it must
        neither change anything nor return anything that changes later.
        """
        raise NotImplementedError

    def changes(
        self, before: Any, after: Any
    ) -> Iterator[tuple[str, Any, Any]]:
        """Yield what differs: a key, its value before, its value after.

        Values are compared by equality. Override it where snapshots are no
        mappings, or where some difference is none in effect.
        """
        for key in sorted(before.keys() | after.keys(), key=str):
            old, new = before.get(key, ABSENT), after.get(key, ABSENT)
            if old is not new and old != new:
                yield key, old, new

    def describe(self, key: str, value: Any) -> str:
        """Return a value as text, without its secrets.

        Here, what a key such as ``admin_password`` names is masked, and the
        credentials in URLs.
        """
        if value is ABSENT:
            return repr(value)
        return repr(redaction.Redactor().redact({key: value})[key])


class Thing:
    """What is the same only if it is the same object."""

    __slots__ = ('thing',)

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thing) and self.thing is other.thing

    def __hash__(self) -> int:
        return id(self.thing)

    def __repr__(self) -> str:
        named = getattr(self.thing, '__func__', self.thing)
        module = getattr(named, '__module__', None)
        name = getattr(named, '__qualname__', None)
        if isinstance(module, str) and isinstance(name, str):
            return f'{module}.{name}'
        return f'<{type(self.thing).__name__} object>'
