// The peer of bar P5: Google's C++ gRPC, one duplex stream of 1 MiB messages over a Unix socket, echoed without encryption.
//
//   echo serve ADDRESS              serves until its stdin ends; writes "ready"
//   echo send ADDRESS               for every number N on a line of stdin sends N MiB and takes them back; answers "wall-seconds"
//
// ADDRESS is what gRPC takes: unix:/path or 127.0.0.1:port. The synchronous API, one thread that writes and one that reads, as its guide has it.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <grpcpp/grpcpp.h>
#include "echo.grpc.pb.h"

using keyservice::perf::Echo;
using keyservice::perf::EchoMessage;

namespace {

constexpr int kPiece = 1024 * 1024;
constexpr int kLargest = 8 * kPiece;

class EchoService final : public Echo::Service {
  grpc::Status SayAll(grpc::ServerContext*, grpc::ServerReaderWriter<EchoMessage, EchoMessage>* stream) override {
    EchoMessage message;
    while (stream->Read(&message)) {
      if (!stream->Write(message)) break;
    }
    return grpc::Status::OK;
  }
};

int Serve(const std::string& address) {
  EchoService service;
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kLargest);
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server) return 1;
  std::cout << "ready" << std::endl;
  while (std::cin.get() != EOF) {}
  server->Shutdown(std::chrono::system_clock::now());
  return 0;
}

double Send(Echo::Stub& stub, long mebibytes) {
  grpc::ClientContext context;
  auto stream = stub.SayAll(&context);
  auto begin = std::chrono::steady_clock::now();
  std::thread writer([&] {
    EchoMessage message;
    message.set_data(std::string(kPiece, 'x'));
    for (long i = 0; i < mebibytes && stream->Write(message); i++) {}
    stream->WritesDone();
  });
  long long back = 0;
  EchoMessage answer;
  while (stream->Read(&answer)) back += static_cast<long long>(answer.data().size());
  writer.join();
  grpc::Status status = stream->Finish();
  if (!status.ok() || back != static_cast<long long>(mebibytes) * kPiece) {
    std::cerr << "echo: " << status.error_message() << ", " << back << " bytes came back" << std::endl;
    exit(1);
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

int Client(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kLargest);
  auto stub = Echo::NewStub(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
  long mebibytes;
  while (std::cin >> mebibytes) {
    std::printf("%.6f\n", Send(*stub, mebibytes));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 3 && !std::strcmp(arguments[1], "serve")) return Serve(arguments[2]);
  if (count == 3 && !std::strcmp(arguments[1], "send")) return Client(arguments[2]);
  std::cerr << "echo serve|send ADDRESS" << std::endl;
  return 2;
}
