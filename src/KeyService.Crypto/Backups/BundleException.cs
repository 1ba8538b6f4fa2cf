namespace KeyService.Crypto.Backups;

/// <summary>Why a bundle was refused. Frozen: numbers and names only ever grow.</summary>
public enum BundleFault
{
    /// <summary>The input has 0 bytes.</summary>
    Empty = 1,

    /// <summary>The input does not begin with the magic of a bundle.</summary>
    NotABundle = 2,

    /// <summary>A bundle of another format version.</summary>
    UnsupportedVersion = 3,

    /// <summary>The input ends too early.</summary>
    Truncated = 4,

    /// <summary>A rule of the format is broken, or something follows the end.</summary>
    Damaged = 5,

    /// <summary>The signature is not that of the signing key over these bytes.</summary>
    SignatureInvalid = 6,

    /// <summary>Signed by another key than the one that the reader demanded.</summary>
    OtherSigningKey = 7,

    /// <summary>Whole, and not the one that follows: another installation's, another backup key's, out of order, or one between is missing.</summary>
    NotOfTheChain = 8,
}

/// <summary>The one exception for a bundle that cannot be read. Its text carries no secret.</summary>
public sealed class BundleException : Exception
{
    public BundleException(BundleFault fault, string message)
        : base(message) => Fault = fault;

    /// <summary>What is wrong, for machines.</summary>
    public BundleFault Fault { get; }

    internal static BundleException Truncated(string where) => new(BundleFault.Truncated, $"The bundle is truncated: it ends inside {where}.");

    internal static BundleException Damaged(string rule) => new(BundleFault.Damaged, $"The bundle is damaged: {rule}.");
}
