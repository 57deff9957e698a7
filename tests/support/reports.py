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

"""Report directories that a test writes itself."""

import contextlib
import datetime
import html.parser
import json
import os

import subunit

from safe_fixtures import audit
from safe_fixtures.audit import events
from safe_fixtures import conf

#: What a page must show as text: markup, scripts, what a terminal obeys, what
#: turns the direction of text around, and what no encoding takes.
HOSTILE = (
    '</script><script>document.title = "broken"</script>'
    '<img src=x onerror="document.title = 1">{{ 7 * 7 }}'
    '\u2028\x1b[31m\x00\u202e\udcff&amp;"\'<!--'
)


class Directory:
    """A report directory.

    :param path: of the directory, which exists.
    """

    def __init__(self, path):
        self.path = path

    @contextlib.contextmanager
    def trail(self, test, worker=0):
        """Record the events of a test, or of a run."""
        path = os.path.join(self.path, f'events-worker-{worker}-0.jsonl')
        with (
            conf.override(audit_file=path),
            audit.AuditTrail(test) as trail,
        ):
            yield trail

    def outcomes(self, *outcomes, **settings):
        """Record a run: its tests as (test, status, seconds, worker)."""
        path = os.path.join(self.path, 'events-run.jsonl')
        with (
            conf.override(audit_file=path),
            audit.AuditTrail('safe-fixtures run') as trail,
        ):
            settings = {'mode': 'default', 'tests': len(outcomes)} | settings
            trail.record(events.RUN, 'run', **settings)
            for test, status, seconds, worker in outcomes:
                trail.record(
                    events.TEST_OUTCOME, test, status=status, seconds=seconds,
                    worker=worker,
                )  # fmt: skip
            trail.record(events.RUN_END, 'run', seconds=1.5, interrupted=False)

    def stream(self, *tests):
        """Write a stream: tests as (test, status, details)."""
        with open(os.path.join(self.path, 'stream.subunit'), 'ab') as file:
            stream = subunit.StreamResultToBytes(file)
            for test, status, details in tests:
                now = datetime.datetime.now(datetime.UTC)
                stream.status(
                    test_id=test, test_status='inprogress', timestamp=now
                )
                for name, text in details.items():
                    stream.status(
                        test_id=test,
                        file_name=name,
                        file_bytes=text.encode(errors='replace'),
                        mime_type='text/plain;charset=utf8',
                        eof=True,
                    )
                stream.status(test_id=test, test_status=status, timestamp=now)


class Page(html.parser.HTMLParser):
    """What a browser would make of a page.

    :param text: of the page.
    :ivar elements: names and attributes of all elements.
    :ivar scripts: the texts of the scripts, which are run.
    :ivar styles: the texts of the styles.
    :ivar data: what the other scripts hold, by id.
    :ivar text: what is shown.
    """

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self.styles = [], [], []
        self.data, self.text = {}, ''
        self._inside = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.elements.append((tag, attributes))
        self._part(tag)
        if tag in ('script', 'style', 'title'):
            self._inside.append((tag, attributes))

    def handle_endtag(self, tag):
        self._part(tag)
        if self._inside and self._inside[-1][0] == tag:
            self._inside.pop()

    def _part(self, tag):
        # As a browser, which shows cells apart.
        if tag not in ('a', 'bdi', 'wbr'):
            self.text += ' '

    def handle_data(self, data):
        tag, attributes = self._inside[-1] if self._inside else ('', {})
        if tag == 'style':
            self.styles.append(data)
        elif tag == 'script' and 'type' in attributes:
            self.data[attributes['id']] = json.loads(data)
        elif tag == 'script':
            self.scripts.append(data)
        elif not tag:
            self.text += data

    def tests(self):
        """Return the rows of the index, each with its details."""
        index, size = self.data['index'], self.data['index']['chunk']
        return [
            (row, self.data[f'chunk-{place // size}']['tests'][place % size])
            for place, row in enumerate(index['tests'])
        ]
