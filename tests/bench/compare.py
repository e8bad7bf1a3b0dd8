"""Ours against a peer: how many times faster, in how much memory, and whether that will do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.result import BUSY, CEILING_MB, Measurement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.bench import Bench
    from tests.bench.measure import Sample


def compare(
    bench: Bench,
    case: str,
    ours: Sample,
    peer: Sample,
    name: str,
    floor: float,
    goal: float,
    *,
    ceiling_mb: float = CEILING_MB,
    further: Sequence[tuple[str, bool | None]] = (),
) -> None:
    """Report a ratio: how many times faster than the peer, and the floor that it has to reach.

    Judged by wall time, or by CPU seconds of client and server together where the machine was busy
    with something else; both ratios are reported. `further` are other things that its row in
    perf.md asks for: what was found, and whether it will do (None: not to be judged here).
    """
    wall, cpu = peer.wall_s / ours.wall_s, peer.cpu_s / ours.cpu_s
    busy = max(ours.others, peer.others)
    by = "cpu" if busy > BUSY else "wall"
    ratio = wall if by == "wall" else cpu
    floor = bench.floor(floor)
    under, too_large = ratio < floor, ours.rss_mb > ceiling_mb
    remarks = []
    if under:
        remarks.append(f"under its floor of {floor:.2f}")
    elif ratio < goal:
        remarks.append("goal not reached")
    if too_large:
        remarks.append(f"memory over {ceiling_mb:.0f} MB")
    remarks += [text for text, _ in further]
    if bench.small:
        remarks.append("starts taken off")
    figures = {
        "wall": ours.wall_s,
        "cpu_client": ours.cpu_client_s,
        "cpu_server": ours.cpu_server_s,
        "rss_mb": ours.rss_mb,
        "peer": name,
        "ratio": ratio,
        "floor": floor,
        "goal": goal,
        "judged_by": by,
        "ratio_wall": wall,
        "ratio_cpu": cpu,
        "others": busy,
        "peer_wall": peer.wall_s,
        "peer_cpu": peer.cpu_s,
        "peer_rss_mb": peer.rss_mb,
    }
    failed = under or too_large or any(good is False for _, good in further)
    bench.report(Measurement(case, bench.n, figures, not failed, remarks))
