# SPDX-License-Identifier: Apache-2.0
"""The packages of rpm/devbindd.spec, built with Debian's rpmbuild and held against the Debian packages. They are not installed anywhere."""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = ROOT / "rpm/devbindd.spec"
# Where distributions with RPM have it elsewhere.
ELSEWHERE = {"/lib/systemd/": "/usr/lib/systemd/", "/usr/share/zsh/vendor-completions/": "/usr/share/zsh/site-functions/"}
SCRIPTS = ("systemd-sysusers devbindd.conf", "systemd-tmpfiles --create devbindd.conf", "systemctl preset devbindd.service", "this device stays on VFIO",
           "systemctl try-restart devbindd.service")
# Debian's rpm knows no packages of the distributions that the names in BuildRequires are of. Without a distribution's own flags, what the tests have
# compiled is not compiled again.
OPTIONS = ("--nodeps", "--define", "debug_package %{nil}", "--define", "optflags %{nil}", "--define", "_build_id_links none")


def run(*command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


def build(place, copy_of_the_source):
    """(name -> package, "") or ({}, what the build said)."""
    version = version_of(SPEC.read_text())
    source = place / f"devbindd-{version}"
    source.mkdir(parents=True)
    copy_of_the_source(source)
    (place / "SOURCES").mkdir()
    packed = run("tar", "-C", place, "-czf", place / f"SOURCES/devbindd-{version}.tar.gz", source.name)
    done = run("rpmbuild", "-bb", "--define", f"_topdir {place}", *OPTIONS, SPEC, env=os.environ | {"LC_ALL": "C.UTF-8"})
    if packed.returncode or done.returncode:
        return {}, packed.stdout + done.stdout
    return {query(path, "--queryformat", "%{NAME}"): path for path in place.glob("RPMS/*/*.rpm")}, ""


def query(package, *options):
    return subprocess.run(["rpm", "--query", "--package", package, *options], stdout=subprocess.PIPE, text=True, check=True).stdout


def version_of(spec):
    return next(line.split()[1] for line in spec.splitlines() if line.startswith("Version:"))


def at_its_place(path):
    """A file of the Debian package as it is named here, without what packs it."""
    for debian, here in ELSEWHERE.items():
        path = path.replace(debian, here) if path.startswith(debian) else path
    return path.removesuffix(".gz")


def files_of(package):
    """Its files, without folders and the licence."""
    listed = query(package, "--queryformat", "[%{FILEMODES:perms} %{FILENAMES}\n]")
    names = [line.split(" ", 1) for line in listed.splitlines()]
    return {name.removesuffix(".gz") for mode, name in names if not mode.startswith("d") and not name.startswith("/usr/share/licenses/")}


def check(report, packages, debian):
    """`debian`: what each Debian package is to have, by its name."""
    report.check("RPM packages", sorted(packages.keys() ^ debian.keys()))
    for name, package in sorted(packages.items()):
        there, wanted = files_of(package), {at_its_place(path) for path in debian.get(name, ())}
        report.check(f"files of the RPM {name} are those of the Debian package",
                     there != wanted and f"too many {sorted(there - wanted)}, missing {sorted(wanted - there)}")
    if "devbindd" in packages:
        report.check("configuration of the RPM is one that stays", query(packages["devbindd"], "--configfiles") != "/etc/devbindd/devbindd.json\n")
        scripts = query(packages["devbindd"], "--scripts")
        report.check("scripts of the RPM", [part for part in SCRIPTS if part not in scripts])


def check_versions(report):
    """One version everywhere."""
    of_cmake = next(line.split()[2] for line in (ROOT / "CMakeLists.txt").read_text().splitlines() if line.startswith("project("))
    of_debian = (ROOT / "debian/changelog").read_text().partition("(")[2].partition(")")[0]
    of_contract = next(line.split()[1] for line in (ROOT / "openapi.yaml").read_text().splitlines() if line.startswith("  version:"))
    versions = {"CMake": of_cmake, "Debian": of_debian, "the contract": of_contract, "RPM": version_of(SPEC.read_text())}
    report.check("one version everywhere", versions if len(set(versions.values())) > 1 else "")
