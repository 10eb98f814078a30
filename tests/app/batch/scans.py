"""Scans in files."""

from pathlib import Path

from tests.helpers.makers import sphere_volume, volume_bytes


def write_scan(path: Path, radius_mm: float = 38.4) -> Path:
    """Write a head of this radius, and the folder for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(volume_bytes(sphere_volume(radius_mm)))
    return path


def write_folder(root: Path) -> Path:
    """Write a folder as people have them: cases in subfolders, one broken, and files that are no volumes."""
    write_scan(root / "a" / "scan.nii", 30.0)
    write_scan(root / "b" / "scan.nii")
    (root / "bad.nii").write_bytes(b"no volume at all")
    (root / "notes.txt").write_text("nothing to measure")
    (root / "._scan.nii").write_bytes(b"what some systems leave behind")
    return root
