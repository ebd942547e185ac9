"""What a model is worth on a set of consented pictures. Knows files, templates and rates; no van and no list."""
