using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using KeyService.Crypto;
using KeyService.Crypto.Shares;

namespace KeyService.IntegrationTests.Interop;

/// <summary>Shares of ours in another implementation of SLIP-39 (npm's slip39) and back.</summary>
public sealed class ForeignSharesTests
{
    private const string Passphrase = "correct horse";

    [Theory]
    [InlineData(32, 3, 5)]
    [InlineData(16, 2, 2)]
    [InlineData(32, 1, 1)]
    public async Task Ours_open_there_and_theirs_here(int length, int threshold, int count)
    {
        byte[] secret = RandomNumberGenerator.GetBytes(length);
        IReadOnlyList<Share> ours = SecretSharing.Split(secret, threshold, count, Encoding.ASCII.GetBytes(Passphrase), iterationExponent: 0);
        JsonObject there = await AskAsync(new JsonObject
        {
            ["mnemonics"] = new JsonArray([.. ours.TakeLast(threshold).Select(share => (JsonNode)TextOf(share))]), ["passphrase"] = Passphrase,
        });
        Assert.Equal(Convert.ToHexStringLower(secret), there["secret"]!.GetValue<string>());

        JsonObject theirs = await AskAsync(new JsonObject
        {
            ["secret"] = Convert.ToHexStringLower(secret), ["threshold"] = threshold, ["count"] = count, ["passphrase"] = Passphrase,
        });
        List<Share> read = [.. theirs["mnemonics"]!.AsArray().Select(text => Parse(text!.GetValue<string>()))];
        Assert.Equal(count, read.Count);
        using SecretBuffer? here = SecretSharing.Combine(read, Encoding.ASCII.GetBytes(Passphrase), out ShareFault fault, out _);
        Assert.Equal(ShareFault.None, fault);
        Assert.Equal(secret, here!.DangerousSpan.ToArray());
        foreach (Share share in ours.Concat(read))
        {
            share.Dispose();
        }
    }

    private static async Task<JsonObject> AskAsync(JsonObject request)
    {
        string folder = Path.Combine(Infrastructure.RepositoryRoot, "tests/interop/node");
        string node = Infrastructure.RequireTool("node", "nodejs");
        Infrastructure.Require(Directory.Exists(Path.Combine(folder, "node_modules/slip39")), "the npm packages of tests/interop/node (./test.sh installs them)");
        CommandResult result = await Command.RunAsync(node, [Path.Combine(folder, "slip39.js")], input: Encoding.UTF8.GetBytes(request.ToJsonString()));
        return JsonNode.Parse(result.ExpectExit(0).Text)!.AsObject();
    }

    private static string TextOf(Share share)
    {
        var words = new ushort[share.WordCount];
        share.WriteWords(words);
        return string.Join(' ', words.Select(word => ShareWordList.At(word)));
    }

    private static Share Parse(string text)
    {
        ushort[] words = [.. text.Split(' ').Select(word => ShareWordList.TryFind(word, out ushort number) ? number : ushort.MaxValue)];
        Assert.True(Share.TryParse(words, out Share? share, out ShareFault fault), $"{fault}");
        return share!;
    }
}
