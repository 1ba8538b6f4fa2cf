using System.Security.Cryptography;
using KeyService.Hsm;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.Tests.Storage;

/// <summary>Row MACs by a key in software, where the service has the HSM's.</summary>
internal static class SoftwareRows
{
    public static RowAuthenticator Of(byte fill = 7)
    {
        var key = Enumerable.Repeat(fill, 32).ToArray();
        return new RowAuthenticator((row, _) => ValueTask.FromResult(HMACSHA256.HashData(key, row.Span)));
    }

    /// <summary>The same by an HSM that may be away.</summary>
    public static RowAuthenticator Of(Func<bool> isAway)
    {
        var key = Enumerable.Repeat((byte)7, 32).ToArray();
        return new RowAuthenticator((row, _) => isAway() ? throw HsmException.Hung("away", null) : ValueTask.FromResult(HMACSHA256.HashData(key, row.Span)));
    }

    /// <summary>Digests of contexts under a key of <see cref="Of"/>.</summary>
    public static ContextDigests NewContexts() => ContextDigests.DeriveAsync(Of(), new byte[16], CancellationToken.None).GetAwaiter().GetResult();

    /// <summary>An installation with the administrator "root-admin" (uid 1000).</summary>
    public static Task<CommitReceipt> InstallAsync(IStore store, RowAuthenticator rows) => NewInstallation.CreateAsync(
        store, rows, new byte[16], [new IntegrityKeyBlob("token-1", new byte[41], new byte[32])], "root-admin", PrincipalType.Person,
        Credential.OfUid(1000), CancellationToken.None);
}
