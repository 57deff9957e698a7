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


"""How fast secrets are masked: in Nova's logs, and in the worst texts."""

import functools
import json
import logging
import os
import subprocess
import sys
import time
import timeit

if __name__ == '__main__':
    # Before anything else that eventlet should patch.
    import safe_fixtures.nova  # noqa: F401

from safe_fixtures import Redactor

SHORT = (100, 200, 500)
LEARNED = (1, 10, 200)
SIZES = (250_000, 1_000_000, 4_000_000)
# What is hard on a regular expression that goes back.
WORST = (
    '"', "'", ' ', '\\', '@', '%', '[', '{', '[{', '*', '://', '://a:b@',
    'eyJ', 'eyJhbGciOiJ.', 'gAAAA', 'LS0tLS1CRUdJTi', 'QUJDREVGR0hJSktM',
    '-----', '-----BEGIN ', '-----BEGIN RSA PRIVATE' + ' KEY-----\n',
    'b3BlbnNzaC1rZXktdjE\n', 'password', 'password ', 'password="',
    "'password': ", 'token.', "'token': {", "'token': {'id': 'a'",
    '<password a="b" ', '&lt;token&gt;', 'user_data=', "'user_data': '",
    'secret_key=&quot;', 'Cookie: ', '%3A%2F%2Fa%3Ab', '$6$a', 'a:b,@',
    '\u0130password=x ',
)  # fmt: skip


def capture():
    """Run Nova tests; return what each logs, as DEBUG has it."""
    import testtools

    from benchmarks import _tests
    from safe_fixtures.nova import InstalledNova

    logs = []
    with InstalledNova():
        for cls, method in _tests.cases():
            test = cls(method)
            test.run(testtools.TestResult())
            logs += [
                detail.as_text()
                for name, detail in test.getDetails().items()
                if name.startswith('pythonlogging')
            ]
    logging.disable()
    return logs


def seconds(redactor, texts):
    """Return the least processor time it takes to redact texts."""
    best = float('inf')
    for _ in range(3):
        start = time.process_time()
        for text in texts:
            redactor.redact(text)
        best = min(best, time.process_time() - start)
    return best


def main():
    """Print megabytes a second, microseconds of a line, and growth."""
    environment = dict(os.environ, OS_DEBUG='1', OS_LOG_CAPTURE='1')
    process = subprocess.run(
        [sys.executable, '-m', 'benchmarks.redaction'],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    logs = json.loads(process.stdout.splitlines()[-1])
    size = sum(map(len, logs)) / 1e6
    print(f'logs of {len(logs)} Nova tests ({size:.1f} MB)')
    print(
        f'  nothing learned     {size / seconds(Redactor(), logs):6.1f} MB/s'
    )
    for count in LEARNED:
        redactor = Redactor(
            f'Zt7k/Q2m+X{number:04}' for number in range(count)
        )
        speed = size / seconds(redactor, logs)
        print(f'  {count:3} learned         {speed:6.1f} MB/s')
    changed = sum(Redactor().redact(log) != log for log in logs)
    print(f'  changed             {changed:6} of them')
    print('a clean text')
    redact = Redactor().redact
    text = ' '.join(max(logs, key=len).split())
    for length in SHORT:
        line = text[1000 : 1000 + length]
        timer = timeit.Timer(functools.partial(redact, line))
        took = min(timer.repeat(number=2000, repeat=5))
        print(f'  {length:3} characters      {took / 2000 * 1e6:6.1f} us')
    print(f'the worst texts, of {" ".join(f"{size:,}" for size in SIZES)}')
    redactor = Redactor(['Zt7k/Q2m+X', '"aaaaa"\\x'])
    for piece in WORST:
        took = [
            seconds(redactor, [(piece * (size // len(piece) + 1))[:size]])
            for size in SIZES
        ]
        print(f'  {piece!r:42} {" ".join(f"{each:6.2f}" for each in took)} s')


if __name__ == '__main__':
    print(json.dumps(capture()))
