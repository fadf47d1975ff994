"""`python -m election.schemas`: write the published schemas anew from the models."""

from __future__ import annotations

import sys

from election.schemas import write_schemas

for path in write_schemas():
    sys.stdout.write(f"{path.name}\n")
