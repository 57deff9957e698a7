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


"""What tools/compile_used.py compiles."""

import os
import pathlib
import subprocess
import sys

import fixtures

from tests.support import base

PATH = os.path.join(base.ROOT, 'tools', 'compile_used.py')


class TestCompileUsed(base.TestCase):
    def test_what_is_imported(self):
        home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for name, text in (
            ('package/__init__.py', ''),
            ('package/module.py', 'import used\n'),
            ('used.py', ''),
            ('unused.py', ''),
        ):
            (home / name).parent.mkdir(exist_ok=True)
            (home / name).write_text(text)
        done = subprocess.run(
            [sys.executable, PATH, 'package'],
            cwd=home,
            env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'},
            capture_output=True,
            text=True,
        )
        self.assertEqual((0, ''), (done.returncode, done.stderr))
        self.assertEqual(
            {'__init__', 'module', 'used'},
            {path.name.partition('.')[0] for path in home.rglob('*.pyc')},
        )
