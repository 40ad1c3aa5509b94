"""A collector for scripts/traces-test: decodes OTLP over HTTP with OpenTelemetry's own protobuf definitions.

usage: collector.py PORT FILE [CERTIFICATE KEY]

Appends each span to FILE as a line of JSON. GET /mode?status=503&delay=5 changes how it answers from then on.
"""

import gzip
import http.server
import json
import ssl
import sys
import time
import urllib.parse

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

mode = {"status": 200, "delay": 0.0}


def attributes(pairs):
    """Returns attributes as a dict of plain values."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


class Collector(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        for name, value in urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query):
            mode[name] = float(value)
        self.answer(200, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        time.sleep(mode["delay"])
        if mode["status"] != 200:
            self.answer(int(mode["status"]), b"")
            return
        request = ExportTraceServiceRequest.FromString(body)
        with open(sys.argv[2], "a", encoding="utf-8") as spans:
            for of_resource in request.resource_spans:
                resource = attributes(of_resource.resource.attributes)
                for of_scope in of_resource.scope_spans:
                    for span in of_scope.spans:
                        line = {
                            "path": self.path,
                            "headers": {name.lower(): value for name, value in self.headers.items()},
                            "resource": resource,
                            "scope": of_scope.scope.name,
                            "trace_id": span.trace_id.hex(),
                            "span_id": span.span_id.hex(),
                            "parent": span.parent_span_id.hex(),
                            "trace_state": span.trace_state,
                            "name": span.name,
                            "kind": span.kind,
                            "nanos": span.end_time_unix_nano - span.start_time_unix_nano,
                            "attributes": attributes(span.attributes),
                            "status": MessageToDict(span.status),
                        }
                        spans.write(json.dumps(line) + "\n")
        self.answer(200, ExportTraceServiceResponse().SerializeToString())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Collector)
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
