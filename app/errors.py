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


def meant(error: Exception) -> BaseException:
    """What a library's error means to the user: Ctrl-C inside a query, too little memory or disk; else itself."""
    if isinstance(error, RuntimeError) and str(error) == "Query interrupted":
        # DuckDB's word for Ctrl-C
        return KeyboardInterrupt()
    first = (str(error).splitlines() or [""])[0]
    if type(error).__module__ == "_duckdb" and type(error).__name__ == "OutOfMemoryException":
        return StoreError(f"DuckDB: {first}; raise runtime.memory_limit in scenefit.toml, or work on less data")
    if type(error).__module__ == "_duckdb" and type(error).__name__ == "IOException":
        return StoreError(f"DuckDB: {first}; free space on the disk, check its rights and run again")
    if isinstance(error, MemoryError):
        return StoreError(
            f"not enough memory ({first or 'no more to have'}); close other programs, or work on less data"
        )
    return error
