import numpy as np
import pytest
from pydantic import ValidationError

from app.contract.upload import FieldError, Upload, VolumeFields

WEEKS = "a number of weeks from 10 to 42, such as 26.4"
SUBJECT = "1 to 64 letters, digits, dots, underscores and hyphens"
SPACING = "three numbers from 0.1 to 3, in mm, such as 0.4,0.4,0.5"


class TestFields:
    @pytest.mark.parametrize(
        ("given", "parsed"),
        [
            ({"gestational_age_weeks": " 26.4 "}, 26.4),
            ({"gestational_age_weeks": 10}, 10.0),
            ({"gestational_age_weeks": "4.2e1"}, 42.0),
            ({"subject": "S-017_a.b"}, "S-017_a.b"),
            ({"spacing_mm": "0.38,0.38,0.4"}, (0.38, 0.38, 0.4)),
            ({"spacing_mm": "[0.38; 0.38 0.4]"}, (0.38, 0.38, 0.4)),
            ({"spacing_mm": np.array([1, 2, 3])}, (1.0, 2.0, 3.0)),
        ],
    )
    def test_texts_and_numbers_are_taken(self, given: dict[str, object], parsed: object) -> None:
        fields = VolumeFields.parse(**given)
        assert [getattr(fields, name) for name in given] == [parsed]
        assert VolumeFields.parse(**fields.texts()) == fields

    @pytest.mark.parametrize(
        ("given", "expected", "got"),
        [
            ({"gestational_age_weeks": "9.9"}, WEEKS, "9.9"),
            ({"gestational_age_weeks": 43}, WEEKS, "43"),
            ({"gestational_age_weeks": "2_6"}, WEEKS, "no number"),
            ({"gestational_age_weeks": "nan"}, WEEKS, "no number"),
            ({"subject": "Jane Doe"}, SUBJECT, "a text of 8 characters"),
            ({"subject": ""}, SUBJECT, "a text of 0 characters"),
            ({"subject": "x" * 65}, SUBJECT, "a text of 65 characters"),
            ({"spacing_mm": "0.4"}, SPACING, None),
            ({"spacing_mm": "0.4,,0.4"}, SPACING, None),
            ({"spacing_mm": [0.4, 0.4, 5]}, SPACING, None),
            ({"spacing_mm": 0.4}, SPACING, None),
        ],
    )
    def test_what_cannot_be_used_is_told_with_what_was_expected(
        self, given: dict[str, object], expected: str, got: str | None
    ) -> None:
        with pytest.raises(FieldError) as refused:
            VolumeFields.parse(**given)
        assert (refused.value.name, refused.value.expected, refused.value.got) == (*given, expected, got)
        assert "Jane" not in str(vars(refused.value))

    def test_a_field_that_is_not_known_is_refused(self) -> None:
        with pytest.raises(ValidationError):
            VolumeFields.model_validate({"age": 26})

    def test_a_form_is_described_with_the_limits(self) -> None:
        described = VolumeFields.form_schema()
        assert (described["gestational_age_weeks"]["minimum"], described["gestational_age_weeks"]["maximum"]) == (
            10,
            42,
        )
        assert described["subject"]["pattern"] == "^[A-Za-z0-9._-]{1,64}$"
        assert {name: field["type"] for name, field in described.items()} == {
            "gestational_age_weeks": "number",
            "subject": "string",
            "spacing_mm": "string",
        }


class TestUpload:
    def test_a_request_is_told_from_another_by_file_and_fields(self) -> None:
        plain, same = Upload(b"volume"), Upload(b"volume", VolumeFields())
        other = Upload(b"volume", VolumeFields(subject="S-1"))
        assert plain.request_sha256 == same.request_sha256 != other.request_sha256
        assert plain.sha256 == other.sha256

    def test_requests_of_earlier_versions_are_recognised(self) -> None:
        upload = Upload(b"volume", VolumeFields(subject="S-1", gestational_age_weeks=26, spacing_mm=(1, 2, 3)))
        assert upload.request_sha256 == "a8214d75c1d9825a03f7c6d6aef2a6098ec26e76f5b2b51dfcefd682f93ef3e9"
