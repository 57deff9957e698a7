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

"""Receive messages of the fake bus when they are sent."""

from collections.abc import Callable
import sys
import threading
import time
from typing import Any

import fixtures
from oslo_messaging._drivers import impl_fake
import wrapt

from safe_fixtures.nova.waiting import sleep
from safe_fixtures.runtime import patching

__all__ = ['PromptBus']

_SLEEP = time.sleep
# Seconds, though nothing is missed: what else may end a listener is not known.
_AT_MOST = 1.0


class PromptBus(fixtures.Fixture):
    """Lets services receive a message of the fake bus when it is sent.

    A listener of the fake bus looks for messages every 50 milliseconds, so
    that each step from service to service takes half of that on average, and
    stopping a service as well. Here it looks at once where a message was sent
    or it is to stop, and once a second at least. Order and delivery are as
    they were. What it replaces in oslo.messaging is given back at cleanup.

    Example::

        def setUp(self):
            self.useFixture(PromptBus())
            super().setUp()
    """

    def _setUp(self) -> None:
        self._ended = False
        self._condition = threading.Condition()
        self._count = 0
        self._seen = threading.local()
        for cls, name in (
            (impl_fake.FakeExchange, 'deliver_message'),
            (impl_fake.FakeListener, 'stop'),
        ):
            self.addCleanup(
                patching.patch_attribute(
                    cls,
                    name,
                    wrapt.FunctionWrapper(vars(cls)[name], self._tell),
                )
            )
        self.addCleanup(self._end)
        self.addCleanup(sleep.replace_sleep(impl_fake, self._sleep))

    def _tell(
        self, wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any
    ) -> Any:
        result = wrapped(*args, **kwargs)
        self._wake()
        return result

    def _end(self) -> None:
        # Nobody tells a listener that goes on, and that looks for itself.
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def _sleep(self, seconds: float) -> None:
        # A test may replace time.sleep; then it wants that.
        if time.sleep is not _SLEEP or self._ended:
            time.sleep(seconds)
            return
        if sys._getframe(1).f_locals.get('deadline') is None:
            # It is told of all that it waits for.
            seconds = _AT_MOST
        # None before the first sleep: what came since then is not known.
        seen = getattr(self._seen, 'count', None)
        with self._condition:
            if self._count == seen:
                self._condition.wait(seconds)
            self._seen.count = self._count
