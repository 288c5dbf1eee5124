"""Keep API keys out of what people read: providers put them into the URL's path."""

import re

URL = re.compile(r"\b(https?|wss?|postgres(?:ql)?)://(?:[^/\s@]*@)?([^/\s?#\"')\]]+)[^\s\"')\]]*")


def redact(text: str) -> str:
    """Return *text* with every URL cut to scheme and host: no user, path or query is left."""
    return URL.sub(r"\1://\2", text)
