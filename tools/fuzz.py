"""Try hostile input on everything that parses, for as many minutes as are given: `python -m tools.fuzz MINUTES`.

It runs `tests/fuzz` again and again, each time with variations of another seed, and ends with the first failure.
"""

import os
import secrets
import subprocess
import sys
import time

_ROUND = (sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "--timeout", "0", "tests/fuzz")


def main(minutes: float) -> int:
    """Return the exit code of the first round that fails, or 0."""
    until = time.monotonic() + 60 * minutes
    rounds = 0
    while time.monotonic() < until:
        rounds += 1
        seed = secrets.randbelow(1 << 32)
        sys.stdout.write(
            f"Round {rounds}, again by: TD3_TEST_FUZZ=1 pytest tests/fuzz --hypothesis-seed={seed}\n"
        )
        sys.stdout.flush()
        command = [*_ROUND, f"--hypothesis-seed={seed}"]
        done = subprocess.run(command, env={**os.environ, "TD3_TEST_FUZZ": "1"}, check=False)
        if done.returncode:
            return done.returncode
    sys.stdout.write(f"{rounds} rounds, and nothing was found\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
