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

"""Let an installed Nova run its functional tests."""

import functools
from importlib import metadata
import os

import fixtures
from nova.conf import CONF
from nova.conf import paths

from safe_fixtures.runtime import patching

__all__ = ['InstalledNova']

_PASTE_FILE = 'etc/nova/api-paste.ini'
_STATE_PATH = 'OS_DEFAULT__STATE_PATH'


class InstalledNova(fixtures.Fixture):
    """Finds the paste file of a Nova that was installed from its wheel.

    Nova's test fixtures look for ``api-paste.ini`` below the directory of
    the package, where only a source tree has it. The hardened bases use this
    fixture. In a test of Nova's own bases, use it before
    ``super().setUp()``. It does nothing for a source tree, or if the
    environment sets ``state_path``. Cleanup restores the function of Nova
    that it replaces.

    Example::

        def setUp(self):
            self.useFixture(InstalledNova())
            super().setUp()
    """

    def _setUp(self) -> None:
        path = _installed_paste_file()
        if (
            path is None
            or _STATE_PATH in os.environ
            or os.path.exists(os.path.join(CONF.state_path, _PASTE_FILE))
        ):
            return
        original = paths.state_path_def

        @functools.wraps(original)
        def state_path_def(*args: str) -> str:
            default: str = original(*args)
            return path if args == (_PASTE_FILE,) else default

        # Not through the environment: some of Nova's fixtures read the
        # option before oslo.config looks there.
        self.addCleanup(
            patching.patch_attribute(paths, 'state_path_def', state_path_def)
        )


@functools.cache
def _installed_paste_file() -> str | None:
    try:
        files = metadata.files('nova') or ()
    except metadata.PackageNotFoundError:
        return None
    found = (each.locate() for each in files if each.match(_PASTE_FILE))
    return next(map(os.path.realpath, found), None)
