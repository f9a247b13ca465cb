# Cohort.
