#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian 12 packages that building and testing devbindd needs, and nothing that is already there.
# It does not build, download kernels or change any service.
# Usage: tests/dependencies.sh [--build-only]
set -euo pipefail

build=(
    g++ cmake ninja-build pkg-config ccache
    libboost1.81-dev libboost-url1.81-dev nlohmann-json3-dev libspdlog-dev catch2
    libkmod-dev libsystemd-dev libnl-3-dev libblkid-dev libacl1-dev libsqlite3-dev libpugixml-dev libssl-dev
    libcli11-dev
    python3 python3-yaml
)
tests=(
    g++-aarch64-linux-gnu qemu-system-arm qemu-efi-aarch64 mmdebstrap
    qemu-system-x86 busybox-static cpio zstd kmod e2fsprogs
    systemd udev acl iproute2 pciutils strace jq curl openssl dpdk dpdk-dev librte-net-e1000-23
    make libelf1
    qemu-utils podman fdisk lvm2 mdadm cryptsetup-bin btrfs-progs openvswitch-switch nftables
    python3-jsonschema
    slowhttptest
    clang-14 libclang-rt-14-dev clang-format shellcheck pyflakes3 mold
)

case "${1-}" in
    '') wanted=("${build[@]}" "${tests[@]}") ;;
    --build-only) wanted=("${build[@]}") ;;
    *) echo "usage: $0 [--build-only]" >&2; exit 2 ;;
esac

missing=()
installed=" $(dpkg-query -W -f='${db:Status-Status}:${Package} ' 2>/dev/null) "
# Where Node.js came from elsewhere it brings its own npm, and Debian's package conflicts with it.
if [[ ${1-} == '' ]] && ! command -v npm >/dev/null; then
    wanted+=(nodejs npm)
fi
for package in "${wanted[@]}"; do
    [[ $installed == *" installed:$package "* ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
    exit 0
fi
if ((EUID != 0)); then
    echo "$0: not root; missing: ${missing[*]}" >&2
    exit 1
fi

# A package may want to start its service (udev does). On a machine that systemd does not run, such as a container,
# nothing is to be started.
policy=/usr/sbin/policy-rc.d
if [[ ! -d /run/systemd/system && ! -e $policy ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
install() {
    apt-get install --yes --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}"
}
# The package lists may be absent or older than the archive: refresh them once, and only then.
if ! apt-cache show "${missing[@]}" >/dev/null 2>&1 || ! install; then
    apt-get update
    install
fi
