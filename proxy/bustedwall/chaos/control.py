"""The control of an experiment: what was done to the run is undone, and its facts go into the journal."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

from chaoslib.exceptions import ActivityFailed, InterruptExecution
from chaoslib.types import Configuration, Experiment, Journal, Secrets

from bustedwall.chaos import before
from bustedwall.chaos.asking import asked
from bustedwall.chaos.before import Before
from bustedwall.client import ControlError, Json
from bustedwall.client.effect import effect

__all__ = ["after_experiment_control", "before_experiment_control", "cleanup_control"]

_log = logging.getLogger("chaostoolkit")


def before_experiment_control(
    context: Experiment,  # noqa: ARG001 (the Toolkit gives it)
    configuration: Configuration | None = None,
    secrets: Secrets | None = None,
    effective: Sequence[str] = (),  # noqa: ARG001 (the control's argument, which counts at the end)
) -> None:
    """Look how the run is; a run that cannot be asked ends the experiment before it begins."""
    before.remember(None)
    try:
        before.remember(Before.seen(partial(asked, configuration, secrets)))
    except ActivityFailed as error:
        raise InterruptExecution(f"bustedwall: {error}") from error


def after_experiment_control(
    context: Experiment,  # noqa: ARG001 (the Toolkit gives it)
    state: Journal,
    effective: Sequence[str] = (),
) -> None:
    """Undo what was done, however the experiment has ended, and put the facts into its journal, as `bustedwall`.

    `effective`: policies that must have had an effect; where one has not, the experiment has failed.
    """
    told = _undo()
    if told is None:
        return
    state["bustedwall"] = told
    told["effects"] = {rule: str(effect(told.get("facts", ()), rule)) for rule in effective}
    for rule, said in told["effects"].items():
        if not effect(told.get("facts", ()), rule).effective and state["status"] == "completed":
            state["status"] = "failed"
            _log.error("bustedwall: the experiment proves nothing: %s", said)


def cleanup_control() -> None:
    """Undo what was done where the experiment has not come to its end."""
    _undo()


def _undo() -> Json | None:
    was = before.remembered()
    if was is None:
        return None
    told: Json = {"undone": [], "errors": []}
    try:
        with was.asked() as client:
            for what, undo in was.steps(client):
                try:
                    undo()
                    told["undone"].append(what)
                except ControlError as error:
                    told["errors"].append(f"not done, {what}: {error}")
            told |= was.facts(client)
    except ActivityFailed as error:
        told["errors"].append(str(error))
    for wrong in told["errors"]:
        # The Toolkit itself says what a control raises only with --verbose.
        _log.error("bustedwall: %s", wrong)
    if not told["errors"]:
        before.remember(None)
    return told
