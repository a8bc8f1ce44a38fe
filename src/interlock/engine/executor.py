"""Carries out single steps of one deployment, each safe to run again, and writes what they did to the ledger."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from interlock.adapters.base import Adapter, BlobReader, StepContext
from interlock.config.models import ProjectConfig
from interlock.engine.holding import Holding
from interlock.engine.record import DeploymentRecord, fold, one
from interlock.ledger.store import Ledger
from interlock.model.canonical import plain
from interlock.model.errors import FencedError, HeldError, InterlockError
from interlock.model.events import Event, EventType
from interlock.model.plan import Action, Outcome, Phase, Receipt, Step
from interlock.model.progress import OnProgress, Progress
from interlock.model.release import Manifest
from interlock.runtimes.environments import Runtime

DONE, REFUSED = "done", "refused"
_ATTEMPTS = 3


@dataclass(frozen=True)
class Services:
    """What executing needs. ``manifest`` and ``blobs`` are asked on the way forward only: rollback needs neither."""

    config: ProjectConfig
    root: Path
    cache: Path
    ledger: Ledger
    adapters: dict[str, Adapter]
    manifest: Callable[[str], Manifest]
    blobs: Callable[[], BlobReader]
    runtime: Callable[[str], Runtime]
    gates: Callable[[Step, StepContext], Receipt]
    on_progress: OnProgress


class Executor:
    """The steps of one deployment. Every method may be called again after a kill at any instant."""

    def __init__(self, services: Services, deployment: str, holding: Holding) -> None:
        self._services = services
        self._ledger = services.ledger
        self._deployment = deployment
        self._holding = holding
        self._fence = holding.fence
        self.record: DeploymentRecord = one(fold(self._ledger.events(deployment=deployment)), deployment)

    def perform(self, step_id: str) -> str:
        """Carry out one step: ``done``, or ``refused`` when a gate failed or the step cannot be done.

        Raises only when nothing may be decided here: the lease was lost, or (on the way back) a system is away.
        """
        if step_id in self.record.receipts and step_id != self.record.refused:
            return DONE
        if self.record.turned:
            return REFUSED
        step = self.record.step(step_id)
        self._fence()
        self._write(self._event(EventType.STEP_STARTED, step=step_id, attempt=self.record.attempts))
        self.record.started.append(step_id)
        self._say(step, "started")
        began = time.monotonic()
        try:
            receipt = self._attempt(step)
        except FencedError:
            raise
        except InterlockError as error:
            failed = self._event(EventType.STEP_FAILED, step=step_id, error=error.summary, remedy=error.remedy)
            self._say(step, "failed", error=error.summary, remedy=error.remedy)
            if step.verb == "revert":
                self._write(failed)
                raise
            if self._only_asks(step):
                self._write(failed)
                return DONE
            self._turn(step, f"{step_id}: {error.summary}", error.remedy, failed)
            return REFUSED
        receipt = replace(receipt, step=step_id, seconds=round(time.monotonic() - began, 3))
        return self._finished(step, receipt)

    def undo(self, step_id: str) -> None:
        """Take one step of this deployment back, from its receipt (or without one, if it was interrupted)."""
        if step_id in self.record.undone or step_id not in self.record.started:
            return
        step, receipt = self.record.step(step_id), self.record.receipts.get(step_id)
        self._fence()
        if step.engine in self._services.adapters and step.phase in (Phase.EXPAND, Phase.STAGE, Phase.SWITCH):
            self._services.adapters[step.engine].revert(step, receipt, self._context(self._deployment, forward=False))
        before = self.record.before.get(step_id, {})
        self._write(
            self._event(EventType.STEP_REVERTED, step=step_id, of=self._deployment),
            *(self._live_now(key, live) for key, live in before.items()),
        )
        self.record.undone.add(step_id)
        self._say(step, "undone")

    def finish(self, outcome: str) -> str:
        """Write the end, once: ``succeeded``, or ``turned``."""
        if not self.record.outcome:
            release = self.record.plan.release if outcome == "succeeded" else self.record.plan.previous
            self._write(self._event(EventType.DEPLOYMENT_FINISHED, outcome=outcome, release=release))
            self.record.outcome = outcome
        return self.record.outcome

    def _attempt(self, step: Step) -> Receipt:
        """The step, tried again when a system did not answer; what is held by somebody else is not waited for."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._dispatch(step)
            except HeldError:
                raise
            except InterlockError as error:
                if not error.transient or attempt == _ATTEMPTS:
                    raise
                self._say(step, "retrying", error=error.summary)
                time.sleep(0.25 * 4 ** (attempt - 1))
                self._fence()
        raise AssertionError("unreachable")

    def _dispatch(self, step: Step) -> Receipt:
        if step.verb == "revert":
            return self._revert_earlier(step)
        context = self._context(self._deployment, forward=self.record.plan.intent != "rollback")
        if step.engine == "gates":
            return self._services.gates(step, context)
        return self._services.adapters[step.engine].execute(step, context)

    def _revert_earlier(self, step: Step) -> Receipt:
        """Undo a step of an earlier deployment, for some of its resources or all."""
        earlier = self._earlier(step)
        original = earlier.step(step.arguments["step"])
        only = frozenset(step.resources) if set(step.resources) != set(original.resources) else None
        context = self._context(earlier.id, forward=False)
        return self._services.adapters[step.engine].revert(original, earlier.receipts[original.id], context, only)

    def _earlier(self, step: Step) -> DeploymentRecord:
        deployment = step.arguments["deployment"]
        return one(fold(self._ledger.events(deployment=deployment)), deployment)

    def _finished(self, step: Step, receipt: Receipt) -> str:
        """One transaction: the receipt, what is live now, the gates' answers, and the turn if one of them is no."""
        live = self._live_after(step, receipt)
        gates = [self._event(EventType.GATE_ANSWERED, **gate) for gate in receipt.data.get("gates", ())]
        done = self._event(
            EventType.STEP_FINISHED,
            step=step.id,
            changed=receipt.changed,
            receipt=_kept(step, receipt),
            seconds=receipt.seconds,
        )
        refusal = None if self._only_asks(step) else _refusal(receipt)
        if refusal is None:
            self._write(done, *live, *gates)
        else:
            self._turn(step, *refusal, done, *live, *gates)
        self.record.receipts[step.id] = receipt
        self.record.before[step.id] = {e.data["key"]: e.data["before"] for e in live}
        self.record.gates += receipt.data.get("gates", ())
        said = receipt.data.get("gates", ())
        self._say(step, "finished", changed=receipt.changed, seconds=receipt.seconds, gates=said)
        return DONE if refusal is None else REFUSED

    def _only_asks(self, step: Step) -> bool:
        """Whatever a question after a rollback is answered, what is back stays back."""
        return self.record.plan.intent == "rollback" and step.phase is Phase.OBSERVE

    def _live_after(self, step: Step, receipt: Receipt) -> list[Event]:
        """What is live after this switch, one event a resource, each with what was live before."""
        if step.phase is not Phase.SWITCH:
            return []
        resources = self._ledger.state(self.record.plan.environment).resources
        earlier = self._earlier(step).before.get(step.arguments["step"], {}) if step.verb == "revert" else {}
        changes = {c.key: c for c in self.record.plan.changes}
        live = receipt.data.get("live", {})
        events = []
        for key in step.resources:
            if step.verb == "revert":
                now = earlier.get(key)
            elif changes[key].action is Action.REMOVE:
                now = None
            else:
                now = {
                    "key": key,
                    "release": self.record.plan.release,
                    "fingerprint": changes[key].after,
                    "data": plain(live.get(key, {})),
                }
            before = plain(resources[key]) if key in resources else None
            events.append(self._live_now(key, now, step=step.id, before=before))
        return events

    def _live_now(self, key: str, live: dict[str, Any] | None, **more: Any) -> Event:
        if live is None:
            return self._event(
                EventType.RESOURCE_LIVE, key=key, release="", fingerprint="", data={}, removed=True, **more
            )
        fields = {name: live[name] for name in ("key", "release", "fingerprint", "data")}
        return self._event(EventType.RESOURCE_LIVE, **fields, **more)

    def _turn(self, step: Step, cause: str, remedy: str, *events: Event) -> None:
        """From here on this deployment goes back: written in one transaction with what made it turn."""
        turned = self._event(EventType.DEPLOYMENT_TURNED, cause=cause, step=step.id, remedy=remedy)
        self._write(*events, turned)
        self.record.turned, self.record.refused = cause, step.id
        self._services.on_progress(Progress("turn", cause))

    def _context(self, deployment: str, *, forward: bool) -> StepContext:
        services, plan = self._services, self.record.plan
        return StepContext(
            deployment=deployment,
            config=services.config,
            environment_name=plan.environment,
            environment=services.config.environments[plan.environment],
            root=services.root,
            cache=services.cache,
            fence=self._fence,
            state=self._ledger.state(plan.environment),
            receipts=dict(self.record.receipts),
            manifest=services.manifest(plan.release) if forward else None,
            blobs=services.blobs() if forward else None,
            runtime=services.runtime if forward else None,
            on_progress=services.on_progress,
        )

    def _event(self, kind: EventType, **data: Any) -> Event:
        return Event(kind, self.record.plan.environment, self._deployment, self.record.actor, data)

    def _write(self, *events: Event) -> None:
        self._ledger.append(events, fence=self._holding.lease)

    def _say(self, step: Step, what: str, **data: Any) -> None:
        self._services.on_progress(
            Progress("step", step.summary, data={"step": step.id, "phase": step.phase.value, "state": what, **data})
        )


def _kept(step: Step, receipt: Receipt) -> dict[str, Any]:
    """The receipt without what stands in events of its own: gates' answers, and what a switch made live."""
    elsewhere = {"live", "gates"} if step.phase is Phase.SWITCH else {"gates"}
    return {name: value for name, value in plain(receipt.data).items() if name not in elsewhere}


def _refusal(receipt: Receipt) -> tuple[str, str] | None:
    """Cause and remedy of the first gate that said no; None if none did."""
    failed = [g for g in receipt.data.get("gates", ()) if g["outcome"] == Outcome.FAIL.value]
    if not failed:
        return None
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"{failed[0]['gate']} of {failed[0]['resource']}: {failed[0]['summary']}{more}", failed[0].get("remedy", "")
