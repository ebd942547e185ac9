"""Who may say what to a van: commands, classes and thresholds in a table; key holders and recipients in a list."""
