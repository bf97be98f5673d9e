"""Hook of mkdocs: links from docs/ to files of the repository become plain text on the site."""

from __future__ import annotations

import re
from typing import Any

REPOSITORY_LINK = re.compile(r"\[([^\]]+)\]\(\.\./[^)]+\)")


def on_page_markdown(markdown: str, **kwargs: Any) -> str:  # noqa: ANN401 - the signature of mkdocs
    """Replace each link to a file outside docs/ by its text, as code if it is a path."""
    return REPOSITORY_LINK.sub(lambda link: f"`{link[1]}`" if "/" in link[1] else link[1], markdown)
