# Run it:
#     pyrun run examples/fetch_async.py
#     pyrun run examples/fetch_async.py one two --pause 0.5


@requirements({'anyio': '>=4'})
async def fetch(*names: str, pause: float = 0.1):
    """Wait for several things at once and gather what they say."""
    import anyio

    answers = {}

    async def ask(name):
        await anyio.sleep(pause)
        answers[name] = f'{name} answered'

    async with anyio.create_task_group() as group:
        for name in names or ('north', 'south'):
            group.start_soon(ask, name)
    return dict(sorted(answers.items()))
