using System.Text.Json;

namespace KeyService.IntegrationTests.ForeignClients;

/// <summary>
/// <c>buf curl</c>: what somebody at a terminal uses, with the .proto files at hand or with nothing but server reflection.
/// </summary>
[Collection("Foreign clients")]
public sealed class BufCurlTests(ForeignClientService service)
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Generates_and_unwraps_a_data_key(bool reflection)
    {
        const string Binding = """{"use":"DATA_KEY_USE_GENERAL","context":{"entries":[{"key":"table","value":"patients"}]}}""";

        var made = (await CurlAsync(reflection, "DataKeys/GenerateDataKey", $$"""{"key":"foreign/buf","binding":{{Binding}}}""")).Single();
        var back = (await CurlAsync(
            reflection, "DataKeys/UnwrapDataKey",
            $$"""{"wrapped":{{made.GetProperty("wrapped").GetRawText()}},"binding":{{Binding}}}""")).Single();

        Assert.Equal(32, made.GetProperty("plaintext").GetBytesFromBase64().Length);
        Assert.Equal(made.GetProperty("plaintext").GetString(), back.GetProperty("plaintext").GetString());
        Assert.Equal("foreign/buf", back.GetProperty("key").GetString());
    }

    [Fact]
    public async Task Encrypts_and_decrypts_a_batch()
    {
        var sealedBatch = (await CurlAsync(reflection: false, "Cipher/EncryptBatch",
            """{"key":"foreign/buf","items":[{"plaintext":"aGVsbG8="},{"plaintext":"d29ybGQ="}]}""")).Single();
        var items = string.Join(',', sealedBatch.GetProperty("results").EnumerateArray()
            .Select(result => $$"""{"ciphertext":"{{result.GetProperty("data").GetString()}}"}"""));

        var opened = (await CurlAsync(reflection: false, "Cipher/DecryptBatch", $$"""{"items":[{{items}}]}""")).Single();

        var plaintexts = opened.GetProperty("results").EnumerateArray().Select(result => result.GetProperty("data").GetString());
        Assert.Equal(["aGVsbG8=", "d29ybGQ="], plaintexts);
    }

    [Fact]
    public async Task Encrypts_and_decrypts_a_stream()
    {
        var answers = await CurlAsync(reflection: false, "Cipher/EncryptStream",
            """{"start":{"key":"foreign/buf","contentName":"hello.txt"}} {"data":"aGVsbG8="} {"data":"d29ybGQ="} {"finish":{}}""");
        var archive = string.Join(' ', answers.Where(answer => answer.TryGetProperty("data", out _))
            .Select(answer => $$"""{"data":"{{answer.GetProperty("data").GetString()}}"}"""));

        var opened = await CurlAsync(reflection: false, "Cipher/DecryptStream", $$"""{"start":{} } {{archive}} {"finish":{} }""");

        Assert.Equal("10", answers[^1].GetProperty("summary").GetProperty("plaintextBytes").GetString());
        var plaintext = opened.Where(answer => answer.TryGetProperty("data", out _))
            .SelectMany(answer => answer.GetProperty("data").GetBytesFromBase64());
        Assert.Equal("helloworld"u8.ToArray(), plaintext);
    }

    private async Task<List<JsonElement>> CurlAsync(bool reflection, string method, string request)
    {
        var buf = Path.Combine(Infrastructure.RepositoryRoot, "tests/interop/node/node_modules/.bin/buf");
        Infrastructure.Require(File.Exists(buf), "buf (./test.sh installs it into tests/interop/node)");
        var fixture = service.Service;
        List<string> arguments =
        [
            "curl", "--protocol", "grpc",
            "--cacert", fixture.CaPath, "--cert", fixture.Database.CertificatePath, "--key", fixture.Database.KeyPath,
            "--data", "@-", $"https://localhost:{fixture.Port}/keyservice.v1.{method}",
        ];
        if (!reflection)
        {
            arguments.InsertRange(1, ["--schema", ForeignClientService.ProtoRoot]);
        }
        var result = await Command.RunAsync(buf, arguments, input: System.Text.Encoding.UTF8.GetBytes(request));
        return Messages(result.ExpectExit(0).Output);
    }

    // buf writes one JSON object after the other.
    private static List<JsonElement> Messages(byte[] output)
    {
        var messages = new List<JsonElement>();
        var reader = new Utf8JsonReader(output, new JsonReaderOptions { AllowMultipleValues = true });
        while (reader.Read())
        {
            messages.Add(JsonElement.ParseValue(ref reader));
        }
        return messages;
    }
}
