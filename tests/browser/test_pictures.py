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

"""The pictures of a page: of a test, of the suite, and of permissions."""

from selenium.webdriver.common import keys

from safe_fixtures.audit import events
from tests.browser import base
from tests.support import reports

EVACUATED = 'nova.tests.TestServers.test_evacuate'
BUSY = 'nova.tests.TestServers.test_busy'
SERVER = '1f1b0d51-8bd6-4ae9-8c8f-7c3ba7a0a9e2'
SOURCE, TARGET = 'nova-compute on source', 'nova-compute on target'
KEYS = keys.Keys
# Texts and what is behind them, and shapes and what is behind them.
TEXTS = (
    ('text', 'back'), ('muted', 'back'), ('bad', 'back'), ('text', 'shade'),
    ('muted', 'shade'), ('bad', 'shade'), ('text', 'idle'), ('bad', 'idle'),
    ('on-bad', 'bad'), ('on-disabled', 'disabled'), ('on-forced', 'forced'),
    ('text', 'allowed'), ('text', 'forbidden'), ('text', 'hidden'),
)  # fmt: skip
SHAPES = (
    ('run', 'back'), ('run', 'shade'), ('good', 'back'), ('good', 'shade'),
    ('request', 'back'), ('request', 'shade'), ('cast', 'back'),
    ('forced', 'shade'), ('bad', 'idle'), ('other', 'idle'), ('block', 'idle'),
)  # fmt: skip
CONTRAST = """
const probe = document.createElement('i');
document.body.append(probe);
const light = (name) => {
  probe.style.color = `var(--pic-${name})`;
  const color = getComputedStyle(probe).color;
  const [r, g, b] = color.match(/[\\d.]+/g).map((c) => {
    const part = c / 255;
    return part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4;
  });
  return .2126 * r + .7152 * g + .0722 * b + .05;
};
const found = arguments[0].map(([front, back]) => {
  const [dark, bright] = [light(front), light(back)].sort((a, b) => a - b);
  return bright / dark;
});
probe.remove();
return found;
"""


def record(directory):
    with directory.trail(EVACUATED) as trail:
        for name in ('nova-conductor on conductor', SOURCE, TARGET):
            trail.record(events.START, name, seconds=5.0)
        trail.record(
            events.VIOLATION, SOURCE, code='SF203', message='It has a server.'
        )
        trail.record(
            events.FORCE_DOWN, SOURCE, before='enabled',
            after='enabled, forced down', by='PUT /os-services',
        )  # fmt: skip
        trail.record(events.PIN, 'GET /v2.1/servers', served='2.104')
        trail.record(
            events.OUTAGE, SOURCE, seconds=1.5, ended='in service again',
            servers=[f'{SERVER} (active)'],
            moments=[
                '+0.000 s  stopped by Service.stop (/a/test_servers.py:7)',
                f'+1.000 s  POST /servers/{SERVER}/action (evacuate): 409',
            ],
        )  # fmt: skip
        trail.record(
            events.RESTORE, SOURCE, wanted='enabled', actual='enabled'
        )
        trail.record(
            events.PERMISSIONS, SERVER, outcome='failure', requests=6,
            microversion='2.104', not_checked=[], deviations={},
            outcomes={'reader': {'show': 'allowed', 'delete': 'allowed'}},
            findings=[
                'reader: delete: expected forbidden, got allowed (HTTP 204)'
            ],
        )  # fmt: skip
        trail.record(
            events.WAIT, 'test helpers', waits=2, cut_short=1, seconds_won=0.5
        )
        trail.record(events.TEST_END, EVACUATED, outcome='failure')
    with directory.trail(BUSY, worker=1) as trail:
        for number in range(1000):
            trail.record(events.PIN, 'GET /v2.1/servers', served='2.1')
            trail.record(
                'deny', reports.HOSTILE, code='SF301',
                message=f'{number}{reports.HOSTILE}',
            )  # fmt: skip
        trail.record(events.OUTAGE, reports.HOSTILE, moments=['x'], seconds=1)
    directory.outcomes((EVACUATED, 'fail', 9.0, 0), (BUSY, 'success', 60.0, 1))


class TestPictures(base.TestCase):
    @classmethod
    def record(cls):
        record(cls.directory)

    def open_test(self, name=EVACUATED):
        self.open('tests')
        (link,) = (
            each
            for each in self.all('#rows a')
            if name.endswith(each.find_element('css selector', '.short').text)
        )
        self.open(link.get_attribute('hash')[1:])

    def label(self):
        return self.focused().get_attribute('aria-label') or ''

    def go_to(self, text):
        """Go from act to act by the arrow keys, to one that is named so."""
        self.run_script(
            "document.querySelector('.tl-act[tabindex=\"0\"]').focus()"
        )
        for _ in self.all('.tl-act'):
            if text in self.label():
                return
            self.press(KEYS.ARROW_RIGHT)
        self.fail(f'no act is named {text}')

    def test_lanes(self):
        self.open_test()
        names = [each.text for each in self.all('.tl-svg .tl-name')]
        self.assertEqual(
            ['Violations', SOURCE, TARGET, 'Requests', 'Waits',
             'Other services', 'Checks', 'Test'],
            [name.partition('\n')[0] for name in names],
        )  # fmt: skip
        picture = self.find('.tl-svg').text
        for part in (
            'SF203', 'out of service for 1.5 s with 1 server', 'evacuate: 409',
            '2 waits, 1 cut short, 0.5 s saved', 'failed',
        ):  # fmt: skip
            self.assertIn(part, picture)
        self.assertEqual(
            [
                '+0.000 s stopped by Service.stop (test_servers.py:7)',
                '+1.000 s POST /servers/1f1b0d51…/action (evacuate): 409',
            ],
            self.texts('.tl-moments li'),
        )

    def test_an_act_by_keyboard(self):
        self.open_test()
        self.assertEqual(1, len(self.all('.tl-act[tabindex="0"]')))
        self.go_to('out of service')
        self.press(KEYS.ENTER)
        self.assertEqual('monitor/outage', self.find('#event-title').text)
        self.press(KEYS.ESCAPE)
        self.assertEqual([], [
            each for each in self.all('#event') if each.is_displayed()
        ])  # fmt: skip
        self.assertIn('out of service', self.label())
        self.press(KEYS.END)
        self.assertIn('end of the test', self.label())
        self.press(KEYS.HOME)
        self.assertIn('start of', self.label())

    def test_an_act_by_mouse(self):
        self.open_test()
        self.find('.tl-chip-text').click()
        self.assertEqual('evaluate/violation', self.find('#event-title').text)
        self.assertIn('It has a server.', self.find('#event').text)
        self.press(KEYS.ESCAPE)
        self.find('.tl-open').click()
        self.assertEqual('monitor/outage', self.find('#event-title').text)

    def test_a_closer_look(self):
        self.open_test()
        whole = self.texts('.tl-tick')
        for button in self.all('.tl-zoom button')[::-1]:
            button.click()
            self.assertEqual('true', button.get_attribute('aria-pressed'))
            self.assertEqual(
                1, len(self.all('.tl-zoom [aria-pressed="true"]'))
            )
            if button.text == 'Outage 1':
                self.assertNotEqual(whole, self.texts('.tl-tick'))
        self.assertEqual(whole, self.texts('.tl-tick'))

    def test_many_hostile_acts(self):
        self.open_test(BUSY)
        self.assertLess(len(self.all('.tl-act')), 500)
        self.assertNotEqual('broken', self.browser.title)
        self.assertEqual([], self.all('.tl img, .tl script'))
        self.assertIn('×', self.find('.tl-chip-text').text)

    def test_narrow(self):
        self.be_narrow()
        self.open_test()
        sizes = 'const e = %s; return [e.scrollWidth, e.clientWidth]'
        for view, box in (
            ('', '.tl-box'), ('suite', '.pic-box'),
            ('permissions', '.pic-permissions'),
        ):  # fmt: skip
            if view:
                self.open(view)
            inside, page = self.run_script(sizes % 'document.documentElement')
            self.assertEqual(page, inside, view)
            inside, outside = self.run_script(
                sizes % f"document.querySelector('{box}')"
            )
            if view != 'permissions':
                self.assertLess(outside, inside)

    def test_contrast(self):
        self.addCleanup(
            self.browser.execute_cdp_cmd,
            'Emulation.setEmulatedMedia', {'features': []},
        )  # fmt: skip
        for scheme in ('light', 'dark'):
            self.browser.execute_cdp_cmd(
                'Emulation.setEmulatedMedia',
                {'features': [
                    {'name': 'prefers-color-scheme', 'value': scheme}
                ]},
            )  # fmt: skip
            self.open_test()
            for least, pairs in ((4.5, TEXTS), (3, SHAPES)):
                found = self.run_script(CONTRAST, pairs)
                weak = {
                    ' on '.join(pair): round(contrast, 2)
                    for pair, contrast in zip(pairs, found, strict=True)
                    if contrast < least
                }
                self.assertEqual({}, weak, scheme)

    def test_suite(self):
        self.open('suite')
        self.assertEqual(
            ['worker 0', 'worker 1'], self.texts('.pic-lane .pic-name')
        )
        (failed,) = self.all('.pic-lane a:not([tabindex])')
        self.run_script('arguments[0].focus()', failed)
        self.press(KEYS.ENTER)
        self.wait(lambda: self.shown() == 'test')
        self.assertIn('test_evacuate', self.find('h1').text)

    def test_permissions(self):
        self.open('permissions')
        self.assertEqual(
            ['allowed', 'allowed\n✗ should be forbidden'],
            self.texts('.pic-matrix td'),
        )
        self.assertIn('1 server with 1 finding', self.texts('h2'))
