#!/usr/bin/python3.11
"""An https server for webhooks at https://smtp.example.com:8443 (or another port), with the
certificate of the mail server of that name.

webhook_server.py [PORT]: each request becomes a line of JSON in /share/webhook.log: {"path",
"headers", "body"}. It answers with the status in /run/webhook-status, 200 where there is none;
`mute` answers nothing, `echo` 500 and all that it was sent.
"""

import http.server
import json
import ssl
import sys
import time

FOLDER = "/usr/share/smtp-server"
LOG, STATUS = "/share/webhook.log", "/run/webhook-status"


def wanted():
    try:
        with open(STATUS) as status:
            return status.read().strip()
    except FileNotFoundError:
        return "200"


class Handler(http.server.BaseHTTPRequestHandler):
    """Notes each request, and answers as is wanted."""

    def do_POST(self):
        """Take one request."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with open(LOG, "a") as log:
            log.write(
                json.dumps(
                    {"path": self.path, "headers": dict(self.headers), "body": json.loads(body)}
                )
                + "\n"
            )
        status = wanted()
        if status == "mute":
            time.sleep(60)
            return
        answer = f"{self.path} {self.headers} {body}" if status == "echo" else "ok"
        self.send_response(500 if status == "echo" else int(status))
        self.send_header("Location", "https://elsewhere.example.com/")
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_):
        """Say nothing."""


def main(port):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FOLDER + "/server.pem", FOLDER + "/server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 8443)
