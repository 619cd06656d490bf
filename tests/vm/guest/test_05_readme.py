# SPDX-License-Identifier: Apache-2.0
"""The transcripts of README and of docs/recipes.md: every command of their console blocks is run here in their order, and its output compared with what the page shows.

What differs from run to run is made equal: identifiers of claims and operations, times, process ids, fencing tokens. The pages as they would be with
the outputs of this run are left in /mnt/results, to be copied after a change that is meant.
"""

import pathlib
import re
import subprocess
import unittest

import api
import situations

PAGES = [pathlib.Path("/mnt/src") / name for name in ("README.md", "docs/recipes.md", "docs/devbindctl.md")]
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.M | re.S)
SHORT_ID = re.compile(r"\b[0-9a-f]{8}\b(?!-)")  # as devbindctl shows and takes them
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
CHANGING = (
    (UUID, "<id>"),
    (re.compile(r"^[0-9a-f]{8}  ", re.M), "<id>  "),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*Z"), "<time>"),
    (re.compile(r'(pid |pid":)\d+'), r"\1<pid>"),
    (re.compile(r'(fencing_token":)\d+'), r"\1<number>"),
)
SETUP = re.compile(r"^\$ (dbd\(\) .*|API=.*|export .*)$", re.M)


class Command:
    """A command of a console block, and the output that README shows for it."""

    def __init__(self, text, shown):
        self.text = text
        self.shown = shown.strip("\n")


def commands_of(block):
    """The commands of a console block: lines that begin with "$ ", continued where they end with a backslash."""
    found = []
    for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
        lines = part.splitlines()
        last = next(number for number, line in enumerate(lines) if not line.endswith("\\"))
        found.append(Command("\n".join(lines[: last + 1]), "\n".join(lines[last + 1 :])))
    return found


def normal(text):
    for pattern, instead in CHANGING:
        text = pattern.sub(instead, text)
    return text


class Transcript:
    """Runs commands as one reader would, who copies the identifiers that he gets."""

    def __init__(self, folder):
        self._setup = ""
        self._folder = folder
        self._identifiers = {}  # README's -> those of this run

    def begin(self, page):
        """What a page sets is so until the end."""
        self._setup += "".join(f"{line}\n" for line in SETUP.findall(page))

    def run(self, command):
        """Its output, with README's identifiers. What it leaves in the background goes on."""
        text = self._exchanged(command.text, self._identifiers)
        with open(self._folder / "output", "w+", encoding="utf-8") as output:
            done = subprocess.run(["bash", "-c", self._setup + text], cwd=self._folder, stdin=subprocess.DEVNULL, stdout=output,
                                  stderr=output, timeout=90 * api.PACE)
            output.seek(0)
            said = output.read().strip("\n")
        self._identifiers.update(zip(UUID.findall(command.shown), UUID.findall(said)))
        said = self._exchanged(said, {here: shown for shown, here in self._identifiers.items()})
        return said if done.returncode == 0 else f"{said}\nexit {done.returncode}"


    @staticmethod
    def _exchanged(text, others):
        short = {one[:8]: other[:8] for one, other in others.items()}
        text = UUID.sub(lambda match: others.get(match.group(), match.group()), text)
        return SHORT_ID.sub(lambda match: short.get(match.group(), match.group()), text)


class Readme(unittest.TestCase):
    @api.timeout(900)
    def test_every_transcript_is_what_this_machine_answers(self):
        folder = pathlib.Path("/tmp/readme")
        folder.mkdir()
        situations.with_file_system()
        pages = {path: path.read_text(encoding="utf-8") for path in PAGES}
        transcript = Transcript(folder)
        wrong = []
        try:
            for path, page in pages.items():
                transcript.begin(page)
                count = self.check(page, transcript, folder, wrong, pathlib.Path("/mnt/results") / path.name)
                self.assertGreater(count, 10, path)
        finally:
            api.sh("pkill hold_vfio; umount -q /mnt/disk", check=False)
        self.assertEqual(wrong, [], "\n\n".join(wrong))

    @staticmethod
    def check(page, transcript, folder, wrong, renewed_page):
        renewed, count = page, 0
        for kind, block in BLOCK.findall(page):
            if kind == "python":
                (folder / "recipe.py").write_text(block, encoding="utf-8")
                continue
            rewritten = []
            for command in commands_of(block):
                said = transcript.run(command)
                count += 1
                rewritten.append(f"$ {command.text}\n" + (f"{said}\n" if said else ""))
                if normal(said) != normal(command.shown):
                    wrong.append(f"$ {command.text}\n--- the page\n{command.shown}\n--- here\n{said}")
            renewed = renewed.replace(block, "".join(rewritten), 1)
        renewed_page.write_text(renewed, encoding="utf-8")
        return count
