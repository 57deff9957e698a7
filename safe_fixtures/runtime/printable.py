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

"""Make text safe to print.

Names of tests and services may hold control characters, which a terminal
obeys, and surrogates, which no encoding takes.
"""

__all__ = ['block', 'line']


def line(text: str) -> str:
    r"""Return text on one line, with what cannot be printed escaped.

    Escaped text stays as it is: ``line(line(text)) == line(text)``.

    :param text: such as the id of a test; ``\x1b`` in it becomes the four
        characters ``\x1b``.
    """
    if text.isprintable():
        return text
    return ''.join(map(_escaped, text))


def block(text: str) -> str:
    """Return text with what cannot be printed escaped, line by line.

    :param text: such as a traceback; its line breaks and tabs stay.
    """
    if text.replace('\n', '').replace('\t', '').isprintable():
        return text
    return ''.join(char if char in '\n\t' else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    if char.isprintable():
        return char
    return char.encode('unicode_escape').decode('ascii')
