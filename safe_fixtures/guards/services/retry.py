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

"""Keep trying while an API is away."""

from collections.abc import Callable
import sys
from typing import TypeVar

from safe_fixtures.guards.services import clients
from safe_fixtures.runtime import clock
from safe_fixtures.runtime import files

__all__ = ['Patience']

_Result = TypeVar('_Result')

# Seconds between two attempts: the first, and the longest.
_FIRST, _LONGEST = 0.2, 5.0
# Too early, too many, and what a proxy or a restarting server answers.
_TEMPORARY = frozenset({408, 425, 429})
_UNAUTHORIZED = 401


class Patience:
    """Repeats what fails for a reason that may pass.

    That is no connection, no answer in time, an error of the server, or a
    token that has expired and can be renewed. All calls share one deadline
    while they fail in a row: an API that is away costs it once, however many
    services wait for it.

    Example::

        patience = Patience(api, 60.0)
        patience.keep_trying('restoring host1', lambda: api.put_service(...))

    :param api: whose authentication is renewed.
    :param deadline: how long to keep trying (seconds).
    """

    def __init__(self, api: clients.Api, deadline: float) -> None:
        self._api = api
        self._deadline = deadline
        # When the first call failed of those that fail in a row.
        self._since: float | None = None

    def keep_trying(
        self, what: str, operation: Callable[[], _Result]
    ) -> _Result:
        """Call until it succeeds.

        :param what: what is tried, for the terminal (str).
        :raises: what the operation raises, at the deadline or if it will
            not pass.
        """
        wait, told = _FIRST, False
        while True:
            try:
                result = operation()
            except Exception as error:
                if not self.may_pass(error):
                    raise
                spent = self._spent()
                if spent >= self._deadline:
                    raise
                _tell(
                    f'{what}: {type(error).__name__}: {error}; trying again '
                    f'for {self._deadline - spent:.0f} s'
                )
                told = True
                if _status_of(error) == _UNAUTHORIZED:
                    self._api.renew()
                files.pause(min(wait, max(0.0, self._deadline - spent)))
                wait = min(wait * 2, _LONGEST)
            else:
                self._since = None
                if told:
                    _tell(f'{what}: done')
                return result

    def may_pass(self, error: Exception) -> bool:
        """Whether the call that raised this may succeed a little later.

        :param error: what the call raised (Exception).
        """
        status = _status_of(error)
        if status is None:
            # A client of somebody's own raises what its transport raises.
            return isinstance(error, OSError)
        if status == _UNAUTHORIZED:
            return self._api.renews()
        return status >= 500 or status in _TEMPORARY

    def _spent(self) -> float:
        now = clock.monotonic()
        if self._since is None:
            self._since = now
        return now - self._since


def _status_of(error: Exception) -> int | None:
    """Return the HTTP status of an answer; None for any other error."""
    return error.status if isinstance(error, clients.ApiError) else None


def _tell(line: str) -> None:
    # The stream that the process began with: a runner captures the other.
    stream = sys.__stderr__
    if stream is not None and stream.isatty():
        print(f'safe_fixtures: {line}', file=stream, flush=True)
