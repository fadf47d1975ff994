"""Write the drawn and listed parts of docs/devices.md from the device's own tables.

The chart of the day, the states' words, who may do what, and the failure states stand between
markers in the page. `--check` writes nothing and exits 1 when they are not what would be
written.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from firmware_sim.failures import FAILURES, FailureRule
from firmware_sim.roles import RULES, Action, Role
from firmware_sim.states import STATE_WORDS, DayChart

PAGE = Path(__file__).resolve().parent.parent / "docs" / "devices.md"
LANGUAGES = ("kk", "ru", "en")


def chart() -> str:
    """The chart of the day as Mermaid text, drawn by python-statemachine."""
    text = f"{DayChart:mermaid}".replace("direction LR", "direction TB").strip()
    return f"```mermaid\n{text}\n```"


def failure_chart() -> str:
    """The failure states as Mermaid text: how each ends, and what the polls are then."""
    lines = ["stateDiagram-v2", "    direction LR", '    state "any state of the day" as day']
    lines.append('    state "the same state" as back')
    lines.append('    state "paused, where the polls were open" as paused')
    for failure, rule in FAILURES.items():
        lines.append(f'    state "{_words(failure.value)}" as {failure.value}')
        lines.append(f"    day --> {failure.value}")
        target = "paused" if rule.pauses else "back"
        lines.append(f"    {failure.value} --> {target} : {_end(rule)}")
    return "```mermaid\n" + "\n".join(lines) + "\n```"


def states() -> str:
    """Every state with what the officer reads."""
    rows = ["| state | Қазақша | Русский | English |", "|---|---|---|---|"]
    for state, words in STATE_WORDS.items():
        rows.append(f"| `{state.value}` | " + " | ".join(words[x] for x in LANGUAGES) + " |")
    return "\n".join(rows)


def people() -> str:
    """Every action with those who take it together."""
    rows = ["| action | who, each a different person |", "|---|---|"]
    for action, rule in RULES.items():
        who = " **and** ".join(_roles(place) for place in rule.places) or "anyone"
        rows.append(f"| {_words(action.value)} | {who} |")
    return "\n".join(rows)


def failures() -> str:
    """Every failure state: what it bars, how it ends, what is said."""
    rows = ["| failure | bars | polls | ends | Қазақша | Русский | English |"]
    rows.append("|---|---|---|---|---|---|---|")
    for failure, rule in FAILURES.items():
        barred = ", ".join(_words(step.value) for step in Action if step in rule.bars)
        polls = "paused" if rule.pauses else "stay"
        said = " | ".join(rule.words[x] for x in LANGUAGES)
        rows.append(
            f"| `{failure.value}` | {barred or 'nothing'} | {polls} | {_end(rule)} | {said} |"
        )
    return "\n".join(rows)


PARTS = {
    "chart": chart,
    "states": states,
    "people": people,
    "failure-chart": failure_chart,
    "failures": failures,
}


def page(text: str) -> str:
    """The page with every part written anew; all else stays.

    Raises:
        ValueError: the page has no place for a part.
    """
    for name, part in PARTS.items():
        place = re.compile(rf"(<!-- {name}: [^\n]* -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not place.search(text):
            raise ValueError(f"docs/devices.md has no place for {name}")
        written = part()
        text = place.sub(lambda found, body=written: found[1] + body + "\n" + found[2], text)
    return text


def main() -> None:
    """Write the page, or with --check compare it."""
    before = PAGE.read_text(encoding="utf-8")
    after = page(before)
    if "--check" in sys.argv[1:]:
        if before != after:
            sys.exit("docs/devices.md is out of date: run `python -m tools.device_chart`")
        return
    PAGE.write_text(after, encoding="utf-8")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _roles(place: frozenset[Role]) -> str:
    return " or ".join(role.value for role in Role if role in place)


def _end(rule: FailureRule) -> str:
    if rule.clears is None:
        return "by itself"
    who = " and ".join(_roles(place) for place in RULES[rule.clears].places)
    return f"{_words(rule.clears.value)} ({who})"


if __name__ == "__main__":
    main()
