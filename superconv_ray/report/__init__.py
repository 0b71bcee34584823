"""A study's results for people: text, tables, charts, a page, exports, a live view."""
