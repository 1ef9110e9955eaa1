"""TLS in front of the simulated XAPI: an authority of the tests' own, certificates good and bad,
and a proxy that shows them.
"""

import hashlib
import os
import socket
import socketserver
import ssl
import subprocess
import threading

BUFFER_BYTES = 65536


class Certificates:
    """folder: where its files are. ca: the authority's certificate; good, expired, other_name:
    files of a certificate with its key.
    """

    def __init__(self, folder):
        self.folder = folder
        self.ca = self.path("ca.pem")
        self._openssl(
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-days",
            "30",
            "-subj",
            "/CN=the tests' authority",
        )
        self.good = self._signed("good", "IP:127.0.0.1,DNS:localhost", "-days", "30")
        self.expired = self._signed("expired", "IP:127.0.0.1", "-days", "-1")
        self.other_name = self._signed("other", "DNS:elsewhere.example.com", "-days", "30")

    def path(self, name):
        return os.path.join(self.folder, name)

    def _openssl(self, *words):
        subprocess.run(
            ["openssl", *words],
            cwd=self.folder,
            check=True,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def _signed(self, name, alternative, *validity):
        with open(self.path(name + ".ext"), "w") as extensions:
            extensions.write("subjectAltName=%s\n" % alternative)
        self._openssl(
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            name + ".key",
            "-out",
            name + ".csr",
            "-subj",
            "/CN=%s" % name,
        )
        self._openssl(
            "x509",
            "-req",
            "-in",
            name + ".csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-out",
            name + ".crt",
            "-extfile",
            name + ".ext",
            *validity,
        )
        with open(self.path(name + ".pem"), "w") as whole:
            for part in (name + ".crt", name + ".key"):
                with open(self.path(part)) as source:
                    whole.write(source.read())
        return self.path(name + ".pem")


def fingerprint(path):
    """Return the SHA-256 of a certificate in a PEM file, as hexadecimal digits."""
    with open(path) as source:
        pem = source.read()
    end = "-----END CERTIFICATE-----"
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem[: pem.index(end) + len(end)])).hexdigest()


class Proxy(socketserver.ThreadingTCPServer):
    """Takes TLS and passes on what it carries to target "HOST:PORT"; certificate: a file of
    Certificates.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, target, certificate):
        self.target = target
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        socketserver.ThreadingTCPServer.__init__(self, ("127.0.0.1", 0), _Passage)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return "https://127.0.0.1:%d" % self.server_address[1]

    def handle_error(self, request, client_address):
        pass  # a client that did not like the certificate


class _Passage(socketserver.BaseRequestHandler):
    """One connection, both ways at once."""

    def handle(self):
        host, port = self.server.target.split(":")
        inside = self.server.context.wrap_socket(self.request, server_side=True)
        outside = socket.create_connection((host, int(port)))
        back = threading.Thread(target=_pass_on, args=(outside, inside), daemon=True)
        back.start()
        _pass_on(inside, outside)
        back.join()


def _pass_on(source, target):
    try:
        while True:
            piece = source.recv(BUFFER_BYTES)
            if not piece:
                break
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def with_colons(digits):
    """Return a fingerprint as openssl writes it."""
    return ":".join(digits.upper()[at : at + 2] for at in range(0, len(digits), 2))
