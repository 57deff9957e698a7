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

"""The page of a real run: its path is the last line of the run."""

from tests.browser import base
from tests.unit.cli import runs


class TestRun(runs.TestCase):
    def test_page(self):
        self.write('test_plain.py', runs.PLAIN)
        last = self.run_cli('test_plain').stderr.splitlines()[-1]
        path = last.removeprefix('open in a browser: ')
        browser = base.start()
        self.addCleanup(browser.quit)
        browser.get(f'file://{path}')
        self.assertEqual('All 2 tests passed', browser.title)
        self.assertEqual(
            'All 2 tests passed', browser.find_element('tag name', 'h1').text
        )
        self.assertEqual([], browser.get_log('browser'))
