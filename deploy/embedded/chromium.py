"""A headless Chromium for the browser tests: a private copy in the cache."""

from pathlib import Path

from deploy.embedded.apt import Wanted
from deploy.embedded.packages import PackageSet, private_copy, read_package_list
from deploy.embedded.processes import Interrupted, never

_HEADLESS_SHELL = "usr/lib/chromium/chromium-headless-shell"

CHROMIUM = PackageSet(
    name="chromium",
    wanted=Wanted(
        "Chromium for the browser tests",
        "trixie",
        read_package_list("chromium"),
        with_dependencies=True,
        left_out=("libllvm*", "libz3-*", "mesa-*"),  # hardware drawing, which a headless page does without
    ),
    proofs=(_HEADLESS_SHELL, "usr/share/fonts/truetype/wqy/wqy-microhei.ttc"),
)


def chromium_program(cache: Path, interrupted: Interrupted = never) -> tuple[Path, dict[str, str]]:
    """Program and environment variables of a headless Chromium that shows Latin and Chinese text."""
    copy = private_copy(CHROMIUM, cache, interrupted=interrupted)
    fonts = copy.parent / f"{copy.name}.fonts.conf"
    fonts.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">\n'
        f"<fontconfig><dir>{copy / 'usr/share/fonts'}</dir>"
        f"<cachedir>{copy.parent / 'fontconfig'}</cachedir></fontconfig>\n"
    )
    return copy / _HEADLESS_SHELL, {"FONTCONFIG_FILE": str(fonts)}
