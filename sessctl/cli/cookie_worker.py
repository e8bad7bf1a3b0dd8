"""A process of `decode --jobs` and `verify --jobs`: `python -m sessctl.cli.cookie_worker`.

In: a line of JSON, the task, as `cookie_jobs` writes it; then chunks, each behind a line
`FIRST SIZE` with the number of its first line. Out, for each: a line `SIZE TOTAL VALID UNREADABLE`
and the items; a SIZE of -1 says that the chunk could not be answered.
"""

from __future__ import annotations

import json
import sys
from base64 import b64decode
from contextlib import suppress
from datetime import datetime, timedelta
from io import BytesIO
from queue import Queue
from threading import Thread
from typing import IO, TYPE_CHECKING, Any

from sessctl.cli.cookie_answers import Finder
from sessctl.cli.cookie_batch import Batch, Tally
from sessctl.cli.cookie_options import Judging
from sessctl.cli.run import Run
from sessctl.cli.streams import Streams
from sessctl.cookies.batch.lines import Chunk
from sessctl.cookies.batch.source import Form
from sessctl.text import Masker, Secret

if TYPE_CHECKING:
    from collections.abc import Callable


def serve(questions: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until the questions end."""
    work = _work_of(json.loads(questions.readline()))
    # Read beside the work: whoever asks must never have to wait until we have answered.
    chunks: Queue[Chunk | None] = Queue()
    Thread(target=_read_chunks, args=(questions, chunks), daemon=True).start()
    while (chunk := chunks.get()) is not None:
        try:
            tally, data = work(chunk)
        except Exception:  # noqa: BLE001 - whoever asked does it once more, and says what is wrong
            answers.write(b"-1 0 0 0\n")
        else:
            answers.write(b"%d %d %d %d\n" % (len(data), *tally))
            answers.write(data)
        answers.flush()


def _read_chunks(questions: IO[bytes], chunks: Queue[Chunk | None]) -> None:
    while line := questions.readline():
        first, size = map(int, line.split())
        chunks.put(Chunk(first, questions.read(size)))
    chunks.put(None)


def _work_of(task: dict[str, Any]) -> Callable[[Chunk], tuple[Tally, bytes]]:
    """What judges a chunk: its counts, and its items, a line each."""
    out = BytesIO()
    run = Run(Streams(BytesIO(), out, BytesIO(), {}))
    run.options.fields, run.options.csv_raw = task["fields"], task["csv_raw"]
    run.options.no_headers = True
    how = Judging(
        format=task["format"],
        name=task["name"],
        usual_name=task["usual_name"],
        companion=task["companion"],
        parameters=task["parameters"],
        usual_parameters=task["usual_parameters"],
        secrets=[Secret(b64decode(raw), ref, key_id=key) for raw, ref, key in task["secrets"]],
        max_age=timedelta(seconds=task["max_age_s"]) if task["max_age_s"] is not None else None,
        now=datetime.fromisoformat(task["now"]),
    )
    batch = Batch(
        run,
        how,
        Finder(run, None, explicit=False),
        task["output"],
        judges=task["judges"],
        masker=Masker(*task["hidden"]) if task["hidden"] is not None else None,
    )
    form = Form(task["input_format"])

    def work(chunk: Chunk) -> tuple[Tally, bytes]:
        out.seek(0)
        out.truncate()
        batch.tally = Tally()
        batch.add_lines(chunk, form)
        return batch.tally, out.getvalue()

    return work


if __name__ == "__main__":
    with suppress(BrokenPipeError, KeyboardInterrupt):
        serve(sys.stdin.buffer, sys.stdout.buffer)
