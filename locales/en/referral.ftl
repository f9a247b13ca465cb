# Referrals.
