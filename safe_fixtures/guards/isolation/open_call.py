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

"""Find the directory that a relative path is opened in."""

import contextlib
import dis
import os
import stat
import sys
from types import FrameType
from typing import Any

from safe_fixtures.boundary import temporary

__all__ = [
    'OpenCall',
    'bases',
]


def bases(name: Any, args: tuple[Any, ...]) -> list[str | None]:
    """Return the directories that what is opened may be relative to.

    The event tells the name only, not the ``dir_fd`` that goes with it: if
    the call passes one, it is one of the directories that are open.

    :param name: what is opened.
    :param args: those of the event, which find the call that caused it.
    :returns: None is the current directory.
    """
    if os.path.isabs(os.fsdecode(name)):
        return [None]
    call = OpenCall(args)
    if 'dir_fd' not in call.keywords and not call.is_open_ended:
        return [None]
    directories = {}
    with contextlib.suppress(OSError):
        for each in os.listdir('/proc/self/fd'):
            with contextlib.suppress(OSError):
                if stat.S_ISDIR(os.fstat(int(each)).st_mode):
                    directories[int(each)] = temporary.of_descriptor(int(each))
    named = directories.keys() & call.numbers
    found: list[str | None] = [
        path
        for number, path in sorted(directories.items())
        if path is not None and (not named or number in named)
    ]
    return found if 'dir_fd' in call.keywords else [None, *found]


class OpenCall:
    """The call that caused an event, as the frame that makes it shows.

    :ivar keywords: the names of the arguments that it passes by name.
    :ivar is_open_ended: whether it passes more than it shows.
    :ivar names: the names in the code that makes it.
    :ivar numbers: those that this code has in variables.
    """

    def __init__(self, args: tuple[Any, ...]) -> None:
        self.keywords: frozenset[str] = frozenset()
        self.is_open_ended = False
        self.names: tuple[str, ...] = ()
        self.numbers: frozenset[int] = frozenset()
        frame: FrameType | None = sys._getframe(1)
        # Whoever hands the event on has its very arguments.
        handed = False
        while frame is not None:
            holds = any(each is args for each in frame.f_locals.values())
            if handed and not holds:
                break
            handed = handed or holds
            frame = frame.f_back
        if frame is None:
            return
        code = frame.f_code
        self.names = code.co_names
        self.numbers = frozenset(
            each for each in frame.f_locals.values() if type(each) is int
        )
        last: list[dis.Instruction] = []
        for instruction in dis.get_instructions(code):
            last = [*last[-2:], instruction]
            if instruction.offset >= frame.f_lasti:
                break
        if not last or not last[-1].opname.startswith(('CALL', 'PRECALL')):
            return
        self.is_open_ended = last[-1].opname == 'CALL_FUNCTION_EX'
        for instruction in last[:-1]:
            # The names go before the call, as a constant.
            if instruction.opname in ('KW_NAMES', 'LOAD_CONST'):
                value = code.co_consts[instruction.arg or 0]
                if isinstance(value, tuple):
                    self.keywords = frozenset(map(str, value))
        self.is_open_ended |= 'opener' in self.keywords
