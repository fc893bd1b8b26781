"""What the simulated Databento archive answers to questions before paying, and its ranges of records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Final

from core.clock import iso_ns
from providers.simulated.databento_desk import Answer, Desk, json_answer
from providers.simulated.databento_faults import DATA, Fault

_AVAILABLE: Final = "available"
_MAX_DAYS: Final = 40_000


def _datasets(desk: Desk, _asked: Mapping[str, str], _fault: Fault | None) -> Answer:
    return json_answer([desk.library.dataset])


def _schemas(desk: Desk, _asked: Mapping[str, str], _fault: Fault | None) -> Answer:
    return json_answer(list(desk.library.schemas))


def _range(desk: Desk, _asked: Mapping[str, str], _fault: Fault | None) -> Answer:
    start, end = map(iso_ns, desk.library.span_ns)
    schemas = {name: {"start": start, "end": end} for name in desk.library.schemas}
    return json_answer({"start": start, "end": end, "schema": schemas})


def _condition(desk: Desk, asked: Mapping[str, str], _fault: Fault | None) -> Answer:
    first = date.fromisoformat(asked["start_date"])
    count = (date.fromisoformat(asked.get("end_date", asked["start_date"])) - first).days + 1
    days = [(first + timedelta(days=at)).isoformat() for at in range(min(count, _MAX_DAYS))]
    found = [(day, desk.conditions.get(day, _AVAILABLE)) for day in days]
    return json_answer([{"date": day, "condition": condition, "last_modified_date": day} for day, condition in found])


def _resolve(desk: Desk, asked: Mapping[str, str], _fault: Fault | None) -> Answer:
    first = asked["start_date"]
    end = asked.get("end_date") or (date.fromisoformat(first) + timedelta(days=1)).isoformat()
    result, partial, not_found = {}, [], []
    numbers = desk.library.numbers(symbols := asked["symbols"].split(","))
    for symbol in symbols:
        listed = desk.listings.get(symbol, [(first, end)]) if symbol in numbers else ()
        spans = [(max(d0, first), min(d1, end)) for d0, d1 in listed if max(d0, first) < min(d1, end)]
        if not spans:
            not_found.append(symbol)
            continue
        result[symbol] = [{"d0": d0, "d1": d1, "s": str(numbers[symbol])} for d0, d1 in spans]
        if spans != [(first, end)]:
            partial.append(symbol)
    return json_answer({"result": result, "partial": partial, "not_found": not_found, "message": "OK", "status": 0})


def _counted(desk: Desk, asked: Mapping[str, str], _fault: Fault | None) -> Answer:
    return json_answer(len(desk.excerpt(asked).records))


def _sized(desk: Desk, asked: Mapping[str, str], _fault: Fault | None) -> Answer:
    return json_answer(desk.excerpt(asked).records.nbytes)


def _priced(desk: Desk, asked: Mapping[str, str], _fault: Fault | None) -> Answer:
    return json_answer(float(desk.excerpt(asked).cost_usd))


def _data(desk: Desk, asked: Mapping[str, str], fault: Fault | None) -> Answer:
    excerpt = desk.excerpt(asked)
    desk.charge(DATA, asked, excerpt)
    return Answer(desk.encoded(excerpt, fault))


PAGES: Final[Mapping[str, Callable[[Desk, Mapping[str, str], Fault | None], Answer]]] = {
    "metadata.list_datasets": _datasets,
    "metadata.list_schemas": _schemas,
    "metadata.get_dataset_range": _range,
    "metadata.get_dataset_condition": _condition,
    "metadata.get_record_count": _counted,
    "metadata.get_billable_size": _sized,
    "metadata.get_cost": _priced,
    "symbology.resolve": _resolve,
    DATA: _data,
}
"""The pages by name: each takes what was asked, and what is wrong with the answer."""
