"""The errors a user can meet, in one tree.

    ScenefitError
    ├── ContractError   a table does not keep its contract
    ├── SettingsError   a setting is missing, unknown or out of range
    ├── StoreError      a workspace, file or folder cannot be read or written
    ├── NotFitted       a model is asked before it has learned
    ├── NotEligible     nobody, or no offer, is left after the rules
    ├── PurposeError    a column would be used outside its permitted purposes
    ├── EmptyArm        an experiment arm has no customer
    └── Infeasible      limits that cannot be met together

Each message says what is wrong, where, with which values, and what to do. The app maps the class once to an
exit code, a problem document and a page message.
"""


class ScenefitError(Exception):
    """Whatever Scenefit refuses to do, with the reason and the way out."""


class ContractError(ScenefitError):
    """A table does not keep its contract."""


class SettingsError(ScenefitError):
    """A setting is missing, unknown or out of range."""


class StoreError(ScenefitError):
    """A workspace, file or folder cannot be read or written."""


class NotFitted(ScenefitError):
    """A model is asked before it has learned."""


class NotEligible(ScenefitError):
    """Nobody, or no offer, is left after the rules."""


class PurposeError(ScenefitError):
    """A column would be used outside its permitted purposes."""


class EmptyArm(ScenefitError):
    """An experiment arm has no customer."""


class Infeasible(ScenefitError):
    """Limits that cannot be met together."""
