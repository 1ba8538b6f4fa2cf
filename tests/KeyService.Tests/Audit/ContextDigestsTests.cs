using System.Security.Cryptography;
using System.Text.Json.Nodes;
using KeyService.Crypto;
using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Tests.Crypto;

namespace KeyService.Tests.Audit;

/// <summary>Contexts as records name them: docs/spec/installation-keys.md.</summary>
public sealed class ContextDigestsTests
{
    private const string File = "installation-keys.json";

    [Fact]
    public async Task Every_vector_comes_out_under_the_derived_key()
    {
        byte[] integrityKey = Vectors.Load(File).Bytes("integrityKey");
        using ContextDigests digests = await DeriveAsync(integrityKey, Vectors.Load(File).Bytes("installation"));
        foreach (JsonObject vector in Vectors.List(File, "contextDigests"))
        {
            var context = EncryptionContext.Create(
                vector["pairs"]!.AsArray().Select(pair => KeyValuePair.Create(pair![0]!.GetValue<string>(), pair[1]!.GetValue<string>())));
            Assert.Equal(vector.Bytes("digest"), digests.Of(context));
        }
    }

    [Fact]
    public async Task Another_installation_names_a_context_otherwise()
    {
        var context = EncryptionContext.Create("patient", "4711");
        using ContextDigests one = await DeriveAsync(new byte[32], new byte[16]);
        using ContextDigests same = await DeriveAsync(new byte[32], new byte[16]);
        using ContextDigests otherId = await DeriveAsync(new byte[32], [.. new byte[15], 1]);
        using ContextDigests otherKey = await DeriveAsync([.. new byte[31], 1], new byte[16]);
        Assert.Equal(one.Of(context), same.Of(context));
        Assert.Equal(4, new[] { one.Of(context), otherId.Of(context), otherKey.Of(context), context.ComputeDigest() }.Select(Convert.ToHexString).Distinct().Count());
    }

    [Fact]
    public async Task A_digest_after_the_end_is_refused_and_not_a_digest_under_zeros()
    {
        ContextDigests digests = await DeriveAsync(new byte[32], new byte[16]);
        digests.Dispose();
        Assert.Throws<ObjectDisposedException>(() => digests.Of(EncryptionContext.Empty));
    }

    private static Task<ContextDigests> DeriveAsync(byte[] integrityKey, byte[] installation) => ContextDigests.DeriveAsync(
        new RowAuthenticator((message, _) => ValueTask.FromResult(HMACSHA256.HashData(integrityKey, message.Span))), installation, CancellationToken.None);
}
