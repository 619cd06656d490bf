#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks of the source's shape: who may include whom, who may write to the kernel, what every file begins with.

Each rule is tried on a file of tests/style/bad that breaks it, too: a rule that finds nothing there finds nothing anywhere.
"""

import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BAD = ROOT / "tests/style/bad"
LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"
LAYERS = ["sysfs", "vfio", "handoff", "api", "daemon"]  # each may include those before it
CLIENTS = "clients"  # they know the API as it is documented, and include nothing of these


def lines_matching(pattern, text):
    return [number for number, line in enumerate(text.splitlines(), 1) if re.search(pattern, line)]


def includes_go_down(path, folder, text):
    if folder not in LAYERS:
        return []
    above = "|".join(LAYERS[LAYERS.index(folder) + 1:])
    return lines_matching(rf'#include "({above})/', text) if above else []


def rooms_of(folder):
    """The subfolders of a folder, as the line "Order: a < b < c" of its README has them; none where it has no such line."""
    order = re.search(r"^Order: (.+)$", (ROOT / folder / "README.md").read_text(), re.MULTILINE)
    return order.group(1).split(" < ") if order else []


def clients_know_the_api_alone(path, folder, text):
    if folder == CLIENTS:
        return lines_matching(rf'#include "({"|".join(LAYERS)})/', text)
    return lines_matching(rf'#include "{CLIENTS}/', text) if folder in LAYERS else []


def rooms_go_down(path, folder, text):
    if folder not in [*LAYERS, CLIENTS] or folder == "daemon" or not rooms_of(folder):
        return []
    rooms = rooms_of(folder)
    room = path.parts[path.parts.index(folder) + 1]
    if room not in rooms:
        return [1]
    above = "|".join(rooms[rooms.index(room) + 1:])
    return lines_matching(rf'#include "{folder}/({above})/', text) if above else []


def only_the_tree_writes(path, folder, text):
    """Files are opened for writing in linux_tree.cpp and processor_share.cpp of sysfs/kernel, for the kernel, and in
    api/render/cdi_files.cpp, for container runtimes."""
    if folder not in LAYERS or path.name in ("linux_tree.cpp", "processor_share.cpp", "cdi_files.cpp"):
        return []
    return lines_matching(r'^(?!.*"/dev/null").*\bO_WRONLY\b|std::ofstream|\bfopen\(', text)


def only_steps_write_to_sysfs(path, folder, text):
    if folder not in LAYERS or path.name in ("step.cpp", "linux_tree.cpp"):
        return []
    return lines_matching(r"\btree_?(\.|->)write\(", text)


def only_vfio_opens_vfio(path, folder, text):
    return lines_matching(r'open\w*\([^)]*"/dev/vfio', text) if folder in LAYERS and folder != "vfio" else []


BEAST_UNIT = ("session.cpp", "timed_stream.hpp", "request_reading.hpp")  # one translation unit and its own headers


def one_translation_unit_has_beast(path, folder, text):
    return lines_matching(r"#include <boost/beast", text) if folder in LAYERS and path.name not in BEAST_UNIT else []


def one_client_unit_has_beast(path, folder, text):
    return lines_matching(r"#include <boost/beast", text) if folder == CLIENTS and path.name != "exchange.cpp" else []


def one_client_unit_has_cli11(path, folder, text):
    return lines_matching(r"#include <CLI/", text) if folder == CLIENTS and path.name not in ("command_line.cpp", "subcommands.cpp", "subcommands.hpp") else []


def beast_s_headers_are_of_its_unit(path, folder, text):
    if path.name in BEAST_UNIT:
        return []
    return lines_matching(rf'#include "api/http/({"|".join(name for name in BEAST_UNIT if name.endswith(".hpp"))})"', text)


def http_stays_in_api(path, folder, text):
    return lines_matching(r"\bhttp::|HTTP/1|#include <boost/beast", text) if folder in LAYERS[:3] else []


def json_is_the_api_s_and_the_journal_s(path, folder, text):
    """What is printed as a configuration, and what reads one, are the others that speak it."""
    if folder not in LAYERS or folder == "api" or "journal" in path.parts:
        return []
    return lines_matching(r"nlohmann", text) if path.name not in ("configuration.cpp", "configuration_section.hpp", "configuration_section.cpp",
                                                                    "access_section.hpp", "access_section.cpp", "policy_import.cpp") else []


def no_coroutines(path, folder, text):
    return lines_matching(r"\bco_(await|return|yield)\b", text)


def no_sleeping(path, folder, text):
    return lines_matching(r"sleep_for|\busleep\(|\bsleep\(\d", text) if folder in [*LAYERS, CLIENTS] else []


def no_unfinished_marks(path, folder, text):
    return lines_matching(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b", text)


def no_vague_names(path, folder, text):
    return [1] if re.match(r"(util|common|helper|manager)s?\b", path.stem) else []


def has_licence(path, folder, text):
    return [] if text.startswith(LICENCE) else [1]


def headers_say_what_they_are(path, folder, text):
    return [1] if path.suffix == ".hpp" and not text.removeprefix(LICENCE).startswith("// ") else []


RULES = [includes_go_down, clients_know_the_api_alone, rooms_go_down, only_the_tree_writes, only_steps_write_to_sysfs, only_vfio_opens_vfio,
         one_translation_unit_has_beast, one_client_unit_has_beast, one_client_unit_has_cli11, beast_s_headers_are_of_its_unit, http_stays_in_api, json_is_the_api_s_and_the_journal_s,
         no_coroutines, no_sleeping, no_unfinished_marks, no_vague_names, has_licence, headers_say_what_they_are]


def sources():
    """(path, top-level folder) of every C++ file."""
    for folder in [*LAYERS, CLIENTS, "tests"]:
        for path in sorted((ROOT / folder).rglob("*.[ch]pp")):
            if BAD not in path.parents:
                yield path, folder


def bad_example(rule):
    """A file that breaks the rule; its first line says which folder it pretends to be in, and its name."""
    text = (BAD / f"{rule.__name__}.cpp").read_text()
    where, _, rest = text.partition("\n")
    pretended = pathlib.Path(where.removeprefix("// as: "))
    return rule(pretended, pretended.parts[0], rest)


def formatted():
    """Names of files that clang-format would change."""
    if not shutil.which("clang-format"):
        return ["clang-format is not installed"]
    files = [str(path.relative_to(ROOT)) for path, _ in sources()]
    done = subprocess.run(["clang-format", "--dry-run", *files], cwd=ROOT, capture_output=True, text=True)
    return sorted({line.split(":")[0] for line in done.stderr.splitlines() if "code should be clang-formatted" in line})


def scripts():
    """(Python files, shell scripts), by their ending or their first line."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    python, shell = [], []
    for name in names:
        path = ROOT / name
        if BAD in path.parents or not path.is_file() or (path.suffix and path.suffix not in (".py", ".sh")):
            continue
        first = path.open("rb").readline()
        if path.suffix == ".py" or (first.startswith(b"#!") and b"python" in first):
            python.append(name)
        elif first.startswith(b"#!") and first.rstrip().endswith((b"bash", b"/sh")):
            shell.append(name)
    return python, shell


def anchors_of(text):
    """As the places that show Markdown make them of headings."""
    headings = re.findall(r"^#+ (.+?)\s*$", re.sub(r"(?ms)^```.*?^```$", "", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower()).replace(" ", "-") for heading in headings}


def broken_links(path):
    """Relative links of a page that lead to no file, or to no heading of it."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"(?ms)^```.*?^```$", "", path.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (anchor and anchor not in anchors_of(file.read_text())):
            broken.append(f"{path.relative_to(ROOT)}: {target}")
    return broken


def pages():
    names = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in names if BAD not in (ROOT / name).parents]


def links():
    """Broken ones, and pages that README does not lead to."""
    readme = (ROOT / "README.md").read_text()
    alone = [f"README does not lead to docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")) if f"(docs/{path.name})" not in readme]
    example = [] if len(broken_links(BAD / "links.md")) == 3 else ["it does not find the three of its bad example"]
    return [fault for path in pages() for fault in broken_links(path)] + alone + example


def linted(command, files):
    """What a linter says of files."""
    if not shutil.which(command[0]):
        return [f"{command[0]} is not installed"]
    if not files:
        return ["there is nothing to look at"]
    done = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True)
    return (done.stdout + done.stderr).splitlines() if done.returncode else []


def main():
    passed = failed = 0
    texts = [(path, folder, path.read_text()) for path, folder in sources()]
    for rule in RULES:
        found = [f"{path.relative_to(ROOT)}:{line}" for path, folder, text in texts for line in rule(path, folder, text)]
        for name, problems in ((rule.__name__, found), (f"{rule.__name__} finds its bad example", [] if bad_example(rule) else ["it does not"])):
            passed, failed = (passed + 1, failed) if not problems else (passed, failed + 1)
            print(f"{'ok' if not problems else 'FAIL'} style.{name} {' '.join(problems[:10])}")
    python, shell = scripts()
    for name, problems in (("clang_format", formatted()), ("links", links()), ("pyflakes", linted(["pyflakes3"], python)),
                           ("shellcheck", linted(["shellcheck", "--severity=warning"], shell))):
        passed, failed = (passed + 1, failed) if not problems else (passed, failed + 1)
        print(f"{'ok' if not problems else 'FAIL'} style.{name} {' '.join(problems[:10])}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
