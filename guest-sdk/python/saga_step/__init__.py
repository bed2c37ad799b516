"""A saga step in Python: two functions, `handle` and `compensate`, over your own types. README.md shows a whole one.

This is the door of the package; what it opens to is documented where it stands.
"""

from saga_step import config, events, keyvalue, log
from saga_step.answer import (
    Done,
    Finished,
    Outcome,
    Rejected,
    Retry,
    Wait,
    done,
    replaced,
    unchanged,
)
from saga_step.context import Context, Direction, Failure
from saga_step.document import Document
from saga_step.identifier import Id
from saga_step.members import Member
from saga_step.step import INVALID_BODY, INVALID_COMPENSATION_LOG, Step, nothing_to_undo

__all__ = [
    "INVALID_BODY",
    "INVALID_COMPENSATION_LOG",
    "Context",
    "Direction",
    "Document",
    "Done",
    "Failure",
    "Finished",
    "Id",
    "Member",
    "Outcome",
    "Rejected",
    "Retry",
    "Step",
    "Wait",
    "config",
    "done",
    "events",
    "keyvalue",
    "log",
    "nothing_to_undo",
    "replaced",
    "unchanged",
]
