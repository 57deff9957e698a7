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

"""Find the directory that a relative path is opened in.

The event has the path, but not the ``dir_fd`` that may go with it. So the
call that caused the event is found, and its bytecode is read.
"""

import contextlib
import dis
import os
import stat
import sys
from types import FrameType
from typing import Any

from safe_fixtures.boundary import temporary

__all__ = ['OpenCall', 'directories']


def directories(name: Any, args: tuple[Any, ...]) -> list[str | None]:
    """Return the directories that an opened path may be relative to.

    If the call passes a ``dir_fd``, it is one of the open directories.

    :param name: the path.
    :param args: the arguments of the event, by which the call is found.
    :returns: None stands for the current directory.
    """
    if os.path.isabs(os.fsdecode(name)):
        return [None]
    call = OpenCall(args)
    if 'dir_fd' not in call.keywords and not call.is_open_ended:
        return [None]
    opened = {}
    with contextlib.suppress(OSError):
        for each in os.listdir('/proc/self/fd'):
            with contextlib.suppress(OSError):
                if stat.S_ISDIR(os.fstat(int(each)).st_mode):
                    opened[int(each)] = temporary.of_descriptor(int(each))
    named = opened.keys() & call.numbers
    found: list[str | None] = [
        path
        for number, path in sorted(opened.items())
        if path is not None and (not named or number in named)
    ]
    return found if 'dir_fd' in call.keywords else [None, *found]


class OpenCall:
    """The call that caused an event, as far as its frame shows it.

    :ivar keywords: the names of the arguments that it passes by name.
    :ivar is_open_ended: whether it may pass arguments that it does not show.
    :ivar names: the names in the code that makes the call.
    :ivar numbers: the integers that this code has in variables.
    """

    def __init__(self, args: tuple[Any, ...]) -> None:
        self.keywords: frozenset[str] = frozenset()
        self.is_open_ended = False
        self.names: tuple[str, ...] = ()
        self.numbers: frozenset[int] = frozenset()
        frame = _caller(args)
        if frame is None:
            return
        code = frame.f_code
        self.names = code.co_names
        self.numbers = frozenset(
            each for each in frame.f_locals.values() if type(each) is int
        )
        *before, call = _last_instructions(frame)
        if not call.opname.startswith(('CALL', 'PRECALL')):
            return
        for instruction in before:
            # The names of keywords precede the call, as a constant.
            if instruction.opname in ('KW_NAMES', 'LOAD_CONST'):
                value = code.co_consts[instruction.arg or 0]
                if isinstance(value, tuple):
                    self.keywords = frozenset(map(str, value))
        self.is_open_ended = (
            call.opname == 'CALL_FUNCTION_EX' or 'opener' in self.keywords
        )


def _caller(args: tuple[Any, ...]) -> FrameType | None:
    """Return the first frame above those that hand on the event."""
    frame: FrameType | None = sys._getframe(1)
    handed = False
    while frame is not None:
        # A frame that hands on the event has its very arguments.
        holds = any(each is args for each in frame.f_locals.values())
        if handed and not holds:
            break
        handed = handed or holds
        frame = frame.f_back
    return frame


def _last_instructions(frame: FrameType) -> list[dis.Instruction]:
    """Return the instruction that a frame is at, after up to two others."""
    last: list[dis.Instruction] = []
    for instruction in dis.get_instructions(frame.f_code):
        last = [*last[-2:], instruction]
        if instruction.offset >= frame.f_lasti:
            break
    return last
