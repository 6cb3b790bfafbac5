# SPDX-License-Identifier: MIT
"""A throw-away authority and the certificates it signs, made with the openssl command.

ECDSA P-256, valid for some days. A Certificate is three paths: chain (the certificate), key, and
ca, which a client is to trust.
"""

import collections
import os
import subprocess

Certificate = collections.namedtuple("Certificate", "chain key ca")

EC_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30")


def make_authority(folder):
    """Writes ca.crt and ca.key into the folder; returns the path of ca.crt."""
    certificate = os.path.join(folder, "ca.crt")
    openssl(
        *("req", "-x509", *EC_KEY, "-subj", "/CN=Holdfast test authority"),
        *("-keyout", os.path.join(folder, "ca.key"), "-out", certificate),
    )
    return certificate


def make_certificate(folder, domain):
    """A certificate for the domain, signed by the folder's authority, which is made if need be."""
    ca = os.path.join(folder, "ca.crt")
    if not os.path.exists(ca):
        make_authority(folder)
    made = Certificate(
        os.path.join(folder, domain + ".crt"), os.path.join(folder, domain + ".key"), ca
    )
    openssl(
        *("req", "-x509", *EC_KEY, "-subj", f"/CN={domain}"),
        *("-addext", f"subjectAltName=DNS:{domain}"),
        *("-addext", "basicConstraints=critical,CA:FALSE"),
        *("-CA", ca, "-CAkey", os.path.join(folder, "ca.key")),
        *("-keyout", made.key, "-out", made.chain),
    )
    return made


def openssl(*arguments):
    done = subprocess.run(("openssl", *arguments), capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr}")
