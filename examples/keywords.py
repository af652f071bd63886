# Run it:
#     pyrun run examples/keywords.py -a "first" --arg1 "second" --arg2 "third"


@requirements({'requests': '2.30.0', 'logzero': ''})
def my_function(input_value: str, arg1: str = None, arg2: str = None):
    """Give back all three arguments."""
    import requests

    return [input_value, arg1, arg2]
