"""Write the generated schema files of this room."""

from __future__ import annotations

from firmware_sim.schemas import write_schemas

if __name__ == "__main__":
    write_schemas()
