"""Calls Tag without a pause from several connections until a file appears; fails if one call fails.

    load.py HOST:PORT FILE
"""

import collections
import os
import sys
import threading

import grpc
from cointag.v1 import document_pb2, tagger_pb2, tagger_pb2_grpc

CALLERS = 6
DEADLINE_S = 30


def call(addr, until, outcomes):
    # Without the client's own retries: what the caller sees is what is counted.
    options = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
    request = tagger_pb2.TagRequest(document=document_pb2.Document(title="Bitcoin slips as $ETH holds"))
    with grpc.insecure_channel(addr, options) as channel:
        # The proxy may still be starting.
        grpc.channel_ready_future(channel).result(DEADLINE_S)
        stub = tagger_pb2_grpc.TaggerServiceStub(channel)
        while not os.path.exists(until):
            try:
                answer = stub.Tag(request, timeout=DEADLINE_S)
                outcomes["OK" if len(answer.mentions) == 2 else "wrong answer"] += 1
            except grpc.RpcError as error:
                outcomes[f"{error.code().name}: {error.details()}"] += 1


def main():
    addr, until = sys.argv[1], sys.argv[2]
    counts = [collections.Counter() for _ in range(CALLERS)]
    callers = [threading.Thread(target=call, args=(addr, until, counter)) for counter in counts]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    outcomes = sum(counts, collections.Counter())
    calls, failed = outcomes.total(), outcomes.total() - outcomes["OK"]
    if failed or not calls:
        sys.exit(f"FAILED: {failed} of {calls} calls: {dict(outcomes)}")
    print(f"ok: {calls} calls, 0 failed")


main()
