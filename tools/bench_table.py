"""Print a benchmark file's medians, and each as a ratio to decoding alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(path: str) -> None:
    """Read pytest-benchmark's JSON and print one line a case."""
    cases = json.loads(Path(path).read_text(encoding="utf-8"))["benchmarks"]
    median = {case["name"]: float(case["stats"]["median"]) for case in cases}
    decode = median["test_decode_alone"]
    for name, seconds in median.items():
        line = f"{name:24} {seconds * 1000:8.2f} ms {seconds / decode:6.2f} × decode"
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
