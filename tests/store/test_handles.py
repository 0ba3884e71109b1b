"""One store object for each file of a process, made and let go by several threads at once."""

import threading
from pathlib import Path

from octo import ParameterStore


def test_threads_open_and_let_go_one_file_at_the_same_time(tmp_path: Path) -> None:
    """What one thread lets go must not be handed to another while it is being closed."""
    ParameterStore(tmp_path, create=True).close()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(200):
                ParameterStore(tmp_path).increment("ctx", "n")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert ParameterStore(tmp_path).get("ctx", "n") == 800
