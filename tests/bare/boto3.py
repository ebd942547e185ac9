"""What a van has of AWS: nothing. Hides the real one, which takes most of a start, from the processes of tests."""

raise ImportError("not installed on a van")
