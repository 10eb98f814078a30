"""A small scan in every format that is read, for tests that damage it or look at all formats alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from app.imaging.nifti.file import encode_volume
from app.imaging.volume import Volume
from tests.helpers.enhanced_us import enhanced_us_bytes
from tests.helpers.kretz import Fan, kretz_bytes
from tests.helpers.makers import sphere_volume
from tests.helpers.text_formats import mha_bytes, nrrd_bytes
from tests.helpers.volume_files import encode_metaimage, encode_nrrd

SMALL = sphere_volume(14.0, (20, 18, 22), off_centre_mm=(0.0, 0.0, 0.0))

SAMPLES: dict[str, Callable[[], bytes]] = {
    "raw NRRD": lambda: nrrd_bytes(np.asarray(SMALL.data)),
    "gzipped NRRD": lambda: encode_nrrd(SMALL),
    "raw MetaImage": lambda: mha_bytes(np.asarray(SMALL.data)),
    "packed MetaImage": lambda: encode_metaimage(SMALL),
    "Enhanced US Volume": lambda: enhanced_us_bytes(SMALL),
    "Kretz": lambda: kretz_bytes(Fan(shape=(40, 14, 12), radial_step=3.0)),
}

WRITERS: dict[str, Callable[[Volume], bytes]] = {
    "scan.nii.gz": encode_volume,
    "scan.nrrd": encode_nrrd,
    "scan.mha": encode_metaimage,
}
"""Any scan in every format that is written, by the name of its file."""
