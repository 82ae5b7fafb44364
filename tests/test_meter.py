from foldwise.meter import Meter


def test_the_meter_sees_memory_that_was_freed_again():
    with Meter() as small:
        pass
    with Meter() as large:
        block = bytearray(200 * 1024**2)
        del block
    assert large.peak_memory_mb > small.peak_memory_mb + 150
    assert large.seconds > 0
