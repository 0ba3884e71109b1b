"""State on disk: one readable JSON, one journal, one lock. Nothing else in Octo knows files of state."""

from .author import Author, current_instance, running_step, writing_as
from .changes import MISSING, diff
from .history import Change, Record
from .layout import GLOBAL, JOURNAL_FILE, LOCK_FILE, PARAMETER_FILE, RECIPE_FILE, default_state
from .locked_json import LockedJson
from .parameters import ParameterStore
from .recovery import Recovery
from .run_lock import RUN_LOCK_FILE, RUN_OWNER_FILE, RunLock, RunOwner
from .transaction import Transaction
from .values import checked, dumps, loads, spell

__all__ = [
    "GLOBAL",
    "JOURNAL_FILE",
    "LOCK_FILE",
    "MISSING",
    "PARAMETER_FILE",
    "RECIPE_FILE",
    "RUN_LOCK_FILE",
    "RUN_OWNER_FILE",
    "Author",
    "Change",
    "LockedJson",
    "ParameterStore",
    "Record",
    "Recovery",
    "RunLock",
    "RunOwner",
    "Transaction",
    "checked",
    "current_instance",
    "default_state",
    "diff",
    "dumps",
    "loads",
    "running_step",
    "spell",
    "writing_as",
]
