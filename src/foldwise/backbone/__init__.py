"""A pretrained encoder or decoder, from its weights to its logits.

Where its weights come from and whether they loaded, how texts become tokens and batches, the heads
on top, the device it runs on.
"""
