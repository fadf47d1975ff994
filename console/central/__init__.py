"""A central count's paper: batches through a central scanner, kept as images and a manifest.

In: a `hardware.interface.BatchFeeder` and which batch lies in which tray. Out: an image file a
side under OUT/scans/BATCH, and OUT/manifest.json, by which `read` gives each record the number
that is printed on its sheet: from any record to its paper, and back (NVT-01, NVT-07).
"""

from __future__ import annotations

from console.central.capture import BatchPlan, Capture, Pocket
from console.central.manifest import Manifest, load_manifest

__all__ = ["BatchPlan", "Capture", "Manifest", "Pocket", "load_manifest"]
