"""gRPC with the health service: `grpc_half_open.py serve PORT` or `grpc_half_open.py call SETTINGS`."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
from breaking import Breaking
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

what, settings = sys.argv[1:]
OPTIONS = {
    "default": [],
    # A ping each second finds a dead connection after three more; calls wait for the next one.
    "mended": [
        ("grpc.keepalive_time_ms", 1000),
        ("grpc.keepalive_timeout_ms", 3000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ],
}


def serve(port: str) -> None:
    options = [("grpc.http2.min_recv_ping_interval_without_data_ms", 500), ("grpc.http2.max_ping_strikes", 0)]
    server = grpc.server(ThreadPoolExecutor(4), options=options)
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


def call() -> None:
    breaking = Breaking()
    channel = grpc.insecure_channel(os.environ["BUSTEDWALL_API_ADDRESS"], OPTIONS[settings])
    stub = health_pb2_grpc.HealthStub(channel)
    asked = health_pb2.HealthCheckRequest()
    stub.Check(asked)
    breaking.warm()
    if settings == "default":
        stub.Check(asked)  # without a deadline
    else:
        for _ in range(5):
            try:
                stub.Check(asked, timeout=10, wait_for_ready=True)
                break
            except grpc.RpcError as error:
                print("repeats after:", error.code(), flush=True)
    print("right")


serve(settings) if what == "serve" else call()
