# gRPC's own client: it reads the proxy and the roots from the environment.
import os
import queue

import grpc

channel = grpc.secure_channel("grpc.stand-in.test:443", grpc.ssl_channel_credentials())
metadata = (("authorization", "Bearer " + os.environ["GRPC_STAND_IN_KEY"]),)


def last(call):
    return dict(call.trailing_metadata())["x-last"]


answer, call = channel.unary_unary("/fake.Service/Say").with_call(b"abc", metadata=metadata)
print("unary:", answer.decode(), last(call))

call = channel.unary_stream("/fake.Service/Count")(b"5", metadata=metadata)
print("stream:", b"".join(call).decode(), last(call))

# Each message waits for the answer to the one before it.
requests = queue.Queue()
call = channel.stream_stream("/fake.Service/Echo")(iter(requests.get, None), metadata=metadata)
for text in (b"one", b"two"):
    requests.put(text)
    print("both ways:", next(call).decode())
requests.put(None)
assert list(call) == []
print("end:", last(call))

try:
    channel.unary_unary("/fake.Service/Refuse")(b"", metadata=metadata)
except grpc.RpcError as error:
    print("status:", error.code().name, error.details())
