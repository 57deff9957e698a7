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

"""The views of a page: opened, searched, filtered, followed by keyboard."""

from selenium.webdriver.common import keys

from safe_fixtures.audit import events
from tests.browser import base
from tests.support import reports

FAILED = 'nova.tests.test_servers.TestServers.test_evacuate'
BROKEN = 'nova.tests.test_flavors.TestFlavors.test_list'
WAIVED = 'nova.tests.test_flavors.TestFlavors.test_show'
KEYS = keys.Keys


def record(directory):
    """Write the records of three tests."""
    with directory.trail(FAILED) as trail:
        trail.record(events.START, 'nova-compute on a', seconds=0.5)
        trail.record(
            events.FORCE_DOWN, 'nova-compute on a', before='enabled',
            after='enabled, forced down', by='PUT /os-services',
        )  # fmt: skip
        trail.record(
            events.OUTAGE, 'nova-compute on a', seconds=1.5, ended='restored',
            servers=['a server'], moments=[],
        )  # fmt: skip
        trail.record(
            events.RESTORE, 'nova-compute on a', seconds=0.1,
            wanted='enabled', actual='enabled',
        )  # fmt: skip
        trail.record(events.TEST_END, FAILED, seconds=9.0, hardened='fully')
    with directory.trail(BROKEN) as trail:
        trail.record(
            'deny', 'cirros', code='SF301', message='no such image',
            where='/tests/test_flavors.py:7', remedy='Use another image.',
        )  # fmt: skip
        trail.record('allow/waiver', 'x', code='SF104', pattern='nova.*')
    directory.outcomes(
        (FAILED, 'fail', 9.0, 0),
        (BROKEN, 'success', 2.0, 1),
        (WAIVED, 'skip', 0.0, 1),
        arguments=['nova.tests'],
    )
    directory.stream(
        (
            FAILED,
            'fail',
            {
                'traceback': 'Traceback\nValueError: it did not move',
                "pythonlogging:''": 'WARNING the compute is down\n',
            },
        ),
        (WAIVED, 'skip', {'reason': 'not today'}),
    )


class TestPage(base.TestCase):
    @classmethod
    def record(cls):
        record(cls.directory)

    def rows(self):
        return self.texts('#rows .short')

    def choose(self, name, value):
        self.find(f'select[name={name}] option[value="{value}"]').click()

    def test_overview(self):
        self.open()
        self.assertEqual('overview', self.shown())
        self.assertEqual('1 of 3 tests failed; enforced rules broken 1 time',
                         self.find('h1').text)  # fmt: skip
        text = self.find('#view-overview').text
        for part in (
            'ValueError: it did not move', 'SF301', 'no such image',
            'Longest outages', 'Slowest restores', 'Slowest tests',
        ):  # fmt: skip
            self.assertIn(part, text)

    def test_every_link_of_the_overview_leads_somewhere(self):
        self.open()
        links = {
            each.get_attribute('hash') for each in self.all('#view-overview a')
        }
        self.assertIn('#tests?rule=SF301', links)
        self.assertIn('#tests?outcome=failed', links)
        for link in links:
            self.open(link[1:])
            if link.startswith('#test-'):
                self.assertEqual('test', self.shown())
            else:
                self.assertEqual(1, len(self.rows()), link)

    def test_sorted_by_time(self):
        self.open('tests')
        self.assertEqual(
            ['TestServers.test_evacuate', 'TestFlavors.test_list',
             'TestFlavors.test_show'],
            self.rows(),
        )  # fmt: skip
        self.choose('sort', 'name')
        self.assertEqual('TestFlavors.test_list', self.rows()[0])
        self.choose('sort', 'broken')
        self.assertEqual('TestFlavors.test_list', self.rows()[0])

    def test_search(self):
        self.open('tests')
        self.find('#q').send_keys('Flavors LIST')
        self.assertEqual(['TestFlavors.test_list'], self.rows())
        self.assertEqual('1 of 3 tests', self.find('#count').text)
        self.find('#q').send_keys(' nothing')
        self.assertEqual([], self.rows())
        self.assertEqual('No test matches.', self.find('#nothing').text)
        self.find('button[type=reset]').click()
        self.wait(lambda: len(self.rows()) == 3)

    def test_filter(self):
        for name, value, count in (
            ('outcome', 'failed', 1),
            ('rule', 'SF301', 1),
            ('module', 'nova.tests.test_flavors', 2),
        ):
            self.open('tests')
            self.choose(name, value)
            self.assertEqual(count, len(self.rows()), name)
            address = self.browser.current_url
            # The address leads to the same tests.
            self.open(address.partition('#')[2])
            self.assertEqual(count, len(self.rows()), address)

    def test_failed_test(self):
        self.open('tests')
        self.find('#rows a').click()
        self.assertEqual('test', self.shown())
        text = self.find('#view-test').text
        for part in (
            'ValueError: it did not move', 'WARNING the compute is down',
            'fully', 'PUT /os-services',
        ):  # fmt: skip
            self.assertIn(part, text)
        self.assertIn('test_evacuate', self.browser.title)
        self.browser.back()
        self.wait(lambda: self.shown() == 'tests')

    def test_broken_test(self):
        self.open('tests?rule=SF301')
        self.find('#rows a').click()
        text = self.find('.violations').text
        for part in (
            'SF301 enforced', 'no such image', '/tests/test_flavors.py:7',
            'Use another image.',
        ):  # fmt: skip
            self.assertIn(part, text)
        self.assertIn('SF104 nova.*', self.find('#view-test').text)

    def test_event(self):
        self.open('tests?outcome=failed')
        self.find('#rows a').click()
        self.find('.events tr:nth-child(2) button').click()
        self.assertEqual('update/forced_down', self.find('#event-title').text)
        self.assertIn(
            '"after": "enabled, forced down"', self.find('#event-details').text
        )
        self.find('#event-close').click()
        self.assertFalse(self.all('#event')[0].is_displayed())

    def test_by_keyboard(self):
        self.open()
        self.press('/')
        self.wait(lambda: self.focused().get_attribute('id') == 'q')
        self.press('evacuate', KEYS.TAB)
        for _ in range(20):
            if '#test-' in (self.focused().get_attribute('href') or ''):
                break
            self.press(KEYS.TAB)
        self.press(KEYS.ENTER)
        self.wait(lambda: self.shown() == 'test')
        self.assertEqual('h1', self.focused().tag_name)
        for _ in range(20):
            if self.focused().text == 'start/service':
                break
            self.press(KEYS.TAB)
        self.press(KEYS.ENTER)
        self.assertTrue(self.find('#event'))
        self.press(KEYS.ESCAPE)
        self.assertFalse(self.all('#event')[0].is_displayed())
        self.assertEqual('start/service', self.focused().text)

    def test_narrow(self):
        self.be_narrow()
        for view in ('overview', 'tests', 'test-0', 'test-1'):
            self.open(view)
            self.assertEqual(
                380,
                self.run_script('return document.documentElement.scrollWidth'),
                view,
            )

    def test_unknown_addresses(self):
        for view in ('nothing', 'test-99', 'test-', '"]', '%', 'event'):
            self.open(view)
            self.assertEqual('overview', self.shown(), view)

    def test_contrast(self):
        for scheme in ('light', 'dark'):
            self.browser.execute_cdp_cmd(
                'Emulation.setEmulatedMedia',
                {'features': [
                    {'name': 'prefers-color-scheme', 'value': scheme}
                ]},
            )  # fmt: skip
            for view in ('overview', 'tests', 'test-0', 'test-1'):
                self.open(view)
                self.assertEqual([], self.run_script(CONTRAST), (scheme, view))


# The texts that are hard to read by WCAG, level AA.
CONTRAST = """
function parts(colour) {
  const found = colour.match(/[\\d.]+/g).map(Number);
  return found.length === 3 ? [...found, 1] : found;
}
function light(colour) {
  const [r, g, b] = colour.slice(0, 3).map((each) => {
    const part = each / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function behind(element) {
  for (let each = element; each; each = each.parentElement) {
    const colour = parts(getComputedStyle(each).backgroundColor);
    if (colour[3] === 1) {
      return colour;
    }
  }
  return [255, 255, 255, 1];
}
const bad = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  const text = walker.currentNode.data.trim();
  if (!text || !element.checkVisibility() || element.closest('svg')
      || element.disabled) {
    continue;
  }
  const [a, b] = [
    light(parts(getComputedStyle(element).color)), light(behind(element)),
  ];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) {
    bad.push([text.slice(0, 40), ratio]);
  }
}
return bad;
"""


class TestHostilePage(base.TestCase):
    LONG = 'x' * (1 << 20)

    @classmethod
    def record(cls):
        for name in (reports.HOSTILE, '__proto__', 'constructor', cls.LONG):
            with cls.directory.trail(name) as trail:
                trail.record(
                    'deny', name, code='SF301', message=name, remedy=name,
                    where=f'{name}:7', waived=name, content={name: name},
                )  # fmt: skip
                trail.record(events.VIOLATION, name, code='SF104', message='x')
                trail.record(events.VIOLATION, 'x', code=name, message='x')
                trail.record('allow/waiver', name, pattern=name, reason=name)
                trail.record('disable', name, after=name, before=name)
                trail.record(
                    events.OUTAGE, name, seconds=5.0, servers=[name],
                    moments=[name], ended=name,
                )  # fmt: skip
                trail.record(events.TEST_END, name, hardened=name, lacks=name)
        cls.directory.outcomes((cls.LONG, 'timeout', 1.0, 0))
        cls.directory.stream(
            (
                'x', 'fail', {'traceback': reports.HOSTILE, 'stdout': cls.LONG}
            )
        )  # fmt: skip

    def assertHarmless(self):
        # The name of a test may have the word.
        self.assertNotIn(self.browser.title, ('broken', '1'))
        self.assertEqual([], self.all('img'))
        text = self.run_script('return document.body.innerText')
        self.assertNotIn('\u202e', text)
        self.assertNotIn('\x1b', text)

    def test_every_view(self):
        for view in ('overview', 'tests', 'suite', 'permissions'):
            self.open(view)
            self.assertHarmless()

    def test_every_test(self):
        self.open('tests')
        links = [each.get_attribute('hash') for each in self.all('#rows a')]
        self.assertEqual(4, len(links))
        for link in links:
            self.open(link[1:])
            self.assertEqual('test', self.shown())
            self.assertHarmless()
            for button in self.all('.events button')[:8]:
                button.click()
                self.assertHarmless()
                self.find('#event-close').click()

    def test_filter(self):
        self.open('tests')
        for name in ('rule', 'module', 'outcome'):
            count = len(self.all(f'select[name={name}] option'))
            for place in range(count):
                self.open('tests')
                self.all(f'select[name={name}] option')[place].click()
                self.assertHarmless()
                self.assertTrue(self.all('#rows tr'))
