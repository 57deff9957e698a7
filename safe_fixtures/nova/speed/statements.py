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
    '_has_events', '_type_memos', 'dispatch', 'identifier_preparer',
    'type_compiler', 'type_compiler_instance',
))  # fmt: skip
_Signature = tuple[Any, ...]


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
            signature = _signature(dialect)
            if signature is not None:
                if compiled_cache.capacity == _CAPACITY:
                    compiled_cache = _compiled
                compiled_cache = _Translated(compiled_cache, signature)
        return original(
            statement, dialect, compiled_cache=compiled_cache, **how
        )

    return compile_w_cache


class _Translated:
    """A cache whose keys begin with settings instead of a dialect."""

    def __init__(self, cache: Any, signature: _Signature) -> None:
        self._cache = cache
        self._signature = signature

    def get(self, key: Any) -> Any:
        found = self._cache.get((self._signature, *key[1:]))
        if found is None:
            Statements.counts.misses += 1
        else:
            Statements.counts.hits += 1
        return found

    def __setitem__(self, key: Any, compiled: Any) -> None:
        self._cache[(self._signature, *key[1:])] = compiled


def _signature(dialect: Any) -> _Signature | None:
    """Return all settings of a dialect that compiling may depend on.

    :returns: None if they are not known.
    """
    cls = type(dialect)
    if cls is not pysqlite.SQLiteDialect_pysqlite:
        return None
    quotes = dialect.identifier_preparer
    signature: _Signature = (
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
        tuple(
            each for each in vars(dialect).items() if each[0] not in _SKIPPED
        ),
    )
    try:
        hash(signature)
    except TypeError:
        return None
    return signature
