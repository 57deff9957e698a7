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

"""Paired measurements: two variants in turn, and the ratios of the pairs."""

import math
import statistics


def alternate(count, first, second):
    """Measure two variants *count* times, changing which one goes first.

    :param first: a callable that measures and returns a dict of numbers.
    :param second: likewise.
    :returns: a list of pairs of dicts.
    """
    pairs = []
    for number in range(count):
        if number % 2:
            result_of_second = second()
            pairs.append((first(), result_of_second))
        else:
            pairs.append((first(), second()))
    return pairs


def interval(ratios):
    """Return a 95% confidence interval of the median, by order statistics.

    For few values, these are the extremes.
    """
    ordered = sorted(ratios)
    count = len(ordered)
    rank, outside = 0, 0.0
    while rank < count // 2:
        outside += math.comb(count, rank) / 2**count
        if 2 * outside > 0.05:
            break
        rank += 1
    rank = max(rank - 1, 0)
    return ordered[rank], ordered[count - 1 - rank]


def report(title, pairs, unit=''):
    """Print, for each figure, the median ratio of first to second."""
    print(f'{title} ({len(pairs)} pairs)')
    for figure in pairs[0][0]:
        ratios = [a[figure] / b[figure] for a, b in pairs]
        low, high = interval(ratios)
        ours = statistics.median(a[figure] for a, _ in pairs)
        theirs = statistics.median(b[figure] for _, b in pairs)
        print(
            f'  {figure:7} {statistics.median(ratios):.3f} '
            f'[{low:.3f}, {high:.3f}]  '
            f'({ours:.3f} to {theirs:.3f} {unit})'
        )
