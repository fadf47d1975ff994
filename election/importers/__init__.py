"""Importers of other systems' election definitions into ours."""
