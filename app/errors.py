"""Errors at the edge: one exit code and one sentence for each kind."""

from __future__ import annotations

from scenefit.contracts.errors import (
    ContractError,
    EmptyArm,
    Infeasible,
    NotEligible,
    NotFitted,
    PurposeError,
    ScenefitError,
    SettingsError,
    StoreError,
)

# docs/cli.md lists them; a test compares
EXIT_CODES: dict[type[BaseException], int] = {
    ScenefitError: 1,
    # 2 is what the command line itself uses for wrong arguments
    ContractError: 3,
    SettingsError: 4,
    StoreError: 5,
    NotFitted: 6,
    NotEligible: 7,
    PurposeError: 8,
    EmptyArm: 9,
    Infeasible: 10,
    KeyboardInterrupt: 130,
}


def exit_code(error: BaseException) -> int:
    """Exit code of an error: that of the nearest class in the tree."""
    return next((EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES), 1)
