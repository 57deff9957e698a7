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
import threading
import time
from typing import Any

import fixtures
from oslo_messaging._drivers import impl_fake

from safe_fixtures.nova.waiting import sleep
from safe_fixtures.runtime import patching
from safe_fixtures.runtime import system

__all__ = ['PromptBus']

# Seconds. Nothing is missed, but something unknown may end a listener.
_AT_MOST = 1.0


class PromptBus(fixtures.Fixture):
    """Lets services receive a message of the fake bus when it is sent.

    A listener of the fake bus looks for messages every 50 milliseconds. So
    each step from service to service, and each stop of a service, waits for
    25 milliseconds on average. With this fixture, a listener looks as soon
    as a message is sent or it must stop, and at least once a second. Order
    and delivery stay the same. Cleanup restores what this replaces in
    oslo.messaging.

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
        self.addCleanup(
            patching.patch_attributes(
                patching.wrapped_attribute(cls, name, self._call_and_wake)
                for cls, name in (
                    (impl_fake.FakeExchange, 'deliver_message'),
                    (impl_fake.FakeListener, 'stop'),
                )
            )
        )
        self.addCleanup(self._end)
        self.addCleanup(sleep.replace_sleep(impl_fake, self._sleep))

    def _call_and_wake(
        self, wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any
    ) -> Any:
        result = wrapped(*args, **kwargs)
        self._wake()
        return result

    def _end(self) -> None:
        # Listeners that remain have to look by themselves again.
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def _sleep(self, seconds: float) -> None:
        if self._ended:
            time.sleep(seconds)
            return
        if system.frame(1).f_locals.get('deadline') is None:
            # Whatever it waits for wakes it.
            seconds = _AT_MOST
        # None before the first sleep, so that it looks again at once.
        seen = getattr(self._seen, 'count', None)
        with self._condition:
            if self._count == seen:
                self._condition.wait(seconds)
            self._seen.count = self._count
