"""The competition's own files: read exactly as written, cleaned, labelled, split.

Also the submission that goes back.
"""
