"""Shows a picture in the terminal, where the terminal can: kitty, iTerm2 and others with sixels.

``textual-image`` asks the terminal what it can do and speaks to it; an extra, because previews
are written to files whatever the terminal.
"""

from __future__ import annotations

import os
import sys

from PIL import Image


def show(picture: Image.Image) -> bool:
    """Show a picture, if there is a terminal and it can.

    Returns:
        Whether it was shown.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    if 0 in os.get_terminal_size(sys.stdout.fileno()):
        return False  # one without a size, such as a container's: no place for a picture
    try:
        from textual_image import renderable  # asks the terminal, so only when there is one
    except ImportError:
        return False
    if renderable.Image not in (renderable.SixelImage, renderable.TGPImage):
        return False  # characters as pixels would show nothing of it
    from rich.console import Console

    Console().print(renderable.Image(picture))
    return True
