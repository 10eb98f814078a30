import csv
import gzip
import hashlib
import json
from pathlib import Path

import pytest
from sqlalchemy import Engine

import app.cli.main
from app.contract.review import NewDecision
from app.records.artifacts import ArtifactStore
from app.records.opening import open_records
from app.records.repository import Repository
from app.records.reviews import Reviews
from app.records.training_set import export_decisions
from tests.app.records.examples import measurement, request


@pytest.fixture
def reviews(engine: Engine, repository: Repository, artifacts: ArtifactStore) -> Reviews:
    return Reviews(engine, repository, artifacts)


def measured(repository: Repository, volume: bytes, subject: str | None) -> str:
    new = request(subject=subject)
    repository.accept(new)
    repository.start(new.id)
    repository.complete(new.id, measurement(input_sha256=hashlib.sha256(volume).hexdigest()))
    return new.id


def test_decided_masks_are_paired_with_the_volumes_they_were_made_from(
    tmp_path: Path, repository: Repository, reviews: Reviews
) -> None:
    packed = gzip.compress(b"packed")
    ids = [measured(repository, volume, name) for volume, name in ((packed, "A"), (b"plain", "B"), (b"no", "C"))]
    reviews.decide(ids[0], NewDecision(decision="accept"), "reader")
    reviews.store_mask(ids[1], b"drawn", 240.0, "reader")
    reviews.decide(ids[1], NewDecision(decision="edit", reason="the scalp"), "reader")
    reviews.decide(ids[2], NewDecision(decision="reject", reason="twins"), "reader")
    lost = measured(repository, b"lost", "D")
    reviews.decide(lost, NewDecision(decision="accept"), "reader")
    (tmp_path / "volumes" / "deep").mkdir(parents=True)
    (tmp_path / "volumes" / "deep" / "a scan.nii.gz").write_bytes(packed)
    (tmp_path / "volumes" / "b.nii").write_bytes(b"plain")
    (tmp_path / "volumes" / "other.nii").write_bytes(b"another")

    out = tmp_path / "out"
    cases = list(export_decisions(reviews, out, tmp_path / "volumes"))

    names = [f"A_{ids[0][:13]}.nii.gz", f"B_{ids[1][:13]}.nii.gz"]
    assert sorted(path.name for path in (out / "images").iterdir()) == names
    assert sorted(path.name for path in (out / "labels").iterdir()) == names
    assert (out / "images" / names[0]).read_bytes() == packed
    assert gzip.decompress((out / "images" / names[1]).read_bytes()) == b"plain"
    assert [(out / "labels" / name).read_bytes() for name in names] == [b"mask", b"drawn"]
    assert [(case.subject, case.decision, case.paired) for case in cases] == [
        ("A", "accept", True),
        ("B", "edit", True),
        ("D", "accept", False),
    ]
    with (out / "cases.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["head_volume_ml"] for row in rows] == ["236.40", "240.00", "236.40"]


def test_a_volume_that_was_measured_twice_is_taken_with_its_latest_decision(
    tmp_path: Path, repository: Repository, reviews: Reviews
) -> None:
    first, second = (measured(repository, b"same", "A") for _ in range(2))
    reviews.decide(first, NewDecision(decision="accept"), "reader")
    reviews.store_mask(second, b"drawn", 240.0, "reader")
    reviews.decide(second, NewDecision(decision="edit", reason="better"), "reader")
    [case] = export_decisions(reviews, tmp_path / "out", None)
    assert case.case == f"A_{second[:13]}"
    assert [path.read_bytes() for path in (tmp_path / "out" / "labels").iterdir()] == [b"drawn"]


def test_measurements_without_a_subject_are_not_taken_for_one_patient(
    tmp_path: Path, repository: Repository, reviews: Reviews
) -> None:
    ids = [measured(repository, volume, None) for volume in (b"one", b"two")]
    for segmentation_id in ids:
        reviews.decide(segmentation_id, NewDecision(decision="accept"), "reader")
    cases = [case.case for case in export_decisions(reviews, tmp_path / "out", None)]
    assert cases == [segmentation_id[:13] for segmentation_id in ids]
    assert not any("_" in case for case in cases)


def test_a_mask_that_was_replaced_asks_for_a_new_decision(
    tmp_path: Path, repository: Repository, reviews: Reviews
) -> None:
    name = measured(repository, b"volume", "A")
    reviews.store_mask(name, b"decided", 240.0, "reader")
    reviews.decide(name, NewDecision(decision="edit", reason="the scalp"), "reader")
    reviews.store_mask(name, b"drawn later", 260.0, "reader")
    (case,) = export_decisions(reviews, tmp_path / "first", None)
    assert (case.head_volume_ml, case.outdated) == ("240.00", True)
    assert next((tmp_path / "first" / "labels").iterdir()).read_bytes() == b"decided"
    reviews.decide(name, NewDecision(decision="edit", reason="better"), "reader")
    (case,) = export_decisions(reviews, tmp_path / "second", None)
    assert (case.head_volume_ml, case.outdated) == ("260.00", False)


class TestCommand:
    @pytest.fixture(autouse=True)
    def _environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FETALHEAD_DATA_DIR", str(tmp_path / "data"))
        (tmp_path / "data").mkdir()

    def test_nothing_to_export(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        open_records(f"sqlite:///{tmp_path / 'data' / 'fetalhead.sqlite'}", tmp_path / "data").close()
        assert app.cli.main.main(["records", "export", str(tmp_path / "out")]) == 0
        assert "nothing was accepted or edited yet" in capsys.readouterr().out

    def test_masks_that_were_replaced_are_counted(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        records = open_records(f"sqlite:///{tmp_path / 'data' / 'fetalhead.sqlite'}", tmp_path / "data")
        name = measured(records.repository, b"volume", "A")
        records.reviews.decide(name, NewDecision(decision="accept"), "reader")
        records.reviews.store_mask(name, b"drawn later", 260.0, "reader")
        records.close()
        assert app.cli.main.main(["records", "export", str(tmp_path / "out")]) == 0
        assert "replaced after the decision, which need a new one: 1" in capsys.readouterr().out

    def test_a_folder_that_is_not_empty(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert app.cli.main.main(["records", "export", str(tmp_path), "--json"]) == 1
        assert "name a new one" in json.loads(capsys.readouterr().err)["error"]

    def test_volumes_that_are_no_folder(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert app.cli.main.main(["records", "export", str(tmp_path / "out"), "--volumes", str(tmp_path / "no")]) == 1
        assert "is not a folder" in capsys.readouterr().err
