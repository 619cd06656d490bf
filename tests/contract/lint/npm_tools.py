# SPDX-License-Identifier: Apache-2.0
"""The tools of package-lock.json, from npm, in a folder of the user's cache; nothing is installed on the machine."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "devbindd-lint"
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1"}


def modules():
    """The folder node_modules; fetched once."""
    version = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder = CACHE / version
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE, prefix="tmp-") as scratch:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, scratch)
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error"], cwd=scratch, check=True)
            pathlib.Path(scratch).chmod(0o755)
            try:
                os.rename(scratch, folder)
            except OSError:
                if not folder.is_dir():  # else another run was faster
                    raise
            pathlib.Path(scratch).mkdir(exist_ok=True)  # for the clean-up
    return folder / "node_modules"


def run(command, cwd, **more):
    """A command of theirs, with all that it says as its output."""
    return subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=os.environ | QUIET | more)
