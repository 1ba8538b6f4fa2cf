#!/usr/bin/python3
"""Generates a data key over mutual TLS, and encrypts and decrypts a field through the service. Needs grpcio, protobuf and the .proto files.

    field.py HOST:PORT CA CERTIFICATE KEY DESCRIPTORS KEY-NAME

DESCRIPTORS is made of the .proto files by buf or protoc (README.md). Generated stubs (grpc_tools) do as well; this needs none.
"""
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


def api(channel, descriptors):
    """Makes messages by name, and a function that calls a method with a request's fields."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors).file:
        pool.Add(file)
    factory = message_factory.MessageFactory(pool)

    def message(name, **fields):
        return factory.GetPrototype(pool.FindMessageTypeByName("keyservice.v1." + name))(**fields)

    def call(service, method, **fields):
        answer = pool.FindServiceByName("keyservice.v1." + service).FindMethodByName(method).output_type
        request = message(method + "Request", **fields)
        remote = channel.unary_unary(
            f"/keyservice.v1.{service}/{method}",
            request_serializer=lambda each: each.SerializeToString(),
            response_deserializer=factory.GetPrototype(answer).FromString)
        return remote(request, timeout=30)

    return message, call


def main(endpoint, ca, certificate, key, descriptors, key_name):
    def read(path):
        with open(path, "rb") as file:
            return file.read()

    credentials = grpc.ssl_channel_credentials(read(ca), read(key), read(certificate))
    with grpc.secure_channel(endpoint, credentials) as channel:
        message, call = api(channel, read(descriptors))

        def row(number):
            pairs = {"database": "ehr", "table": "patient", "column": "ssn", "row": str(number)}
            return message("Context", entries=[message("ContextEntry", key=name, value=value) for name, value in pairs.items()])

        # A data key for a format of your own: encrypt with the plaintext key, keep only the wrapped one beside the data.
        binding = message("DataKeyBinding", use="DATA_KEY_USE_GENERAL", context=row(4711))
        made = call("DataKeys", "GenerateDataKey", key=key_name, binding=binding)
        opened = call("DataKeys", "UnwrapDataKey", wrapped=made.wrapped, binding=binding)
        assert opened.plaintext == made.plaintext
        print(f"data key: {len(made.plaintext)} bytes, wrapped {len(made.wrapped)}, under version {made.key_version}")

        # A field, encrypted inside the service: the token opens for its own row only.
        sealed = call("Cipher", "Encrypt", key=key_name, context=row(4711), plaintext="078-05-1120".encode())
        plain = call("Cipher", "Decrypt", context=row(4711), ciphertext=sealed.ciphertext)
        print(f"field: {plain.plaintext.decode()}")
        try:
            call("Cipher", "Decrypt", context=row(4712), ciphertext=sealed.ciphertext)
        except grpc.RpcError as error:
            print(f"another row: {error.code().name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
