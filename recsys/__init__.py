"""Which product for whom: interactions, models, eligibility, value and the match under limits."""
