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

import contextlib
import io
import logging

import fixtures

from safe_fixtures.cli import main
from tests.support import base


class TestCase(base.TestCase):
    """A test that runs the command in this process."""

    def setUp(self):
        super().setUp()
        # Whatever the terminal is.
        self.useFixture(fixtures.EnvironmentVariable('COLUMNS', '100'))
        for name in ('CLIFF_MAX_TERM_WIDTH', 'CLIFF_FIT_WIDTH', 'FORCE_COLOR'):
            self.useFixture(fixtures.EnvironmentVariable(name))
        root = logging.getLogger()
        self.addCleanup(root.setLevel, root.level)
        self.addCleanup(setattr, root, 'handlers', list(root.handlers))

    def command(self, *arguments):
        """Return the exit code, and what went to each stream."""
        # Files in memory, which have what stestr asks of standard output.
        out, err = (
            io.TextIOWrapper(io.BytesIO(), 'utf-8', write_through=True)
            for _ in range(2)
        )
        # Each has handlers of its own.
        logging.getLogger().handlers = []
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main.main(list(arguments))
        return code, *(each.buffer.getvalue().decode() for each in (out, err))
