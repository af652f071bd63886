# Run it; each value is printed as it comes:
#     pyrun run examples/countdown.py 5
#     pyrun run examples/countdown.py --start 3 --word "go"


@requirements({})
def countdown(start: int = 3, word: str = 'lift-off'):
    """Count down to a word."""
    import time

    for number in range(start, 0, -1):
        yield number
        time.sleep(0.2)
    yield word
