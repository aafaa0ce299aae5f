"""The picture of a leg's states in docs/architecture.md is drawn from the table itself."""

from __future__ import annotations

from pathlib import Path

from bustedwall.flow.lifecycle import FINAL, MOVES, LegState

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


def picture() -> str:
    names = {state: state.value.replace("-", "_") for state in LegState}
    arrows = [f"    {names[state]} --> {names[to]} : {move.value}" for (state, move), to in MOVES.items()]
    return "\n".join(
        [
            "```mermaid",
            "stateDiagram-v2",
            f"    [*] --> {names[LegState.OPEN]}",
            *arrows,
            *(f"    {names[state]} --> [*]" for state in LegState if state in FINAL),
            "```",
        ]
    )


def test_the_picture_is_the_table() -> None:
    assert picture() in PAGE.read_text(encoding="utf-8"), f"docs/architecture.md should have:\n{picture()}"
