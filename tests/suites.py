#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The suites of the test command: what there is, what each level runs, and the report at the end.

  tests/run                 everything that must hold before a change lands
  tests/run fast            style, unit (without the tests marked [long]) and contract: after each edit
  tests/run full            the plain command, and what takes longer than an hour or says little in a short run
  tests/run NAME...         these suites, with what they need built
  tests/run build-report    which objects and which headers cost the build the most; it tests nothing

Each suite is a command whose output says how many of its tests passed and failed; one that says nothing, or ends with an
error that it did not count, is a failed test by the suite's own name. Suites run side by side (proof/schedule.py). Limits in
seconds are those of a quiet machine with two cores and grow with the measured speed of this one (proof/pace.py).
DEVBINDD_TEST_MINUTES bounds the whole run: after it, what is left is named and counted as failed.
"""

import os
import pathlib
import signal
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "proof"))

import counts  # noqa: E402
import pace  # noqa: E402
import report  # noqa: E402
import schedule  # noqa: E402
from schedule import Suite  # noqa: E402

ROOT = schedule.ROOT
CORES = pace.cores()
IOMMUFD_KERNEL = ROOT.parent / "shared/vm/bzImage-6.12.117-iommufd"
MINUTES = {"fast": 20, "plain": 85, "full": 600}
PYTHON = "/usr/bin/python3"


def build(preset, *targets):
    """Configures a preset and builds these targets of it."""
    return f"cmake --preset {preset} >/dev/null && cmake --build --preset {preset} -- -j{CORES} {' '.join(targets)}"


def unit(preset, spec=""):
    return f"{PYTHON} tests/proof/unit.py build/{preset}/unit_tests {spec}".strip()


def contract(preset):
    return f"{PYTHON} tests/contract/run.py build/{preset}/contract_daemon"


def raw_http(preset):
    return f"{PYTHON} tests/contract/raw_http.py build/{preset}/contract_daemon"


def attack(*options):
    return f"{PYTHON} tests/attack/run.py build/release/attack_daemon {' '.join(options)}".strip()


VM_PROGRAMS = ("hold_vfio", "vfio_facts", "descriptor_consumer")
MACHINES = 2  # test machines side by side

# Builds of one folder run one after the other: ninja takes one at a time.
SUITES = [
    Suite("style", f"{PYTHON} tests/style/run.py", 120),
    Suite("openapi", "tests/contract/lint/run", 600),
    Suite("build", build("release", "devbindd", "devbindctl", *VM_PROGRAMS), 1800, idle_time_only=True),
    Suite("vm", f"tests/vm/run --machines {MACHINES} --timeout 3300", 3400, lane="machines", after=("build",), seats=MACHINES),
    Suite("vm-iommufd", "tests/vm/run --kernel iommufd --by-vfio", 900, lane="machines", after=("build",)),
    Suite("vm-reset", "tests/vm/run --resets", 600, lane="machines", after=("build",)),
    Suite("vm-no-iommu", "tests/vm/run --iommu off", 600, lane="machines", after=("build",)),
    # The main job on a machine of ARM64 with an SMMUv3; what it is built with is fetched once (tests/arm64/system).
    Suite("build-arm64", "tests/arm64/build", 1800, after=("build",), idle_time_only=True),
    Suite("vm-arm64", "tests/vm/run --iommu smmuv3 --filter 'test_12_each*'", 900, lane="machines", after=("build-arm64",)),
    Suite("processes", f"{PYTHON} tests/daemon/processes.py build/release/devbindd", 300, after=("build",)),
    Suite("tls", f"{PYTHON} tests/daemon/tls.py build/release/devbindd", 300, after=("build",)),
    Suite("testssl", f"{PYTHON} tests/daemon/testssl.py build/release/devbindd", 900, after=("build",)),
    Suite("build-contract", build("release", "contract_daemon", "decode_config", "attack_daemon", "test_worker", "devbindctl", "clients_unit_tests"), 1800, after=("build",), idle_time_only=True),
    Suite("contract", contract("release"), 600, after=("build-contract",)),
    # They are made by what npm and Debian have for it, which is fetched once.
    Suite("generated-clients", "tests/contract/generated/run build/release/contract_daemon", 600, after=("build-contract",)),
    # It fetches Debian's promtool once (tests/metrics/run).
    Suite("metrics", "tests/metrics/run", 300, after=("build-contract",)),
    Suite("raw-http", raw_http("release"), 600, after=("build-contract",)),
    Suite("devbindctl", f"{PYTHON} tests/clients/run.py build/release/devbindctl build/release/contract_daemon build/release/clients_unit_tests",
          300, after=("build-contract",)),
    Suite("ansible", "tests/clients/ansible/run build/release/contract_daemon", 300, after=("build-contract",)),
    Suite("race", f"{PYTHON} tests/contract/race.py build/release/contract_daemon", 300, after=("build-contract",)),
    # It measures: no machine runs beside it.
    Suite("attack", attack("--print-times"), 400, lane="machines", after=("build-contract",), seats=MACHINES + 1),
    Suite("lspci", f"{PYTHON} tests/sysfs/lspci_test.py build/release/decode_config", 300, after=("build-contract",)),
    Suite("build-unit", build("release", "unit_tests"), 3600, after=("build-contract",), idle_time_only=True),
    Suite("unit", unit("release"), 600, after=("build-unit",)),
    Suite("build-asan", build("asan", "unit_tests", "contract_daemon"), 3600, after=("build-contract",), idle_time_only=True),
    Suite("unit-asan", unit("asan"), 900, after=("build-asan",)),
    Suite("contract-asan", contract("asan"), 900, after=("build-asan",)),
    Suite("raw-http-asan", raw_http("asan"), 900, after=("build-asan",)),
    Suite("build-tsan", build("tsan", "unit_tests", "contract_daemon"), 3600, idle_time_only=True),
    Suite("unit-tsan", unit("tsan"), 1800, after=("build-tsan",)),
    Suite("contract-tsan", contract("tsan"), 900, after=("build-tsan",)),
    Suite("fuzz", "tests/fuzz/run --runs 50000", 1200),
    Suite("lint", "tests/lint/run", 3600),
    Suite("debian13", "tests/debian13/run", 5400),
    # Two whole builds as Debian makes packages.
    Suite("packages", "tests/packages/run", 3600),
    Suite("attack-long", attack("--long"), 1800, lane="machines", after=("build-contract",), seats=MACHINES + 1),
    Suite("vm-two-processors", "tests/vm/run --cpus 2 --filter 'test_[138][03568]_*.*' --timeout 3600", 3700, lane="machines", after=("build",)),
    Suite("vm-iommufd-whole", "tests/vm/run --kernel iommufd --filter 'test_[1358][03]_*.*'", 1500, lane="machines", after=("build",)),
    Suite("vm-kills", "tests/vm/run --filter 'test_85_kill.Every*' --timeout 7200", 7300, lane="machines", after=("build",)),
    Suite("vm-errnos", "tests/vm/run --filter 'test_87_errno.Every*' --timeout 7200", 7300, lane="machines", after=("build",)),
    Suite("bench", "tests/bench/run", 5400, lane="machines", after=("build",), seats=MACHINES + 1),
]
# One build and no order between the rest: a minute after an edit. The tests marked [long] are in the plain level's unit-asan.
FAST = [
    Suite("build", build("release", "devbindd", "contract_daemon", "unit_tests"), 3600),
    Suite("style", f"{PYTHON} tests/style/run.py", 120),
    Suite("unit", unit("release", "'~[long]'"), 600, after=("build",)),
    Suite("contract", contract("release"), 600, after=("build",)),
]
# The plain level runs the unit tests with the sanitizers, which see more of the same; compiling them twice took ten minutes.
ONLY_FAST_AND_FULL = {"build-unit", "unit"}
ONLY_FULL = {"build-tsan", "unit-tsan", "contract-tsan", "fuzz", "lint", "testssl", "debian13", "packages", "attack-long", "vm-two-processors", "vm-iommufd-whole", "vm-kills", "vm-errnos"}

ONLY_BY_NAME = {"bench"}  # it judges nothing


def with_needs(names):
    """The suites of those names, and those that they wait for."""
    by_name = {suite.name: suite for suite in SUITES}
    wanted, left = set(), list(names)
    while left:
        name = left.pop()
        if name not in wanted:
            wanted.add(name)
            left += by_name[name].after
    return [suite for suite in SUITES if suite.name in wanted]


def chosen(arguments):
    """(level, suites)"""
    if not arguments or arguments == ["full"]:
        level = arguments[0] if arguments else "plain"
        left_out = ONLY_BY_NAME | (set() if level == "full" else ONLY_FULL | ONLY_FAST_AND_FULL)
        suites = [suite for suite in SUITES if suite.name not in left_out]
        if not IOMMUFD_KERNEL.exists():
            print("=== vm-iommufd: not run, there is no iommufd kernel beside this repository (Debian's kernels have no iommufd)")
            suites = [suite for suite in suites if suite.name != "vm-iommufd"]
        return level, suites
    if arguments == ["fast"]:
        return "fast", FAST
    unknown = set(arguments) - {suite.name for suite in SUITES}
    if unknown:
        sys.exit(f"no suite or level {', '.join(sorted(unknown))}; levels: fast, full; suites: {', '.join(suite.name for suite in SUITES)}")
    return "full", with_needs(arguments)


def counted(outcome):
    """(passed, failed) of a suite that has ended or was not run."""
    passed, failed = counts.counts_in(outcome.lines) or (0, 0)
    if outcome.status != 0 and failed == 0:
        return passed, 1
    if outcome.status == 0 and passed + failed == 0:
        return (1, 0) if outcome.suite.name.startswith("build") else (0, 1)
    return passed, failed


def main():
    if sys.argv[1:] == ["build-report"]:
        os.execv(PYTHON, [PYTHON, str(ROOT / "tests/proof/build_report.py")])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    level, suites = chosen(sys.argv[1:])
    speed = pace.pace()
    print(f"=== {CORES} cores, {speed:.1f} times the time of a quiet reference machine; limits are multiplied by {2 * speed:.1f}", flush=True)
    table = report.Table()

    def ended(outcome):
        passed, failed = counted(outcome)
        report.show(outcome, passed, failed)
        table.add(outcome, passed, failed)
        return not failed

    minutes = float(os.environ.get("DEVBINDD_TEST_MINUTES") or MINUTES[level])
    lanes = {"work": 2 if level == "fast" else 1, "machines": MACHINES + 1}
    schedule.run(suites, lanes, 2 * speed, minutes * 60, ended)
    table.print()
    print(f"\n{table.passed} passed, {table.failed} failed", flush=True)
    sys.exit(1 if table.failed or not table.passed else 0)


main()
