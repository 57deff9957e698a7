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

"""Conclude a test: record its outcome, and report unused waivers."""

from typing import Any

from safe_fixtures import audit
from safe_fixtures import conf
from safe_fixtures.core import outcome as core_outcome
from safe_fixtures.core import waivers as core_waivers
from safe_fixtures import exceptions
from safe_fixtures import rules

__all__ = [
    'conclude',
]


def conclude(test: Any, trail: audit.AuditTrail) -> None:
    """Record how a test ended, and which of its waivers never applied.

    One that failed is given the record as a detail.

    :raises: SafetyViolation (SF901) for such a waiver, if that is enforced;
        else AuditFailed if an event did not reach a sink.
    """
    outcome = core_outcome.of(test)
    if outcome is None:
        return
    unused = {}
    waiver = None
    rule = rules.get('SF901')
    settings = conf.load()
    mode = conf.mode_of(rule.code, settings)
    if outcome.value == 'success' and mode != 'off':
        waivers = core_waivers.of(test)
        unused = {
            code: reason
            for code, reason in waivers.unused().items()
            if conf.mode_of(code, settings) != 'off'
        }
        # The waiver of this rule is for the others, not for itself.
        if unused.keys() - {rule.code}:
            waiver = waivers.apply(rule.code)
            if waiver is not None:
                unused.pop(rule.code, None)
    refused = bool(unused) and mode == 'enforce' and waiver is None
    for code, reason in unused.items():
        trail.record(
            'deny' if refused else 'evaluate/violation',
            test.id(),
            target_type='service/test',
            outcome='failure',
            code=rule.code,
            event_type='control',
            message=f'the waiver of {code} ({reason}) never applied',
            remedy=rule.remedy,
            mode=mode,
            **({'waived': waiver['reason']} if waiver else {}),
        )
        if waiver is not None:
            trail.record(
                'allow/waiver',
                test.id(),
                target_type='service/test',
                code=rule.code,
                event_type='control',
                **waiver,
            )
    fails = refused or not trail.is_whole
    trail.record(
        'evaluate/test',
        test.id(),
        target_type='service/test',
        outcome='failure' if fails else outcome.value,
        event_type='monitor',
        seconds=round(trail.seconds, 6),
    )
    if fails or outcome.value == 'failure' or not trail.is_whole:
        test.addDetail('safe_fixtures.audit', trail.as_detail())
    if refused:
        raise exceptions.SafetyViolation(
            rule.code,
            'waivers that never applied: ' + ', '.join(sorted(unused)),
            where=test.id(),
        )
    # Also for a trail whose own cleanup is over.
    trail.check()
