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

"""What the audit hook adds to an event that nobody cares about."""

import statistics
import timeit

from safe_fixtures import IsolationGuard


def main(rounds=7, calls=1_000_000):
    """Print microseconds an event: no hook, a guard, and after it."""

    def microseconds():
        # The most frequent event of a functional test.
        return timeit.timeit('id(None)', number=calls) / (calls / 1e6)

    def median():
        return statistics.median(microseconds() for _ in range(rounds))

    bare = median()
    with IsolationGuard():
        guarded = median()
    after = median()
    print(f'an event nobody cares about ({rounds} rounds, {bare:.3f} us bare)')
    print(f'  guarded             {guarded - bare:+.3f} us')
    print(f'  outside tests       {after - bare:+.3f} us')
