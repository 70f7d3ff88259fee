"""Prints the "Mentioned tokens" box of one article.

    pip install grpcio grpcio-tools
    python -m grpc_tools.protoc -I proto --python_out=. --grpc_python_out=. proto/cointag/v1/*.proto
    PYTHONPATH=. python examples/python/mentioned_tokens.py 127.0.0.1:50051 'Bitcoin slips as $ETH holds'
"""

import sys

import grpc
from cointag.v1 import document_pb2, tagger_pb2, tagger_pb2_grpc


def line(mention):
    """`$BTC  $74603.12  -1.8%`, or why there is no price."""
    name = f"${mention.symbol}" if mention.HasField("symbol") else mention.name
    if not mention.HasField("quote"):
        return name
    quote = mention.quote
    if not quote.HasField("price"):
        return f"{name}  ({quote.reason or 'no price'})"
    # A missing change is unknown, not zero.
    change = f"  {quote.change_24h_pct:+.1f}%" if quote.HasField("change_24h_pct") else ""
    return f"{name}  ${quote.price}{change}"


def main():
    server = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"
    title = sys.argv[2] if len(sys.argv) > 2 else "Bitcoin slips as $ETH holds"
    request = tagger_pb2.TagRequest(
        document=document_pb2.Document(title=title),
        # A page that can wait a little gets a price for tokens that nobody asked about before.
        options=document_pb2.TagOptions(quote_wait_ms=1000),
    )
    with grpc.insecure_channel(server) as channel:
        answer = tagger_pb2_grpc.TaggerServiceStub(channel).Tag(request, timeout=5)
    print("Mentioned tokens")
    for mention in answer.mentions:
        print(f"  {line(mention)}")


main()
