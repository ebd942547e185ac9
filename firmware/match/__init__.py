"""From cameras to possible matches. Holds plaintext templates and has no network; read ``pipeline.py`` first."""
