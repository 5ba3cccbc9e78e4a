"""Wait for pipes, processes, timers and commands: in one thread at a time, whichever.

Usually that is the reactor's own thread. But an answer that passes through it costs two
switches between threads, about as much as the rest of a short call. So a caller who waits
for an answer may lend its own thread for a while (`Reactor.drive`): the reactor's thread
then stands aside, and stays there as long as short calls follow each other closely.

::

    own thread   waits ──▶ asked for the turn ──▶ stands aside ─────────────────▶ waits
    a caller                          drives, returns, drives, returns, ...

Only the thread that has the turn touches what the callbacks own.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from parmagic.pool.timers import Timers
from parmagic.pool.watch import Watch

# How long the own thread stands aside after a caller's last turn, and how often it looks
# whether there is something to hear that no caller waits for.
ASIDE_SECONDS = 0.05
LOOK_SECONDS = 0.005

# To be woken takes an idle processor 25 µs, on a virtual machine: a short answer is met awake.
SPIN_SECONDS = 0.0003

Command = Callable[[], None]


class Reactor:
    """Call back when something happens.

    Parameters
    ----------
    finished
        Tells when the own thread may end.
    expecting
        Tells whether anything is under way that will have to be heard.
    on_error
        Takes what a callback raised.
    on_end
        Called when the own thread ends.

    Attributes
    ----------
    ended
        Whether the own thread has ended. Commands are still obeyed, by those who post them.
    """

    def __init__(
        self,
        finished: Callable[[], bool],
        expecting: Callable[[], bool],
        on_error: Callable[[Exception], None],
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.watch = Watch()
        self.timers = Timers()
        self.ended = False
        self._finished = finished
        self._expecting = expecting
        self._on_error = on_error
        self._on_end = on_end
        self._commands: deque[Command] = deque()
        self._own_commands: deque[Command] = deque()
        self._turn = threading.Lock()
        self._holder: int | None = None
        self._wanted = False
        self._aside = False
        self._last_turn = 0.0
        self._come_back = threading.Event()
        self._woken = False
        self._woken_by, self._wake = multiprocessing.Pipe(duplex=False)
        self.watch.add(self._woken_by, self._note_wake)
        self._thread = threading.Thread(target=self._serve, name="parmagic", daemon=True)
        self._thread.start()

    def join(self, seconds: float | None = None) -> None:
        """Wait until the own thread has ended; who has the turn, such as a callback, cannot."""
        if threading.get_ident() not in (self._holder, self._thread.ident):
            self._thread.join(seconds)

    def post(self, command: Command) -> None:
        """Let the thread that has the turn call ``command``, soon."""
        self._commands.append(command)
        if self._holder == threading.get_ident():
            return  # a callback's: obeyed at the end of the round, for which nobody need be woken
        self.come_back()
        if self.ended:
            self._obey_after_end()

    def post_own(self, command: Command) -> None:
        """Let the own thread call ``command``, and no other."""
        self._own_commands.append(command)
        self.come_back()

    def do(self, command: Command) -> None:
        """Call ``command`` here and now if nobody has the turn; post it otherwise.

        No KeyboardInterrupt may come in here, see `Interrupts`. Who does this drives
        next, or is content with an answer that is heard `LOOK_SECONDS` later.
        """
        if not self._turn.acquire(blocking=False):
            self.post(command)
            return
        self._holder = threading.get_ident()
        try:
            command()
            self._obey(self._commands)  # those of callbacks, and of others who came meanwhile
        except Exception as error:
            self._on_error(error)
        finally:
            self._give_turn()

    def drive(self, until: Callable[[], bool], seconds: float) -> None:
        """Wait and call back in this thread, for ``seconds`` or until ``until()`` is true.

        No KeyboardInterrupt may come in here, see `Interrupts`.
        """
        deadline = time.monotonic() + seconds
        if not self._turn.acquire(blocking=False):
            self._wanted = True
            self._interrupt_wait()
            if not self._turn.acquire(timeout=seconds):
                return
        self._holder = threading.get_ident()
        try:
            spin_until = time.monotonic() + SPIN_SECONDS
            while (
                not (self.ended or until()) and (rest := deadline - (now := time.monotonic())) > 0
            ):
                self._round(0 if now < spin_until else rest)
        finally:
            self._last_turn = time.monotonic()
            self._give_turn()

    def come_back(self) -> None:
        """Have the own thread take the turn again, as soon as nobody else has it."""
        if self._aside:
            self._come_back.set()
        self._interrupt_wait()

    def _interrupt_wait(self) -> None:
        # What a callback posts is obeyed anyway, at the end of the round.
        if not self._woken and self._holder != threading.get_ident():
            try:
                self._woken = True
                self._wake.send_bytes(b"")
            except OSError:
                pass  # the own thread has ended
            except BaseException:  # a KeyboardInterrupt: the next one must wake it
                self._woken = False
                raise

    def _note_wake(self) -> None:
        self._woken_by.recv_bytes()
        self._woken = False

    def _serve(self) -> None:
        while not self.ended:
            self._turn.acquire()
            self._holder = threading.get_ident()
            while not self._wanted and not self._at_end():
                self._round(None, self._own_commands)
            self._give_turn()
            if not self.ended:
                self._stand_aside()
        self._on_end()
        self.timers.clear()
        self.watch.close()
        self._woken_by.close()
        self._wake.close()

    def _at_end(self) -> bool:
        if self._finished() and not self._commands:
            self.ended = True
            self._obey(self._commands)  # what came before it could be seen that we end
        return self.ended

    def _stand_aside(self) -> None:
        self._come_back.clear()
        self._aside, self._wanted = True, False
        while not self._come_back.wait(LOOK_SECONDS):
            if self._own_commands or (self._has_work() and not self._turn.locked()):
                break
            if time.monotonic() - self._last_turn > ASIDE_SECONDS:
                break
        self._aside = False

    def _has_work(self) -> bool:
        return bool(self._commands) or self._expecting()

    def _obey_after_end(self) -> None:
        # The own thread may have looked for commands for the last time.
        self._turn.acquire()
        self._holder = threading.get_ident()
        try:
            self._obey(self._commands)
        finally:
            self._give_turn()

    def _give_turn(self) -> None:
        self._holder = None
        self._turn.release()

    def _round(self, seconds: float | None, own: deque[Command] | None = None) -> None:
        try:
            self._obey(own)
            self._obey(self._commands)
            # Commands first: who has cancelled a call must not see it begin when another ends.
            seconds = _shortest(seconds, self.timers.seconds_to_next())
            self.watch.wait(seconds, partial(self._obey, self._commands))
            self.timers.fire()
            self._obey(self._commands)
        except Exception as error:
            self._on_error(error)

    def _obey(self, commands: deque[Command] | None) -> None:
        while commands:
            commands.popleft()()


def _shortest(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
