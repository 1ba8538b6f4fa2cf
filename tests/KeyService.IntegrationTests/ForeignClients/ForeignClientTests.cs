namespace KeyService.IntegrationTests.ForeignClients;

/// <summary>Clients that share no line with ours, over both listeners: data keys, batches, streams, and how they see a refusal.</summary>
[Collection("Foreign clients")]
public sealed class ForeignClientTests(ForeignClientService service)
{
    private static readonly string[] Steps =
    [
        "ok data key", "ok data key under another context", "ok thousand data keys", "ok batch", "ok swapped rows",
        "ok stream", "ok damaged stream", "ok stream without an end",
    ];

    [Theory]
    [InlineData("tcp")]
    [InlineData("unix")]
    public async Task Googles_gRPC_for_Node_does_the_whole_job(string listener)
    {
        var interop = Path.Combine(Infrastructure.RepositoryRoot, "tests/interop/node");
        var node = Infrastructure.RequireTool("node", "nodejs");
        Infrastructure.Require(
            Directory.Exists(Path.Combine(interop, "node_modules/@grpc")),
            "the npm packages of tests/interop/node (./test.sh installs them)");

        var result = await Command.RunAsync(
            node,
            [Path.Combine(interop, "client.js"), .. service.Arguments(listener, ForeignClientService.ProtoRoot), "foreign/node", "8"]);

        Assert.Equal(Steps, Lines(result.ExpectExit(0)));
    }

    [Theory]
    [InlineData("tcp")]
    [InlineData("unix")]
    public async Task Debians_python3_grpcio_does_the_whole_job(string listener)
    {
        Infrastructure.Require(
            Directory.Exists("/usr/lib/python3/dist-packages/grpc"), "python3-grpcio (apt-get install python3-grpcio python3-protobuf)");
        var client = Path.Combine(Infrastructure.RepositoryRoot, "tests/interop/python-grpc/client.py");

        // Debian's own python3: its grpcio is not seen by another one that may come first on PATH.
        var result = await Command.RunAsync(
            "/usr/bin/python3", [client, .. service.Arguments(listener, service.DescriptorSet), "foreign/python", "8"]);

        Assert.Equal(Steps, Lines(result.ExpectExit(0)));
    }

    private static string[] Lines(CommandResult result) => result.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
