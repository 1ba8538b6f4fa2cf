using System.Globalization;

namespace KeyService.Crypto.Approvals;

/// <summary>
/// How many officers must agree: 2 to 64. Fewer than two cannot be held: what is stored is the number above two, so that even the default value asks
/// for two.
/// </summary>
public readonly record struct Quorum
{
    /// <summary>The smallest quorum.</summary>
    public const int Least = 2;

    private readonly byte _aboveLeast;

    private Quorum(byte aboveLeast) => _aboveLeast = aboveLeast;

    /// <summary>Officers that must agree, 2 or more.</summary>
    public int Required => Least + _aboveLeast;

    /// <summary>False for what is no quorum.</summary>
    /// <param name="required">2 to 64.</param>
    public static bool TryOf(int required, out Quorum quorum)
    {
        bool valid = required is >= Least and <= Roster.MaxOfficers;
        quorum = valid ? new Quorum((byte)(required - Least)) : default;
        return valid;
    }

    /// <inheritdoc/>
    public override string ToString() => Required.ToString(CultureInfo.InvariantCulture);
}
