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

"""Compare the loggers."""

from collections.abc import Iterator
import logging
from typing import Any, NamedTuple

from safe_fixtures.guards.posture import imports
from safe_fixtures.guards.posture import probe

__all__ = ['LoggingProbe']

_DISABLE = 'logging.disable()'
_LOGGER_FIELDS = ('level', 'propagate', 'disabled', 'filters', 'handlers')
# A logger that passes everything to its parents.
_NEW_LOGGER: tuple[Any, ...] = (logging.NOTSET, True, False, (), ())


class _State(NamedTuple):
    loggers: dict[str, Any]
    imported: dict[str, Any]


class LoggingProbe(probe.Probe):
    """Levels and handlers of the root logger and of all others.

    A new logger counts as unchanged if it passes everything to its parents,
    or is that of a module that was imported since.
    """

    name = 'logging'

    def snapshot(self) -> _State:
        manager = logging.root.manager
        loggers = {**manager.loggerDict, 'root': logging.root}
        # There are hundreds of them, so only those that differ get keys.
        found: dict[str, Any] = {
            name: (
                logger.level,
                logger.propagate,
                logger.disabled,
                tuple(logger.filters),
                tuple([(h, h.level) for h in logger.handlers])
                if logger.handlers
                else (),
            )
            for name, logger in loggers.items()
            if isinstance(logger, logging.Logger)
        }
        found[_DISABLE] = manager.disable
        return _State(found, imports.loaded())

    def changes(
        self, before: _State, after: _State
    ) -> Iterator[tuple[str, Any, Any]]:
        imported: imports.Imported | None = None
        for key in sorted(after.loggers):
            old = before.loggers.get(key, _NEW_LOGGER)
            new = after.loggers[key]
            if old == new:
                continue
            if key == _DISABLE:
                yield key, old, new
                continue
            if key not in before.loggers:
                imported = imported or imports.Imported(before.imported)
                if imported.has_logger(key, logging.getLogger(key)):
                    continue
                # Libraries give their new loggers a NullHandler.
                handlers = [
                    each
                    for each in new[-1]
                    if not isinstance(each[0], logging.NullHandler)
                ]
                new = (*new[:-1], tuple(handlers))
            for field, was, is_ in zip(_LOGGER_FIELDS, old, new, strict=True):
                if was != is_:
                    yield f'{key} {field}', was, is_

    def describe(self, key: str, value: Any) -> str:
        what = key.rpartition(' ')[2]
        level = logging.getLevelName
        if what in ('level', _DISABLE):
            return str(level(value))
        if what == 'handlers':
            return _as_text(value)
        if what == 'filters':
            return str([repr(probe.Thing(each)) for each in value])
        return super().describe(key, value)

    def texts(self, key: str, before: Any, after: Any) -> tuple[str, str]:
        old, new = self.describe(key, before), self.describe(key, after)
        if old == new and key.endswith(' handlers'):
            # Say which of them is another one.
            same = [each for each in after if each in before]
            return old, _as_text(after, same)
        return super().texts(key, before, after)


def _as_text(handlers: Any, known: Any = None) -> str:
    """Return handlers as text.

    :param known: those that were there before; default: all.
    """
    texts = []
    for handler, level in handlers:
        text = f'{type(handler).__name__} {logging.getLevelName(level)}'
        if known is not None and (handler, level) not in known:
            text += ' (another one)'
        texts.append(text)
    return str(texts)
