"""Lengths of time in words."""


def duration(seconds: float) -> str:
    """Seconds as people say them: `42 s`, `6 min`, `3.1 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
