"""What an export says of itself: who asked, what was checked, and counts that add up."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from scenefit.contracts.errors import ContractError
from scenefit.contracts.reach import Step
from scenefit.runtime.delivery import Delivered


@dataclass(frozen=True)
class Receipt:
    """An export in numbers that add up: each step says how many are left, the last is what was handed over.

    `cap` is empty where no contacts were stated, so that none could be counted. `keys` counts the filled keys of each
    kind. What the writer knows (`target` … `reference`) is empty until `delivered` fills it in.
    """

    audience_id: str
    version: int
    rule_sha256: str
    as_of: str
    by: str
    at: str
    destination: str
    purpose: str
    channels: tuple[str, ...]
    columns: tuple[str, ...]
    floor: int
    cap: int | None
    hold_out: float
    consent: str
    members: int
    steps: tuple[Step, ...]
    keys: tuple[Step, ...]
    written: int
    target: str = ""
    form: str = ""
    sha256: str = ""
    size: int = 0
    disarmed: int = 0
    reference: str = ""

    @property
    def removed(self) -> tuple[Step, ...]:
        """How many people each step took away."""
        pairs = zip(self.steps[:-1], self.steps[1:], strict=True)
        return tuple(Step(after.step, before.customers - after.customers) for before, after in pairs)

    def reconciled(self) -> Receipt:
        """The receipt itself, once its counts add up.

        Raises
        ------
        ContractError : they do not.
        """
        gone = [step.customers for step in self.removed]
        if self.members - sum(gone) != self.written or min(gone, default=0) < 0:
            raise ContractError(
                f"export of {self.audience_id}: {self.members:,} members less {gone} is not the {self.written:,} "
                "written; nothing may leave, report this"
            )
        return self

    def delivered(self, written: Delivered) -> Receipt:
        """The receipt with what the writer saw.

        Raises
        ------
        ContractError : another number of rows was written than released.
        """
        if written.rows != self.written:
            raise ContractError(
                f"export of {self.audience_id} to {written.target}: {written.rows:,} rows were written, "
                f"{self.written:,} released; throw the file away and export again"
            )
        return replace(
            self, target=written.target, form=written.form, sha256=written.sha256, size=written.size,
            disarmed=written.disarmed, reference=written.reference,
        )  # fmt: skip

    def delivery_id(self, content: str) -> str:
        """Name of this delivery: the same content for the same recipient under the same policy, whenever it is sent.

        Parameters
        ----------
        content : SHA-256 of the table's content
        """
        meant = (
            self.audience_id, self.version, self.destination, self.purpose, self.channels, self.columns, self.floor,
            self.cap, self.hold_out, self.consent, [name for name, _ in self.steps], [name for name, _ in self.keys],
            content,
        )  # fmt: skip
        digest = hashlib.sha256(json.dumps(meant).encode("ascii")).hexdigest()
        return f"{self.audience_id}-{self.version}-{digest[:32]}"

    def facts(self) -> dict[str, Any]:
        """The receipt as a JSON object."""
        steps = {name: [step._asdict() for step in getattr(self, name)] for name in ("steps", "removed", "keys")}
        return asdict(self) | steps

    def text(self) -> str:
        """The receipt as JSON."""
        return json.dumps(self.facts(), ensure_ascii=False, indent=1)
