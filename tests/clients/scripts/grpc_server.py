# A gRPC server at ADDRESS:443 with the certificate and key of two files. On
# standard input comes the one value of `authorization` that it takes; what
# else must be nowhere in a call's metadata stands on later lines. Says `ready`,
# then one line for each call.
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

address, certificate, key = sys.argv[1:]
expected, *forbidden = sys.stdin.read().splitlines()


def check(context, call):
    metadata = context.invocation_metadata()
    shown = [item.value for item in metadata if item.key == "authorization"]
    values = [str(item.value) for item in metadata]
    is_clean = not any(text in value for text in forbidden for value in values)
    secret = expected.split(" ")[-1]
    times = sum(value.count(secret) for value in values)
    print(call, shown == [expected], is_clean, times, flush=True)
    if shown != [expected]:
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "bad key")
    context.set_trailing_metadata((("x-last", call),))


def say(request, context):
    check(context, "say")
    return request[::-1]


def count(request, context):
    check(context, "count")
    for number in range(int(request)):
        yield str(number).encode()


def echo(requests, context):
    check(context, "echo")
    for request in requests:
        yield request


def refuse(request, context):
    check(context, "refuse")
    context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")


handlers = grpc.method_handlers_generic_handler(
    "fake.Service",
    {
        "Say": grpc.unary_unary_rpc_method_handler(say),
        "Count": grpc.unary_stream_rpc_method_handler(count),
        "Echo": grpc.stream_stream_rpc_method_handler(echo),
        "Refuse": grpc.unary_unary_rpc_method_handler(refuse),
    },
)
server = grpc.server(ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((handlers,))
pair = (open(key, "rb").read(), open(certificate, "rb").read())
assert server.add_secure_port(f"{address}:443", grpc.ssl_server_credentials([pair]))
server.start()
print("ready", flush=True)
server.wait_for_termination()
