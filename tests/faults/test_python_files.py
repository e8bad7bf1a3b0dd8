"""S1 and S5 over the files of Python's libraries, whose names and ends are other than Node's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.stores import FilesSubject
from tests.faults.test_killer import hunt, kill_and_resume
from tests.faults.test_renewer import run_rounds
from tests.support.engines import FilesEngine
from tests.support.file_forms import FILE_FORMS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["flask-cachelib-file", "litestar-file", "django-file"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> FilesSubject:
    return FilesSubject(FilesEngine(tmp_path / "files", FILE_FORMS[request.param]))


@pytest.mark.quick_on("django-file")
def test_no_live_session_is_lost(subject, tmp_path, rng) -> None:
    run_rounds(subject, tmp_path, rng, processes=2, rounds=2)


@pytest.mark.quick_on("flask-cachelib-file")
def test_a_killed_purge_is_resumed_and_one_restore_undoes_both(subject, tmp_path, rng) -> None:
    print(kill_and_resume(subject, tmp_path / "home", rng, part=0.5))


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_no_live_session_is_lost_with_four_renewers(subject, tmp_path, rng) -> None:
    run_rounds(subject, tmp_path, rng, processes=4)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_killed_at_two_hundred_moments_nothing_is_lost(subject, tmp_path, rng) -> None:
    hunt(subject, tmp_path, rng, moments=200)
