using KeyService.IntegrationTests.ForeignClients;

namespace KeyService.IntegrationTests.Samples;

/// <summary>samples/python and samples/javascript as their READMEs run them.</summary>
[Collection("Foreign clients")]
public sealed class ForeignSampleTests(ForeignClientService service)
{
    private static string Sample(string path) => Path.Combine(Infrastructure.RepositoryRoot, "samples", path);

    [Fact]
    public async Task The_Python_client_works()
    {
        Infrastructure.Require(
            Directory.Exists("/usr/lib/python3/dist-packages/grpc"), "python3-grpcio (apt-get install python3-grpcio python3-protobuf)");
        Expect(await Command.RunAsync(
            "/usr/bin/python3", [Sample("python/field.py"), .. service.Arguments("tcp", service.DescriptorSet), "foreign/samples"]));
    }

    [Fact]
    public async Task The_JavaScript_client_works()
    {
        var node = Infrastructure.RequireTool("node", "nodejs");
        var modules = Path.Combine(Infrastructure.RepositoryRoot, "tests/interop/node/node_modules");
        Infrastructure.Require(Directory.Exists(Path.Combine(modules, "@grpc")), "the npm packages of tests/interop/node (./test.sh installs them)");
        Expect(await Command.RunAsync(
            node, [Sample("javascript/field.js"), .. service.Arguments("tcp", ForeignClientService.ProtoRoot), "foreign/samples"],
            new Dictionary<string, string?> { ["NODE_PATH"] = modules }));
    }

    private static void Expect(CommandResult result)
    {
        var lines = result.ExpectExit(0).Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Matches("^data key: 32 bytes, wrapped 69, under version [0-9a-f]{16}$", lines[0]);
        Assert.Equal(["field: 078-05-1120", "another row: INVALID_ARGUMENT"], lines[1..]);
    }
}
