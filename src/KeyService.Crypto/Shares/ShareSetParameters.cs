namespace KeyService.Crypto.Shares;

/// <summary>What all shares of one splitting have in common (SLIP-39, "Format of the share mnemonic").</summary>
/// <param name="Identifier">15 bits, drawn for the set.</param>
/// <param name="Extendable">The identifier takes no part in encrypting: the same secret can be split again, into shares that belong to it as well.</param>
/// <param name="IterationExponent">0 to 15: encrypting takes 10,000 * 2^exponent iterations of PBKDF2.</param>
/// <param name="GroupThreshold">Groups that are needed, 1 to <paramref name="GroupCount"/>.</param>
/// <param name="GroupCount">Groups, 1 to 16.</param>
public readonly record struct ShareSetParameters(int Identifier, bool Extendable, int IterationExponent, int GroupThreshold, int GroupCount)
{
    /// <summary>Bits of the identifier.</summary>
    public const int IdentifierBits = 15;

    /// <summary>Shares of a group, and groups, at most.</summary>
    public const int MaxCount = 16;
}
