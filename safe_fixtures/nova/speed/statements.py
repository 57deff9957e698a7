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

"""Compile each SQL statement once, not once for each engine."""

from collections.abc import Callable
import functools
import itertools
import operator
from typing import Any

from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.engine import base
from sqlalchemy.ext import compiler
from sqlalchemy.sql import elements
from sqlalchemy.sql import schema
from sqlalchemy import util

from safe_fixtures.nova.speed import cure
from safe_fixtures.runtime import patching

__all__ = ['Statements']

# More than all of Nova's tests have.
_MOST = 5000
# What an engine has by default.
_CAPACITY = 500
# Not settings, or looked at by themselves.
_SKIPPED = frozenset((
    '_dialect_specific_select_one', '_has_events', '_type_memos', 'dispatch',
    'identifier_preparer', 'type_compiler', 'type_compiler_instance',
))  # fmt: skip
# Those that a dialect has from when it first needs them.
_LATE = {
    name: attribute.fget
    for cls in reversed(pysqlite.SQLiteDialect_pysqlite.__mro__)
    for name, attribute in vars(cls).items()
    if isinstance(attribute, util.memoized_property) and name not in _SKIPPED
}
# More than a test makes engines.
_MOST_DIALECTS = 100


class Statements(cure.Cure):
    """Engines of equal settings share what SQLAlchemy has compiled.

    A statement is found by what SQLAlchemy finds it by, but with all
    settings of the dialect in the place of the dialect itself. Left alone
    are dialects other than that of SQLite, caches that are not of
    SQLAlchemy's own class, and engines whose cache has another size.

    All is compiled anew after a compile hook was registered, a column was
    added to a table, or an engine's cache was cleared.
    """

    name = 'statements'

    @classmethod
    def install(cls) -> Callable[[], None]:
        """See ``Cure``."""
        compile_cached = cure.known(
            elements.ClauseElement, '_compile_w_cache', 'self', 'dialect',
            'compiled_cache', 'column_keys', 'for_executemany',
            'schema_translate_map', 'kw',
        )  # fmt: skip
        append = cure.known(
            schema.Table, 'append_column', 'self', 'column', 'replace_existing'
        )
        clear = cure.known(base.Engine, 'clear_compiled_cache', 'self')
        hook = cure.known(compiler, 'compiles', 'class_', 'specs')
        dialect = pysqlite.SQLiteDialect_pysqlite()
        for name in _SKIPPED - {'dispatch', '_has_events', 'type_compiler'}:
            if not hasattr(dialect, name):
                raise cure.Unknown(f'a dialect has no {name}')
        patches = (
            (
                elements.ClauseElement,
                '_compile_w_cache',
                _compiling(compile_cached),
            ),
            (schema.Table, 'append_column', _forgetting(append)),
            (base.Engine, 'clear_compiled_cache', _forgetting(clear)),
            (compiler, 'compiles', _forgetting(hook)),
        )
        return patching.patch_together(
            *(functools.partial(cure.replace, *each) for each in patches)
        )


def _forget() -> None:
    """Compile all statements anew."""
    global _generation, _compiled
    _generation += 1
    _compiled = util.LRUCache(_MOST)


_generation = 0
_compiled: Any = util.LRUCache(_MOST)


def _forgetting(original: Any) -> Any:
    @functools.wraps(original)
    def forgetting(*args: Any, **kwargs: Any) -> Any:
        _forget()
        return original(*args, **kwargs)

    return forgetting


def _compiling(original: Any) -> Any:
    @functools.wraps(original)
    def compile_w_cache(
        statement: Any, dialect: Any, *, compiled_cache: Any, **how: Any
    ) -> Any:
        # It is one of an engine, or of a mapper.
        if type(compiled_cache) is util.LRUCache:
            settings = _settings(dialect)
            if settings is not None:
                if compiled_cache.capacity == _CAPACITY:
                    compiled_cache = _compiled
                compiled_cache = _Translated(compiled_cache, settings)
        return original(
            statement, dialect, compiled_cache=compiled_cache, **how
        )

    return compile_w_cache


class _Translated:
    """A cache whose keys begin with settings instead of a dialect."""

    def __init__(self, cache: Any, settings: int) -> None:
        self._cache = cache
        self._settings = settings

    def get(self, key: Any) -> Any:
        found = self._cache.get((self._settings, *key[1:]))
        if found is None:
            Statements.counts.misses += 1
        else:
            Statements.counts.hits += 1
        return found

    def __setitem__(self, key: Any, compiled: Any) -> None:
        self._cache[(self._settings, *key[1:])] = compiled


def _settings(dialect: Any) -> int | None:
    """Return a number for all settings that compiling may depend on.

    :returns: the same number for equal settings; None if they are not known.
    """
    cls = type(dialect)
    # Without a driver, it executes nothing.
    if cls is not pysqlite.SQLiteDialect_pysqlite or dialect.dbapi is None:
        return None
    quotes = dialect.identifier_preparer
    most = (
        _generation,
        cls.statement_compiler,
        cls.ddl_compiler,
        type(dialect.type_compiler_instance),
        type(quotes),
        quotes.initial_quote,
        quotes.final_quote,
        quotes.escape_quote,
        quotes.omit_schema,
        quotes.schema_for_object,
    )
    last = _last_seen.get(id(dialect))
    if last is None or not last.has_same(most, vars(dialect)):
        last = _Seen(most, dialect)
        if last.number is None:
            return None
        cure.make_room(_last_seen, _MOST_DIALECTS)
        _last_seen[id(dialect)] = last
    return last.number


class _Seen:
    """The settings of a dialect when it was last looked at.

    To compare them takes a third of the time of looking them up in a
    dictionary, once for each statement.

    :ivar number: see ``_settings``.
    """

    def __init__(self, most: tuple[Any, ...], dialect: Any) -> None:
        self._most = most
        others = vars(dialect)
        names = [name for name in others if name not in _SKIPPED]
        self._count = len(names)
        self._values_of = operator.itemgetter(*names)
        self._values = self._values_of(others)
        found = {name: compute(dialect) for name, compute in _LATE.items()}
        found.update(zip(names, self._values, strict=True))
        cure.make_room(_numbers, _MOST)
        self.number: int | None
        try:
            self.number = _numbers.setdefault(
                (most, frozenset(found.items())), next(_new_numbers)
            )
        except TypeError:
            # One of them has no hash.
            self.number = None

    def has_same(self, most: tuple[Any, ...], others: dict[str, Any]) -> bool:
        try:
            return (
                most == self._most
                and len(others) - sum(map(others.__contains__, _SKIPPED))
                == self._count
                and self._values_of(others) == self._values
            )
        except KeyError:
            return False


# By the identity of a dialect; another one may have it by now.
_last_seen: dict[int, _Seen] = {}
_numbers: dict[tuple[Any, ...], int] = {}
# A number is never used twice.
_new_numbers = itertools.count()
