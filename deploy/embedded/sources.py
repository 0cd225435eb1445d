"""Reads apt's own source entries (both file formats) and derives from them where a Debian suite can be had.

Pure: takes the texts of the files, returns values. No address is known here; all come from the machine.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DEBIAN_NAMES = ("bullseye", "bookworm", "trixie", "forky", "sid", "stable", "testing", "unstable", "oldstable")

_KEPT_OPTIONS = ("signed-by", "trusted", "check-valid-until", "check-date", "allow-insecure", "allow-weak")


@dataclass(frozen=True)
class AptSource:
    """One archive address with the suites and components this machine takes from it."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)

    @property
    def signed_by(self) -> str | None:
        return self.options.get("signed-by")


def parse_one_line(text: str) -> list[AptSource]:
    """Entries of a `.list` file: `deb [option=value ...] uri suite component ...`."""
    sources = []
    for raw in text.splitlines():
        line = raw.split("#", 1)[0].strip()
        match = re.match(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<rest>.+)", line)
        if not match:
            continue
        uri, *words = match["rest"].split()
        if not words or uri.startswith("cdrom:"):
            continue
        options = dict(_option_pairs(match["options"] or ""))
        sources.append(AptSource(uri, (words[0],), tuple(words[1:]), options))
    return sources


def _option_pairs(text: str) -> Iterator[tuple[str, str]]:
    for word in text.split():
        key, _, value = word.partition("=")
        yield key.lower().rstrip("+-"), value


def parse_deb822(text: str) -> list[AptSource]:
    """Entries of a `.sources` file: paragraphs of `Field: value` with continuation lines."""
    sources = []
    for paragraph in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n")):
        fields = _fields(paragraph)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        options = {key: value for key, value in fields.items() if key in _KEPT_OPTIONS}
        suites, components = fields.get("suites", "").split(), fields.get("components", "").split()
        uris = [uri for uri in fields.get("uris", "").split() if not uri.startswith("cdrom:")]
        sources += [AptSource(uri, tuple(suites), tuple(components), options) for uri in uris]
    return sources


def _fields(paragraph: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in paragraph.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t"):
            fields[name] = f"{fields.get(name, '')}\n{line.strip()}".strip() if name else ""
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def archive_candidates(sources: Iterable[AptSource], limit: int = 3) -> list[AptSource]:
    """The sources most likely to be Debian's main archive, best first, one per address."""
    ranked: dict[str, tuple[int, AptSource]] = {}
    for source in sources:
        score = _archive_score(source)
        if score > 0 and (source.uri not in ranked or ranked[source.uri][0] < score):
            ranked[source.uri] = (score, source)
    best = sorted(ranked.values(), key=lambda pair: -pair[0])
    return [source for _, source in best[:limit]]


def _archive_score(source: AptSource) -> int:
    uri = source.uri.rstrip("/").lower()
    if "main" not in source.components or "security" in uri:
        return 0
    score = 1 if any(suite in DEBIAN_NAMES for suite in source.suites) else 0
    if not score:
        return 0
    score += 4 if re.search(r"/debian$", uri) else 0
    score += 2 if "debian" in uri else 0
    score += 2 if "debian-archive" in (source.signed_by or "") else 0
    return score


def source_line(source: AptSource, suite: str, keyring: str | None) -> str:
    """The `.list` line that takes `suite` main from this source, signed as this machine wants it signed.

    `keyring` replaces `signed-by` (None: leave apt's trusted keys to decide).
    """
    options = {k: v for k, v in source.options.items() if k in _KEPT_OPTIONS and k != "signed-by"}
    if keyring:
        options["signed-by"] = keyring
    options["target"] = "Packages"
    joined = " ".join(f"{key}={value}" for key, value in options.items())
    return f"deb [{joined}] {source.uri} {suite} main\n"


@dataclass(frozen=True)
class PackageFile:
    """One package file as apt is about to fetch it: name, size in bytes, SHA-256 in hex when apt tells it."""

    name: str
    file: str
    size: int
    sha256: str | None


def parse_print_uris(text: str) -> list[PackageFile]:
    """The files named by `apt-get --print-uris`: `'uri' file size [hash:hex]`."""
    files = []
    for line in text.splitlines():
        match = re.match(r"'(?P<uri>[^']+)'\s+(?P<file>\S+\.deb)\s+(?P<size>\d+)\s*(?P<hash>\S*)", line)
        if match:
            kind, _, digest = match["hash"].partition(":")
            sha256 = digest.lower() if kind == "SHA256" else None
            files.append(PackageFile(match["file"].split("_", 1)[0], match["file"], int(match["size"]), sha256))
    return files
