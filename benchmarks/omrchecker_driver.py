"""Runs the published peer OMRChecker in its own Python and times its work a sheet.

Started by `peer_omrchecker.py`, not by hand: `PYTHON omrchecker_driver.py PEER_DIR WORK_DIR`.
It needs the peer's own libraries only. One JSON line comes back for every line asked:

    {"setting": NAME, "whole": true|false}  →  {"seconds": S a sheet, "answers": [[…], …]}

`whole` is the peer's own loop over files (`src.entry.process_files`: its log, its CSV line,
its marked sheets if set); otherwise the four calls of that loop that read a sheet, and no
more. Loading libraries, configuration and template happens before and is not in the time.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import time
import types
from pathlib import Path
from typing import Any


def load_peer(peer: Path) -> types.SimpleNamespace:
    """The peer's modules. It asks for a monitor when imported; it is given one that nobody sees."""
    sys.path.insert(0, str(peer))
    os.environ["MPLBACKEND"] = "Agg"
    screens = types.ModuleType("screeninfo")
    screen = types.SimpleNamespace(width=1920, height=1080)
    screens.get_monitors = lambda: [screen]  # type: ignore[attr-defined]
    sys.modules["screeninfo"] = screens
    importlib.import_module("cv2").setNumThreads(1)
    names = {"entry": "src.entry", "template": "src.template"}
    names |= {"parsing": "src.utils.parsing", "file": "src.utils.file"}
    return types.SimpleNamespace(**{k: importlib.import_module(v) for k, v in names.items()})


class Peer:
    """The peer set up for one folder: `config.json`, `template.json` and sheets."""

    def __init__(self, modules: types.SimpleNamespace, folder: Path) -> None:
        self.modules = modules
        self.config = modules.parsing.open_config_with_defaults(folder / "config.json")
        self.template = modules.template.Template(folder / "template.json", self.config)
        self.files = sorted((folder.parent / "sheets").glob("*.jpg"))
        paths = modules.file.Paths(folder / "out")
        modules.file.setup_dirs_for_paths(paths)
        self.outputs = modules.file.setup_outputs_for_template(paths, self.template)

    def whole(self) -> list[list[str]]:
        """All sheets by the peer's own loop; its answers, a row a sheet."""
        before = len(self.outputs.OUTPUT_SET)
        self.modules.entry.process_files(self.files, self.template, self.config, None, self.outputs)
        return [[str(v) for v in row[1:]] for row in self.outputs.OUTPUT_SET[before:]]

    def reading(self) -> list[list[str]]:
        """All sheets by the reading calls of that loop alone."""
        return [self._read(path) for path in self.files]

    def _read(self, path: Path) -> list[str]:
        cv2 = self.modules.entry.cv2
        ops = self.template.image_instance_ops
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        image = ops.apply_preprocessors(path, image, self.template)
        if image is None:
            return []
        marks = ops.read_omr_response(self.template, image=image, name=path.name, save_dir=None)[0]
        answers: dict[str, Any] = self.modules.parsing.get_concatenated_response(
            marks, self.template
        )
        return [str(answers[column]) for column in self.template.output_columns]


def main() -> None:
    peer, work = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    # The peer prints on stdout; answers go by a copy of it, the peer's words nowhere.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    modules = load_peer(peer)
    peers: dict[str, Peer] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        name, whole = asked["setting"], asked["whole"]
        logging.disable(logging.NOTSET if whole else logging.CRITICAL)
        one = peers.setdefault(name, None) or Peer(modules, work / name)  # type: ignore[arg-type]
        peers[name] = one
        start = time.perf_counter()
        rows = one.whole() if whole else one.reading()
        seconds = (time.perf_counter() - start) / len(one.files)
        answers.write(json.dumps({"seconds": seconds, "answers": rows}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
