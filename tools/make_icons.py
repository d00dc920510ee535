"""Create design/icons.svg from the npm package `lucide-static`, given its folder."""

import re
import sys
from pathlib import Path

TARGET = Path(__file__).parent.parent / "src/ultraviolet/design/icons.svg"
NAMES = [
    "archive",
    "bell",
    "book-open",
    "check",
    "chevron-down",
    "chevron-left",
    "chevron-right",
    "circle-check",
    "circle-question-mark",
    "circle-user-round",
    "clock",
    "code-xml",
    "columns-3",
    "copy",
    "database",
    "download",
    "ellipsis",
    "external-link",
    "house",
    "info",
    "key-round",
    "layout-dashboard",
    "log-out",
    "menu",
    "monitor",
    "moon",
    "panel-left",
    "plug",
    "plus",
    "refresh-cw",
    "scroll-text",
    "search",
    "shield-check",
    "sun",
    "triangle-alert",
    "users",
    "wand-sparkles",
    "webhook",
    "x",
    "zap",
]


def symbol(name: str, svg: str) -> str:
    """Return the shapes of an icon as a symbol of the sprite."""
    shapes = re.sub(
        r"\s*\n\s*", "", svg[svg.index(">", svg.index("<svg")) + 1 : svg.index("</svg>")]
    )
    return f'<symbol id="{name}" viewBox="0 0 24 24">{shapes}</symbol>'


def main() -> None:
    """Write the sprite."""
    folder = Path(sys.argv[1]) / "icons"
    symbols = [symbol(name, (folder / f"{name}.svg").read_text("utf8")) for name in NAMES]
    sprite = ["<!-- Lucide icons, ISC licence: vendor/lucide.LICENSE -->", *symbols]
    TARGET.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(sprite) + "\n</svg>\n", "utf8"
    )


if __name__ == "__main__":
    main()
