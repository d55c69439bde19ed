"""The command line on tiny models: its JSON, its exit codes, and one sentence for a user's mistake."""

import json
from pathlib import Path
from typing import Any

import pytest
from tiny import byte_tokenizer, piece_tokenizer, save_tiny

from steering.cli import main
from steering.vectors.vector import load_vector


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    base = tmp_path_factory.mktemp("models")
    parent = save_tiny(base / "parent", "llama", tokenizer=piece_tokenizer(), layers=3, width=32)
    child = save_tiny(base / "child", "gpt2", tokenizer=byte_tokenizer(chat=True), layers=4, width=40)
    return str(parent), str(child)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--json"])
    captured = capsys.readouterr()
    assert ended.value.code == 0, captured.err
    found: dict[str, object] = json.loads(captured.out)
    return found


def test_generate_keeps_its_contract(capsys: pytest.CaptureFixture[str], folders: tuple[str, str]) -> None:
    parent, child = folders
    words = ["generate", "--child", child, "--parent", parent, "--concept", "sentiment", "--prompt", "Once more"]
    data = run(capsys, *words, "--lambdas", "-2,0,2", "--max-new-tokens", "8")
    assert set(data) >= {"child", "prompt", "prompt_token_ids", "rows", "provenance"}
    rows = data["rows"]
    assert isinstance(rows, list)
    assert [row["lam"] for row in rows] == [-2, 0, 2]
    assert all(set(row) >= {"lam", "text", "token_ids", "health"} for row in rows)
    assert rows[0]["token_ids"] != rows[1]["token_ids"] != rows[2]["token_ids"]
    plain = run(capsys, *words, "--lambdas", "0", "--max-new-tokens", "8", "--plain")
    assert plain["prompt_token_ids"] != data["prompt_token_ids"]


def test_models_are_loaded_in_the_type_asked_for(
    capsys: pytest.CaptureFixture[str], folders: tuple[str, str], tmp_path: Path
) -> None:
    types = {}
    for dtype in ("float32", "int8"):
        out = tmp_path / f"{dtype}.safetensors"
        words = ["--dtype", dtype, "extract", "--model", folders[0], "--concept", "sentiment"]
        with pytest.raises(SystemExit) as ended:
            main([*words, "--out", str(out)])
        assert ended.value.code == 0, capsys.readouterr().err
        types[dtype] = load_vector(out).provenance["dtype"]
    assert types == {"float32": "float32", "int8": "int8"}


@pytest.mark.parametrize("words", [["study", "retention", "--out", "x"], ["rerun", "x"]])
def test_a_study_is_not_run_in_another_type(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--dtype", "int8", *words])
    assert ended.value.code == 2
    assert "leave out --dtype int8" in capsys.readouterr().err


def test_a_vector_goes_through_files(
    capsys: pytest.CaptureFixture[str], folders: tuple[str, str], tmp_path: Path
) -> None:
    parent, child = folders
    own, carried = tmp_path / "own.safetensors", tmp_path / "carried.safetensors"
    run(capsys, "extract", "--model", parent, "--concept", "time", "--out", str(own))
    data = run(capsys, "transfer", "--vector", str(own), "--child", child, "--out", str(carried))
    assert "verdict" in str(data["report"])
    assert load_vector(carried).directions.shape == (4, 40)
    direct = run(capsys, "generate", "--child", child, "--vector", str(carried), "--prompt", "So", "--lambdas", "1")
    across = run(capsys, "generate", "--child", child, "--vector", str(own), "--prompt", "So", "--lambdas", "1")
    assert direct["rows"] == across["rows"]


def test_a_kl_budget_stands_for_a_strength(
    capsys: pytest.CaptureFixture[str], folders: tuple[str, str], tmp_path: Path
) -> None:
    _, child = folders
    own = tmp_path / "own.safetensors"
    run(capsys, "extract", "--model", child, "--concept", "time", "--out", str(own))
    files = ["--child", child, "--vector", str(own)]
    data: Any = run(capsys, "generate", *files, "--prompt", "So", "--kl", "0.5,0.1", "--max-new-tokens", "4")
    assert [(each["budget"], each["side"]) for each in data["kl"]] == [(0.5, -1), (0.1, -1), (0.1, 1), (0.5, 1)]
    strengths = [each["lam"] for each in data["kl"]]
    assert [row["lam"] for row in data["rows"]] == [*strengths[:2], 0.0, *strengths[2:]]
    assert all(each["kl"] == pytest.approx(each["budget"], rel=0.02) for each in data["kl"])
    out = ["--format", "repeng", "--out", str(tmp_path / "other.gguf")]
    export: Any = run(capsys, "export", *files, *out, "--kl", "0.5")
    assert export["lam"] == export["kl"]["lam"] == strengths[-1]
    plain: Any = run(capsys, "export", *files, *out)
    assert (plain["lam"], plain["kl"]) == (0.2, None)


def test_a_profile_is_fitted_and_taken(capsys: pytest.CaptureFixture[str], folders: tuple[str, str]) -> None:
    _, child = folders
    data: Any = run(capsys, "profile", "--child", child, "--concept", "time", "--kl", "0.1")
    assert (len(data["weights"]), data["kl"], data["concept"]) == (4, 0.1, "time")
    held_out = data["held_out"]
    assert data["gain"] == pytest.approx(held_out["fitted"]["effect"] / held_out["all"]["effect"])
    words = ["generate", "--child", child, "--parent", child, "--concept", "time", "--prompt", "So", "--lambdas", "1"]
    weights = ",".join(map(str, data["weights"]))
    fitted: Any = run(capsys, *words, "--profile", weights)
    assert fitted["provenance"]["profile"] == pytest.approx(data["weights"])
    with pytest.raises(SystemExit):
        main([*words, "--profile", "lat"])
    assert "'lat' is none of all, middle, bell, late, nor one weight a layer" in capsys.readouterr().err


def test_detection_is_measured(capsys: pytest.CaptureFixture[str], folders: tuple[str, str]) -> None:
    words = ["detect", "--parent", folders[0], "--child", folders[1], "--concept", "time", "--concept", "formality"]
    data: Any = run(capsys, *words)
    assert [concept["name"] for concept in data["concepts"]] == ["time", "formality"]
    for source in ("own", "carried", "random", "truncate"):
        aurocs = [concept["auroc"][source] for concept in data["concepts"]]
        assert data["mean_auroc"][source] == pytest.approx(sum(aurocs) / 2)
    with pytest.raises(SystemExit):
        main(words)
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["AUROC", "own", "carried", "random", "truncate"]
    assert table[-1].startswith("which of 2 ")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["generate", "--prompt", "So", "--kl", "1", "--lambdas", "1"], "--lambdas and --kl both say how strong"),
        (["export", "--format", "gguf", "--out", "x", "--kl", "1", "--lam", "1"], "--lam and --kl both say how strong"),
        (["evaluate", "--task", "questions", "--lam", "1", "--lam-kl", "1"], "--lam and --lam-kl both say how strong"),
        (["tune", "--task", "questions", "--lambdas", "1", "--kl", "1"], "--lambdas and --kl both say how strong"),
        (["generate", "--prompt", "So", "--kl", "1,0"], "The KL budget is 0.0"),
        (["export", "--format", "gguf", "--out", "x", "--kl", "much"], "is not a number of nats"),
    ],
)
def test_a_strength_is_given_in_one_way(capsys: pytest.CaptureFixture[str], words: list[str], sentence: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--child", "no-model", "--vector", "none.safetensors"])
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def test_retention_and_similarity_keep_their_contracts(
    capsys: pytest.CaptureFixture[str], folders: tuple[str, str], tmp_path: Path
) -> None:
    parent, child = folders
    pair = ["--parent", parent, "--child", child, "--concept", "calmness"]
    data = run(capsys, "retention", *pair, "--random-seeds", "1")
    assert set(data) >= {"parent", "child", "concepts", "mean_kept"}
    concepts = data["concepts"]
    assert isinstance(concepts, list)
    assert set(concepts[0]) >= {"name", "native", "carried", "random", "kept"}
    assert concepts[0]["kept"] == pytest.approx(concepts[0]["carried"] / concepts[0]["native"])

    figure = tmp_path / "layers.html"
    matrix = run(capsys, "similarity", *pair, "--metric", "scores", "--out", str(figure))
    assert set(matrix) >= {"parent", "child", "metric", "matrix", "n_texts"}
    rows = matrix["matrix"]
    assert isinstance(rows, list)
    assert (len(rows), len(rows[0])) == (3, 4)
    assert "plotly" in figure.read_text("utf-8")


def test_compare_takes_all_combinations(capsys: pytest.CaptureFixture[str], folders: tuple[str, str]) -> None:
    parent, child = folders
    words = ["compare", "--parent", parent, "--child", child, "--concept", "time", "--concept", "calmness", "--both"]
    data: Any = run(
        capsys, *words, "--method", "mean", "--layers", "index", "--layers", "relative", "--random-seeds", "1"
    )
    assert [(each["method"], each["layers"]) for each in data["configs"]] == [("mean", "index"), ("mean", "relative")]
    assert [case["concept"] for case in data["cases"]] == ["time", "calmness"] * 2
    assert len(data["random"]) == len(data["configs"][0]["kept"]) == len(data["left_out"]["kept"]) == 4


def test_retention_of_a_model_with_itself_is_whole(
    capsys: pytest.CaptureFixture[str], folders: tuple[str, str]
) -> None:
    _, child = folders
    data = run(capsys, "retention", "--parent", child, "--child", child, "--concept", "time", "--random-seeds", "1")
    concepts = data["concepts"]
    assert isinstance(concepts, list)
    assert concepts[0]["kept"] == 1.0


def test_the_bundled_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    data = run(capsys, "models")
    models = data["models"]
    assert isinstance(models, list)
    assert {model["name"] for model in models} == {"gemma-3-270m", "smollm2-135m-instruct"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["extract", "--model", "gemma-3-270", "--concept", "time", "--out", "x"], "Did you mean gemma-3-270m"),
        (["extract", "--model", "{child}", "--concept", "tim", "--out", "x"], "Did you mean time"),
        (["generate", "--child", "{child}", "--prompt", "So"], "Give either --vector"),
        (["generate", "--child", "{child}", "--vector", "none.safetensors", "--prompt", "So"], "no file none"),
        (["generate", "--child", "{child}", "--prompt", "So", "--lambdas", "a,b"], "not a list of numbers"),
        (["generate", "--child", "{child}", "--prompt", "So", "--temperature", "-1"], "temperature is -1"),
        (
            ["similarity", "--parent", "{child}", "--child", "{child}", "--concept", "time", "--out", "x.png"],
            ".html or .json",
        ),
        (["no-such-command"], "No such command"),
    ],
)
def test_a_mistake_gives_one_sentence_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], folders: tuple[str, str], words: list[str], sentence: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([word.replace("{child}", folders[1]) for word in words])
    captured = capsys.readouterr()
    assert ended.value.code == 2
    assert sentence in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
