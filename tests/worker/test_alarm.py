from __future__ import annotations

from support import Gate, wait_until

from parmagic.mapping.job import Job
from parmagic.pool.default import default_pool
from parmagic.worker.capture import Output


def test_what_is_printed_right_after_another_print_arrives_while_the_item_is_silent(
    gate: Gate,
) -> None:
    def two_lines(_: int) -> None:
        print("first")
        print("second")
        print("begun", end="")
        gate.enter()
        print(" and ended")

    default_pool(1)
    heard: list[Output] = []
    job: Job[None] = Job(two_lines, [0], echo=heard.append).start()
    assert wait_until(lambda: text_of(heard) == "first\nsecond\n")
    gate.open()
    job.result(10)
    assert text_of(heard) == "first\nsecond\nbegun and ended\n"
    assert job.record.log.text_of(0) == text_of(heard)


def text_of(heard: list[Output]) -> str:
    return "".join(text for output in heard for _, _, text in output)
