"""The one walk over a plan's steps: forward while the answers are yes, backwards once one is no."""

from collections.abc import Callable
from typing import Any

from interlock.engine.executor import DONE, Executor
from interlock.model.plan import Phase, Step

Durably = Callable[..., Any]


def walk(executor: Executor, durably: Durably) -> str:
    """Carry the deployment to its end and return ``succeeded`` or ``turned``.

    ``durably(name, function, argument)`` runs one call as a step of the durable engine. The sequence of calls depends
    on their answers alone, so that a replay after a kill asks for the same ones; a call whose work the ledger shows as
    done does nothing.
    """
    if executor.record.outcome:
        return executor.record.outcome
    reached: list[Step] = []
    for step in executor.record.plan.steps:
        reached.append(step)
        if durably(f"perform {step.id}", executor.perform, step.id) != DONE:
            break
    else:
        return str(durably("finish", executor.finish, "succeeded"))
    for step in way_back(reached):
        durably(f"undo {step.id}", executor.undo, step.id)
    return str(durably("finish turned", executor.finish, "turned"))


def way_back(reached: list[Step]) -> list[Step]:
    """Newest first, and what is live before what was only staged: consumers come first."""
    newest_first = reached[::-1]
    return sorted(newest_first, key=lambda s: s.phase is not Phase.SWITCH)
