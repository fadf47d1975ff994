"""Write the console's schema files."""

from __future__ import annotations

from console.schemas import write_schemas

if __name__ == "__main__":
    write_schemas()
