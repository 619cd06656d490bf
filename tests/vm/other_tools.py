# SPDX-License-Identifier: Apache-2.0
"""driverctl and virsh with its daemon, for the test that runs other tools' scripts beside devbindctl's. The packages are fetched once, into the
user's cache, and put into the machine's files alone: on a host their rules and services would act on its devices.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "devbindd-other-tools"
# What they need besides is there with QEMU and udev.
PACKAGES = ("driverctl", "libvirt-clients", "libvirt-daemon", "libvirt-daemon-driver-qemu", "libvirt0", "libssh-4", "libparted2", "dmidecode")


class Unavailable(Exception):
    """They cannot be fetched; the text says why."""


def put_into(folder):
    """The packages, as files of `folder`."""
    if not CACHE.is_dir():
        _fetch()
    shutil.copytree(CACHE, folder)


def _fetch():
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE.parent, prefix="tmp-") as scratch:
        packages = pathlib.Path(scratch, "packages")
        packages.mkdir()
        done = subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *PACKAGES], cwd=packages, capture_output=True, text=True)
        if done.returncode != 0:
            raise Unavailable(f"{', '.join(PACKAGES)} cannot be fetched: {done.stderr}")
        packages.chmod(0o755)
        try:
            packages.rename(CACHE)
        except OSError:
            if not CACHE.is_dir():  # else another run was faster
                raise
