using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Ciphering;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using Principal = KeyService.Server.Access.Principal;

namespace KeyService.Server.DataKeys;

/// <summary>Data keys that a caller holds: all that one key version wrapped with one context.</summary>
internal readonly record struct HeldLease(KeyVersionId Version, EncryptionContext Context)
{
    private const int MaxLeases = 1000;

    /// <summary>The leases in a request.</summary>
    /// <exception cref="Refusal">INVALID_ARGUMENT, INVALID_CONTEXT, BATCH_TOO_LARGE.</exception>
    public static IReadOnlyList<HeldLease> Require(IReadOnlyList<LeasedVersion> leases)
    {
        if (leases.Count == 0)
        {
            throw Refusal.InvalidArgument("leases", "must be 1 to 1,000");
        }

        if (leases.Count > MaxLeases)
        {
            throw Refusal.BatchTooLarge("leases", "must be 1 to 1,000");
        }

        var held = new List<HeldLease>(leases.Count);
        var seen = new HashSet<HeldLease>();
        foreach (var lease in leases)
        {
            var field = $"leases[{held.Count}]";
            var one = new HeldLease(RequireVersion(lease.KeyVersion, $"{field}.key_version"), RequestContexts.Require(lease.Context, $"{field}.context"));
            held.Add(seen.Add(one) ? one : throw Refusal.InvalidArgument(field, "stands twice"));
        }

        return held;
    }

    /// <summary>A key version's id in a request.</summary>
    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static KeyVersionId RequireVersion(string text, string field) => KeyVersionId.TryParse(text, out var id)
        ? id
        : throw Refusal.InvalidArgument(field, "must be 16 hexadecimal digits");
}

/// <summary>Says what a principal may do, at this moment, with data keys that it holds.</summary>
internal sealed class LeaseJudge(KeyRing keys, AccessRegister access, TimeProvider time)
{
    /// <summary>An unknown version and a missing grant are one answer: nothing.</summary>
    public async ValueTask<LeaseStanding> JudgeAsync(Principal principal, HeldLease lease, CancellationToken cancellationToken)
    {
        var standing = new LeaseStanding();
        if (await keys.FindVersionAsync(lease.Version, cancellationToken) is not { } version || !version.Row.MayProcess)
        {
            return standing;
        }

        standing.MayDecrypt = access.Allows(principal, Permission.UnwrapDataKey, version.KeyName, lease.Context);
        standing.MayEncrypt = keys.Gate?.IsOpen != false && access.Allows(principal, Permission.GenerateDataKey, version.KeyName, lease.Context)
            && await keys.FindAsync(version.KeyName, cancellationToken) is { } key
            && key.Primary.Id == version.Id && key.MayProtect(time.GetUtcNow());
        return standing;
    }
}
