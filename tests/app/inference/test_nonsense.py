"""What holds no head gets no volume from the published model."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from app.imaging.quality import assess
from app.imaging.volume import Volume, VolumeGeometry
from app.inference.model_store import ModelStore
from app.inference.runtime.session import RuntimeSettings
from app.inference.segmenter import HeadSegmenter
from model_store import packaged_store

SHAPE = (123, 82, 139)
RANDOM = np.random.default_rng(0)
SMOOTH = gaussian_filter(RANDOM.normal(size=SHAPE), 4)
ALONG = np.arange(SHAPE[0])[:, None, None]
SCANS = {
    "uniform noise": RANDOM.integers(0, 256, SHAPE),
    "smoothed noise": 255 * (SMOOTH - SMOOTH.min()) / np.ptp(SMOOTH),
    "speckle": np.clip(60 * RANDOM.rayleigh(size=SHAPE), 0, 255),
    "a gradient": np.broadcast_to(255 * ALONG / SHAPE[0], SHAPE),
}


@pytest.fixture(scope="module")
def segmenter() -> HeadSegmenter:
    return HeadSegmenter(ModelStore(packaged_store()).resolve("fetal_head", None), RuntimeSettings(threads=1))


@pytest.mark.parametrize("scan", SCANS)
def test_a_scan_without_a_head_is_rejected(scan: str, segmenter: HeadSegmenter) -> None:
    data = np.ascontiguousarray(SCANS[scan].astype(np.uint8))
    found = segmenter.segment(Volume(data, VolumeGeometry(SHAPE, np.diag([1.2, 1.2, 1.2, 1.0]))))
    judged = assess(found.quality, found.mask_volume_ml, segmenter.manifest.quality)
    assert judged.verdict == "reject"
    assert judged.flags[0].code in {"many_doubts", "no_head_found"}
