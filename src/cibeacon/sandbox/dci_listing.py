"""Knows how DCI lists rows: filters, order, pages. Does not know what the rows are.

As observed: `limit` and `offset` come together or not at all, 20 is the default and 200 the cap, `where` is a list of
equalities. The `query` language and the `created_after` family are not played here; they are refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from cibeacon.sandbox.dci_answers import Refusal, database, malformed
from cibeacon.sandbox.dci_schema import is_uuid
from cibeacon.sandbox.dci_state import Row

CAP = 200
_DEFAULT = 20
_PARAMETERS = ("limit", "offset", "sort", "where", "embed")


def listed(
    name: str, rows: Sequence[Row], args: Mapping[str, str], columns: Collection[str], order: str = "-created_at"
) -> dict[str, Any]:
    """The answer to a list: the page asked for under `name`, and how many rows there are in `_meta`.

    `rows` stand in the order of their making. Raises what DCI answers to parameters that it does not take.
    """
    limit, offset = _page(args)
    conditions = _conditions(args.get("where"), columns, name)
    keys = [key for key in (args.get("sort") or order).split(",") if key]
    for column in (key.removeprefix("-") for key in keys):
        _known("sort", column, columns)
    found = [row for row in rows if all(_equal(row, *condition) for condition in conditions)]
    if keys and keys[0].startswith("-"):
        found.reverse()  # of rows made in the same moment the newest stands first
    for key in reversed(keys):
        found.sort(key=partial(_rank, key.removeprefix("-")), reverse=key.startswith("-"))
    return {"_meta": {"count": len(found)}, name: found[offset : offset + limit]}


def _rank(column: str, row: Row) -> tuple[bool, Any]:
    held = row.get(column)
    return (held is not None, held if isinstance(held, int | float | str) else str(held))


def _page(args: Mapping[str, str]) -> tuple[int, int]:
    errors = [
        f"Additional properties are not allowed ('{name}' was unexpected)" for name in args if name not in _PARAMETERS
    ]
    if ("limit" in args) != ("offset" in args):
        given, other = ("limit", "offset") if "limit" in args else ("offset", "limit")
        errors.append(f"'{other}' is a dependency of '{given}'")
    limit, offset = _number(args, "limit", _DEFAULT, 1, errors), _number(args, "offset", 0, 0, errors)
    if errors:
        raise malformed(errors)
    return min(limit, CAP), offset


def _number(args: Mapping[str, str], name: str, default: int, least: int, errors: list[str]) -> int:
    text = args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16 and int(text) >= least):
        errors.append(f"{name}: '{text}' is not an integer of at least {least}")
        return default
    return int(text)


def _conditions(where: str | None, columns: Collection[str], table: str) -> list[tuple[str, str]]:
    conditions = []
    for part in where.split(",") if where is not None else ():
        column, colon, value = part.partition(":")
        if not colon:
            form = 'where key must have the following form "key:value"'
            raise Refusal(400, f'Invalid where key: "{part}"', {"error": form})
        _known("where", column, columns)
        if (column == "id" or column.endswith("_id")) and not is_uuid(value.lower()):
            raise database(f"{table}.{column}", value)
        conditions.append((column, value))
    return conditions


def _known(use: str, column: str, columns: Collection[str]) -> None:
    if column not in columns:
        valid = {"error": f"Valid {use} keys are: {', '.join(sorted(columns))}"}
        raise Refusal(400, f'Invalid {use} key: "{column}"', valid)


def _equal(row: Row, column: str, value: str) -> bool:
    held = row.get(column)
    if isinstance(held, list):
        return value in held
    if held is None:
        return False
    text, asked = str(held).lower(), value.lower()
    return asked[:-1] in text if asked.endswith("*") else text == asked
