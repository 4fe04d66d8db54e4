"""What dbt says of a failure, as people read it: the useful part of it."""

import pytest

from luigi_tasks.dbt.messages import NodeResult

BROKEN_CONTRACT = """Compilation Error in model dim_users (models/core/dim_users.sql)
  This model has an enforced contract that failed.
  Please ensure the name, data_type, and number of columns in your contract match the columns in your model

  | column_name | definition_type | contract_type | mismatch_reason       |
  | ----------- | --------------- | ------------- | --------------------- |
  | age         | TEXT            | INTEGER       | data type mismatch    |
  | email       |                 | TEXT          | missing in definition |
  | shoe        | INTEGER         |               | missing in contract   |

  > in macro assert_columns_equivalent (macros/relations/column/columns_spec_ddl.sql)
"""


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            BROKEN_CONTRACT,
            "does not fit its contract (age: is TEXT, should be INTEGER, email: is missing in the model, shoe: is "
            "missing in the yml file); correct the model, or the columns in its yml file",
        ),
        ('Database Error\n  column "x" does\x1b not exist', 'Database Error column "x" does\\x1b not exist'),
        (None, "error"),
    ],
)
def test_describe_failure__has_the_useful_part(message, reason):
    assert NodeResult("dim_users", "error", message, 0).describe_failure() == reason


def test_describe_failure__of_a_long_message_keeps_its_end():
    reason = NodeResult("m", "error", "Error " + "x" * 9_000 + " LINE 7: selct", 0).describe_failure()
    assert len(reason) < 600 and reason.startswith("Error x") and reason.endswith("LINE 7: selct")
