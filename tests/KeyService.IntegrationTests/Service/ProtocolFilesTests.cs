namespace KeyService.IntegrationTests.Service;

/// <summary>The .proto files of keyservice/v1: buf's standard lint, and no change that breaks a caller.</summary>
public sealed class ProtocolFilesTests : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("keyservice-proto-").FullName;

    private static string Protocol => Path.Combine(Infrastructure.RepositoryRoot, "src/KeyService.Protocol");

    private static string Frozen => Path.Combine(Infrastructure.RepositoryRoot, "tests/vectors/keyservice-v1.binpb");

    [Fact]
    public async Task They_pass_the_standard_lint() => (await BufAsync("lint", Protocol)).ExpectExit(0);

    [Fact]
    public async Task They_break_no_caller_of_the_frozen_API() => (await BufAsync("breaking", Protocol, "--against", Frozen)).ExpectExit(0);

    [Fact]
    public async Task The_frozen_image_holds_the_whole_API()
    {
        var now = Path.Combine(directory, "now.binpb");
        (await BufAsync("build", Protocol, "--exclude-source-info", "-o", now)).ExpectExit(0);

        Assert.True(
            File.ReadAllBytes(now).SequenceEqual(File.ReadAllBytes(Frozen)),
            "The API has grown: run dev/freeze-api.sh, so that the addition is held from now on.");
    }

    [Theory]
    [InlineData("bytes plaintext = 1;", "bytes clear_text = 1;")]
    [InlineData("bytes wrapped = 2;", "string wrapped = 2;")]
    [InlineData("rpc RewrapDataKey(", "rpc RewrapOneDataKey(")]
    public async Task A_change_that_would_break_a_caller_is_found(string was, string becomes)
    {
        (await Command.RunAsync(
            "cp", ["-r", Path.Combine(Protocol, "buf.yaml"), Path.Combine(Protocol, "keyservice"), directory])).ExpectExit(0);
        var file = Path.Combine(directory, "keyservice/v1/data_keys.proto");
        var text = await File.ReadAllTextAsync(file);
        Assert.Contains(was, text, StringComparison.Ordinal);
        await File.WriteAllTextAsync(file, text.Replace(was, becomes, StringComparison.Ordinal));

        var result = await BufAsync("breaking", directory, "--against", Frozen);

        Assert.Contains("data_keys.proto", result.ExpectExit(100).Text, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(directory, recursive: true);

    private static Task<CommandResult> BufAsync(params string[] arguments)
    {
        var buf = Path.Combine(Infrastructure.RepositoryRoot, "tests/interop/node/node_modules/.bin/buf");
        Infrastructure.Require(File.Exists(buf), "buf (./test.sh installs it into tests/interop/node)");
        return Command.RunAsync(buf, arguments);
    }
}
