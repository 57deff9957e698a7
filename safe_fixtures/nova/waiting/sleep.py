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

"""Replace ``time.sleep`` for one module."""

from collections.abc import Callable
import time
from typing import Any

from safe_fixtures.runtime import patching

__all__ = ['replace_sleep']

_SLEEP = time.sleep


def replace_sleep(
    module: Any, sleep: Callable[[float], None]
) -> Callable[[], None]:
    """Replace ``time.sleep`` in *module* only.

    :param module: a module that has imported ``time``.
    :param sleep: called instead, from the code that sleeps.
    :returns: a callable that restores the module.
    """
    return patching.patch_attribute(module, 'time', _Time(module.time, sleep))


class _Time:
    """The module ``time`` with another ``sleep``."""

    def __init__(self, module: Any, sleep: Callable[[float], None]) -> None:
        self._module = module
        self._sleep = sleep

    def __getattr__(self, name: str) -> Any:
        # No attribute or property, so that mock.patch can set it here. A test
        # that replaces time.sleep itself wants that to be called.
        if name == 'sleep' and time.sleep is _SLEEP:
            return self._sleep
        return getattr(self._module, name)
