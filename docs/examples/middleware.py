#!/usr/bin/env python3
"""A middleware that sends requests of the old API to the new one, and keeps back what deletes.

Reads messages from standard input and writes those that shall go on to standard output, a line each:
hexadecimal digits of "TYPE ID TIME DURATION\n" and the message itself. Types: 1 request, 2 production's
response (--input-raw-track-response), 3 the shadow's response (--output-http-track-response).
"""

import sys

for line in sys.stdin.buffer:
    header, _, message = bytes.fromhex(line.decode().strip()).partition(b"\n")
    if header.startswith(b"1 "):
        method, target, rest = message.split(b" ", 2)
        if method == b"DELETE":
            continue
        if target.startswith(b"/v1/"):
            target = b"/v2/" + target[len(b"/v1/"):]
        message = b" ".join([method, target, rest])
    sys.stdout.buffer.write((header + b"\n" + message).hex().encode() + b"\n")
    sys.stdout.buffer.flush()
