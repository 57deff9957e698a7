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

"""Let an installed Nova run its functional tests as it is installed."""

import functools
from importlib import metadata
import os

import fixtures
from nova.conf import CONF

__all__ = ['InstalledNova']

_PASTE_FILE = 'etc/nova/api-paste.ini'
# oslo.config lets the environment go before the default that Nova's own
# configuration fixture sets.
_VARIABLE = 'OS_WSGI__API_PASTE_CONFIG'


class InstalledNova(fixtures.Fixture):
    """Finds the paste file of a Nova that was installed from its wheel.

    Nova's tests look for it below the directory of the package, where only
    a source tree has it. Use it before ``super().setUp()`` in a test of
    Nova's own bases; the hardened bases do. A source tree, and a setting of
    one's own, are left alone. The environment variable it sets is restored
    at cleanup.

    Example::

        def setUp(self):
            self.useFixture(InstalledNova())
            super().setUp()
    """

    def _setUp(self) -> None:
        if _VARIABLE in os.environ or os.path.exists(
            os.path.join(CONF.state_path, _PASTE_FILE)
        ):
            return
        path = _installed_paste_file()
        if path is not None:
            self.useFixture(fixtures.EnvironmentVariable(_VARIABLE, path))


@functools.cache
def _installed_paste_file() -> str | None:
    for file in metadata.files('nova') or ():
        if str(file).endswith(_PASTE_FILE):
            return os.path.realpath(str(file.locate()))
    return None
