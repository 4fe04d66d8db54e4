"""Simple tables: those whose rules can be applied to many records at once (see `columns`), and what these read."""

from spark_jobs.sources.expressions import Expression, Pipe
from spark_jobs.sources.rules import SKIPPED, WRAPPER, Rule
from spark_jobs.sources.source import Source


def may_map_columns(source: Source) -> bool:
    """Whether the table is simple enough for some of its rules."""
    if source.needs_index or source.indexing.thread or source.get_records or len(source.groups) != 1:
        return False
    (group,) = source.groups
    conditions = [condition for rule in (*group.user_rules, *group.rules) for condition in rule.conditions]
    is_told = all(each.expression is None or isinstance(each.expression.plain, Pipe) for each in conditions)
    is_known = source.is_csv or source.known is None
    is_flat = not group.has_parts and len(group.user_rules) <= 1
    return is_told and is_known and is_flat and any(map(is_simple, group.rules))


def is_simple(rule: Rule) -> bool:
    """Whether a rule can be applied to columns: it asks nothing but members of the record."""
    needs_rows = rule.emoji or rule.is_private or rule.make in (SKIPPED, WRAPPER)
    return not needs_rows and all(expression.plain for expression in _list_expressions(rule))


def _list_expressions(rule: Rule) -> list[Expression]:
    """The expressions of the values that a row has."""
    return [expression for _, expression in rule.fields] + ([rule.total] if rule.total else [])


def list_members(source: Source) -> set[str]:
    """The members of a record that the rules read which are simple enough."""
    (group,) = source.groups
    rules = [*group.user_rules, *group.rules]
    conditions = [condition for rule in rules for condition in rule.conditions]
    expressions = [each.expression for each in conditions if each.expression is not None]
    expressions += [expression for rule in rules if is_simple(rule) for expression in _list_expressions(rule)]
    names = {condition.name for condition in conditions if condition.name is not None}
    paths = [path for expression in expressions for pipe in expression.pipes for path in pipe.members]
    return names | {path.top for path in paths if path.top}
