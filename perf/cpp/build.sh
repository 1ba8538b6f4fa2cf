#!/usr/bin/env bash
# Builds the C++ peer of bar P5 into a directory: OUT/echo. Debian: g++ pkg-config libgrpc++-dev protobuf-compiler protobuf-compiler-grpc.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) out=$1
protos=$here/../KeyService.Load/Protos
mkdir -p "$out"
protoc -I "$protos" --cpp_out="$out" --grpc_out="$out" --plugin=protoc-gen-grpc="$(command -v grpc_cpp_plugin)" "$protos/echo.proto"
g++ -O2 -std=c++17 -I "$out" -o "$out/echo" "$here/echo.cc" "$out/echo.pb.cc" "$out/echo.grpc.pb.cc" $(pkg-config --cflags --libs grpc++ protobuf)
