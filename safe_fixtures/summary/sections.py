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

"""What the sections of a summary have in common."""

from collections.abc import Iterable, Iterator, Sequence

from safe_fixtures.audit import events

__all__ = ['NAMED', 'Rows', 'Section', 'first', 'plural', 'with_counts']

#: Item, count and details of each row.
Rows = Iterator[tuple[str, int | float, str]]
#: How many tests, files or alerts a row names.
NAMED = 3


class Section:
    """A section of a summary: it counts some events, and yields rows.

    Subclass it, and name the class as an entry point of the group
    ``safe_fixtures.sections``. Each summary makes one.

    Example::

        class Images(summary.Section):
            title = 'Images'
            count = 0

            def add(self, event):
                self.count += event.action == 'evaluate/image'

            def rows(self):
                yield 'checked', self.count, ''

    :cvar title: what the column "Section" says (str); no other section may
        have it.
    :cvar always: whether rows that count nothing are shown, too (bool).
    """

    title = ''
    always = False

    def add(self, event: events.Event) -> None:
        """Count an event, if it belongs to this section.

        :param event: not to be changed. Anybody may have written it.
        """
        raise NotImplementedError

    def rows(self) -> Rows:
        """Yield the rows: item (str), count (number), details (str)."""
        raise NotImplementedError


def plural(count: int, noun: str) -> str:
    """Return a count and its noun, such as ``2 tests``."""
    return f'{count} {noun}' if count == 1 else f'{count} {noun}s'


def first(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - NAMED
    return ', '.join(names[:NAMED]) + (f' and {more} more' if more > 0 else '')


def with_counts(counts: Iterable[tuple[str, int]]) -> str:
    """Return names, each with its count in brackets."""
    return ', '.join(f'{name} ({count})' for name, count in counts)
