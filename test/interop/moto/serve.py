"""Runs moto's server on a free port of loopback until its standard input ends, as it does when a test is killed."""

import os
import sys
import threading


def end_with_parent():
    sys.stdin.buffer.read()
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()

from moto.apigateway.models import APIGatewayBackend  # noqa: E402: the thread must run even while this takes its time
from moto.server import main  # noqa: E402: as above

swagger = APIGatewayBackend.export_api


def openapi(self, rest_api_id, export_type):
    """moto exports Swagger 2.0 whatever is asked for. The agent takes nothing but OpenAPI 3, as AWS exports it."""
    document = swagger(self, rest_api_id, export_type)
    return {"openapi": "3.0.1", "info": document["info"], "paths": document["paths"]}


APIGatewayBackend.export_api = openapi

main(["-H", "127.0.0.1", "-p", "0"])
