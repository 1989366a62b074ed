"""How long functions take from nothing to their first answer."""
