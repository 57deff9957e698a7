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

"""Remembered JSON schemas are those that stock checks, and so are errors."""

from safe_fixtures import nova as safe_nova  # isort: skip

import copy
from unittest import mock

import jsonschema
from nova.api.validation import validators
from nova import exception

from safe_fixtures.nova.speed import schemas
from tests.functional.nova import inner
from tests.speed import base
from tests.speed import contract

COUNTS = schemas.Schemas.counts
SCHEMA = {
    'type': 'object',
    'properties': {'a': {'type': 'integer', 'minimum': 1}},
    'additionalProperties': False,
}
# Each is equal, to Python, to one that is valid.
INVALID = {
    'a flag for a number': (
        {'properties': {'n': {'minLength': 1}}},
        {'properties': {'n': {'minLength': True}}},
    ),
    'a number for a flag': ({'uniqueItems': True}, {'uniqueItems': 1}),
}


def check(schema, **how):
    """Return what is wrong with a schema, or None."""
    try:
        jsonschema.Draft202012Validator.check_schema(schema, **how)
    except jsonschema.SchemaError as error:
        return error.message
    return None


class TestSchemas(contract.Contract, base.TestCase):
    CURE = schemas.Schemas
    PATCHED = (
        (jsonschema.Draft202012Validator, 'check_schema'),
        (validators._SchemaValidator, '__init__'),
    )
    NEEDED = validators._SchemaValidator, '_validate_minimum'

    def setUp(self):
        super().setUp()
        for each in (schemas._valid, schemas._classes):
            each.clear()
            self.addCleanup(each.clear)

    def won(self, call):
        """Return a result, the hits and the misses."""
        hits, misses = COUNTS.hits, COUNTS.misses
        return call(), COUNTS.hits - hits, COUNTS.misses - misses

    def test_a_schema_is_checked_once(self):
        with schemas.Schemas():
            self.assertEqual((None, 0, 1), self.won(lambda: check(SCHEMA)))
            same = copy.deepcopy(SCHEMA)
            self.assertEqual((None, 1, 0), self.won(lambda: check(same)))
            jsonschema.validate({'a': 5}, SCHEMA)
            self.assertRaises(
                jsonschema.ValidationError,
                jsonschema.validate,
                {'a': 0},
                SCHEMA,
            )

    def test_an_invalid_one_is_checked_again(self):
        stock = check({'type': 'thing'})
        with schemas.Schemas():
            for _ in range(2):
                self.assertEqual(
                    (stock, 0, 0), self.won(lambda: check({'type': 'thing'}))
                )

    def test_one_that_python_takes_for_equal(self):
        for name, (valid, invalid) in INVALID.items():
            with self.subTest(name):
                self.assertEqual(valid, invalid)
                stock = check(invalid)
                self.assertIsNotNone(stock)
                with schemas.Schemas():
                    self.assertIsNone(check(valid))
                    self.assertEqual(stock, check(invalid))

    def test_one_that_is_changed_in_place(self):
        schema = copy.deepcopy(SCHEMA)
        with schemas.Schemas():
            self.assertIsNone(check(schema))
            schema['properties']['a']['minimum'] = 'one'
            self.assertIsNotNone(check(schema))

    def test_what_is_not_plain_is_checked_each_time(self):
        class Mapping(dict):
            pass

        with schemas.Schemas():
            for _ in range(2):
                self.assertEqual(
                    (None, 0, 0), self.won(lambda: check(Mapping(SCHEMA)))
                )

    def test_another_way_to_check(self):
        checker = jsonschema.FormatChecker(())
        with schemas.Schemas():
            for _ in range(2):
                self.assertEqual(
                    (None, 0, 0),
                    self.won(lambda: check(SCHEMA, format_checker=checker)),
                )

    def test_another_class(self):
        strict = jsonschema.validators.extend(
            jsonschema.Draft202012Validator, {'minimum': lambda *_: ()}
        )
        with schemas.Schemas():
            check(SCHEMA)
            result = self.won(lambda: strict.check_schema(SCHEMA))
            self.assertEqual((None, 0, 0), result)

    def test_a_keyword_that_a_test_replaces(self):
        def refuse(*_):
            yield jsonschema.ValidationError('mine')

        with schemas.Schemas():
            self.assertIsNone(check(SCHEMA))
            with mock.patch.dict(
                jsonschema.Draft202012Validator.VALIDATORS, {'type': refuse}
            ):
                self.assertEqual('mine', check(SCHEMA))
            self.assertIsNone(check(SCHEMA))

    def test_a_format_that_a_test_replaces(self):
        schema = {'pattern': 'a'}
        checkers = jsonschema.Draft202012Validator.FORMAT_CHECKER.checkers
        with schemas.Schemas():
            self.assertIsNone(check(schema))
            with mock.patch.dict(checkers, regex=(lambda _: False, ())):
                self.assertEqual("'a' is not a 'regex'", check(schema))
            self.assertIsNone(check(schema))

    def test_a_meta_schema_that_a_test_replaces(self):
        with schemas.Schemas():
            self.assertIsNone(check(SCHEMA))
            with mock.patch.object(
                jsonschema.Draft202012Validator, 'META_SCHEMA', {'not': {}}
            ):
                self.assertIsNotNone(check(SCHEMA))
            self.assertIsNone(check(SCHEMA))

    def test_the_memory_has_an_end(self):
        with (
            mock.patch.object(schemas, '_MOST', 3),
            schemas.Schemas(),
        ):
            for number in range(10):
                check({'maxLength': number})
                self.assertLessEqual(len(schemas._valid), 3)


class TestValidators(base.TestCase):
    """Nova's validators tell what they tell on stock."""

    VALUES = (
        {'a': '5'},
        {'a': '0'},
        {'a': 5, 'b': 1},
        {'a': 'x'},
        {'a': None},
        5,
    )

    def setUp(self):
        super().setUp()
        schemas._classes.clear()
        self.addCleanup(schemas._classes.clear)

    def told(self, cls=validators._SchemaValidator):
        """Return what is wrong with each value, in each way to look."""
        schema = copy.deepcopy(SCHEMA)
        schema['properties']['a']['type'] = ['integer', 'string']
        found = []
        for relax in (False, True, 0, 1):
            for body in (False, True):
                for value in copy.deepcopy(self.VALUES):
                    try:
                        cls(schema, relax, body).validate(value)
                        found.append((relax, body, value))
                    except exception.ValidationError as error:
                        found.append((relax, body, str(error)))
        return found

    def test_same(self):
        stock = self.told()
        with schemas.Schemas():
            self.assertEqual(stock, self.told())
            hits = COUNTS.hits
            self.assertEqual(stock, self.told())
            self.assertEqual(hits + len(stock), COUNTS.hits)
        self.assertLess(1, len(set(map(str, stock))))

    def test_what_a_test_replaces(self):
        def refuse(self, *_):
            yield jsonschema.ValidationError('mine')

        for name in ('_validate_minimum', '_validate_maximum'):
            with self.subTest(name), schemas.Schemas():
                schema = {'minimum': 1, 'maximum': 5}
                validators._SchemaValidator(schema).validate(3)
                with mock.patch.object(
                    validators._SchemaValidator, name, refuse
                ):
                    self.assertRaises(
                        exception.ValidationError,
                        validators._SchemaValidator(schema).validate,
                        3,
                    )
                validators._SchemaValidator(schema).validate(3)

    def test_numbers_in_another_way(self):
        with schemas.Schemas():
            made = validators._SchemaValidator({'minimum': 1})
            made.validate('3')
            with mock.patch.object(
                validators._SchemaValidator, '_number_from_str', lambda *_: 0
            ):
                self.assertRaises(
                    exception.ValidationError,
                    validators._SchemaValidator({'minimum': 1}).validate,
                    '3',
                )

    def test_a_subclass(self):
        class Own(validators._SchemaValidator):
            validator_org = jsonschema.Draft4Validator

        stock = self.told(Own)
        with schemas.Schemas():
            self.told()
            self.assertEqual(stock, self.told(Own))
            made = Own({})
            self.assertEqual(
                jsonschema.Draft4Validator.META_SCHEMA,
                made.validator.META_SCHEMA,
            )

    def test_a_nova_test(self):
        class Inner(inner.SafeApiTestCase):
            def test(self):
                self.admin_api.get_servers()
                self.admin_api.get_servers()

        hits = COUNTS.hits
        with safe_nova.WarmNova(without=[]):
            result = inner.run_inner(Inner)
        self.assertEqual('', inner.problems(result))
        self.assertLess(hits, COUNTS.hits)
