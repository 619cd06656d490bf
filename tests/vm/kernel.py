# SPDX-License-Identifier: Apache-2.0
"""The guest's kernels and initramfs: fetched into a cache and built there. Nothing of it is installed or loaded here."""

import gzip
import lzma
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "devbindd-vm"
IOMMUFD_IMAGE = REPOSITORY.parent / "shared/vm/bzImage-6.12.117-iommufd"
BOOT_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")


class Unavailable(Exception):
    """The kernel asked for is not here and cannot be fetched."""


class Kernel:
    """A kernel image, its release and the folder that has lib/modules/<release> (None: everything is built in).
    `root`: the machine's root filesystem, which has the modules too unless it is that of this host."""

    def __init__(self, image, release, modules, root=pathlib.Path("/")):
        self.image = image
        self.release = release
        self.modules = modules
        self.root = root

    @property
    def busybox(self):
        return self.root / "bin/busybox"


def find(name, architecture="x86_64"):
    if architecture == "aarch64":
        return arm64()
    return {"debian": debian, "iommufd": iommufd}[name]()


def arm64():
    """Debian's kernel for ARM64 and its root filesystem (tests/arm64/system)."""
    made = subprocess.run([REPOSITORY / "tests/arm64/system"], check=False, stdout=subprocess.PIPE, text=True)
    if made.returncode != 0:
        raise Unavailable("tests/arm64/system has failed")
    root = pathlib.Path(made.stdout.strip())
    release = next((root / "lib/modules").iterdir()).name
    if not (root / f"lib/modules/{release}/modules.dep").exists():
        _prepare_modules(root, release)
    return Kernel(root / f"boot/vmlinuz-{release}", release, root, root)


def iommufd():
    if not IOMMUFD_IMAGE.exists():
        raise Unavailable(f"no kernel at {IOMMUFD_IMAGE}")
    return Kernel(IOMMUFD_IMAGE, IOMMUFD_IMAGE.name.removeprefix("bzImage-"), None)


def debian():
    """The kernel that Debian's linux-image-amd64 stands for; without the archive, the newest one in the cache."""
    package = _image_package()
    if package and not _folder(package).is_dir():
        try:
            _fetch(package)
        except subprocess.CalledProcessError:
            package = None
    folder = _folder(package) if package else _newest_cached()
    if folder is None:
        raise Unavailable("linux-image-amd64 can be neither fetched nor found in " + str(CACHE))
    release = next((folder / "lib/modules").iterdir()).name
    unpacked = folder / "boot/vmlinux"
    return Kernel(unpacked if unpacked.exists() else folder / f"boot/vmlinuz-{release}", release, folder)


def _image_package():
    """`linux-image-6.1.0-NN-amd64_VERSION`, or None when apt knows nothing."""
    for attempt in range(2):
        shown = _apt_show("linux-image-amd64")
        dependency = shown.get("Depends", "").split(" ")[0].rstrip(",")
        version = _apt_show(dependency).get("Version") if dependency else None
        if version:
            return f"{dependency}_{version}"
        if attempt == 0 and os.geteuid() == 0 and _newest_cached() is None:
            subprocess.run(["apt-get", "update", "-q"], check=False, stdout=subprocess.DEVNULL)
    return None


def _apt_show(package):
    command = ["apt-cache", "show", "--no-all-versions", package]
    text = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line and not line.startswith(" "))


def _fetch(package):
    print(f"vm: fetching {package}", flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="tmp-") as scratch:
        name, version = package.split("_", 1)
        download = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", f"{name}={version}"]
        subprocess.run(download, check=True, cwd=scratch, stdout=subprocess.DEVNULL)
        root = pathlib.Path(scratch, "root")
        subprocess.run(["dpkg", "-x", next(pathlib.Path(scratch).glob("*.deb")), root], check=True)
        release = next((root / "lib/modules").iterdir()).name
        _unpack_image(root / f"boot/vmlinuz-{release}", root / "boot/vmlinux")
        _prepare_modules(root, release)
        root.chmod(0o755)
        try:
            root.rename(_folder(package))
        except OSError:
            if not _folder(package).is_dir():  # else another run was faster
                raise


def _folder(package):
    return CACHE / f"{package}_unsigned"


def _prepare_modules(root, release):
    for module in (root / "lib/modules" / release).glob("**/*.ko"):
        _strip_signature(module)
    subprocess.run(["/sbin/depmod", "-b", root, release], check=True)


def _strip_signature(module):
    """The kernel loads a module without one as well, and to check it takes a tenth of a boot in the emulator.
    Source: include/linux/module_signature.h, scripts/sign-file.c."""
    magic = b"~Module signature appended~\n"
    data = module.read_bytes()
    if not data.endswith(magic):
        return
    *_, signer, key, size = struct.unpack(">BBBBB3xI", data[-len(magic) - 12 : -len(magic)])
    module.write_bytes(data[: -len(magic) - 12 - signer - key - size])


def _unpack_image(packed, target):
    """The ELF kernel inside a bzImage packed with xz: unpacking takes 4 s in the emulator, QEMU boots either (PVH)."""
    data = packed.read_bytes()
    sectors = data[0x1F1] or 4  # Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = (sectors + 1) * 512 + offset
    payload = data[start : start + length]
    if payload.startswith(b"\xfd7zXZ\0"):
        target.write_bytes(lzma.LZMADecompressor().decompress(payload))


def _newest_cached():
    found = sorted(CACHE.glob("linux-image-*"), key=lambda folder: folder.stat().st_mtime)
    return found[-1] if found else None


def build_modules(kernel, names, target):
    """tests/vm/NAME.c for a kernel of Debian's, to target/NAME.ko."""
    headers = _headers(kernel)
    with tempfile.TemporaryDirectory(prefix="devbindd-module-") as scratch:
        for name in names:
            shutil.copy(HERE / f"{name}.c", scratch)
        pathlib.Path(scratch, "Makefile").write_text("obj-m := " + " ".join(f"{name}.o" for name in names) + "\n")
        command = ["make", "-C", headers, f"M={scratch}", "modules"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise Unavailable(f"{', '.join(names)} cannot be built: {done.stdout}{done.stderr}")
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            subprocess.run(["strip", "--strip-debug", f"{scratch}/{name}.ko", "-o", target / f"{name}.ko"], check=True)


def _headers(kernel):
    """Where the headers of the kernel are unpacked, in the cache beside it."""
    version = kernel.modules.name.split("_")[1]
    folder = CACHE / f"linux-headers-{kernel.release}_{version}"
    place = f"usr/src/linux-headers-{kernel.release}"
    if folder.is_dir():
        return folder / place
    flavour = kernel.release.rsplit("-", 1)[-1]
    packages = (f"linux-headers-{kernel.release}", f"linux-headers-{kernel.release.removesuffix(flavour)}common",
                "linux-kbuild-" + ".".join(kernel.release.split(".")[:2]))
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="tmp-") as scratch:
        wanted = [f"{name}={_nearest_version(name, version)}" for name in packages]
        download = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *wanted]
        try:
            subprocess.run(download, check=True, cwd=scratch, stdout=subprocess.DEVNULL)
        except subprocess.CalledProcessError as error:
            raise Unavailable(f"the headers of {kernel.release} cannot be fetched") from error
        root = pathlib.Path(scratch, "root")
        for package in sorted(pathlib.Path(scratch).glob("*.deb")):
            subprocess.run(["dpkg", "-x", package, root], check=True)
        makefile = root / place / "Makefile"
        makefile.write_text(makefile.read_text().replace("/usr/src", str(folder / "usr/src")))
        root.chmod(0o755)
        try:
            root.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another run was faster
                raise
    return folder / place


def _nearest_version(package, version):
    """`version` where the archive has it, else its newest: kbuild, which only brings scripts, comes out before the signed
    image of the same version does, and replaces the one before."""
    lines = subprocess.run(["apt-cache", "madison", package], check=False, capture_output=True, text=True).stdout.splitlines()
    known = [line.split("|")[1].strip() for line in lines]
    return version if version in known or not known else known[0]


def make_initramfs(kernel, target):
    """busybox, the modules that the root filesystem needs, and guest/init."""
    with tempfile.TemporaryDirectory(prefix="devbindd-initramfs-") as scratch:
        root = pathlib.Path(scratch)
        for folder in ("bin", "dev", "proc", "sys", "lower", "upper", "root", "modules"):
            (root / folder).mkdir()
        shutil.copy(kernel.busybox, root / "bin/busybox")
        (root / "bin/sh").symlink_to("busybox")
        shutil.copy(HERE / "guest/init", root / "init")
        (root / "init").chmod(0o755)
        names = []
        for source in _boot_modules(kernel):
            shutil.copy(source, root / "modules" / source.name)
            names.append(source.name)
        (root / "modules/order").write_text("".join(name + "\n" for name in names))
        entries = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
        archive = subprocess.run(
            ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"],
            input="\n".join(entries).encode(), check=True, capture_output=True, cwd=root,
        ).stdout
        target.write_bytes(gzip.compress(archive, 1))


def _boot_modules(kernel):
    """Paths of BOOT_MODULES and what they depend on, in the order of loading."""
    if kernel.modules is None:
        return []
    folder = kernel.modules / "lib/modules" / kernel.release
    needs = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        path, _, dependencies = line.partition(":")
        needs[pathlib.Path(path).name.split(".")[0].replace("-", "_")] = (path, dependencies.split())
    ordered = []
    for module in BOOT_MODULES:
        path, dependencies = needs[module]  # modules.dep lists every dependency, the deepest last
        ordered += [folder / name for name in (*reversed(dependencies), path)]
    return list(dict.fromkeys(ordered))


def make_disks(folder, sizes):
    """Raw disk images: name -> MiB. The one called "disk" carries an ext4 filesystem, the others are blank."""
    for name, megabytes in sizes.items():
        with open(folder / name, "wb") as image:
            image.truncate(megabytes << 20)
    options = ["-q", "-F", "-t", "ext4", "-L", "devbindd", "-E", "nodiscard"]
    subprocess.run(["/sbin/mke2fs", *options, folder / "disk"], check=True)
