"""Write the hardware room's schema files."""

from __future__ import annotations

from hardware.schemas import write_schemas

if __name__ == "__main__":
    write_schemas()
