"""A ballot as full as the grid allows: 384 ovals on both sides of one A4 sheet.

What accuracy and speed are measured on: the most targets a page, hence the least paper and
time a target. Long contests and short ones, vote-for-one and vote-for-three.
"""

from __future__ import annotations

from election.model import BallotStyle, Contest, ContestOption, District, Election, Precinct

#: Sixteen options in two contests a column, six columns, two sides.
CONTESTS, OPTIONS = 24, 16
TARGETS_A_PAGE = CONTESTS * OPTIONS // 2
_NAMES = (
    *("Abai", "Bolat", "Dana", "Erlan", "Gulnar", "Ilyas", "Kamila", "Marat"),
    *("Nurlan", "Olzhas", "Raushan", "Saule", "Timur", "Ulan", "Zarina", "Aigul"),
)


def dense_election() -> Election:
    """The definition, of profile `us-general`: 24 contests of 16 options, every third of
    them with three votes."""
    contests = tuple(
        Contest(
            id=f"seat-{c + 1:02}",
            title={"en": f"Seat {c + 1}"},
            district="all",
            kind="candidate",
            votes_allowed=3 if c % 3 == 2 else 1,
            seats=3 if c % 3 == 2 else 1,
            options=tuple(
                ContestOption(
                    id=f"seat-{c + 1:02}-{o + 1:02}", name={"en": _NAMES[(c + o) % len(_NAMES)]}
                )
                for o in range(OPTIONS)
            ),
        )
        for c in range(CONTESTS)
    )
    return Election(
        id="dense-ballot",
        title={"en": "Test of accuracy"},
        date="2030-05-05",
        profile="us-general",
        languages=("en",),
        districts=(District(id="all", name={"en": "All"}),),
        precincts=(Precinct(id="p1", name={"en": "Bench"}, districts=("all",)),),
        contests=contests,
        ballot_styles=(
            BallotStyle(
                id="dense", contests=tuple(c.id for c in contests), precincts=("p1",), paper="A4"
            ),
        ),
    )
