"""Sends the planned signals of a run. Every signal is on disk before the first one is sent.

Signals that were not delivered stay on disk, for `cibeacon replay`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cibeacon.delivery.sender import Client, Sending, SignalSender
from cibeacon.delivery.write_ahead import WriteAhead, preview
from cibeacon.model.report import Notice, Outcome
from cibeacon.model.request import Endpoint
from cibeacon.model.signals import NO_JOB, Attachment, JobUpdate, job_key
from cibeacon.runtime import Environment
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import guarded, interruption
from cibeacon.runtime.paths import Watch
from cibeacon.settings import Settings
from cibeacon.signals.plan import PlannedSignal, PlanStep
from cibeacon.sinks import SINKS

_SPOOLED_EARLIER = "CIBEACON_OUT_SPOOLED"
"""Number of signals that an earlier job of the pipeline spooled, from its dotenv report."""


def deliver(
    env: Environment,
    settings: Settings,
    steps: Sequence[PlanStep],
    write_ahead: WriteAhead,
    deadline: Deadline,
    interrupted: str | None = None,
    watch: Watch | None = None,
) -> tuple[tuple[Outcome, ...], tuple[Notice, ...]]:
    """Sends every planned signal and returns one outcome for each step, with notices about the spool.

    After a signal that a sink could not take, its remaining signals stay in the spool.

    Args:
        write_ahead: the signals that are already in the spool.
        interrupted: why sending must stop.
        watch: called with the progress of every file.
    """
    known = settings.endpoints
    reason, notices = write_ahead.write(steps, interrupted)
    delivery = _Delivery(env, steps, write_ahead, known)
    if reason is None:
        sender = SignalSender(env, settings, known, give_up_after=1, watch=watch)
        try:
            reason = guarded(lambda: delivery.send(sender, deadline), lambda fault: fault)
        except KeyboardInterrupt as stop:
            reason = interruption(stop)
    outcomes = delivery.finish(str(reason))
    return outcomes, (*notices, *write_ahead.release())


class _Delivery:
    """The steps of a run, and the known outcomes."""

    def __init__(
        self, env: Environment, steps: Sequence[PlanStep], write_ahead: WriteAhead, known: Mapping[str, Endpoint]
    ) -> None:
        self._env, self._planned, self._write_ahead, self._endpoints = env, tuple(steps), write_ahead, known
        self._steps = list(steps)
        """The plan, updated after earlier outcomes."""
        self._outcomes: dict[int, Outcome] = {}

    def send(self, sender: SignalSender, deadline: Deadline) -> None:
        """Sends the steps in order."""
        for index, step in enumerate(self._planned):
            if isinstance(step, Outcome):
                self._record(index, step)
        sendings = [
            Sending(index, step.outcome.sink, isinstance(step.signal, Attachment))
            for index, step in enumerate(self._planned)
            if isinstance(step, PlannedSignal)
        ]
        for index, outcome in sender.send_all(sendings, self._send_step, deadline):
            self._record(index, outcome or self._not_tried(self._steps[index]))

    def _send_step(self, index: int, client: Client, deadline: Deadline, retry: bool) -> Outcome:
        step = self._steps[index]
        if isinstance(step, Outcome):
            return step
        exchange = SINKS[step.outcome.sink].send(step.signal, self._endpoints[step.outcome.sink].form)
        return client.send(exchange, step.outcome, deadline, retry=retry)

    def finish(self, reason: str) -> tuple[Outcome, ...]:
        """Returns one outcome for each step; `reason` says why a step without one was not sent."""
        sentence = f"{reason[:1].upper()}{reason[1:]}."
        return tuple(
            self._outcomes.get(index) or self._record_outcome(index, _spooled(step, "not sent", sentence))
            for index, step in enumerate(self._steps)
        )

    def _record(self, index: int, outcome: Outcome) -> None:
        self._outcomes[index] = self._record_outcome(index, self._keep_for_its_job(self._steps[index], outcome))
        if outcome.sink == "dci" and (outcome.key or "").endswith("/job"):
            self._steps[index + 1 :] = [_after_job(step, outcome) for step in self._steps[index + 1 :]]

    def _record_outcome(self, index: int, outcome: Outcome) -> Outcome:
        """The outcome after updating the spool, with the planned request if none was made."""
        planned = self._planned[index]
        if outcome.retryable and outcome.request is None and isinstance(planned, PlannedSignal):
            outcome = outcome._replace(request=preview(planned, self._endpoints).request)
        return self._write_ahead.record_outcome(outcome)

    def _keep_for_its_job(self, step: PlanStep, outcome: Outcome) -> Outcome:
        """Keeps a signal without a DCI job only if the job waits in this spool, or in that of an earlier CI job."""
        signal = step.signal if isinstance(step, PlannedSignal) else None
        if outcome.error != NO_JOB or not isinstance(signal, JobUpdate):
            return outcome
        elsewhere = self._env.environ.get(_SPOOLED_EARLIER, "0") not in ("", "0")
        return outcome._replace(retryable=elsewhere or self._write_ahead.holds(job_key(signal.correlation)))

    def _not_tried(self, step: PlanStep) -> Outcome:
        sink = step.sink if isinstance(step, Outcome) else step.outcome.sink
        return _spooled(step, "not tried", f"{self._endpoints[sink].title} did not accept an earlier signal.")


def _after_job(step: PlanStep, job: Outcome) -> PlanStep:
    """A step after the outcome of its DCI job. The job can exist without running."""
    if isinstance(step, Outcome) or not isinstance(step.signal, JobUpdate):
        return step
    if job.key != job_key(step.signal.correlation):
        return step
    job_id = (job.outputs or {}).get("dci_job_id")
    if job_id or job.status in ("sent", "duplicate"):
        return step._replace(signal=step.signal._replace(job_id=job_id))
    if job.retryable:
        return _spooled(step, "not sent", "DCI does not have its job yet.")
    return step.outcome._replace(status="skipped", reason="DCI has no job for it")


def _spooled(step: PlanStep, error: str, reason: str) -> Outcome:
    """The outcome of a step that was not sent. It may still have arrived; sending it twice does no harm."""
    if isinstance(step, Outcome):
        return step
    return step.outcome._replace(status="spooled", retryable=True, error=error, reason=reason)
