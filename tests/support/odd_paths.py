"""Paths that git may hold and that are easily misread, by what is odd about them."""

import os

ODD_PATHS = {
    "accent": "services/é/ü.txt",
    "decomposed": "services/e\u0301/a",
    "newline": "services/two\nlines/a\nb",
    "quote": 'services/"quoted"/a"b',
    "single quote": "services/o'clock/a",
    "not text": os.fsdecode(b"services/\xff/\xfe.bin"),
    "leading blank": "services/ blank/ a",
    "trailing blank": "services/blank /a ",
    "command": "services/$(id)/`id`",
    "workflow command": "services/::set-env name=A::b/::error::x",
    "option": "-rf",
    "option folder": "--output=x/-rf",
    "tab": "services/a\tb/c",
    "backslash": "services/a\\b/c\\",
    "colon": "services/a:b/:c",
    "star": "services/*/?[a]",
    "dots": "services/.../..a",
    "percent": "services/%s%n/%00",
    "long": "services/" + "x" * 255 + "/" + "y" * 255,
    "carriage return": "services/a\rb/c",
    "escape": "services/\x1b[31m/c",
    "emoji": "services/🚀/🚀",
    "bidi": "services/\u202e/txt",
}
