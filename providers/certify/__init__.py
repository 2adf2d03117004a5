"""The test plan for any gift card provider on VTEX: plays the Gift Card Hub against a serviceUrl.

Each check has a number that never changes. `plan.PLAN` has them all, `runner.certify` runs them.
"""
