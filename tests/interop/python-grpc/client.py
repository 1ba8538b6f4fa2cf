#!/usr/bin/python3
"""A client of keyservice/v1 that shares nothing with ours: Debian's python3-grpcio, messages made from a descriptor set.

    client.py ENDPOINT CA CERTIFICATE KEY DESCRIPTOR-SET KEY-NAME STREAM-MEBIBYTES

ENDPOINT is HOST:PORT (mutual TLS) or unix:PATH (the peer's uid is the principal). DESCRIPTOR-SET is a serialised
google.protobuf.FileDescriptorSet. Each step prints one line "ok NAME"; the first that fails raises, and the exit code is 1.
"""
import os
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


class Api:
    """The messages and methods of a descriptor set, called over one channel."""

    def __init__(self, channel, descriptor_set):
        self.channel = channel
        self.pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set).file:
            self.pool.Add(file)
        self.factory = message_factory.MessageFactory(self.pool)

    def message(self, name, **fields):
        return self.factory.GetPrototype(self.pool.FindMessageTypeByName("keyservice.v1." + name))(**fields)

    def method(self, name):
        service, method = name.split("/")
        descriptor = self.pool.FindServiceByName("keyservice.v1." + service).FindMethodByName(method)
        make = self.channel.stream_stream if method.endswith("Stream") else self.channel.unary_unary
        return make(
            "/keyservice.v1." + name,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=self.factory.GetPrototype(descriptor.output_type).FromString)

    def call(self, name, **fields):
        request = self.message(name.split("/")[1] + "Request", **fields)
        return self.method(name)(request, timeout=60)

    def context(self, **pairs):
        entries = [self.message("ContextEntry", key=key, value=value) for key, value in pairs.items()]
        return self.message("Context", entries=entries)

    def stream(self, name, start, data, size, finish=True):
        request = name.split("/")[1] + "Request"

        def messages():
            yield self.message(request, start=start)
            for at in range(0, len(data), size):
                yield self.message(request, data=data[at:at + size])
            if finish:
                yield self.message(request, finish=self.message("StreamFinish"))

        pieces, summary = [], None
        for answer in self.method(name)(messages(), timeout=120):
            if answer.WhichOneof("message") == "summary":
                summary = answer.summary
            else:
                pieces.append(answer.data)
        return b"".join(pieces), summary


def done(name):
    print("ok " + name, flush=True)


def refused(name, code, reason, action):
    try:
        action()
    except grpc.RpcError as error:
        assert error.code() == code, (name, error.code(), error.details())
        details = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
        assert reason.encode() in details, (name, details)
        done(name)
    else:
        raise AssertionError(name + " was answered")


def data_key(api, key):
    def binding(column):
        return api.message("DataKeyBinding", use=1, context=api.context(table="patients", column=column))

    made = api.call("DataKeys/GenerateDataKey", key=key, binding=binding("name"))
    assert len(made.plaintext) == 32 and len(made.wrapped) == 69
    back = api.call("DataKeys/UnwrapDataKey", wrapped=made.wrapped, binding=binding("name"))
    assert back.plaintext == made.plaintext and back.key == key
    done("data key")

    refused("data key under another context", grpc.StatusCode.INVALID_ARGUMENT, "DECRYPTION_FAILED",
            lambda: api.call("DataKeys/UnwrapDataKey", wrapped=made.wrapped, binding=binding("address")))

    many = api.call("DataKeys/GenerateDataKeys", key=key, binding=binding("name"), count=1000, without_plaintext=True)
    assert len({one.wrapped for one in many.data_keys}) == 1000
    assert not any(one.plaintext for one in many.data_keys)
    done("thousand data keys")


def batch(api, key):
    shared = api.context(table="patients")
    rows = [api.context(row=str(row)) for row in range(1000)]
    plain = [os.urandom(row % 200) for row in range(1000)]
    sealed = api.call("Cipher/EncryptBatch", key=key, context=shared, items=[
        api.message("EncryptItem", plaintext=plaintext, context=row) for plaintext, row in zip(plain, rows)])
    tokens = [one.data for one in sealed.results]

    def opened():
        answer = api.call("Cipher/DecryptBatch", context=shared, items=[
            api.message("DecryptItem", ciphertext=token, context=row) for token, row in zip(tokens, rows)])
        return answer.results

    assert [one.data for one in opened()] == plain
    done("batch")

    # Two ciphertexts change rows: just those two do not open.
    tokens[1], tokens[2] = tokens[2], tokens[1]
    failed = [(row, one.error) for row, one in enumerate(opened()) if one.WhichOneof("result") == "error"]
    assert failed == [(1, "DECRYPTION_FAILED"), (2, "DECRYPTION_FAILED")], failed
    done("swapped rows")


def archive(api, key, mebibytes):
    plaintext = os.urandom(mebibytes * 1024 * 1024 + 12345)
    start = api.message("EncryptStreamStart", key=key, context=api.context(job="python"), content_name="python.bin")
    sealed, summary = api.stream("Cipher/EncryptStream", start, plaintext, 1024 * 1024)
    assert (summary.plaintext_bytes, summary.archive_bytes) == (len(plaintext), len(sealed))
    expected = api.message("DecryptStreamStart", expected_context=api.context(job="python"))
    opened, summary = api.stream("Cipher/DecryptStream", expected, sealed, 300001)
    assert opened == plaintext and summary.plaintext_bytes == len(plaintext)
    done("stream")

    damaged = sealed[:-1] + bytes([sealed[-1] ^ 1])
    refused("damaged stream", grpc.StatusCode.INVALID_ARGUMENT, "DECRYPTION_FAILED",
            lambda: api.stream("Cipher/DecryptStream", api.message("DecryptStreamStart"), damaged, 1024 * 1024))
    refused("stream without an end", grpc.StatusCode.ABORTED, "STREAM_INCOMPLETE",
            lambda: api.stream("Cipher/EncryptStream", start, plaintext[:1000], 1000, finish=False))


def main():
    endpoint, ca, certificate, private_key, descriptor_set, key, mebibytes = sys.argv[1:]

    def read(path):
        with open(path, "rb") as file:
            return file.read()

    if endpoint.startswith("unix:"):
        channel = grpc.insecure_channel(endpoint)
    else:
        channel = grpc.secure_channel(
            endpoint, grpc.ssl_channel_credentials(read(ca), read(private_key), read(certificate)))
    with channel:
        api = Api(channel, read(descriptor_set))
        data_key(api, key)
        batch(api, key)
        archive(api, key, int(mebibytes))


if __name__ == "__main__":
    main()
