"""The demo: two loopback FHIR servers that hold the same synthetic cohort and differ on purpose.

Every patient here is invented. Totals come out as a published abstract prints them, nothing more.
"""
