# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests, made by openssl."""
import os
import pathlib
import ssl
import subprocess


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Certificates:
    """An authority and what it has issued, each as NAME.pem and NAME.key."""

    def __init__(self, directory, name):
        self.directory, self.name = directory, name
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                "-keyout", self.path("ca.key"), "-out", self.path("ca.pem"))

    def path(self, name):
        return os.path.join(self.directory, f"{self.name}-{name}")

    def issue(self, name, alternative, usage="clientAuth", days="2"):
        kind, _, value = alternative.partition(":")
        extensions = self.path(name + ".ext")
        pathlib.Path(extensions).write_text(f"subjectAltName={kind.upper()}:{value}\nextendedKeyUsage={usage}\n", encoding="utf-8")
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", self.path(name + ".key"), "-out", self.path(name + ".csr"))
        openssl("x509", "-req", "-in", self.path(name + ".csr"), "-CA", self.path("ca.pem"), "-CAkey", self.path("ca.key"), "-CAcreateserial",
                "-days", days, "-extfile", extensions, "-out", self.path(name + ".pem"))
        os.chmod(self.path(name + ".key"), 0o600)
        return self.path(name + ".pem"), self.path(name + ".key")

    def client(self, *files):
        """The TLS of a client who trusts this authority, with a certificate of his own where there is one."""
        context = ssl.create_default_context(cafile=self.path("ca.pem"))
        if files:
            context.load_cert_chain(*files)
        return context
