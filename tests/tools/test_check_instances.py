"""tools/check_instances.py, run as people run it."""

import subprocess
import sys
from pathlib import Path

from octo import ParameterStore
from octo.store import JOURNAL_FILE

TOOL = Path(__file__).resolve().parents[2] / "tools" / "check_instances.py"


def check(directory: Path) -> tuple[int, str]:
    done = subprocess.run([sys.executable, TOOL, directory], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_whole_and_damaged_instances(tmp_path):
    whole = ParameterStore(tmp_path / "a b", create=True)
    damaged = ParameterStore(tmp_path / "c", create=True)
    for store in (whole, damaged):
        store.set("limits", "volt", 5)
        store.set("limits", "volt", 6)
        store.close()
    code, text = check(tmp_path)
    assert (code, text.count(": whole,")) == (0, 2)

    journal = tmp_path / "c" / JOURNAL_FILE
    journal.write_bytes(journal.read_bytes().replace(b'"value":5', b'"value":7'))
    code, text = check(tmp_path)
    assert code == 1
    assert f"{tmp_path / 'a b'}: whole, INACTIVE, 3 changes kept" in text
    assert "octo recover" not in text.splitlines()[0]
    assert "damaged: the checksum is wrong" in text


def test_nothing_there(tmp_path):
    assert check(tmp_path) == (0, f"no instance below {tmp_path}\n")
    assert check(tmp_path / "x")[0] == 2
