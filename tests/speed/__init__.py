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

"""Tests on real Nova.

This import comes before that of any module in here, so that eventlet can
patch what those import.
"""

import safe_fixtures.nova  # noqa: F401  isort: skip

import os
import random

import testtools


def load_tests(loader, tests, pattern):
    """Load the tests of this package, shuffled if OS_TEST_SEED is a number.

    stestr's own --random shuffles what it tells a worker to run; the worker
    still runs it in the order in which it loads it.
    """
    tests.addTests(loader.discover(os.path.dirname(__file__), pattern))
    seed = os.environ.get('OS_TEST_SEED')
    if not seed:
        return tests
    # The order in which files are found must not count.
    shuffled = sorted(testtools.iterate_tests(tests), key=lambda one: one.id())
    random.Random(int(seed)).shuffle(shuffled)
    return loader.suiteClass(shuffled)
