# Run it:
#     pyrun run examples/frame.py
#     pyrun run examples/frame.py --rows 1000 --seed 7


@requirements({'pandas': '>=2,<3'})
def summary(rows: int = 100, seed: int = 0):
    """Build a table and tell the mean of each group."""
    import random

    import pandas

    random.seed(seed)
    frame = pandas.DataFrame(
        {
            'group': [random.choice('abc') for _ in range(rows)],
            'value': [random.random() for _ in range(rows)],
        }
    )
    means = frame.groupby('group')['value'].mean().round(3)
    return {'rows': len(frame), 'means': means.to_dict()}
