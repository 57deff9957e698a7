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

"""Check the content of events, which anybody may have written."""

from typing import Any

__all__ = [
    'are_counts',
    'are_hits',
    'are_masked',
    'are_named_texts',
    'are_outcomes',
    'are_seconds',
    'are_texts',
    'are_waits',
    'is_attachment',
    'is_count',
    'is_flag',
    'is_number',
    'is_text',
]

# A larger number is no count and no time, and may be too large to print.
_LARGEST = 10**15


def is_text(value: Any) -> bool:
    """Whether a value is text."""
    return isinstance(value, str)


def is_flag(value: Any) -> bool:
    """Whether a value is true or false."""
    return isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a number of seconds, or a count."""
    # Neither a bool nor NaN, and nothing infinite.
    return type(value) in (int, float) and 0 <= value <= _LARGEST


def is_count(value: Any) -> bool:
    """Whether a value is a count."""
    return type(value) is int and 0 <= value <= _LARGEST


def are_counts(value: Any) -> bool:
    """Whether a value maps names to counts."""
    return isinstance(value, dict) and all(map(is_count, value.values()))


def are_texts(value: Any) -> bool:
    """Whether a value is a list of texts."""
    return isinstance(value, list) and all(map(is_text, value))


def is_attachment(value: Any) -> bool:
    """Whether a value is an attachment of an event."""
    return isinstance(value, dict) and (
        value.get('name') != 'details'
        or isinstance(value.get('content'), dict)
    )


def are_waits(value: Any) -> bool:
    """Whether it maps names to a count and seconds each."""
    return isinstance(value, dict) and all(
        isinstance(pair, list)
        and len(pair) == 2
        and is_count(pair[0])
        and is_number(pair[1])
        for pair in value.values()
    )


def are_hits(value: Any) -> bool:
    """Whether it maps names to two counts each."""
    return isinstance(value, dict) and all(
        isinstance(pair, list) and len(pair) == 2 and all(map(is_count, pair))
        for pair in value.values()
    )


def are_seconds(value: Any) -> bool:
    """Whether it maps names to seconds of wall time and of CPU."""
    return isinstance(value, dict) and all(
        isinstance(pair, list) and len(pair) == 2 and all(map(is_number, pair))
        for pair in value.values()
    )


def are_masked(value: Any) -> bool:
    """Whether it is a list of kinds of secrets, each with a count."""
    return isinstance(value, list) and all(
        isinstance(each, dict)
        and is_text(each.get('kind'))
        and is_count(each.get('count'))
        for each in value
    )


def are_named_texts(value: Any) -> bool:
    """Whether a value maps names to texts."""
    return isinstance(value, dict) and all(map(is_text, value.values()))


def are_outcomes(value: Any) -> bool:
    """Whether it maps personas to what each operation came to."""
    return isinstance(value, dict) and all(
        map(are_named_texts, value.values())
    )
