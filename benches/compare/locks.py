"""Resolves real requirement sets with pyrun and with uv, in turn: who is quicker, and do they agree?

    python3 benches/compare/locks.py [--runs N] [--sets NAME,…] [--exclude-newer TIME] PYRUN

Comes in: the path of a release build, and sets.toml. Goes out: for each set the medians with nothing cached and with the
index's pages cached, their ratios pair by pair, and every pin in which the two differ. Never: lets one tool see more of the
index than the other (same interpreter, same bound on upload times, wheels alone).
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from compare import HERE, peer, timed


class Contest:
    """One set, resolved by both."""

    def __init__(self, pyrun, uv, bound, requirements, scratch):
        self.ours, self.theirs = scratch / 'pyrun', scratch / 'uv'
        asked = scratch / 'requirements.in'
        asked.write_text('\n'.join(requirements) + '\n')
        self.lock, self.pins = scratch / 'pylock.toml', scratch / 'pins.txt'
        self.pyrun = [pyrun, 'lock', '--quiet', '--no-build', '--exclude-newer', bound, '--python-version', sys.executable]
        self.pyrun += ['--cache-dir', self.ours, '-o', self.lock, asked]
        self.uv = [uv, 'pip', 'compile', '--quiet', '--no-build', '--no-header', '--no-annotate', '--exclude-newer', bound]
        self.uv += ['--python', sys.executable, '--cache-dir', self.theirs, '-o', self.pins, asked]

    def forget(self):
        """Nothing is cached."""
        for folder in (self.ours, self.theirs):
            shutil.rmtree(folder, ignore_errors=True)
        self.forget_answers()

    def forget_answers(self):
        """The index's pages are cached, and no answer is."""
        shutil.rmtree(self.ours / 'store/v1/locks', ignore_errors=True)
        self.pins.unlink(missing_ok=True)

    def times(self, prepare, runs):
        """Pairs of seconds; the first pair is not counted."""
        pairs = []
        for _ in range(runs + 1):
            pairs.append((timed(self.pyrun, prepare), timed(self.uv, prepare)))
        return pairs[1:]

    def answers(self):
        """What each has pinned."""
        locked = tomllib.loads(self.lock.read_text())
        ours = {package['name']: package['version'] for package in locked['packages']}
        lines = (line.split('#')[0].strip() for line in self.pins.read_text().splitlines())
        theirs = dict(line.split(';')[0].strip().split('==') for line in lines if '==' in line)
        return ours, {name.split('[')[0]: version for name, version in theirs.items()}


def median_ratio(pairs):
    return statistics.median(one / two for one, two in pairs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('pyrun', type=Path, help='a release build of pyrun')
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--exclude-newer', default='2026-11-01T00:00:00Z')
    parser.add_argument('--sets', help='only these, with commas between')
    options = parser.parse_args()
    wanted = options.sets.split(',') if options.sets else None
    kinds = tomllib.loads((HERE / 'sets.toml').read_text())
    sets = {name: listed for kind in kinds.values() for name, listed in kind.items() if wanted is None or name in wanted}

    print(f'{"set":<14} {"cold, s":>8} {"uv":>7} {"ratio":>6}   {"warm, s":>8} {"uv":>7} {"ratio":>6}   pins')
    ratios, same, pins = {'cold': [], 'warm': []}, 0, 0
    for name, requirements in sets.items():
        with tempfile.TemporaryDirectory(prefix='pyrun-locks-') as scratch:
            contest = Contest(options.pyrun.resolve(), peer('uv'), options.exclude_newer, requirements, Path(scratch))
            try:
                cold = contest.times(contest.forget, options.runs)
                warm = contest.times(contest.forget_answers, options.runs)
            except subprocess.CalledProcessError as failed:
                print(f'{name:<14} {Path(failed.cmd[0]).name} failed: {failed.stderr.decode().strip()[:400]}', flush=True)
                continue
            ours, theirs = contest.answers()
        differing = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
        pins += len(ours.keys() | theirs.keys())
        same += len(ours.keys() | theirs.keys()) - len(differing)
        line = f'{name:<14}'
        for key, pairs in (('cold', cold), ('warm', warm)):
            ratio = median_ratio(pairs)
            ratios[key].append(ratio)
            one, two = (statistics.median(column) for column in zip(*pairs))
            line += f' {one:>8.2f} {two:>7.2f} {ratio:>6.2f}  '
        print(f'{line} {len(ours)}', flush=True)
        for key in differing:
            print(f'    {key}: pyrun {ours.get(key)}, uv {theirs.get(key)}', flush=True)
    for key, values in ratios.items():
        if values:
            print(f'{key}: median ratio {statistics.median(values):.2f}, worst {max(values):.2f}, over {len(values)} sets')
    if pins:
        print(f'{same} of {pins} pins are the same ({100 * same / pins:.1f} %)')


if __name__ == '__main__':
    main()
