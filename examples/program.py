# Run it; what follows the file is its sys.argv:
#     pyrun run examples/program.py 1 2 3
#
# /// script
# requires-python = ">=3.9"
# dependencies = ["tabulate>=0.9"]
#
# [tool.pyrun]
# timeout = "30s"
# ///
import sys

from tabulate import tabulate


def main():
    numbers = [int(word) for word in sys.argv[1:]] or [1, 2, 3]
    rows = [(number, number**2, number**3) for number in numbers]
    print(tabulate(rows, headers=['number', 'square', 'cube']))


if __name__ == '__main__':
    main()
