"""The papers' own tables, made again."""
