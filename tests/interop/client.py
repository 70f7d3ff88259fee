"""Calls a running server with Python's grpcio, as a caller's own service would.

    client.py HOST:PORT SERVER-PID [--stop]

With --stop: opens a Watch, sends SIGTERM to the server and sees it drain.
"""

import os
import signal
import sys

import grpc
from cointag.v1 import document_pb2, quote_pb2, quote_pb2_grpc, tagger_pb2, tagger_pb2_grpc
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

DEADLINE_S = 30
STATUS = health_pb2.HealthCheckResponse.ServingStatus


def check(what, condition, got):
    if not condition:
        sys.exit(f"FAILED: {what}: {got}")
    print(f"ok: {what}")


def code_of(call):
    try:
        call()
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def tag(channel):
    stub = tagger_pb2_grpc.TaggerServiceStub(channel)
    title, body = "Bitcoin slips — 😀", "The firm sold 69 BTC while $ETH held."
    document = document_pb2.Document(id="py-1", title=title, body=body)
    options = document_pb2.TagOptions(offset_unit=document_pb2.OFFSET_UNIT_CODEPOINTS)
    answer = stub.Tag(tagger_pb2.TagRequest(document=document, options=options), timeout=DEADLINE_S)
    check("Tag answers the id", answer.id == "py-1", answer)
    check("Tag finds both", [m.token_id for m in answer.mentions] == ["bitcoin", "ethereum"], answer)
    texts = {"title": title, "body": body}
    for mention in answer.mentions:
        for span in mention.spans:
            text = texts["title" if span.field == 1 else "body"]
            check("span slices the text", text[span.start : span.end] == span.surface, span)
        quote = mention.quote
        check("quote is fresh", quote.state == quote_pb2.QUOTE_STATE_FRESH, quote)
        check("price is decimal text", float(quote.price) > 0, quote)

    def refused():
        stub.Tag(tagger_pb2.TagRequest(document=document_pb2.Document(body="x" * 4_194_305)), timeout=DEADLINE_S)

    check("too long is INVALID_ARGUMENT", code_of(refused) == grpc.StatusCode.INVALID_ARGUMENT, code_of(refused))


def stream(channel):
    stub = tagger_pb2_grpc.TaggerServiceStub(channel)
    titles = {"a": "Bitcoin", "b": "x" * 4_194_305, "c": "Ethereum"}
    items = (
        tagger_pb2.TagStreamRequest(item_id=item_id, document=document_pb2.Document(title=title))
        for item_id, title in titles.items()
    )
    answers = list(stub.TagStream(items, timeout=DEADLINE_S))
    check("TagStream keeps the order", [answer.item_id for answer in answers] == list(titles), answers)
    kinds = [answer.WhichOneof("result") for answer in answers]
    check("one bad item does not fail the others", kinds == ["response", "error", "response"], kinds)


def deadline(channel):
    stub = tagger_pb2_grpc.TaggerServiceStub(channel)
    document = document_pb2.Document(body="Bitcoin and Ethereum rose while Solana fell. " * 1000)
    batch = tagger_pb2.BatchTagRequest(documents=[document] * 256)
    code = code_of(lambda: stub.BatchTag(batch, timeout=0.05))
    check("a deadline past is DEADLINE_EXCEEDED", code == grpc.StatusCode.DEADLINE_EXCEEDED, code)
    code = code_of(lambda: stub.Tag(tagger_pb2.TagRequest(document=document), timeout=DEADLINE_S))
    check("and the next call is answered", code == grpc.StatusCode.OK, code)


def quotes(channel):
    stub = quote_pb2_grpc.QuoteServiceStub(channel)
    request = quote_pb2.GetQuotesRequest(symbols=["BTC", "NOSUCHCOIN"])
    btc, unknown = stub.GetQuotes(request, timeout=DEADLINE_S).quotes
    check("one is priced", btc.priced.token_id == "bitcoin" and btc.priced.quote.price, btc)
    check("the other is not_found", unknown.error.code == "not_found", unknown)


def health(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    for service in ["", "liveness", "cointag.v1.TaggerService"]:
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=DEADLINE_S)
        check(f"Check `{service}`", answer.status == STATUS.SERVING, answer)

    def unknown():
        stub.Check(health_pb2.HealthCheckRequest(service="no.such"), timeout=DEADLINE_S)

    check("Check of an unknown service", code_of(unknown) == grpc.StatusCode.NOT_FOUND, code_of(unknown))
    for service, status in [("", STATUS.SERVING), ("no.such", STATUS.SERVICE_UNKNOWN)]:
        stream = stub.Watch(health_pb2.HealthCheckRequest(service=service), timeout=DEADLINE_S)
        answer = next(stream)
        check(f"Watch `{service}`", answer.status == status, answer)
        stream.cancel()


def reflection(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    names = set(database.get_services())
    check("reflection lists services", {"cointag.v1.TaggerService", "grpc.health.v1.Health"} <= names, names)
    pool = DescriptorPool(database)
    method = pool.FindServiceByName("cointag.v1.TaggerService").FindMethodByName("Tag")
    check("reflection knows Tag", method.input_type.full_name == "cointag.v1.TagRequest", method)


def stop(channel, server):
    stub = health_pb2_grpc.HealthStub(channel)
    stream = stub.Watch(health_pb2.HealthCheckRequest(service=""), timeout=DEADLINE_S)
    check("Watch before the stop", next(stream).status == STATUS.SERVING, None)
    os.kill(server, signal.SIGTERM)
    check("Watch sees NOT_SERVING", next(stream).status == STATUS.NOT_SERVING, None)
    code = code_of(lambda: next(stream))
    check("Watch ends with UNAVAILABLE", code == grpc.StatusCode.UNAVAILABLE, code)


def main():
    addr, server = sys.argv[1], int(sys.argv[2])
    with grpc.insecure_channel(addr) as channel:
        if "--stop" in sys.argv:
            stop(channel, server)
            return
        tag(channel)
        stream(channel)
        deadline(channel)
        quotes(channel)
        health(channel)
        reflection(channel)


main()
