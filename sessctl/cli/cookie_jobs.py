"""`decode --jobs` and `verify --jobs`: chunks of lines to processes, their answers in order.

A chunk goes to the next process in turn, which has two at most: one that it works on and one that
waits. So no process is idle, memory stays flat, and the answers come out in the order of the lines.
What a process cannot answer (a missing extra, an option that does not fit) is done once more here,
where the error belongs.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections import deque
from itertools import chain, islice
from typing import TYPE_CHECKING

from sessctl.cli.cookie_batch import Tally
from sessctl.cookies.processes import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cli.cookie_batch import Batch
    from sessctl.cli.run import Run
    from sessctl.cookies.batch.lines import Chunk
    from sessctl.cookies.batch.source import Source

_MODULE = "sessctl.cli.cookie_worker"
_AHEAD = 2  # chunks that a process has at a time


def judge_in_processes(run: Run, batch: Batch, source: Source, jobs: int) -> None:
    """Judge the lines of a batch. All processes have ended when this returns, or raises.

    Raises:
        ProcessEnded: one of them was killed; what stood before its chunk is written.
    """
    chunks = source.chunks()
    first = list(islice(chunks, jobs))
    if len(first) < 2:  # not worth a process
        for chunk in first:
            batch.add_lines(chunk, source.form)
        return
    task = _task(run, batch, source)
    workers: list[Worker] = []
    try:
        for _ in first:  # all of them start before one is waited for
            workers.append(Worker(_MODULE, task, "judged cookies"))
        for chunk, answer in _in_turn(workers, chain(first, chunks)):
            if answer is None:
                batch.add_lines(chunk, source.form)
            else:
                batch.count(answer[0])
                batch.answers.add_lines(answer[1])
    finally:
        for worker in workers:
            worker.end()


def _in_turn(
    workers: list[Worker], chunks: Iterator[Chunk]
) -> Iterator[tuple[Chunk, tuple[Tally, bytes] | None]]:
    """Each chunk with what came of it, in order."""
    asked: deque[tuple[Worker, Chunk]] = deque()
    for number, chunk in enumerate(chunks):
        if len(asked) == _AHEAD * len(workers):
            yield _answered(*asked.popleft())
        worker = workers[number % len(workers)]
        worker.ask(b"%d %d\n" % (chunk.first, len(chunk.data)))
        worker.ask(chunk.data)
        asked.append((worker, chunk))
    while asked:
        yield _answered(*asked.popleft())


def _answered(worker: Worker, chunk: Chunk) -> tuple[Chunk, tuple[Tally, bytes] | None]:
    head = worker.answers.readline()
    if not head.endswith(b"\n"):
        raise worker.ended().at(lines=f"from line {chunk.first} on, not judged")
    size, *counts = map(int, head.split())
    if size < 0:
        return chunk, None
    data = worker.answers.read(size)
    if len(data) < size:
        raise worker.ended().at(lines=f"from line {chunk.first} on, not judged")
    return chunk, (Tally(*counts), data)


def _task(run: Run, batch: Batch, source: Source) -> bytes:
    """All that a process has to know, as `cookie_worker` reads it."""
    how, hidden = batch.how, run.hidden if run.redacting else None
    return json.dumps(
        {
            "input_format": source.form,
            "judges": batch.judges,
            "output": "jsonl" if batch.output == "json" else batch.output,
            "fields": run.options.fields,
            "csv_raw": run.options.csv_raw,
            "hidden": hidden,
            "secrets": [
                [b64encode(one.reveal()).decode(), one.reference, one.key_id] for one in how.secrets
            ],
            "format": how.format,
            "name": how.name,
            "usual_name": how.usual_name,
            "companion": how.companion,
            "parameters": how.parameters,
            "usual_parameters": how.usual_parameters,
            "max_age_s": how.max_age.total_seconds() if how.max_age is not None else None,
            "now": how.now.isoformat(),
        }
    ).encode()
