# Run it:
#     pyrun run examples/myfile.py -a "hello"
#     pyrun run examples/myfile.py -a "hello" --arg1 "world"


@requirements({'requests': '2.30.0', 'logzero': ''})
def my_function(input_value: str, arg1: str = None):
    """Give back what came in, in a place where `requests` is installed."""
    import requests

    return input_value
