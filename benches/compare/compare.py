"""Times pyrun beside the tools that a user would pick instead, in turn on one machine.

    python3 benches/compare/compare.py [--runs N] [--only PART] PYRUN

Comes in: the path of a release build. Goes out: a table of medians and of ratios taken pair by pair, so that a machine
whose speed drifts drifts for both. The peers come from PyPI into a folder of their own (benches/compare/.venv). Never:
touches the user's own caches.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCIENCE = ['numpy', 'pandas', 'scipy', 'scikit-learn']
SETS = {'small': ['requests', 'rich'], 'science': SCIENCE, 'tensorflow': ['tensorflow-cpu']}


def environment(**more):
    """The user's environment, less what would make a peer faster or slower than users have it."""
    dropped = ('PYTHONDONTWRITEBYTECODE', 'PIP_FIND_LINKS', 'PYRUN_')
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {**kept, **more}


def peer(name):
    """A tool from PyPI."""
    folder = HERE / '.venv'
    program = folder / 'bin' / name
    if not program.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([folder / 'bin' / 'pip', 'install', '--quiet', name], check=True, env=environment())
    return program


def timed(command, prepare=None, **more):
    """Seconds that a command takes; what `prepare` does before is not counted."""
    if prepare:
        prepare()
    began = time.perf_counter()
    subprocess.run(command, check=True, env=environment(**more), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return time.perf_counter() - began


def pairs(name, ours, theirs, runs):
    """Times two commands in turn and prints their medians and the median of their ratios."""
    ours(), theirs()
    times = [(ours(), theirs()) for _ in range(runs)]
    mine, other = (statistics.median(column) for column in zip(*times))
    ratio = statistics.median(one / two for one, two in times)
    print(f'{name:<58} {mine * 1000:>9.1f} ms {other * 1000:>9.1f} ms {ratio:>7.2f}', flush=True)


class Bench:
    def __init__(self, pyrun, runs, scratch):
        self.pyrun, self.runs = pyrun, runs
        self.cache = scratch / 'pyrun'
        self.target = scratch / 'target'
        self.uv_cache = scratch / 'uv'

    def run_pyrun(self, *words):
        return [self.pyrun, *words]

    def forget(self):
        for folder in (self.cache, self.target, self.uv_cache):
            shutil.rmtree(folder, ignore_errors=True)

    def warm(self):
        """A repeat of a built bundle, against a bare Python and against `uv run --script`."""
        script = HERE / 'trivial.py'
        same_python = self.run_pyrun('run', '--python-version', sys.executable)
        ours = lambda: timed([*same_python, script], PYRUN_CACHE_DIR=str(self.cache))
        pairs('warm run of a trivial function : python -c pass', ours, lambda: timed([sys.executable, '-c', 'pass']), self.runs)
        uv = peer('uv')
        program = HERE / 'program.py'
        ours = lambda: timed([*same_python, program], PYRUN_CACHE_DIR=str(self.cache))
        theirs = lambda: timed([uv, 'run', '--python', sys.executable, '--script', program], UV_CACHE_DIR=str(self.uv_cache))
        pairs('warm run of a script with one dependency : uv run --script', ours, theirs, self.runs)

    def cold(self):
        """Nothing cached anywhere, until the bundle is published; then with its bytecode."""
        uv = peer('uv')
        caches = {'PYRUN_CACHE_DIR': str(self.cache), 'UV_CACHE_DIR': str(self.uv_cache)}
        for name, packages in SETS.items():
            install = [uv, 'pip', 'install', '--quiet', '--python', sys.executable, '--target', self.target, *packages]
            build = self.prewarm(packages)
            for title, ours, theirs in (
                (f'cold lock + bundle, {name} : uv pip install --target', [*build, '--no-bytecode'], install),
                (f'with bytecode, {name} : --compile-bytecode', build, [*install, '--compile-bytecode']),
            ):
                pairs(
                    title,
                    lambda ours=ours: timed(ours, self.forget, **caches),
                    lambda theirs=theirs: timed(theirs, self.forget, **caches),
                    self.runs,
                )

    def rebuild(self):
        """A bundle that went away while its wheels are in the store, against `cp` of the wheels."""
        caches = {'PYRUN_CACHE_DIR': str(self.cache)}
        build = [*self.prewarm(SCIENCE), '--no-bytecode']
        timed(build, self.forget, **caches)
        store = self.cache / 'store/v1'
        wheels, copies = store / 'wheels', self.cache / 'copies'
        ours = lambda: timed(build, lambda: shutil.rmtree(store / 'bundles'), **caches)
        theirs = lambda: timed(['cp', '-r', wheels, copies], lambda: shutil.rmtree(copies, ignore_errors=True))
        pairs('rebuild of science from wheels in the store : cp of them', ours, theirs, self.runs)

    def prewarm(self, packages):
        """Builds into the store, and does not unpack."""
        python = f'{sys.version_info.major}.{sys.version_info.minor}'
        return self.run_pyrun('prewarm', '--quiet', '--python-version', python, '--build-only', *packages)

    def unpack(self):
        """Unpacking a data-science bundle, against `unzip -q`, both in memory if the machine has a place there."""
        caches = {'PYRUN_CACHE_DIR': str(self.cache)}
        words = ['prewarm', '--quiet', '--no-bytecode', *SCIENCE]
        timed(self.run_pyrun(*words), self.forget, **caches)
        bundle = max((self.cache / 'store/v1/bundles').glob('*.zip'), key=lambda path: path.stat().st_size)
        sites = self.cache / 'runner'
        ours = lambda: timed(self.run_pyrun(*words), lambda: shutil.rmtree(sites, ignore_errors=True), **caches)
        theirs = lambda: timed(['unzip', '-q', bundle, '-d', self.target], lambda: shutil.rmtree(self.target, ignore_errors=True))
        pairs('unpacking numpy, pandas, scipy, scikit-learn : unzip -q', ours, theirs, self.runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('pyrun', type=Path, help='a release build of pyrun')
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--only', choices=['warm', 'cold', 'rebuild', 'unpack'])
    options = parser.parse_args()
    print(f'{"ours : theirs":<58} {"ours":>12} {"theirs":>12} {"ratio":>7}')
    memory = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None
    for part, place in (('warm', None), ('cold', None), ('rebuild', None), ('unpack', memory)):
        if options.only in (None, part):
            with tempfile.TemporaryDirectory(prefix='pyrun-compare-', dir=place) as scratch:
                getattr(Bench(options.pyrun.resolve(), options.runs, Path(scratch)), part)()


if __name__ == '__main__':
    main()
