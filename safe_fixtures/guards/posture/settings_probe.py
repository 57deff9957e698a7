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

"""Compare the settings of the guards themselves."""

from collections.abc import Iterator
from typing import Any

import fixtures

from safe_fixtures import conf
from safe_fixtures import exceptions
from safe_fixtures.guards.posture import probe
from safe_fixtures.runtime import stack

__all__ = ['SettingsProbe']

# A with block of a fixture is left by it.
_LEAVING = {fixtures.Fixture.__exit__.__code__}
_Changes = Iterator[tuple[str, Any, Any]]


class SettingsProbe(probe.Probe):
    """The options of ``[safe_fixtures]``, where they become looser.

    Every guard keeps the settings of its set-up. So a test that loosens them
    later means something that does not happen.
    """

    name = 'settings'
    remedy = (
        'Set options of safe_fixtures before the guards are set up, as in '
        'setUp() before super().setUp(), with '
        'useFixture(oslo_config.fixture.Config(safe_fixtures.conf.CONF)).'
    )

    def snapshot(self) -> Any:
        """Return the settings, or the error that refuses them."""
        try:
            return conf.now()
        except exceptions.ConfigurationError as error:
            return error

    def changes(self, before: Any, after: Any) -> _Changes:
        """Yield the options that are looser, and those that are refused."""
        if isinstance(after, exceptions.ConfigurationError):
            if not isinstance(before, exceptions.ConfigurationError):
                yield after.option, '(valid)', after.value
            return
        own = None
        if stack.in_cleanup() or stack.is_within(_LEAVING):
            # What a test has set, it may take back.
            own = set(conf.loosened(conf.of_process(), after))
        for name in conf.loosened(before, after):
            if own is None or name in own:
                option = f'[safe_fixtures] {name}'
                yield option, getattr(before, name), getattr(after, name)
