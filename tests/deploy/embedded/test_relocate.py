"""Programs of the private copy use the copy's own loader and libraries."""

from pathlib import Path

from deploy.embedded.relocate import elf_interpreter
from deploy.embedded.servers import MOSQUITTO, POSTGRES_PROGRAMS


def test_programs_of_the_copy_ask_for_the_loader_of_the_copy(servers: Path) -> None:
    for program in (servers / MOSQUITTO, servers / POSTGRES_PROGRAMS / "postgres", servers / "usr/bin/mosquitto_pub"):
        loader = elf_interpreter(program)
        assert loader is not None
        assert loader.startswith(str(servers))


def test_a_library_asks_for_no_loader(servers: Path) -> None:
    assert elf_interpreter(servers / "usr/lib/postgresql/17/lib/timescaledb.so") == ""


def test_a_script_is_no_program_to_patch(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n" + "# long enough to hold a header\n" * 5)
    assert elf_interpreter(script) is None
