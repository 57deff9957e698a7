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

"""Begin a transaction of SQLite without a statement to compile."""

from collections.abc import Callable
import functools
from types import CodeType
from typing import Any

from oslo_db.sqlalchemy import engines
import sqlalchemy
from sqlalchemy import event

from safe_fixtures.nova.speed import cure

__all__ = ['Transactions']

# Whoever listens to these sees each statement, or changes it.
_EVENTS = (
    'before_execute', 'after_execute', 'before_cursor_execute',
    'after_cursor_execute',
)  # fmt: skip
_MARK = 'in_transaction'


class Transactions(cure.Cure):
    """Begin a transaction of SQLite without a statement to compile.

    For each transaction, oslo.db makes a statement of the text ``BEGIN``,
    which SQLAlchemy looks up among those that it has compiled. Here the text
    goes to the driver as it is. This is for the engines that oslo.db makes,
    unless somebody else listens to the begin of their transactions.

    oslo.db does it as on stock while somebody listens to statements or has
    them logged.
    """

    name = 'transactions'

    @classmethod
    def install(cls) -> Callable[[], None]:
        """See ``Cure``."""
        create = cure.known(engines, 'create_engine')
        code = _known_code()

        @functools.wraps(create)
        def create_engine(*args: Any, **kwargs: Any) -> Any:
            engine = create(*args, **kwargs)
            if type(engine) is sqlalchemy.Engine:
                _shorten(engine, code)
            return engine

        return cure.replace(engines, 'create_engine', create_engine)


def _known_code() -> CodeType:
    """Return the code of the listener of oslo.db that is replaced.

    :raises: Unknown if it does something else.
    """
    label = f'{engines.__name__}._sqlite_emit_begin'
    registered = getattr(cure.known(engines, '_init_events'), 'reg', {})
    found = [
        code
        for function in registered.get('sqlite', {}).get('*', ())
        for code in function.__code__.co_consts
        if getattr(code, 'co_name', None) == '_sqlite_emit_begin'
    ]
    if not found:
        raise cure.Unknown(f'there is no {label}')
    code: CodeType = found[0]
    names = 'info', 'execute', 'sqlalchemy', 'text'
    if code.co_names != names or set(code.co_consts) != {
        _MARK, 'BEGIN', True, None,
    }:  # fmt: skip
        raise cure.Unknown(f'{label} does something else')
    return code


def _shorten(engine: Any, code: CodeType) -> None:
    listeners = list(engine.dispatch.begin)
    if [getattr(each, '__code__', None) for each in listeners] != [code]:
        return
    stock = listeners[0]

    def begin(connection: Any) -> None:
        if _MARK in connection.info:
            return
        if not _is_unseen(connection):
            Transactions.counts.misses += 1
            stock(connection)
            return
        Transactions.counts.hits += 1
        connection.exec_driver_sql('BEGIN')
        connection.info[_MARK] = True

    event.remove(engine, 'begin', stock)
    event.listen(engine, 'begin', begin)


def _is_unseen(connection: Any) -> bool:
    """Tell whether nobody sees which statement begins a transaction."""
    return (
        bool(Transactions._patch.users)
        and not connection._echo
        and not any(getattr(connection.dispatch, name) for name in _EVENTS)
    )
