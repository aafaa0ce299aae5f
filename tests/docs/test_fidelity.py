"""docs/fidelity.md has a row for every fault of the registry, and for everything that `drop` can lose.

And one for every policy that is compared with the real thing.
"""

from __future__ import annotations

from pathlib import Path

from bustedwall.faults import registry
from bustedwall.faults.drop import DropFault, Lost
from bustedwall.policy import library
from bustedwall.terms.door import Knock
from bustedwall.testing.written import examples, read

PAGE = Path(__file__).parents[2] / "docs" / "fidelity.md"
SETTINGS = ("larger_than", "probability", "beyond", "burst", "hold")


COMPARED = PAGE.parents[1] / "tests" / "groundtruth"


def rows(title: str = "Fault by fault") -> list[list[str]]:
    """Return the cells of the rows of a section's table."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = section.splitlines()
    table = [line for line in lines if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.replace(r"\|", "/").strip("|").split("|")] for line in table]


def variant(fault: DropFault) -> str:
    """Name what a `drop` loses, as its row is called."""
    special = [name for name in SETTINGS if name in fault.model_fields_set]
    way = "from" if fault.source else "to"
    return f"`drop` with `{special[0]}`" if special else f"`drop: {fault.what.value} {way}`"


def test_every_fault_has_its_row_and_every_loss_has_one() -> None:
    named = [cells[0] for cells in rows()]
    drops = [fault for fault in map(read, examples()) if isinstance(fault, DropFault)]
    assert {fault.what for fault in drops} == set(Lost), "the page of `drop` shows each"
    settings = set(DropFault.model_fields) - {"what", "source", "target", "span"}
    assert settings == set(SETTINGS), "each setting of `drop` that chooses segments has a row"
    others = {f"`{word}`" for word, kind in registry().items() if kind is not DropFault}
    knocks = {f"`ignore: {{what: {what.value}}}`" for what in Knock if what is not Knock.SYN}
    others |= {"`ignore` with `clients`", *knocks}
    assert set(named) == others | {variant(fault) for fault in drops}
    assert len(named) == len(set(named))


def test_no_cell_is_empty() -> None:
    assert all(len(cells) == 5 and all(cells) for cells in rows())


def test_every_policy_that_is_compared_with_the_real_thing_has_its_row() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in COMPARED.glob("test_*.py"))
    found = rows("Policies beside the real thing")
    assert [cells[0] for cells in found] == [f"`{name}`" for name in library.names() if f'"{name}"' in tests]
    assert all(len(cells) == 3 and all(cells) for cells in found)
