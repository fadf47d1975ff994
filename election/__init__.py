"""What is elected and on which papers: definition, jurisdiction rules, ballots in print.

In: an election definition (JSON) and a jurisdiction profile (TOML). Out: a checked
`Election`, its `Profile`, and for each ballot style a `BallotLayout` (every place in mm), a
PDF and a blank reference image. Nothing here knows of scanners, devices or counts.

Doors that are light to import are exported here; the heavier ones are `election.design`
(`design_ballot`), `election.render` (`render_pdf`), `election.raster` (`render_blank`),
`election.codes` (the page code) and `election.layout_io` (layout files, `print_ballots`).
"""

from election.definition import check_election, load_election, parse_election
from election.errors import CodeError, DefinitionError, ElectionError, LayoutError, ProfileError
from election.layout import BallotLayout, PageLayout
from election.model import Election
from election.profile import Profile, load_profile

__all__ = [
    "BallotLayout",
    "CodeError",
    "DefinitionError",
    "Election",
    "ElectionError",
    "LayoutError",
    "PageLayout",
    "Profile",
    "ProfileError",
    "check_election",
    "load_election",
    "load_profile",
    "parse_election",
]
