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

"""See every statement that changes service records.

However a test writes a record (Nova's objects, its database functions under
whatever name, an ORM session, SQL as text), SQLAlchemy executes a statement.
The records are read before and after each one that may change them, on the
same connection and so in the same transaction.
"""

from collections.abc import Callable, Mapping
import contextlib
import functools
from typing import Any

from sqlalchemy.engine import base
from sqlalchemy.engine import default

from safe_fixtures import exceptions
from safe_fixtures.nova.services import cells
from safe_fixtures.runtime import patching

__all__ = ['watch']

_Records = Mapping[str, cells.Record]
_Look = Callable[[Any, Any, _Records, _Records], None]


def watch(look: _Look) -> Callable[[], None]:
    """Show what each statement does to service records.

    :param look: called with the engine, the connection of the driver, and
        the records before and after, by uuid. What it raises goes to whoever
        executes the statement, which is not committed then.
    :returns: a callable that ends it.
    """
    dialect = default.DefaultDialect
    # Not by events of SQLAlchemy: adding or removing a listener makes
    # threads fail that are running one.
    return patching.patch_attributes(
        [
            (base.Connection, _HANDLE, _raising(vars(base.Connection))),
            *(
                (dialect, name, _watched(vars(dialect)[name], look))
                for name in (
                    'do_execute',
                    'do_executemany',
                    'do_execute_no_params',
                )
            ),
        ]
    )


_HANDLE = '_handle_dbapi_exception'


def _raising(attributes: Mapping[str, Any]) -> Callable[..., Any]:
    original = attributes[_HANDLE]

    @functools.wraps(original)
    def handle(connection: Any, error: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(error, exceptions.SafetyViolation):
            return original(connection, error, *args, **kwargs)
        # oslo.db makes a DBError of whatever it does not know.
        with contextlib.suppress(Exception):
            original(connection, error, *args, **kwargs)
        raise error

    return handle


def _watched(original: Any, look: _Look) -> Callable[..., Any]:
    @functools.wraps(original)
    def execute(
        dialect: Any, cursor: Any, statement: str, *args: Any, **kwargs: Any
    ) -> Any:
        if statement.startswith('SELECT') or not _may_change(statement):
            return original(dialect, cursor, statement, *args, **kwargs)
        context = kwargs.get('context') or (args[-1] if args else None)
        connection = getattr(context, 'root_connection', None)
        before = None
        if connection is not None:
            before = _records(cursor.connection)
        result = original(dialect, cursor, statement, *args, **kwargs)
        if connection is not None and before is not None:
            after = _records(cursor.connection) or {}
            if after != before:
                look(connection.engine, cursor.connection, before, after)
        return result

    return execute


def _may_change(statement: str) -> bool:
    """Whether a statement may change the state of a service.

    A service that reports that it is alive does not.
    """
    statement = statement.lower()
    return 'services' in statement and (
        not statement.startswith('update')
        or any(name in statement for name in (*cells.FIELDS, 'deleted'))
    )


def _records(connection: Any) -> _Records | None:
    try:
        return cells.records_in(connection)
    except Exception:
        # It is no database of Nova's, or the transaction has failed.
        return None
