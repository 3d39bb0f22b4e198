"""Who must not be offered what: probability of default and the policy that says no."""
