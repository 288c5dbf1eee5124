"""Writing is held by the conformance suite and by `verify`; see test_journal and test_reading."""
