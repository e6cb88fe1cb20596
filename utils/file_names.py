"""Any text as a part of a file's name."""


def file_name(text: str) -> str:
    """Return `text` with `_` for all but letters, digits and `._-`."""
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in text)
