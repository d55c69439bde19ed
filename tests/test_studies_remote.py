"""Results at an address: what is there is gone on with, and what is finished is there whatever happens after."""

import shutil
from pathlib import Path

import fsspec
import pytest
from test_studies import as_table, settings  # noqa: F401 - a fixture

from steering.errors import SteeringError
from steering.studies import EVALS, SAMPLES, StudySettings, results_at, run_study

ADDRESS = "memory://results/of a study"


class Stopped(Exception):
    pass


@pytest.fixture(autouse=True)
def empty_memory() -> None:
    files = fsspec.filesystem("memory")
    files.store.clear()


def test_a_study_at_an_address_is_stopped_and_gone_on_with(
    settings: StudySettings,  # noqa: F811
    tmp_path: Path,
) -> None:
    expected = as_table(run_study(settings, tmp_path / "whole"))
    assert len(expected) > 1

    sent: list[int] = []

    def stop_in_the_second_cell(what: str, _fraction: float) -> None:
        if sent and "Cell 2" in what:
            raise Stopped

    def run_at_the_address() -> None:
        with results_at(ADDRESS) as place:

            def kept() -> None:
                place.send()
                sent.append(len(fsspec.filesystem("memory").find("/results")))

            run_study(settings, place.folder, kept=kept, progress=stop_in_the_second_cell)

    with pytest.raises(Stopped):
        run_at_the_address()
    assert sent[0] > 1, "rows and samples of the first cell"

    again: list[None] = []
    with results_at(ADDRESS) as place:
        results = run_study(settings, place.folder, kept=lambda: again.append(None))
    assert len(again) == len(expected) - 1, "the first cell is not run again"
    assert as_table(results) == expected
    there = {Path(name).name for name in fsspec.filesystem("memory").find("/results")}
    assert {EVALS, SAMPLES} <= there
    assert not place.folder.exists()


def test_a_folder_is_its_own_place(tmp_path: Path) -> None:
    for out in (str(tmp_path), f"file://{tmp_path}"):
        with results_at(out) as place:
            assert place.folder == tmp_path
            place.send()


@pytest.mark.parametrize("out", ["no-such-protocol://x", "s3://no-package-or-no-bucket/x"])
def test_an_address_that_cannot_be_used_gets_a_sentence(out: str) -> None:
    if out.startswith("s3"):
        try:
            import s3fs  # noqa: F401
        except ImportError:
            pass
        else:
            pytest.skip("s3fs is installed")
    with pytest.raises(SteeringError, match="The results cannot be kept at"), results_at(out):
        pytest.fail("nothing can be written there")


def test_results_that_cannot_be_copied_stay_where_the_message_says(monkeypatch: pytest.MonkeyPatch) -> None:
    files = fsspec.filesystem("memory")

    def full(*_: object) -> None:
        raise OSError("No space left")

    def run() -> None:
        with results_at(ADDRESS) as place:
            (place.folder / EVALS).write_bytes(b"hours of work")
            monkeypatch.setattr(type(files), "put_file", full)

    with pytest.raises(SteeringError, match=r"stay in .*No space left") as caught:
        run()
    folder = Path(str(caught.value).split("stay in ")[1].split(": ")[0])
    assert (folder / EVALS).read_bytes() == b"hours of work"
    shutil.rmtree(folder)
