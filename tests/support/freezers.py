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

"""What tests stop and move the clock with."""

import contextlib
import datetime
import time
from unittest import mock

import freezegun
import time_machine

__all__ = ['FUTURE', 'PAST', 'all_of_them']

PAST = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
FUTURE = datetime.datetime(2101, 1, 1, tzinfo=datetime.UTC)
YEAR = 365 * 86400


@contextlib.contextmanager
def patched():
    with contextlib.ExitStack() as stack:
        for name in ('time', 'monotonic', 'perf_counter'):
            stack.enter_context(
                mock.patch.object(time, name, autospec=True, return_value=0.0)
            )
        yield None


def all_of_them():
    """Return what stops or moves the clock, by name.

    Each is a context of something with ``move_to``, or of None.
    """
    return {
        'freezegun, stopped': freezegun.freeze_time(FUTURE),
        'freezegun, past': freezegun.freeze_time(PAST),
        'freezegun, ticking': freezegun.freeze_time(FUTURE, tick=True),
        'freezegun, by itself': freezegun.freeze_time(
            FUTURE, auto_tick_seconds=YEAR
        ),
        'time-machine, stopped': time_machine.travel(FUTURE, tick=False),
        'time-machine, past': time_machine.travel(PAST, tick=False),
        'time-machine, ticking': time_machine.travel(FUTURE, tick=True),
        'mock': patched(),
    }
