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

"""A large page; how long it takes is printed, and depends on the machine."""

import os
import time

from safe_fixtures.report import html
from tests.browser import base

TESTS = 10000
# Types a search, and returns the milliseconds until the rows are laid out.
SEARCH = """
const field = document.getElementById('q');
const started = performance.now();
field.value = arguments[0];
field.dispatchEvent(new Event('input', {bubbles: true}));
document.body.offsetHeight;
return performance.now() - started;
"""
PAINT = "return performance.getEntriesByType('paint')[0].startTime"


class TestScale(base.TestCase):
    @classmethod
    def record(cls):
        cls.directory.outcomes(
            *(
                (
                    f'a.long.package.test_module_{number % 300}'
                    f'.TestServers{number % 7}.test_{number:05}',
                    'fail' if number % 1000 == 0 else 'success',
                    number / 100,
                    number % 2,
                )
                for number in range(TESTS)
            )
        )

    def thread_seconds(self):
        """Return how long the page has computed, and not waited for a CPU."""
        metrics = self.browser.execute_cdp_cmd('Performance.getMetrics', {})
        return {each['name']: each['value'] for each in metrics['metrics']}[
            'TaskDuration'
        ]

    def test_ten_thousand_tests(self):
        self.browser.execute_cdp_cmd(
            'Performance.enable', {'timeDomain': 'threadTicks'}
        )
        self.open('tests')
        self.wait(lambda: self.find('#count').text == '10,000 tests')
        print(f'\n{os.path.getsize(self.file) / 1e6:.1f} MB')
        print(f'first paint after {self.run_script(PAINT):.0f} ms')
        for words, count in (
            ('test_00007', 1), ('Servers3 test_00', 143), ('no', 0),
            ('', TESTS),
        ):  # fmt: skip
            before = self.thread_seconds()
            took = self.run_script(SEARCH, words)
            computed = (self.thread_seconds() - before) * 1000
            print(f'{words!r}: {took:.0f} ms, {computed:.0f} ms computed')
            self.assertIn(
                f'{count:,} ' if count else '0 of', self.find('#count').text
            )

    def test_pages(self):
        self.open('tests?sort=start')
        self.assertEqual('1\u2013100', self.find('#range').text)
        self.assertFalse(self.find('#before').is_enabled())
        self.find('#after').click()
        self.assertEqual('101\u2013200', self.find('#range').text)
        self.find('#q').send_keys('test_0000')
        self.assertEqual(10, len(self.texts('#rows .short')))
        self.assertFalse(self.all('#pager')[0].is_displayed())

    def test_written(self):
        # Of the processor: others may use it, too.
        started = time.process_time()
        html.write([self.path], self.file)
        print(f'\nwritten in {time.process_time() - started:.1f} s of CPU')
