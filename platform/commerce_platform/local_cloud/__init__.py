"""The local cloud: MiniStack on its pinned version, with what it lacks added by our extension."""
