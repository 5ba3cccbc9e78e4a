"""How far a job is, as plain data: at this moment, and in the end."""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile

from parmagic.mapping.lookout import Lookout
from parmagic.mapping.new_run import Run
from parmagic.mapping.outcomes import Outcomes
from parmagic.mapping.pace import Pace
from parmagic.mapping.plain import is_quick_to_print
from parmagic.mapping.pool_run import PoolRun
from parmagic.mapping.record import Record
from parmagic.mapping.results import preview
from parmagic.mapping.summary import summary
from parmagic.pool.workforce import Workforce
from parmagic.report.now import WorkerNow
from parmagic.report.report import Report, State
from parmagic.worker.capture import Output


class Standing:
    """What a job can say of itself; ``state`` is the last word."""

    def __init__(self, what: str, outcomes: Outcomes, record: Record) -> None:
        self.state: State = "running"
        self._run: Run | None = None
        self._what = what
        self._outcomes = outcomes
        self._record = record
        self._pace = Pace(record.spans)
        self._lookout = Lookout()
        self._workforce: Workforce | None = None

    @property
    def run(self) -> Run | None:
        """What drives the job; None before it begins and when it is over."""
        return self._run

    @run.setter
    def run(self, run: Run | None) -> None:
        self._run = run
        if isinstance(run, PoolRun):
            self._workforce = run.workforce

    def hear(self, output: Output, worker: int) -> None:
        """Note what a worker's items say of how far they are, and what they write."""
        self._record.log.add(output)
        self._lookout.hear(output, worker)

    def note_start(self) -> None:
        """Note that a worker is there, once one is."""
        if self._workforce is not None and self._workforce.warm:
            self._record.usage.note_start()

    def summary(self) -> Report:
        """Describe the job in short."""
        usage = self._record.usage
        return summary(self._what, self.state, self._outcomes, usage, self._workforce)

    def progress(self) -> Report:
        """Describe in short how far it is, what runs now and how long the rest will take."""
        report = self.summary()
        if report.state != "running":
            return report
        run = self._run
        places = {} if run is None else run.places()
        sent = run.sent() if isinstance(run, PoolRun) else {}
        now = self._lookout.look(places, sent)
        return replace(report, now=now, left_seconds=self._left_seconds(report, now))

    def report(self) -> Report:
        """Describe all of it."""
        return replace(self._record.detailed(self.progress()), preview=self.preview())

    def in_short(self) -> Report:
        """Describe it without lanes, outputs, and values that are slow to print."""
        # To print ten frames takes 100 ms.
        quick = takewhile(is_quick_to_print, self._outcomes.first_values())
        return replace(self._record.measured(self.progress()), preview=preview(quick))

    def preview(self) -> tuple[str, ...]:
        """Return short texts of the first values."""
        return preview(self._outcomes.first_values())

    def _left_seconds(self, report: Report, now: tuple[WorkerNow, ...]) -> float | None:
        if report.pending is None:
            return None
        running = [each.seconds for each in now]
        waiting = max(report.pending - len(running), 0)
        workers = max(report.workers, 1)
        spent = workers * (report.wall_seconds - report.start_seconds)
        return self._pace.left_seconds(waiting, running, workers, spent)
