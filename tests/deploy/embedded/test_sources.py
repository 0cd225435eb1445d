"""Where Debian's archive is, as read from the two formats apt knows."""

from deploy.embedded.sources import (
    AptSource,
    archive_candidates,
    parse_deb822,
    parse_one_line,
    parse_print_uris,
    source_line,
)

DEB822 = """\
# the main archive
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm
Components: main
"""

ONE_LINE = """\
# a comment
deb http://old.example/debian/ bookworm main contrib # trailing words
deb [arch=amd64 signed-by=/etc/apt/keyrings/tool.gpg] https://tool.example/apt bookworm main
deb cdrom:[Debian]/ bookworm main
deb-src http://old.example/debian bookworm main
deb http://flat.example ./
"""


def test_deb822_paragraphs_that_are_off_or_carry_only_sources_are_left_out() -> None:
    sources = parse_deb822(DEB822)
    assert [source.uri for source in sources] == [
        "http://mirror.example/debian",
        "http://mirror.example/debian-security",
    ]
    assert sources[0].suites == ("bookworm", "bookworm-updates")
    assert sources[0].signed_by == "/usr/share/keyrings/debian-archive-keyring.gpg"


def test_a_key_written_into_the_source_is_read_with_its_lines() -> None:
    text = (
        "Types: deb\nURIs: http://m.example/debian\nSuites: trixie\nComponents: main\n"
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n -----END PGP PUBLIC KEY BLOCK-----\n"
    )
    (source,) = parse_deb822(text)
    assert source.signed_by is not None
    assert source.signed_by.splitlines()[1:3] == [".", "mQINBF"]


def test_one_line_entries_are_read_with_their_options() -> None:
    sources = parse_one_line(ONE_LINE)
    assert [source.uri for source in sources] == [
        "http://old.example/debian/",
        "https://tool.example/apt",
        "http://flat.example",
    ]
    assert sources[0].components == ("main", "contrib")
    assert sources[1].signed_by == "/etc/apt/keyrings/tool.gpg"


def test_the_main_archive_comes_first_and_security_never() -> None:
    sources = parse_one_line(ONE_LINE) + parse_deb822(DEB822)
    best = [source.uri for source in archive_candidates(sources)]
    assert best == ["http://mirror.example/debian", "http://old.example/debian/", "https://tool.example/apt"]


def test_a_mirror_list_counts_as_the_archive() -> None:
    source = AptSource("mirror+file:/etc/apt/mirrors/debian.list", ("bookworm",), ("main",))
    assert archive_candidates([source]) == [source]


def test_a_machine_without_debian_has_no_candidate() -> None:
    assert archive_candidates([AptSource("http://archive.example/ubuntu", ("noble",), ("main",))]) == []


def test_the_line_for_another_suite_keeps_the_address_and_the_signature() -> None:
    (source,) = archive_candidates(parse_deb822(DEB822))
    line = source_line(source, "trixie", source.signed_by)
    assert line == (
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg target=Packages] "
        "http://mirror.example/debian trixie main\n"
    )


def test_the_files_apt_is_about_to_fetch_are_read_with_size_and_hash() -> None:
    text = (
        "Reading package lists...\n"
        "'http://m.example/z/zlib1g_1%3a1.3%2bx_amd64.deb' zlib1g_1%3a1.3+x_amd64.deb 88892 SHA256:AB12\n"
        "'http://m.example/t/tzdata_2025_all.deb' tzdata_2025_all.deb 10 MD5Sum:cd\n"
    )
    first, second = parse_print_uris(text)
    assert (first.name, first.size, first.sha256) == ("zlib1g", 88892, "ab12")
    assert (second.name, second.sha256) == ("tzdata", None)
