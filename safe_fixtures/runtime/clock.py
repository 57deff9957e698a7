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

"""The clock of the guards, which no test moves or stops.

Tests patch ``time``, and libraries such as freezegun replace its functions in
every module that holds them. So the clock uses a copy of the module that
nobody else holds. time-machine changes the calendar underneath both, and
before its version 3 the monotonic clock, too. It leaves the performance
counter alone, so the calendar is read once and then carried on by that.
"""

import datetime

from safe_fixtures.runtime import system

__all__ = ['monotonic', 'utcnow']


_TIME = system.private('time')
# The tuple keeps the class out of reach of freezegun, which replaces it in
# the attributes of modules.
_DATETIME = (datetime.datetime, datetime.UTC)
# Seconds since the epoch when the performance counter was at zero.
_ZERO = _TIME.time() - _TIME.perf_counter()


def monotonic() -> float:
    """Return the seconds of a clock that only goes forward."""
    seconds: float = _TIME.perf_counter()
    return seconds


def utcnow() -> datetime.datetime:
    """Return the time of day, with time zone UTC."""
    cls, utc = _DATETIME
    return cls.fromtimestamp(_ZERO + monotonic(), utc)
