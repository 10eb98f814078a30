"""What is found about a mask: reasons for doubt, and sizes."""

from __future__ import annotations

from pydantic import Field

from app.contract.value import Value, Verdict


class Flag(Value):
    """One reason for doubt: a stable code, what was found, and what to do about it."""

    code: str = Field(examples=["truncated"])
    detail: str
    remedy: str


class Biometry(Value):
    """Skin-to-skin sizes of the head, mm; derived from the mask, not a sonographer's calliper measurement."""

    head_circumference_mm: float
    biparietal_diameter_mm: float
    occipitofrontal_diameter_mm: float


class HeadPose(Value):
    """Where the head lies, in mm of the file's own space (NIfTI's RAS+): its axes, its centre and its base plane.

    `left` follows from the other two axes: in a file whose affine mirrors the fetus it is its right.
    """

    left: tuple[float, float, float] = Field(description="Unit vector to the head's left.")
    front: tuple[float, float, float] = Field(description="Unit vector to the face.")
    vertex: tuple[float, float, float] = Field(description="Unit vector to the vertex.")
    centre_mm: tuple[float, float, float] = Field(description="Centre of the cranium.")
    base_normal: tuple[float, float, float] = Field(
        description="Unit normal of the plane through menton and C2 that ends the head; it points to the neck."
    )
    base_point_mm: tuple[float, float, float] = Field(description="The point of that plane below the centre.")
    certainty: float = Field(description="1 where the network is sure of face and vertex, 0 where it does not know.")


class EditFindings(Value):
    """What the checks of size, pieces and edge found in a mask that a reader drew, and its own sizes."""

    verdict: Verdict = "ok"
    flags: tuple[Flag, ...] = ()
    biometry: Biometry | None = None
