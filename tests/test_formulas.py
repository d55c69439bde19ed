"""Formulas are worked out in a process of their own: from any thread, within a time limit, and never in ours."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import steering
from steering.errors import SteeringError
from steering.tasks import formulas
from steering.tasks.answers import READERS, SAME
from steering.tasks.formulas import _Worker

ENDLESS = "9^{9^{9}}"


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch):
    fresh = _Worker()
    monkeypatch.setattr(formulas, "_worker", fresh)
    formulas.same_formula.cache_clear()
    formulas.read_formula.cache_clear()
    yield fresh
    fresh.stop()


def in_a_thread(work):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("worker")
def test_a_formula_that_never_ends_is_not_equal_from_any_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_a_thread(lambda: SAME["math"](r"\frac{1}{2}", "0.5"))
    monkeypatch.setattr(formulas, "LIMIT_S", 1.0)
    assert not in_a_thread(lambda: SAME["math"](ENDLESS, "1"))
    assert not SAME["math"]("2", ENDLESS)
    monkeypatch.setattr(formulas, "LIMIT_S", 30.0)
    assert in_a_thread(lambda: SAME["math"]("x+1", "1+x")), "the next formula is worked out again"


def test_one_process_serves_many_formulas_and_threads(worker: _Worker) -> None:
    pairs = [(f"{n}+x", f"x+{n % 3}") for n in range(12)]
    with ThreadPoolExecutor(4) as pool:
        same = list(pool.map(lambda pair: SAME["math"](*pair), pairs))
    assert same == [n < 3 for n in range(12)]
    first = worker._process
    assert first is not None
    assert SAME["math"]("7", "7.0")
    assert worker._process is first


def test_equal_texts_and_answers_that_are_known_cost_no_round_trip(worker: _Worker, monkeypatch) -> None:
    assert SAME["math"](ENDLESS, ENDLESS)
    assert worker._process is None, "nothing is started before it is needed"
    assert SAME["math"]("x+2", "2+x")
    monkeypatch.setattr(worker, "ask", lambda *_: pytest.fail("this was worked out already"))
    assert SAME["math"]("x+2", "2+x")


def test_a_process_that_was_ended_is_started_again(worker: _Worker) -> None:
    assert SAME["math"]("x+3", "3+x")
    assert worker._process is not None
    worker._process.kill()
    worker._process.wait()
    assert SAME["math"]("x+4", "4+x")


def test_an_interrupted_question_leaves_no_answer_behind_for_the_next(worker: _Worker, monkeypatch) -> None:
    assert SAME["math"]("x+5", "5+x")

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(formulas, "_round_trip", interrupted)
        with pytest.raises(KeyboardInterrupt):
            SAME["math"]("x+6", "6+x")
    assert worker._process is None
    assert not SAME["math"]("x+6", "7+x")


@pytest.mark.usefixtures("worker")
def test_only_the_end_of_a_long_text_is_read() -> None:
    assert READERS["math"]("so 3 = 4. " * 5_000 + "Then $x = 12$.", ()) in ("12", "x = 12", "Eq(x, 12)")
    assert not SAME["math"]("1" + "+1" * formulas.LONGEST, "5")


@pytest.mark.usefixtures("worker")
def test_without_math_verify_the_error_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "formula_worker.py"
    broken.write_text("import a_module_that_is_not_there", "utf-8")
    monkeypatch.setattr(formulas, "__file__", str(tmp_path / "formulas.py"))
    with pytest.raises(SteeringError, match="math-verify"):
        SAME["math"]("x+8", "8+x")


ASK = """
print("main begins")
from steering.tasks import formulas
from steering.tasks.answers import SAME
assert SAME["math"]("x+1", "1+x")
print(formulas._worker._process.pid)
"""


def test_the_process_ends_with_ours_and_runs_nothing_of_it(tmp_path: Path) -> None:
    script = tmp_path / "own.py"
    script.write_text(ASK, "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(Path(steering.__file__).parents[1])}
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300, env=environment)
    assert run.returncode == 0, run.stderr
    begins, pid = run.stdout.splitlines()
    assert begins == "main begins", "the caller's own script is not run a second time"
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
