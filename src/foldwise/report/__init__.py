"""What the numbers say, and how it looks.

`evidence` reads the stored predictions; everything else takes it from there. Nothing here is read
by a model.
"""
