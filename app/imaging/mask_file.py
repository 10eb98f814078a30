"""Reading a mask's file that this program wrote itself."""

from __future__ import annotations

from isal import igzip
from nibabel.nifti1 import Nifti1Image
from nibabel.nifti2 import Nifti2Image

NIFTI_2_BEGINS = ((540).to_bytes(4, "little"), (540).to_bytes(4, "big"))


def read_mask_file(content: bytes) -> Nifti1Image | Nifti2Image:
    """The image in a .nii.gz. Uploads do not come here: `app.imaging.nifti` reads what nobody vouches for."""
    unpacked = igzip.decompress(content)  # type: ignore[no-untyped-call]  # isal types it in part
    kind = Nifti2Image if unpacked[:4] in NIFTI_2_BEGINS else Nifti1Image
    image: Nifti1Image | Nifti2Image = kind.from_bytes(unpacked)
    return image
