#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What testssl.sh finds at the TLS port: nothing older than TLS 1.3, and no finding above "low" but those about the certificate that the test
has made for itself. Usage: testssl.py DEVBINDD"""
import json
import os
import shutil
import subprocess
import sys

from tls import running, Report

PROTOCOLS = {"SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2"}
# Of the authority and the days of a certificate for a test, and of the host's own openssl, which has no client certificate.
OF_THE_TEST = {"optimal_proto", "cert_chain_of_trust", "cert_expirationStatus", "cert_notAfter", "cert_revocation", "engine_problem"}
ABOVE_LOW = {"MEDIUM", "HIGH", "CRITICAL", "WARN", "FATAL"}


def findings(place):
    report = os.path.join(place.directory.name, "testssl.json")
    done = subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "off", "--jsonfile", report, "-p", "-s", "-f", "-S", "-P", "-U", f"localhost:{place.port}"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=600)
    if not os.path.exists(report):
        raise AssertionError(f"testssl has written nothing: {done.stdout[-500:]}{done.stderr[-500:]}")
    with open(report, encoding="utf-8") as found:
        return json.load(found)


def main():
    if shutil.which("testssl") is None:
        subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", "testssl.sh"], check=True, stdout=subprocess.DEVNULL)
    report = Report()
    with running(sys.argv[1]) as place:
        found = findings(place)
    seen = {one["id"]: one["finding"] for one in found}
    for protocol in sorted(PROTOCOLS):
        report.check(f"{protocol} is not offered", lambda name=protocol: "" if "not offered" in seen[name] else seen[name])
    report.check("TLS 1.3 is offered", lambda: "" if "offered with final" in seen["TLS1_3"] else seen["TLS1_3"])
    for one in found:
        if one["id"] not in PROTOCOLS | OF_THE_TEST:
            report.check(one["id"], lambda one=one: f"{one['severity']}: {one['finding']}" if one["severity"] in ABOVE_LOW else "")
    return report.end()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main())
