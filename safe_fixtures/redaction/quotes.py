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
"""Read strings in quotes, which may have been put into other strings."""

import re

__all__ = ['PREFIX', 'QUOTE', 'Quotes']

# Escaped as often as the text was put into another string.
QUOTE = r'\\*+(?:["\']|&quot;|&#(?:34|39|x27);)'
# What Python writes before a string: b'...', rf'...'.
PREFIX = '[burf]{0,2}'
_MARKS = {
    mark: re.compile(rf'(\\*+){mark}')
    for mark in ('"', "'", '&quot;', '&#34;', '&#39;', '&#x27;')
}
# A string such as 'it's mine', which whoever wrote it did not escape.
_GOES_ON = re.compile(
    r'\\*+["\'](?=[\w!#$%*+?@^~-])[^\s"\'\\,:=]*+(?=\\*+["\'])'
)


class Quotes:
    """Finds where the strings in a text end.

    :param text: the text (str).
    """

    def __init__(self, text: str) -> None:
        self._text = text
        # By quote: the text has no more of them from there on.
        self._none_from: dict[str, int] = {}

    def end_of(self, quote: str, start: int) -> int | None:
        """Return where a string ends; None if it is truncated.

        :param quote: what it began with, prefix included (str).
        :param start: the position after that (int).
        """
        quote = quote.lstrip('burfBURF')
        mark = quote.lstrip('\\')
        depth = len(quote) - len(mark)
        if self._none_from.get(quote, len(self._text) + 1) > start:
            for found in _MARKS[mark.lower()].finditer(self._text, start):
                # With more backslashes it is a quote within the string, even
                # if that was put into another string since.
                if len(found[1]) <= depth:
                    return found.start()
            self._none_from[quote] = start
        return None

    def span(self, quote: str, start: int) -> tuple[int, int]:
        """Return the span of what is in quotes, three of them too.

        A string that is truncated ends with its line.
        """
        plain = quote.lstrip('burfBURF')
        text = self._text
        if text.startswith(plain * 2, start):
            start += 2 * len(plain)
            end = text.find(plain * 3, start)
            if end >= 0:
                return start, end
        else:
            found = self.end_of(quote, start)
            if found is not None:
                more = _GOES_ON.match(text, found)
                return start, more.end() if more else found
        line = text.find('\n', start)
        return start, len(text) if line < 0 else line
