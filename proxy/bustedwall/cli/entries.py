"""The policies of the library as `bustedwall policies` and docs/library tell of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bustedwall.cli.trying import commands, privileges
from bustedwall.policy import library
from bustedwall.policy.keys import in_yaml
from bustedwall.policy.load import load_policy
from bustedwall.policy.model import PolicyFile, WrittenParameter
from bustedwall.policy.parse import parse
from bustedwall.terms.needs import way_to


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the library."""

    path: Path
    file: PolicyFile
    privileges: tuple[str, ...]
    """Capabilities that a kernel may ask for it; empty: none."""

    @property
    def family(self) -> str:
        """The folder that it lies in."""
        return self.path.parent.name

    def text(self) -> str:
        """Return the file, word for word."""
        return self.path.read_text(encoding="utf-8")

    def as_json(self) -> dict[str, object]:
        """Return the file as data, where it is, and what it needs."""
        data = parse(self.text(), str(self.path)).data
        assert isinstance(data, dict)
        return {"family": self.family, "file": str(self.path), "needs": list(self.privileges), **data}

    def needed(self) -> str:
        """Return a sentence about the privileges that it needs."""
        if not self.privileges:
            return "No privilege."
        ways = "; ".join(map(way_to, self.privileges))
        return f"Newer kernels may ask {ways}. `bustedwall doctor` tells whether this one does."

    def sides(self) -> list[tuple[str, str]]:
        """Return what each side's program sees, call by call, behind what that depends on."""
        symptom = self.file.symptom
        if symptom is None:
            return []
        given = symptom.given.model_dump(mode="json", exclude_none=True)
        others = given.pop("others", 0)
        told = [f"{others} others are connected"] if others else []
        told += [f"{name.upper()} {value} at the client" for name, value in given.items()]
        rows = [("given", "; ".join(told))] if told else []
        sides = {"client": symptom.client, "the next client": symptom.next, "server": symptom.server}
        return [*rows, *((side, _calls(calls)) for side, calls in sides.items() if calls)]

    def commands(self) -> list[str]:
        """Return the lines of a shell that run it, each parameter with its default."""
        values = [f"{name}={in_yaml(parameter.default)}" for name, parameter in self.file.parameters.items()]
        return commands(f"{self.file.name}:{','.join(values)}" if values else self.file.name)


def entries(names: tuple[str, ...]) -> Iterator[Entry]:
    """Yield policies of the library, each of which must be there, in their order."""
    for name in names:
        path = library.find(name)
        assert path is not None, name
        yield Entry(path, load_policy(path), privileges(name))


def parameter_notes(parameter: WrittenParameter) -> str:
    """Return what is to be known of a parameter, besides its meaning."""
    notes = [f"default {in_yaml(parameter.default)}"]
    if parameter.choices:
        notes.append(f"one of: {', '.join(in_yaml(choice) for choice in parameter.choices)}")
    if parameter.scale:
        notes.append("the default is divided by time_scale")
    return "; ".join(notes)


def _calls(calls: list[dict[str, str]]) -> str:
    return ", ".join(f"{call}: {result}" for each in calls for call, result in each.items())
