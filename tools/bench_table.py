"""Print what `make bench` measured as a table; with --docs, put it into docs/performance.md.

    python tools/bench_table.py .benchmarks [--docs docs/performance.md]

The folder holds `latest.json` (pytest-benchmark) and, if they were run, `scaling.json`
(benchmarks/batch_scaling.py), `link.json` (benchmarks/link.py), `nation.json`
(benchmarks/nation.py) and `peer.json` (benchmarks/peer_omrchecker.py). In the
page, only what stands between the two marks is written anew.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures: make bench -->", "<!-- end of figures -->"
#: Words of the page for pytest-benchmark's cases; others keep their own.
NAMES = {
    "test_imdecode": "`cv2.imdecode` alone",
    "test_decode": "our decoding",
    "test_whole_reading": "whole reading",
    "test_whole_reading_upside_down": "whole reading, upside down",
}
#: What the project holds itself to.
WHOLE_LIMIT, SCALING_LIMIT, PEER_LIMIT = 1.6, 1.9, 8.0
COPY_LIMIT, DECODER_LIMIT = 0.4, 0.1
NATION_S, NATION_GIB, GROWTH_LIMIT = 40.0, 2.0, 1.05
SITE_S, PAGE_KB, FORMS_S = 45.0, 200.0, 10.0
#: Load from which on a batch's scaling says little.
BUSY = 0.7
Rows = list[tuple[str, ...]]


def load(path: Path) -> dict[str, Any] | None:
    """A JSON file, or None where it was not made."""
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def name_of(case: dict[str, Any]) -> str:
    """A case in words: a stage by its name."""
    stage = (case.get("params") or {}).get("stage")
    return str(stage or NAMES.get(case["name"], case["name"]))


def page_rows(found: dict[str, Any]) -> Rows:
    """One row a case: best and median time, and the ratio to imdecode by turns."""
    return [
        (
            name_of(case),
            f"{1000 * case['stats']['min']:.2f}",
            f"{1000 * case['stats']['median']:.2f}",
            f"{case['extra_info']['to_imdecode']:.2f}",
        )
        for case in found["benchmarks"]
    ]


def target_rows(
    page: dict[str, Any],
    scaling: dict[str, Any] | None,
    peer: dict[str, Any] | None,
    link: dict[str, Any] | None = None,
    nation: dict[str, Any] | None = None,
) -> Rows:
    """The targets with what was measured; what was not run is left out."""
    whole = next(c for c in page["benchmarks"] if c["name"] == "test_whole_reading")
    rows: Rows = [
        _target(
            "whole reading ÷ `cv2.imdecode`",
            f"≤ {WHOLE_LIMIT}",
            whole["extra_info"]["to_imdecode"],
            met=whole["extra_info"]["to_imdecode"] <= WHOLE_LIMIT,
        )
    ]
    if scaling is not None:
        name = f"batch, 2 workers ÷ 1, on {scaling['cores']} cores"
        met = scaling["ratio"] >= SCALING_LIMIT
        row = _target(name, f"≥ {SCALING_LIMIT}", scaling["ratio"], met=met)
        # Cores that others used say nothing against it.
        busy = not met and (scaling.get("load_before") or 0.0) > BUSY
        rows.append((*row[:3], "not told: cores were busy") if busy else row)
    if link is not None:
        slowest = min(case["ratio"] for case in link.values())
        share = max(case["decoder_of_sheet"] for case in link.values())
        rows += [
            _target("image over the link ÷ raw copy, over a pty", f"≥ {COPY_LIMIT}", slowest,
                    met=slowest >= COPY_LIMIT),
            _target("frame decoder's share of a sheet's time", f"≤ {DECODER_LIMIT}", share,
                    met=share <= DECODER_LIMIT),
        ]  # fmt: skip
    if nation is not None and nation["ballots"]:
        whole = nation["rows"][-1]
        name = f"nation of {whole['precincts']:,} packages, {nation['ballots']:,} ballots"
        memory = whole["memory_bytes"] / 2**30
        # Of the two, the one that no start-up flatters.
        growth = max(nation["exponent"], nation["exponent_of_the_last_two"])
        rows += [
            _target(f"{name}, s", f"≤ {NATION_S:g}", whole["seconds"],
                    met=whole["seconds"] <= NATION_S),
            _target(f"{name}, GiB", f"≤ {NATION_GIB:g}", memory, met=memory <= NATION_GIB),
            _target("the same from signed protocols alone, s", f"≤ {FORMS_S:g}",
                    nation["protocols"]["seconds"], met=nation["protocols"]["seconds"] <= FORMS_S),
            _target("its website, s", f"≤ {SITE_S:g}", nation["site"]["seconds"],
                    met=nation["site"]["seconds"] <= SITE_S),
            _target("its largest page, KB", f"≤ {PAGE_KB:g}",
                    nation["site"]["largest_page"] / 1000,
                    met=nation["site"]["largest_page"] <= 1000 * PAGE_KB),
            _target("its growth with precincts, exponent", f"≤ {GROWTH_LIMIT}", growth,
                    met=growth <= GROWTH_LIMIT),
        ]  # fmt: skip
    if peer is not None:
        ratio = peer["ratio"][peer["held"]]
        rows.append(
            _target(
                f"sheets a second ÷ OMRChecker's (`{peer['held']}`), one core",
                f"≥ {PEER_LIMIT:g}",
                ratio,
                met=ratio >= PEER_LIMIT,
            )
        )
    return rows


def _target(name: str, wanted: str, found: float, *, met: bool) -> tuple[str, ...]:
    return name, wanted, f"{found:.2f}", "yes" if met else "**no**"


def peer_rows(peer: dict[str, Any]) -> Rows:
    """One row a reader: sheets a second, our multiple of it, what it misread."""
    rows: Rows = []
    for who, times in peer["seconds"].items():
        took = statistics.median(times)
        name = "ours" if who == "ours" else f"OMRChecker, `{who}`"
        wrong = f"{peer['misread'][who]} of {peer['sheets']}"
        rows.append(
            (name, f"{1000 * took:.1f}", f"{1 / took:.1f}", f"{peer['ratio'][who]:.2f}", wrong)
        )
    return rows


def link_rows(link: dict[str, Any]) -> Rows:
    """One row a kind of sheet: its bytes, ms over the link and raw, what of it is decoding."""
    return [
        (
            name,
            f"{case['image_bytes'] / 1e6:.1f}",
            f"{case['link_ms']:.1f}",
            f"{case['raw_ms']:.1f}",
            f"{case['ratio']:.2f}",
            f"{case['decoder_of_link']:.3f}",
            f"{case['decoder_of_sheet']:.3f}",
        )
        for name, case in link.items()
    ]


def nation_rows(nation: dict[str, Any]) -> Rows:
    """One row a size: seconds of the whole command, a precinct's share, memory."""
    return [
        (
            f"{row['precincts']:,}",
            f"{row['seconds']:.1f}",
            f"{1000 * row['seconds'] / row['precincts']:.2f}",
            f"{row['memory_bytes'] / 2**20:.0f}",
        )
        for row in nation["rows"]
    ]


def table(head: tuple[str, ...], rows: Rows) -> str:
    """Markdown, columns even, so that a screen shows it as well as a page."""
    lines = [head, *rows]
    wide = [max(len(line[k]) for line in lines) for k in range(len(head))]
    texts = [
        "| "
        + " | ".join(
            cell.ljust(w) if k == 0 else cell.rjust(w)
            for k, (cell, w) in enumerate(zip(line, wide, strict=True))
        )
        + " |"
        for line in lines
    ]
    rule = (
        "|" + "|".join("-" * (w + 1) + ("-" if k == 0 else ":") for k, w in enumerate(wide)) + "|"
    )
    return "\n".join([texts[0], rule, *texts[1:]]) + "\n"


def figures(folder: Path) -> str:
    """All tables of what the folder holds."""
    page = load(folder / "latest.json")
    if page is None:
        raise SystemExit(f"{folder / 'latest.json'} is missing; run make bench")
    scaling, peer = load(folder / "scaling.json"), load(folder / "peer.json")
    link, nation = load(folder / "link.json"), load(folder / "nation.json")
    machine = page["machine_info"]
    parts = [
        f"Measured on {page['datetime'][:10]}: {machine['cpu'].get('brand_raw', 'processor')}, "
        f"{machine['cpu'].get('count', '?')} cores, Python {machine['python_version']}.\n",
        table(
            ("target", "wanted", "measured", "met"), target_rows(page, scaling, peer, link, nation)
        ),
        table(("one page", "best, ms", "median, ms", "÷ imdecode"), page_rows(page)),
    ]
    if scaling is not None:
        rates = " and ".join(
            f"{rate:.1f} with {workers}" for workers, rate in scaling["pages_per_s"].items()
        )
        busy = scaling.get("load_before") or 0.0
        words = f" (other work on the machine: load {busy:.1f})" if busy > BUSY else ""
        parts.append(f"Batch of {scaling['sheets']} pages, a second: {rates} workers{words}.\n")
    if link is not None:
        head = ("a sheet over the link", "MB", "ms", "raw, ms", "raw ÷ link", "decoder ÷ link",
                "decoder ÷ sheet")  # fmt: skip
        parts.append(table(head, link_rows(link)))
    if nation is not None:
        head = ("precincts counted", "s", "ms each", "MiB")
        parts.append(table(head, nation_rows(nation)))
    if peer is not None:
        parts.append(
            f"{peer['targets']} targets, {peer['width_px']} × {peer['height_px']} px, "
            f"{peer['rounds']} rounds of {peer['sheets']} sheets:\n"
        )
        head = ("reader", "ms a sheet", "sheets/s", "ours is × as fast", "sheets misread")
        parts.append(table(head, peer_rows(peer)))
    return "\n".join(parts)


def main(arguments: list[str] | None = None) -> int:
    words = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    words.add_argument("folder", type=Path)
    words.add_argument("--docs", type=Path, help="the page to put the figures into")
    given = words.parse_args(arguments)
    text = figures(given.folder)
    sys.stdout.write(text)
    if given.docs:
        before, _, rest = given.docs.read_text(encoding="utf-8").partition(BEGIN)
        _, found, after = rest.partition(END)
        if not found:
            raise SystemExit(f"{given.docs}: no place for figures ({BEGIN} … {END})")
        given.docs.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
