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

"""Pages in a real browser: Debian's Chromium, driven by selenium."""

import json
import os
import shutil

import fixtures

from safe_fixtures.report import html
from tests.support import base
from tests.support import reports

_WIDTH, _HEIGHT = 1280, 900
_OPTIONS = (
    '--headless=new',
    # A container may lack what the sandbox needs; the pages are our own.
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--hide-scrollbars',
    f'--window-size={_WIDTH},{_HEIGHT}',
)


def start():
    """Start a browser.

    :raises: RuntimeError that says what to install.
    """
    programs = [shutil.which(each) for each in ('chromium', 'chromedriver')]
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome import service
    except ImportError as error:
        raise RuntimeError('install selenium') from error
    if not all(programs):
        raise RuntimeError('apt-get install chromium chromium-driver')
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for each in _OPTIONS:
        options.add_argument(each)
    options.set_capability(
        'goog:loggingPrefs', {'browser': 'ALL', 'performance': 'ALL'}
    )
    return webdriver.Chrome(
        options=options, service=service.Service(programs[1])
    )


class TestCase(base.TestCase):
    """A test of one page; the tests of a class share the browser."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.browser = start()
        cls.addClassCleanup(cls.browser.quit)
        directory = fixtures.TempDir()
        directory.setUp()
        cls.addClassCleanup(directory.cleanUp)
        cls.path = directory.path
        cls.directory = reports.Directory(cls.path)
        cls.file = os.path.join(cls.path, 'report.html')
        cls.record()
        html.write([cls.path], cls.file)

    @classmethod
    def record(cls):
        """Write the records of the page."""
        raise NotImplementedError

    def setUp(self):
        super().setUp()
        self.addCleanup(self._check)

    def _check(self):
        """Fail if the page complained, or asked for anything."""
        self.assertEqual([], self.browser.get_log('browser'))
        asked = [
            message['params']['request']['url']
            for message in (
                json.loads(entry['message'])['message']
                for entry in self.browser.get_log('performance')
            )
            if message['method'] == 'Network.requestWillBeSent'
        ]
        mine = (f'file://{self.file}', 'about:', 'data:')
        self.assertEqual(
            [], [each for each in asked if not each.startswith(mine)]
        )

    def open(self, view=''):
        """Open the page anew, at a view."""
        self.browser.get('about:blank')
        self.browser.get(f'file://{self.file}#{view}')

    def be_narrow(self):
        """Show the page as on a small phone, until the test ends."""
        self.addCleanup(
            self.browser.execute_cdp_cmd,
            'Emulation.clearDeviceMetricsOverride', {},
        )  # fmt: skip
        self.browser.execute_cdp_cmd(
            'Emulation.setDeviceMetricsOverride',
            {'width': 380, 'height': 800, 'deviceScaleFactor': 1,
             'mobile': False},
        )  # fmt: skip

    def run_script(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def find(self, selector):
        """Return the first of the elements that are shown."""
        for each in self.all(selector):
            if each.is_displayed():
                return each
        raise AssertionError(f'{selector} is not shown')

    def all(self, selector):
        return self.browser.find_elements('css selector', selector)

    def texts(self, selector):
        return [each.text for each in self.all(selector)]

    def shown(self):
        """Return the name of the view that is shown."""
        (view,) = (
            each for each in self.all('main > [data-view]')
            if each.is_displayed()
        )  # fmt: skip
        return view.get_attribute('data-view')

    def wait(self, check):
        """Wait until something is so."""
        from selenium.webdriver.support import wait

        return wait.WebDriverWait(self.browser, 60).until(lambda _: check())

    def press(self, *keys):
        from selenium.webdriver import ActionChains

        ActionChains(self.browser).send_keys(*keys).perform()

    def focused(self):
        return self.browser.switch_to.active_element
