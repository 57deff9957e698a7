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

"""Shorten pauses of Nova that only time ends."""

from collections.abc import Callable
import functools
import sys
import time
from typing import Any

from safe_fixtures import exceptions
from safe_fixtures.nova.waiting import changes
from safe_fixtures.nova.waiting import sleep
from safe_fixtures.runtime import patching
from safe_fixtures.runtime import system

__all__ = ['Pauses']

# Seconds.
_PAUSE, _EVENT = 0.05, 1.0
_DRIVER = 'nova.virt.libvirt.driver'
_FAKE = 'nova.tests.fixtures.libvirt'


class Pauses:
    """Shortens pauses of Nova that only time ends.

    * Before it asks Placement again, Nova pauses for a time drawn at random
      from 0 to 6 seconds: here 0.05 at most.
    * After it has detached a device, the libvirt driver waits 20 seconds for
      an event of libvirt. Nova's fake libvirt sends none: here it is one
      second. A test that sends the event itself, and later, fails.

    :param won: called with the name of a pause and the seconds that were
        saved (float).
    """

    def __init__(self, won: Callable[[str, float], None]) -> None:
        self._won = won
        # The waits that were cut short: for what, and until when.
        self._cut: list[tuple[Any, float]] = []
        self._late: exceptions.WaitCutShort | None = None

    def shorten(self) -> Callable[[], None]:
        """Start to shorten them; return a callable that ends it.

        That raises WaitCutShort if an event came after its wait was cut
        short.
        """
        restore = patching.patch_together(
            functools.partial(
                patching.patch_when_imported,
                'nova.scheduler.client.report',
                lambda module: sleep.replace_sleep(module, self._pause),
            ),
            functools.partial(
                patching.patch_when_imported, _DRIVER, self._patch_driver
            ),
        )

        def end() -> None:
            restore()
            if self._late is not None:
                raise self._late

        return end

    def _pause(self, seconds: float) -> None:
        # The wrapper of retries() is what has such a variable.
        retries = 'sleep_time' in system.frame(1).f_code.co_varnames
        if retries and seconds > _PAUSE:
            self._won('retries', seconds - _PAUSE)
            seconds = _PAUSE
        time.sleep(seconds)

    def _patch_driver(self, driver: Any) -> Callable[[], None]:
        handler = getattr(driver, 'AsyncDeviceEventsHandler', None)
        if handler is None:
            return lambda: None
        return patching.patch_attributes(
            (
                patching.wrapped_attribute(
                    handler, 'wait', functools.partial(self._wait, driver)
                ),
                patching.wrapped_attribute(
                    handler, 'notify_waiters', self._notify
                ),
            )
        )

    def _wait(
        self,
        driver: Any,
        wrapped: Callable[..., Any],
        _: Any,
        args: Any,
        kwargs: Any,
    ) -> Any:
        return self._wait_less(driver, wrapped, *args, **kwargs)

    def _wait_less(
        self,
        driver: Any,
        wrapped: Callable[..., Any],
        token: Any,
        timeout: float,
    ) -> Any:
        if driver.libvirt is not sys.modules.get(_FAKE) or timeout <= _EVENT:
            return wrapped(token, timeout)
        end = changes.now() + timeout
        event = wrapped(token, _EVENT)
        if event is None:
            self._cut.append((token, end))
            self._won('libvirt events', end - changes.now())
        return event

    def _notify(
        self, wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any
    ) -> Any:
        self._look_at(*args, **kwargs)
        return wrapped(*args, **kwargs)

    def _look_at(self, event: Any) -> None:
        for token, end in self._cut:
            if changes.now() < end and token.matches(event):
                self._late = exceptions.WaitCutShort(repr(token))
